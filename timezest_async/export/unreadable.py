"""Records that cannot be read, kept in a file beside the export's: nothing is passed over silently."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from timezest_async.export.durable import remove, replace, sync_folder
from timezest_async.export.json_text import exact_bytes
from timezest_async.export.states import Place
from timezest_async.export.writers.base import damaged
from timezest_async.models.reading import UnreadableRecord
from timezest_async.pagination import OnUnreadable


class UnreadableFile:
    """A file of JSON lines: ``{"reason": text, "raw": the record as it came}``.

    Args:
        partial: Where they stand until the export is finished.
        target: Where they stand then.
        beside: What the paginator does with them by itself; a function is told, too.
    """

    def __init__(self, partial: Path, target: Path, beside: OnUnreadable) -> None:
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
        try:
            with self._partial.open("r+b") as file:
                lines = file.read(place.unreadable_bytes)
                file.truncate(place.unreadable_bytes)
        except FileNotFoundError:
            raise damaged(self._partial, "it is gone") from None
        if len(lines) < place.unreadable_bytes:
            raise damaged(
                self._partial, f"it has {len(lines)} bytes where {place.unreadable_bytes} were durable"
            )
        self._maybe_again = set(map(_raw, lines.split(b"\n")))

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
        """Give what is to be written; it is the caller's from now on."""
        lines, self._lines = self._lines, []
        return lines

    def write(self, lines: list[bytes], place: Place) -> Place:
        """Make lines durable; return the place with them."""
        if not lines:
            return place
        with self._partial.open("ab") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if not place.unreadable:
            sync_folder(self._partial.parent)
        return attrs.evolve(place, unreadable=place.unreadable + len(lines), unreadable_bytes=size)

    def finish(self) -> None:
        """Give the file its name."""
        if self._partial.exists():
            replace(self._partial, self._target)


def _raw(line: bytes) -> bytes:
    # Within a JSON string its quotes would be escaped.
    return line.partition(b',"raw":')[2]
