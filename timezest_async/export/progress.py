"""What a running export tells of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

import attrs

from timezest_async.changes.change import ChangeKind
from timezest_async.export.job_state import Place


@attrs.frozen
class Progress:
    """How far an export is; given after each page, each durable batch, and each change of phase.

    Attributes:
        phase: ``"reading"``; ``"finishing"`` while the output is put together and renamed; ``"done"``.
        records: How many records were read, those of the runs before included.
        durable: How many of them would survive a crash now.
        resumed: How many were there when this run began.
        pages: How many pages this run has read.
        batches: How many batches this run has made durable.
        first: The ``created_at`` (UTC) of the list's first record, or None.
        last: The ``created_at`` (UTC) of the record read last, or None.
        elapsed: Seconds since this run began.
        limit: How many records are wanted at most, or None.
    """

    phase: Literal["reading", "finishing", "done"]
    records: int
    durable: int
    resumed: int
    pages: int
    batches: int
    first: datetime | None
    last: datetime | None
    elapsed: float
    limit: int | None


OnProgress = Callable[[Progress], None]


@attrs.frozen
class Summary:
    """What became of an export.

    Attributes:
        path: The file.
        records: How many records it holds; None where it was finished by an earlier run already.
        resumed: How many of them an earlier run had made durable.
        pages: How many pages were read in this run.
        elapsed: Seconds that this run took.
        bytes: The size of the file.
        unreadable: How many records could not be read, and are kept in ``NAME.unreadable.jsonl``.
    """

    path: Path
    records: int | None
    resumed: int
    pages: int
    elapsed: float
    bytes: int
    unreadable: int = 0

    @classmethod
    def of(cls, path: Path, place: Place | None, progress: Progress) -> Self:
        """Sum up a run that ended at this place, with this progress; None where there was nothing to do."""
        records, unreadable = (None, 0) if place is None else (place.records, place.unreadable)
        size = path.stat().st_size
        return cls(path, records, progress.resumed, progress.pages, progress.elapsed, size, unreadable)


@attrs.frozen
class IncrementalSummary:
    """What a run of an incremental export has found.

    Attributes:
        path: The file.
        created: Records that it never had before; one that was reopened has changed.
        changed: Records of which it had an earlier version.
        unchanged: Records that were read again for nothing.
        vanished: Records that the service no longer has; they stay in the file, with ``vanished_at``.
        pages: Pages read.
        looked_up: Records got by their id, one request each.
        unreadable: Records that cannot be read, and are kept in ``NAME.unreadable.jsonl``.
        first_run: Whether this was a full export.
        changes: What became of which request, by id; of a first run nothing.
    """

    path: Path
    created: int
    changed: int = 0
    unchanged: int = 0
    vanished: int = 0
    pages: int = 0
    looked_up: int = 0
    unreadable: int = 0
    first_run: bool = False
    changes: Mapping[str, ChangeKind] = attrs.field(factory=dict[str, ChangeKind], repr=False)


class Tracker:
    """Keeps the progress of one run, and tells of it.

    Args:
        limit: How many records are wanted at most, or None.
        on_progress: Who is told, or None.
    """

    def __init__(self, limit: int | None, on_progress: OnProgress | None) -> None:
        self._limit = limit
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._phase: Literal["reading", "finishing", "done"] = "reading"
        self._read: Place | None = None
        self._durable = self._resumed = self._pages = self._batches = 0

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        place = self._read
        return Progress(
            phase=self._phase,
            records=0 if place is None else place.records,
            durable=self._durable,
            resumed=self._resumed,
            pages=self._pages,
            batches=self._batches,
            first=None if place is None else _moment(place.first),
            last=None if place is None else _moment(place.last),
            elapsed=time.monotonic() - self._began,
            limit=self._limit,
        )

    def started(self, place: Place) -> None:
        """Note what was durable at the start."""
        self._began = time.monotonic()
        self._read = place
        self._durable = self._resumed = place.records
        self._emit()

    def page_read(self, place: Place) -> None:
        """Note a page, and what is read with it."""
        self._read = place
        self._pages += 1
        self._emit()

    def batch_committed(self, place: Place) -> None:
        """Note what has become durable."""
        self._durable = place.records
        self._batches += 1
        self._emit()

    def phase_changed(self, phase: Literal["finishing", "done"]) -> None:
        """Note a change of phase."""
        self._phase = phase
        self._emit()

    def _emit(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.progress)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
