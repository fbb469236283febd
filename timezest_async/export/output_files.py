"""The files of an export: what there is when it begins, what grows, and what is ready and given its name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import (
    check_name,
    create,
    install,
    is_at,
    remove,
    reopen,
    replace,
    sweep,
    sync_folder,
    usual_mode,
    write_all,
)
from timezest_async.export.checksums import Fingerprint, new_digest
from timezest_async.export.job_state import ExportPaths, ExportSpec, Phase, ResumeState, damaged

_CHUNK: Final = 1 << 20


class Identity:
    """Which file or folder an output is, so that another one in its place is noticed.

    Args:
        path: Its name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted: os.stat_result | None = None

    def note(self) -> None:
        """Take what is there for the output."""
        self._noted = self._path.lstat()

    def check(self) -> None:
        """Look whether the output is still there, if it was noted.

        Raises:
            ConfigurationError: It is not.
        """
        if self._noted is None:
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(self._noted, self._path.lstat()):
                return
        raise damaged(self._path, "another program took it away or put another one there")


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


def publish(source: Path, target: Path, expected: Fingerprint | None, *, overwrite: bool) -> None:
    """Rename a file that is ready; can be done again after a crash.

    Args:
        source: Where it is.
        target: Its name from now on.
        expected: What it is; None where nobody noted it.
        overwrite: Whether a file of that name is replaced.

    Raises:
        ConfigurationError: It is not what is expected, or there is another file of that name.
    """
    # Where it is missing it was renamed before a crash, and only tidying up is left.
    here = source if source.exists() else target
    if not here.exists():
        raise damaged(source, "it is gone")
    if expected is not None and not expected.is_of(Fingerprint.of(here)):
        raise damaged(here, "another program changed it")
    if here is target:
        return
    source.chmod(usual_mode(target))
    if overwrite:
        replace(source, target)
        return
    try:
        install(source, target)
    except FileExistsError:
        # A run that was cut short right there left both names of the file.
        if expected is None or not is_expected(target, expected):
            raise made_by_another(target) from None
        remove(source)


def is_expected(path: Path, expected: Fingerprint | None) -> bool:
    """Return whether a file is what is expected, as far as that was noted."""
    return expected is None or expected.is_of(Fingerprint.of(path))


def made_by_another(target: Path) -> ConfigurationError:
    """Make the error for a file of the export's name that somebody else made while it was under way."""
    return ConfigurationError(
        f"{target} was made by another program while this export was under way, and is left as it is: move "
        "it away and resume, or start anew with overwrite=True"
    )


def prepare(paths: ExportPaths, spec: ExportSpec, *, resumes: bool, other_key: bool) -> ResumeState | None:
    """Find what there is, and refuse what must not be touched.

    Args:
        paths: The export's.
        spec: What is to be done.
        resumes: Whether to go on with what is unfinished.
        other_key: Whether that may be of another account's key.

    Returns:
        What is unfinished, perhaps only just begun; None where the file is finished already.

    Raises:
        ConfigurationError: There is what was not asked for.
    """
    check_name(paths.target)
    sweep(paths.state)
    if not spec.overwrite:
        unfinished = ResumeState.load(paths.state)
        if unfinished is not None:
            if not resumes:
                raise ConfigurationError(
                    f"{paths.partial} is an unfinished export: resume=True goes on with it, "
                    "overwrite=True starts anew"
                )
            return _take_over(unfinished, paths, spec, other_key=other_key)
        if os.path.lexists(paths.target):  # a link that leads nowhere would be replaced too
            if resumes:
                return None
            raise ConfigurationError(f"{paths.target} exists already: overwrite=True replaces it")
        if os.path.lexists(paths.partial):
            raise ConfigurationError(
                f"{paths.partial} exists, without the checkpoint that would tell how to resume it: "
                "overwrite=True starts anew"
            )
        if spec.skip_unreadable and paths.unreadable.exists():
            raise ConfigurationError(f"{paths.unreadable} exists already: overwrite=True replaces it")
    # The checkpoint goes before what it is of, and comes before: none is ever of another output.
    remove(paths.state)
    remove(paths.partial)
    remove(paths.partial_unreadable)
    unfinished = ResumeState(spec, export=secrets.token_hex(8))
    unfinished.save(paths.state)
    return unfinished


def _take_over(
    unfinished: ResumeState, paths: ExportPaths, spec: ExportSpec, *, other_key: bool
) -> ResumeState:
    """Go on as an export was begun, but for what may be chosen anew."""
    begun = unfinished.spec
    if not other_key:
        begun.check_account(spec, paths.target)
    begun.check_same(spec, paths.target)
    if not begun.overwrite and unfinished.phase is not Phase.READY and os.path.lexists(paths.target):
        raise made_by_another(paths.target)
    skip = spec.skip_unreadable or begun.skip_unreadable
    taken = attrs.evolve(unfinished, spec=attrs.evolve(begun, start=spec.start, skip_unreadable=skip))
    if begun.start.account != spec.start.account:
        # From now on it is this key's, whatever comes of this run.
        taken.save(paths.state)
    return taken
