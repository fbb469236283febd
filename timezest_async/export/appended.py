"""A file that is appended to, with a checksum over all that is durable of it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from timezest_async.export.atomic_files import create, is_at, remove, reopen, sync_folder, write_all
from timezest_async.export.fingerprints import Fingerprint, new_digest
from timezest_async.export.job_state import damaged

_CHUNK: Final = 1 << 20


class AppendedFile:
    """A file of our own that grows; whatever else happens to it is noticed.

    Args:
        path: Its name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._length = 0
        self._digest = new_digest()

    @property
    def fingerprint(self) -> Fingerprint:
        """What is durable."""
        return Fingerprint(self._length, self._digest.copy().hexdigest())

    def create(self) -> None:
        """Begin with an empty file, in the place of whatever is there."""
        remove(self._path)
        self._descriptor = create(self._path)
        self._length, self._digest = 0, new_digest()
        sync_folder(self._path.parent)

    def restore(self, durable: Fingerprint) -> None:
        """Cut the file to what is durable.

        Args:
            durable: What that is; its digest is empty where nobody noted it.

        Raises:
            ConfigurationError: It is gone, or is not what it was.
        """
        try:
            self._descriptor = reopen(self._path)
        except FileNotFoundError:
            raise damaged(self._path, "it is gone") from None
        except OSError as error:
            raise damaged(self._path, f"it cannot be opened ({error.strerror})") from None
        self._length, self._digest = 0, new_digest()
        while self._length < durable.length:
            chunk = os.read(self._descriptor, min(_CHUNK, durable.length - self._length))
            if not chunk:
                reason = f"it has {self._length:,} bytes where {durable.length:,} were durable"
                raise damaged(self._path, reason)
            self._digest.update(chunk)
            self._length += len(chunk)
        if durable.digest not in {"", self._digest.hexdigest()}:
            raise damaged(self._path, "what was written was changed since")
        os.ftruncate(self._descriptor, self._length)

    def append(self, chunks: Iterable[bytes]) -> Fingerprint:
        """Append bytes and make them durable; return what is.

        Raises:
            ConfigurationError: The file is not what this one left.
        """
        with self._ours() as descriptor:
            chunks = list(chunks)
            write_all(descriptor, chunks)
        for chunk in chunks:
            self._digest.update(chunk)
            self._length += len(chunk)
        self.check()
        return self.fingerprint

    def check(self) -> None:
        """Look whether the file of this name is ours, and as long as it was made.

        Raises:
            ConfigurationError: It is not.
        """
        with self._ours():
            pass

    @contextmanager
    def _ours(self) -> Generator[int]:
        if self._descriptor is None:
            raise ValueError("the file is closed")
        if not is_at(self._path, self._descriptor):
            raise damaged(self._path, "another program took it away or put another file there")
        size = os.fstat(self._descriptor).st_size
        if size != self._length:
            reason = f"it has {size:,} bytes, not {self._length:,}"
            raise damaged(self._path, f"another program changed it: {reason}")
        os.lseek(self._descriptor, self._length, os.SEEK_SET)
        yield self._descriptor

    def close(self) -> None:
        """Close it."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)
