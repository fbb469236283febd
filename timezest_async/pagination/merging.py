"""Several queries as one stream: newest first, each record once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, TypeVar

from timezest_async.errors import PaginationError
from timezest_async.pagination.positions import MergedPosition
from timezest_async.pagination.sources import (
    FirstFailure,
    QuerySource,
    Source,
    begin,
    cancel,
    consume_exception,
)

T = TypeVar("T")

_FIRST = float("-inf")
_LAST = float("inf")


class MergedSource(Source[T]):
    """Several queries read at the same time and merged.

    Each is sorted by ``created_at``, so only the ids of the current second need remembering to give each
    record once, however many queries it answers. Among records of one second each query's own order is kept,
    as far as its pages at hand tell it; where none tells which of two comes first, the queries' order does.

    Args:
        sources: One for each query.
        position: Where they start.
        backwards: Whether from older to newer.
        is_sorted: Whether the lists promise to be sorted. Where they do not, all ids are remembered.
    """

    def __init__(
        self,
        sources: Sequence[QuerySource[T]],
        position: MergedPosition,
        *,
        backwards: bool = False,
        is_sorted: bool = True,
    ) -> None:
        self._sources = sources
        self.backwards = backwards
        self._sign = 1 if backwards else -1
        self._is_sorted = is_sorted
        self._second, self._seen = position.second, set(position.seen)
        # Keys grow along the stream: they are what the heap sorts the sources' next records by.
        self._key = _FIRST if self._second is None else float(self._sign * self._second)
        self._heap: list[tuple[float, int]] = []
        self._dry = list(range(len(sources)))
        # Sources that resume may first give records created since the checkpoint, from before its place.
        self._resuming = set(self._dry) if self._second is not None else set[int]()
        self._failure: PaginationError | None = None
        self._first_failure = FirstFailure()
        for source in sources:
            source.first_failure = self._first_failure

    def start(self) -> None:
        """Begin to read every query."""
        for source in self._sources:
            source.start()

    async def fill(self) -> bool:
        """Wait until every query that has records left shows its next one; return whether there is any.

        Raises:
            PaginationError: A query's records are not sorted: merging them could lose or double some.
        """
        while self._dry:
            if self._failure is not None:
                raise self._failure
            for index in self._dry:
                self._sources[index].start()
            index = self._dry[-1]
            has_more = await self._fill_one(self._sources[index])
            self._dry.pop()
            if has_more:
                self._push(index)
        return bool(self._heap)

    async def _fill_one(self, source: QuerySource[T]) -> bool:
        """Fill a source, unless another one fails meanwhile: then raise its error, and wait no longer.

        After a 429, for one, its own error may be certain while the others would wait for minutes.
        """
        if source.peek() is not None:
            return True
        filling = begin(source.fill())
        failing = begin(self._first_failure.wait())
        try:
            await asyncio.wait([filling, failing], return_when=asyncio.FIRST_COMPLETED)
            if filling.done() or self._first_failure.error is None:
                return await filling
            raise self._first_failure.error
        finally:
            for task in (filling, failing):
                task.add_done_callback(consume_exception)
                cancel(task)
            if asyncio._get_running_loop() is not None:  # noqa: SLF001  # documented
                await asyncio.wait([filling, failing])

    def take(self) -> T | None:
        """Hand over the next record of all queries, passing over those handed over already."""
        while not self._dry and self._heap:
            key, index = self._pop()
            record: Any = self._sources[index].take()
            if key > self._key:
                self._key = key
                self._second = None if key == _LAST else int(key) * self._sign
                if self._is_sorted:
                    self._seen.clear()
            self._push(index)
            if record.id not in self._seen:
                self._seen.add(record.id)
                return record  # type: ignore[no-any-return]  # Any only to read its id
        return None

    def _pop(self) -> tuple[float, int]:
        """Take from the heap what comes next: of one second's records, one that no query holds back."""
        first = heappop(self._heap)
        if not self._heap or self._heap[0][0] > first[0]:
            return first
        tied = [first]
        while self._heap and self._heap[0][0] == first[0]:
            tied.append(heappop(self._heap))
        # None is free only where the service contradicts itself.
        chosen = next((one for one in tied if self._is_free(one[1], tied)), first)
        tied.remove(chosen)
        for other in tied:
            heappush(self._heap, other)
        return chosen

    def _is_free(self, index: int, tied: Sequence[tuple[float, int]]) -> bool:
        """Return whether no other query has anything before a query's next record, or it was handed over."""
        record: Any = self._sources[index].peek()
        return record.id in self._seen or not any(
            self._sources[other].holds_later(record.id) for _, other in tied
        )

    def _push(self, index: int) -> None:
        """Put a source's next record on the heap, or note that it has none at hand."""
        source = self._sources[index]
        while (record := source.peek()) is not None:
            key = self._key_of(record)
            if key >= self._key or not self._is_sorted:
                self._resuming.discard(index)
                heappush(self._heap, (key, index))
                return
            if index not in self._resuming:
                self._failure = PaginationError(
                    "a query's records are not sorted by created_at, so that merging queries could lose or "
                    "double some: read them one query at a time"
                )
                break
            source.take()
        self._dry.append(index)

    def _key_of(self, record: Any) -> float:
        created_at: datetime | None = record.created_at
        return _LAST if created_at is None else self._sign * created_at.timestamp()

    def position(self) -> MergedPosition:
        """Return where each query stands, and which records of the current second are handed over."""
        parts = tuple(source.position() for source in self._sources)
        return MergedPosition(parts, self._second, frozenset(self._seen))

    def close(self) -> None:
        """Stop reading every query."""
        for source in self._sources:
            source.close()

    async def wait_closed(self) -> None:
        """Wait until every query has stopped."""
        await asyncio.gather(*(source.wait_closed() for source in self._sources))
