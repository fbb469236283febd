"""What ``list()`` returns: a list to be read with ``async for``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NoReturn, Self, TypeVar

import attrs

from timezest_async.errors import InvalidRequestError, PaginationError, TimeZestError
from timezest_async.pagination.checkpoints import Checkpoint, damaged, is_json_array
from timezest_async.pagination.gaps import Gaps, OnUnreadable
from timezest_async.pagination.merging import MergedSource
from timezest_async.pagination.pages import PAGE_SIZE, Page, PageReader
from timezest_async.pagination.serial import SerialSource
from timezest_async.pagination.sources import QuerySource, Source

T = TypeVar("T")


class Paginator(Generic[T]):
    """A list of records that is read as it is asked for, one page ahead.

    Nothing is sent before it is iterated over, and each ``async for`` starts anew. Memory does not grow with
    the list. Made by the ``list()`` methods of the client.

    Args:
        reader: Reads the pages.
        start: Where the list starts.
        limit: How many records to give at most.
        concurrency: How many readers read each query, where it can be split.
        on_unreadable: What to do with records that cannot be read.

    Attributes:
        start: Where the list starts, however far it has been read.
        limit: How many records it gives at most, or None.
        on_unreadable: What is done with records that cannot be read.
    """

    def __init__(
        self,
        reader: PageReader[T],
        start: Checkpoint,
        *,
        limit: int | None = None,
        concurrency: int | Literal["auto"] = 1,
        on_unreadable: OnUnreadable = "raise",
    ) -> None:
        self.start: Final = start
        self.limit: Final = limit
        self.on_unreadable: Final[OnUnreadable] = on_unreadable
        self._reader = reader
        self._concurrency: int | Literal["auto"] = concurrency
        self._run: _Run[T] | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the latest ``async for`` stands: ``list(checkpoint=...)`` goes on after its last record."""
        return self.start if self._run is None else self._run.checkpoint

    def starting_at(
        self, place: Checkpoint, limit: int | None = None, *, on_unreadable: OnUnreadable | None = None
    ) -> Paginator[T]:
        """Make a paginator of the same list that starts elsewhere; this one is left as it is.

        Args:
            place: A checkpoint of this list.
            limit: How many records to give at most from there.
            on_unreadable: What to do with records that cannot be read; by default the same as here.
        """
        return Paginator(
            self._reader,
            place,
            limit=limit,
            concurrency=self._concurrency,
            on_unreadable=self.on_unreadable if on_unreadable is None else on_unreadable,
        )

    def __aiter__(self) -> Records[T]:
        return Records(self._open(self.limit))

    def pages(self) -> Pages[T]:
        """Iterate over pages rather than records.

        With one query they are the service's own, newest first even where the list is walked backwards; with
        several they are what could be merged in one go. Empty ones are passed over.
        """
        return Pages(self._open(self.limit))

    def batches(self, size: int) -> Batches[T]:
        """Iterate over lists of ``size`` records; the last one may be shorter.

        Raises:
            InvalidRequestError: ``size`` is not a whole number from 1.
        """
        if type(size) is not int or size < 1:
            raise InvalidRequestError(f"batches() takes a whole number from 1, not {size!r}")
        return Batches(self._open(self.limit), size)

    async def to_list(self) -> list[T]:
        """Read everything into one list; memory grows with it."""
        return [record async for record in self]

    async def first(self) -> T | None:
        """Read the first record only, or None where there is none."""
        records = Records(self._open(1 if self.limit is None else min(1, self.limit)))
        try:
            return await anext(records, None)
        finally:
            await records.aclose()

    def _open(self, limit: int | None) -> _Run[T]:
        source = open_source(
            self._reader,
            self.start,
            wanted=limit,
            concurrency=self._concurrency,
            gaps=Gaps(self.on_unreadable, self._reader.tell_unreadable),
        )
        self._run = _Run(source, self.start, limit)
        return self._run

    if not TYPE_CHECKING:
        # Hidden from type checkers, which so reject what these refuse at run time.
        def __iter__(self) -> NoReturn:
            raise TypeError(
                "this list is read asynchronously: write `async for record in ...`, or await .to_list()"
            )

        def __await__(self) -> NoReturn:
            raise TypeError("list() is not awaited: write `async for record in ...`, or await .to_list()")

    def __repr__(self) -> str:
        return f"<Paginator of {self.start.path} filter={' | '.join(self.start.queries)!r}>"


