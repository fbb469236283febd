"""From pages to durable batches: one is written while the next one is gathered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import attrs

from timezest_async.export.formats import Writer
from timezest_async.export.job_state import Place
from timezest_async.export.progress import Tracker
from timezest_async.export.threads import finished, in_thread
from timezest_async.export.unreadable_file import UnreadableFile
from timezest_async.pagination import Page, Paginator


class Batches:
    """What was read and is not durable yet: at most one batch being written and one being gathered.

    Args:
        paginator: Where the pages come from; asked for its checkpoint.
        writer: Writes them.
        keep: Makes a place durable, after the batch is; blocking.
        place: What is durable to begin with.
        tracker: Is told.
        unreadable: Takes the records that cannot be read, or None.
        size: Records after which a batch is written.
        seconds: Seconds after which it is, if that is sooner.

    Attributes:
        place: What is durable.
    """

    def __init__(
        self,
        paginator: Paginator[Any],
        writer: Writer[Any],
        keep: Callable[[Place], None],
        place: Place,
        tracker: Tracker,
        *,
        unreadable: UnreadableFile | None,
        size: int,
        seconds: float,
    ) -> None:
        self.place: Place = place
        self._paginator = paginator
        self._writer = writer
        self._keep = keep
        self._tracker = tracker
        self._unreadable = unreadable
        self._size = size
        self._seconds = seconds
        self._backwards = place.checkpoint.backwards
        self._records: list[Any] = []
        self._chunks: list[Any] = []
        self._gathered = place
        self._pending = 0
        self._since = time.monotonic()
        self._writing: asyncio.Task[Place] | None = None

    async def add(self, page: Page[Any]) -> None:
        """Take a page in; once there is enough, begin to write, and go on reading meanwhile."""
        records = page.data[::-1] if self._backwards else page.data
        if not records:
            return
        if self._unreadable is not None:
            self._unreadable.passed()
        self._records += records
        if len(self._records) >= self._writer.encodes_at:
            self._encode()
        self._gathered = self._gathered.after(records)
        self._tracker.page_read(self._gathered)
        self._pending += len(records)
        if self._pending >= self._size or time.monotonic() - self._since >= self._seconds:
            await self._write()

    async def flush(self) -> None:
        """Make all that was read durable."""
        await self._write()
        await self._written()

    async def _write(self) -> None:
        await self._written()
        self._since = time.monotonic()
        self._encode()
        if self._chunks or self._unreadable:
            chunks, self._chunks, self._pending = self._chunks, [], 0
            lines = [] if self._unreadable is None else self._unreadable.drain()
            place = attrs.evolve(self._gathered, checkpoint=self._paginator.checkpoint).continuing(self.place)
            self._writing = asyncio.create_task(in_thread(lambda: self._make_durable(chunks, lines, place)))

    def _encode(self) -> None:
        if self._records:
            self._chunks.append(self._writer.encode(self._records))
            self._records = []

    def _make_durable(self, chunks: list[Any], lines: list[bytes], place: Place) -> Place:
        if self._unreadable is not None:
            place = self._unreadable.write(lines, place)
        place = self._writer.commit(chunks, place)
        self._keep(place)
        return place

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self.place = await finished(writing)
            self._tracker.batch_committed(self.place)
