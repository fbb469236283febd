"""What ``list()`` returns: a list to be read with ``async for``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NoReturn, TypeVar

from timezest_async.errors import (
    InvalidRequestError,
    MultipleFoundError,
    NotFoundError,
)
from timezest_async.pagination.checkpoints import Checkpoint
from timezest_async.pagination.iterations import Batches, Pages, Records, Run, gather
from timezest_async.pagination.merging import MergedSource
from timezest_async.pagination.pages import PAGE_SIZE, PageReader
from timezest_async.pagination.positions import (
    ConcurrentPosition,
    MergedPosition,
    QueryPosition,
    read_position,
)
from timezest_async.pagination.queries import Query
from timezest_async.pagination.serial import SerialSource
from timezest_async.pagination.sources import QuerySource, Source
from timezest_async.pagination.unreadable import OnUnreadable, UnreadablePolicy

T = TypeVar("T")


class Paginator(Generic[T]):
    """A list of records that is read as it is asked for, one page ahead.

    Nothing is sent before it is iterated over, and each ``async for`` starts anew. Memory does not grow with
    the list. Made by the ``list()`` methods of the client.

    Args:
        reader: Reads the pages.
        start: Where the list starts.
        queries: Its queries; by default they are read from their text in ``start``.
        limit: How many records to give at most.
        concurrency: How many readers read each query, where it can be split.
        on_unreadable: What to do with records that cannot be read.

    Attributes:
        start: Where the list starts, however far it has been read.
        limit: How many records it gives at most, or None.
        on_unreadable: What is done with records that cannot be read.
        spreads: What is known of how the records of its kind are spread over time.
    """

    def __init__(
        self,
        reader: PageReader[T],
        start: Checkpoint,
        *,
        queries: Sequence[Query] | None = None,
        limit: int | None = None,
        concurrency: int | Literal["auto"] = 1,
        on_unreadable: OnUnreadable = "raise",
    ) -> None:
        self.start: Final = start
        self.limit: Final = limit
        self.on_unreadable: Final[OnUnreadable] = on_unreadable
        self._queries = tuple(map(Query.parse, start.queries)) if queries is None else queries
        self.spreads: Final = reader.spreads
        self._reader = reader
        self._concurrency: int | Literal["auto"] = concurrency
        self._run: Run[T] | None = None

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

        Raises:
            InvalidRequestError: The checkpoint is of another account.
        """
        return Paginator(
            self._reader,
            place.of_account(self.start.account),
            queries=self._queries if place.queries == self.start.queries else None,
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
        return await gather(aiter(self))

    async def first(self) -> T | None:
        """Read the first record only, or None where there is none."""
        return next(iter(await self._first_few(1)), None)

    async def one(self) -> T:
        """Read the only record there is.

        Raises:
            NotFoundError: There is none.
            MultipleFoundError: There are several.
        """
        record = await self.one_or_none()
        if record is None:
            raise NotFoundError(
                f"there is no such record: {self!r} is empty",
                status=404,
                request_method="GET",
                request_path=self.start.path,
            )
        return record

    async def one_or_none(self) -> T | None:
        """Read the only record there is, or None where there is none.

        Raises:
            MultipleFoundError: There are several.
        """
        found: list[Any] = await self._first_few(2)
        if len(found) > 1:
            ids = " and ".join(str(record.id) for record in found)
            raise MultipleFoundError(
                f"there are several such records, {ids} among them: narrow the filter of {self!r}, or take "
                "the newest with .first()"
            )
        return found[0] if found else None

    async def _first_few(self, count: int) -> list[T]:
        records = Records(self._open(count if self.limit is None else min(count, self.limit)))
        try:
            return await gather(records)
        finally:
            await records.aclose()

    def _open(self, limit: int | None) -> Run[T]:
        reader = self._reader.reporting()
        source = open_source(
            reader,
            self._queries,
            self.start,
            wanted=limit,
            concurrency=self._concurrency,
            unreadable=UnreadablePolicy(self.on_unreadable, reader.emit_unreadable),
        )
        self._run = Run(source, self.start, limit, reader.report)
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
    queries: Sequence[Query],
    start: Checkpoint,
    *,
    wanted: int | None,
    concurrency: int | Literal["auto"],
    unreadable: UnreadablePolicy,
) -> Source[T]:
    """Make what reads a list from a place in it.

    Args:
        reader: Reads the pages.
        queries: The list's.
        start: Where each of them stands.
        wanted: How many records are wanted at most.
        concurrency: How many readers are to read each query.
        unreadable: What is done about records that cannot be read.
    """
    position, backwards = read_position(start.position, len(queries)), start.backwards

    def open_query(query: Query, position: QueryPosition) -> QuerySource[T]:
        # A list that was read concurrently stands at several places, which only that way of reading knows.
        is_short = wanted is not None and wanted <= PAGE_SIZE
        if isinstance(position, ConcurrentPosition) or (concurrency != 1 and not backwards and not is_short):
            # Its many classes take a sixth of the package's own import time; most lists are read serially.
            from timezest_async.pagination.windows.source import ConcurrentSource  # noqa: PLC0415

            source: QuerySource[T] = ConcurrentSource(
                reader, query, position, concurrency=concurrency, wanted=wanted
            )
        else:
            source = SerialSource(reader, query, position, backwards=backwards, wanted=wanted)
        source.unreadable = unreadable
        return source

    if not isinstance(position, MergedPosition):
        return open_query(queries[0], position)
    sources = [open_query(query, part) for query, part in zip(queries, position.parts, strict=True)]
    return MergedSource(sources, position, backwards=backwards, is_sorted=reader.is_sorted)
