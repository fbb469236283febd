"""Records that later runs of an incremental export cannot read, kept beside its file, each once."""

from __future__ import annotations

import os
from pathlib import Path

from timezest_async.export.atomic_files import sync_folder
from timezest_async.export.job_state import Names
from timezest_async.serialization.json_text import exact_bytes
from timezest_async.serialization.readers import UnreadableRecord


class PassedOver:
    """The unreadable records of one run; what was written down by an earlier one is not written again.

    Args:
        target: The export's file.
    """

    def __init__(self, target: Path) -> None:
        self._path = Names.of(target).unreadable
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
