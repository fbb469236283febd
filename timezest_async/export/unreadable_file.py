"""Records that cannot be read, kept in a file beside the export's: nothing is passed over silently."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from timezest_async.export.atomic_files import remove, sync_folder
from timezest_async.export.checksums import Fingerprint
from timezest_async.export.job_state import ExportPaths, Place
from timezest_async.export.output_files import AppendedFile, publish
from timezest_async.pagination import OnUnreadable
from timezest_async.serialization.json_text import exact_bytes
from timezest_async.serialization.readers import UnreadableRecord


class UnreadableFile:
    """A file of JSON lines: ``{"reason": text, "raw": the record as it came}``.

    Args:
        partial: Where they stand until the export is finished.
        target: Where they stand then.
        beside: What the paginator does with them by itself; a function is told, too.
    """

    def __init__(self, partial: Path, target: Path, beside: OnUnreadable) -> None:
        self._file = AppendedFile(partial)
        self._partial = partial
        self._target = target
        self._beside = beside
        self._lines: list[bytes] = []
        self._maybe_again: set[bytes] = set()

    def __len__(self) -> int:
        """Return how many are not durable yet."""
        return len(self._lines)

    def restore(self, place: Place) -> None:
        """Cut the file to what is durable.

        Raises:
            ConfigurationError: It is not what it was.
        """
        if not place.unreadable:
            remove(self._partial)
            return
        self._file.restore(_durable(place))
        self._maybe_again = set(map(_raw, self._partial.read_bytes().split(b"\n")))

    def take(self, record: UnreadableRecord) -> None:
        """Take a record; call it in the place of a paginator's ``on_unreadable``."""
        line = exact_bytes({"reason": record.reason, "raw": record.raw})
        # A record without an id is no cursor: what goes on after the one before it meets it again.
        if _raw(line) not in self._maybe_again:
            self._lines.append(line + b"\n")
            if callable(self._beside):
                self._beside(record)

    def passed(self) -> None:
        """Note that a record was read: no unreadable one from before it can come again."""
        self._maybe_again = set()

    def drain(self) -> list[bytes]:
        """Return what is to be written; it is the caller's from now on."""
        lines, self._lines = self._lines, []
        return lines

    def write(self, lines: list[bytes], place: Place) -> Place:
        """Make lines durable; return the place with them."""
        if not lines:
            return place
        if not place.unreadable:
            self._file.create()
        durable = self._file.append(lines)
        return attrs.evolve(
            place,
            unreadable=place.unreadable + len(lines),
            unreadable_bytes=durable.length,
            unreadable_digest=durable.digest,
        )

    def finish(self, place: Place, *, overwrite: bool) -> None:
        """Name the file, if there is any; can be done again after a crash.

        Raises:
            ConfigurationError: It is not what was written, or there is another one of that name.
        """
        self.close()
        if place.unreadable:
            publish(self._partial, self._target, _durable(place), overwrite=overwrite)
        elif overwrite:
            remove(self._target)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _durable(place: Place) -> Fingerprint:
    return Fingerprint(place.unreadable_bytes, place.unreadable_digest)


def _raw(line: bytes) -> bytes:
    # Within a JSON string its quotes would be escaped.
    return line.partition(b',"raw":')[2]


class UnreadableLog:
    """The unreadable records of a later run of an incremental export, kept beside its file, each once.

    Args:
        target: The export's file.
    """

    def __init__(self, target: Path) -> None:
        self._path = ExportPaths.of(target).unreadable
        self._met: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._met)

    def take(self, record: UnreadableRecord) -> None:
        """Take a record."""
        raw = exact_bytes(record.raw)
        self._met[raw] = b'{"reason":%b,"raw":%b}\n' % (exact_bytes(record.reason), raw)

    def keep(self) -> None:
        """Make them durable."""
        if not self._met:
            return
        is_new = not self._path.exists()
        with self._path.open("a+b") as file:
            file.seek(0)
            lines = file.read()
            # A line that a crash cut short is no line.
            end = file.truncate(lines.rfind(b"\n") + 1)
            kept = {line.partition(b',"raw":')[2].removesuffix(b"}") for line in lines[:end].splitlines()}
            file.writelines(line for raw, line in self._met.items() if raw not in kept)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self._path.parent)