def open_source(
    reader: PageReader[T],
    start: Checkpoint,
    *,
    wanted: int | None,
    concurrency: int | Literal["auto"],
    gaps: Gaps,
) -> Source[T]:
    """Make what reads a list from a place in it.

    Args:
        reader: Reads the pages.
        start: The queries, and where each stands.
        wanted: How many records are wanted at most.
        concurrency: How many readers are to read each query.
        gaps: What is done about records that cannot be read.
    """
    position, backwards = start.position, start.backwards

    def open_query(query: str, position: Mapping[str, Any]) -> QuerySource[T]:
        # A list that was read concurrently stands at several places, which only that way of reading knows.
        is_short = wanted is not None and wanted <= PAGE_SIZE
        if "pieces" in position or (concurrency != 1 and not backwards and not is_short):
            # Its many classes take a sixth of the package's own import time; most lists are read serially.
            from timezest_async.pagination.concurrent import ConcurrentSource  # noqa: PLC0415

            source: QuerySource[T] = ConcurrentSource(
                reader, query, position, concurrency=concurrency, wanted=wanted
            )
        else:
            source = SerialSource(reader, query, position, backwards=backwards, wanted=wanted)
        source.gaps = gaps
        return source

    if len(start.queries) == 1:
        return open_query(start.queries[0], position)
    parts = position.get("parts", [{}] * len(start.queries))
    if not is_json_array(parts) or len(parts) != len(start.queries):
        raise damaged()
    sources = [open_query(query, part) for query, part in zip(start.queries, parts, strict=True)]
    return MergedSource(sources, position, backwards=backwards, is_sorted=reader.is_sorted)


class _Run(Generic[T]):
    """One reading of a list: shared by the paginator, which is asked for checkpoints, and the iterator."""

    def __init__(self, source: Source[T], start: Checkpoint, left: int | None) -> None:
        self.source = source
        self.left = left
        self._start = start
        self.held: Checkpoint | None = None
        """The checkpoint while records are taken that are not handed over yet."""

    @property
    def checkpoint(self) -> Checkpoint:
        return self.held or attrs.evolve(self._start, position=self.source.position())


class _Iteration(Generic[T]):
    """What the ways of iterating have in common: an end, errors with a checkpoint, nothing left running.

    Reading stops when this object goes, which a ``break`` brings about.
    """

    def __init__(self, run: _Run[T]) -> None:
        self._run = run
        self._source = run.source
        self._is_open = True
        self._stopped_by: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def _fill(self) -> None:
        """Wait for the next record.

        Raises:
            StopAsyncIteration: The end of the list, or the limit, is reached.
            TimeZestError: With the place to resume from.
        """
        if self._stopped_by is not None:
            error = PaginationError(
                f"this iteration was stopped by {type(self._stopped_by).__name__}; start anew, with "
                "list(checkpoint=...) to go on where it stood"
            )
            error.checkpoint = self._run.checkpoint
            raise error
        has_more = False
        try:
            if self._is_open and self._run.left != 0:
                has_more = await self._source.fill()
        except BaseException as error:
            self._stopped_by = error
            if isinstance(error, TimeZestError):
                error.checkpoint = self._run.checkpoint
            raise
        finally:
            if not has_more:
                await self.aclose()
        if not has_more:
            raise StopAsyncIteration

    def _take(self) -> T | None:
        if self._run.left == 0 or not self._is_open:
            return None
        record = self._source.take()
        if record is not None and self._run.left is not None:
            self._run.left -= 1
        return record

    async def aclose(self) -> None:
        """Stop reading, and wait until nothing is under way. Closing twice is fine."""
        if self._is_open:
            self._is_open = False
            self._source.close()
            await self._source.wait_closed()

    def __del__(self) -> None:
        if self._is_open:
            self._source.close()


class Records(_Iteration[T]):
    """Iterate over records."""

    async def __anext__(self) -> T:
        while (record := self._take()) is None:
            await self._fill()
        return record


class Pages(_Iteration[T]):
    """Iterate over pages."""

    async def __anext__(self) -> Page[T]:
        await self._fill()
        page = self._source.take_page(self._run.left)
        if self._run.left is not None:
            self._run.left -= len(page.data)
        return page


class Batches(_Iteration[T]):
    """Iterate over lists of records.

    An error that comes while a batch is gathered is raised after what was gathered is handed over.
    """

    def __init__(self, run: _Run[T], size: int) -> None:
        super().__init__(run)
        self._size = size
        self._failure: TimeZestError | None = None

    async def __anext__(self) -> list[T]:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        batch: list[T] = []
        self._run.held = self._run.checkpoint
        try:
            while len(batch) < self._size:
                while (record := self._take()) is None:
                    await self._fill()
                batch.append(record)
        except StopAsyncIteration:
            if not batch:
                raise
        except TimeZestError as error:
            self._run.held = None
            error.checkpoint = self._run.checkpoint
            if not batch:
                raise
            self._failure = error
        self._run.held = None
        return batch
