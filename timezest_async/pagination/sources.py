"""Where records come from: what all ways of reading a list have in common, and the plain way."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Generic, TypeVar

import attrs
import yarl

from timezest_async.errors import PaginationError
from timezest_async.pagination.checkpoints import damaged
from timezest_async.pagination.gaps import Gap, Gaps, next_gap
from timezest_async.pagination.pages import Fetched, Page, PageReader

T = TypeVar("T")

_MAX_ASKED: Final = 1_000


class Source(ABC, Generic[T]):
    """A list on its way: hands over records in order, and knows where it stands.

    ``fill`` and ``take`` are apart so that only waiting for the service costs an ``await``.
    """

    backwards: bool = False
    """Whether records come from older to newer."""

    @abstractmethod
    def start(self) -> None:
        """Begin to read, without waiting for it."""

    @abstractmethod
    async def fill(self) -> bool:
        """Wait until ``take`` has a record to give; tell whether there is one, or the end is reached."""

    @abstractmethod
    def take(self) -> T | None:
        """Hand over the next record, or None where ``fill`` is needed first."""

    def take_page(self, limit: int | None) -> Page[T]:
        """Hand over the records that need no waiting for, up to a limit, newest first."""
        records: list[T] = []
        while len(records) != limit and (record := self.take()) is not None:
            records.append(record)
        return Page(tuple(records[::-1] if self.backwards else records))

    @abstractmethod
    def position(self) -> dict[str, Any]:
        """Tell as JSON where to go on after the last record handed over."""

    @abstractmethod
    def close(self) -> None:
        """Stop all that is under way. It awaits nothing, so that a finalizer can call it."""

    @abstractmethod
    async def wait_closed(self) -> None:
        """Wait, after ``close``, until nothing is under way any more."""


@attrs.define(eq=False)
class Trouble:
    """What stopped one of several queries, for whoever waits for another of them.

    Attributes:
        error: The first error, or None.
    """

    error: BaseException | None = None
    _reported: asyncio.Event = attrs.field(factory=asyncio.Event)

    def report(self, error: BaseException) -> None:
        """Note that a query failed."""
        self.error = self.error or error
        self._reported.set()

    async def wait(self) -> None:
        """Wait until a query has failed."""
        await self._reported.wait()


class QuerySource(Source[T]):
    """A source of one query's records, which others can merge."""

    trouble: Trouble | None = None
    """Where to report a failure at once, though records are left to be handed over before it."""

    gaps: Gaps
    """What is done about records that cannot be read."""

    _records: Sequence[T] = ()
    """Those of the page that is being handed over, gaps among them; ``_taken`` are behind the caller."""
    _taken = 0
    _stop = 0
    """How many of them can be taken before the next gap, or the end."""
    _placed: Sequence[T] = ()
    _places: Mapping[str, int] = {}

    @abstractmethod
    def peek(self) -> T | None:
        """Show the record that ``take`` would hand over, or None where ``fill`` is needed first."""

    def take(self) -> T | None:
        """Hand over the next record of the page."""
        taken = self._taken
        if taken == self._stop:
            return None
        self._taken = taken + 1
        return self._records[taken]

    def _show(self, records: Sequence[T]) -> None:
        """Let the records of the next page be taken."""
        self._records, self._taken, self._stop = records, 0, next_gap(records)

    def _pass_gap(self) -> bool:
        """Pass over the gap whose turn it is; tell whether it is any's.

        Raises:
            UnexpectedResponseError: Nobody wants it passed over.
        """
        if self._taken == len(self._records):
            return False
        gap: Any = self._records[self._taken]
        self.gaps.meet(gap)
        self._taken += 1
        self._stop = next_gap(self._records, self._taken)
        return True

    def _behind(self) -> int:
        """Count the records behind the caller, up to the last one that has an id to go on after."""
        behind = self._taken
        while behind and isinstance(gap := self._records[behind - 1], Gap) and not gap.has_id:
            behind -= 1
        return behind

    def holds_later(self, id: str) -> bool:
        """Tell whether a record of this id is on the same page as the one that ``peek`` shows, after it."""
        if self._placed is not self._records:
            self._placed = self._records
            self._places = {record.id: place for place, record in enumerate(self._records)}  # type: ignore[attr-defined]  # every record has an id
        return self._places.get(id, -1) > self._taken


class Chain(Generic[T]):
    """The pages of one query, each of which says where the next one is.

    Attributes:
        url: The page to ask for next, or None after the last.
    """

    def __init__(self, reader: PageReader[T], url: yarl.URL, *, backwards: bool = False) -> None:
        self.url: yarl.URL | None = url
        self._reader = reader
        self._backwards = backwards
        self._failure: PaginationError | None = None
        # Hashes, so that a list of any length costs some bytes a page: of recent URLs, of first records.
        # A chain that resumes has not asked for the list's beginning, but whoever did so before has.
        self._asked = {_identity(url), _identity(url.without_query_params("starting_after", "ending_before"))}
        self._firsts: set[int] = set()
        self._latest: set[str] = set()
        self._beginning: datetime | None = None

    def advance(self, fetched: Fetched[T]) -> None:
        """Take in the links of the page at ``url``: find the next one. A bad link is an error once needed."""
        url, self.url = self.url, None
        link = fetched.previous_page if self._backwards else fetched.next_page
        if url is None or link is None:  # closed meanwhile, or at the end
            return
        try:
            following = self._reader.follow(link, url)
        except PaginationError as failure:
            self._failure = failure
            return
        identity = _identity(following)
        if identity in self._asked:
            self._failure = PaginationError("the page's link leads to a page that was read already: a loop")
            return
        self._asked.add(identity)
        self.url = following

    def check_page(self, page: Page[T]) -> Page[T]:
        """Check that the page is none that was there before; leave out what the page before it had too.

        Raises:
            PaginationError: It is: a loop.
        """
        if not page.data:
            return page
        first = hash(page.data[0].id)  # type: ignore[attr-defined]  # every record has an id
        if first in self._firsts:
            raise PaginationError("a page begins with the same record as an earlier page: a loop")
        self._firsts.add(first)
        if len(self._asked) > _MAX_ASKED:  # longer loops come back to a first record
            self._asked.clear()
        if self._reader.is_sorted:
            self._check_direction(page.data)
        before, self._latest = self._latest, {record.id for record in page.data}  # type: ignore[attr-defined]  # as above
        if before.isdisjoint(self._latest):
            return page
        return attrs.evolve(page, data=tuple(one for one in page.data if one.id not in before))  # type: ignore[attr-defined]  # as above

    def _check_direction(self, records: Sequence[Any]) -> None:
        """Check that a sorted list has not gone back behind where this chain began.

        Where a chain resumes, pages from before that place are not known by their URLs or records, but by
        their times.

        Raises:
            PaginationError: It has.
        """
        times: list[datetime] = [record.created_at for record in records if type(record) is not Gap]
        if not times:
            return
        if self._beginning is None:
            self._beginning = min(times) if self._backwards else max(times)
        elif times[-1] < self._beginning if self._backwards else times[0] > self._beginning:
            raise PaginationError(
                "a page goes back behind the place where reading began: a loop, or not sorted by created_at"
            )

    @property
    def goes_on(self) -> bool:
        """Whether there is a next page, or a link that was to lead there."""
        return self.url is not None or self._failure is not None

    def check(self) -> None:
        """Raise the error that the last page's link was, if it was one.

        Raises:
            PaginationError: The link loops or leaves the origin.
        """
        if self._failure is not None:
            raise self._failure


def _identity(url: yarl.URL) -> int:
    """Hash what a URL asks for, however it is encoded."""
    return hash((url.path, tuple(sorted(url.query.items()))))


class SerialSource(QuerySource[T]):
    """One query, one page after the other, read one page ahead of the caller.

    Args:
        reader: Reads the pages.
        query: TQL text, or ``""``.
        position: From ``position()`` of an earlier source, or what starts one (``{"after": id}``, ``{}``).
        backwards: Whether to walk from older to newer by ``previous_page``.
        wanted: How many records are wanted at most; reading ahead stops there.
    """

    def __init__(
        self,
        reader: PageReader[T],
        query: str,
        position: Mapping[str, Any],
        *,
        backwards: bool = False,
        wanted: int | None = None,
    ) -> None:
        after = position.get("after")
        if not isinstance(after, str | None) or position.keys() - {"after"}:
            raise damaged()
        self._reader = reader
        self.backwards = backwards
        self._wanted = wanted
        self._after = after
        self._page: Page[T] = Page(())
        cursor = {"ending_before" if backwards else "starting_after": after} if after else {}
        self._chain = Chain(reader, reader.first_url(query, cursor), backwards=backwards)
        self._reading: asyncio.Task[Fetched[T]] | None = None
        self._read = 0

    def start(self) -> None:
        """Begin to read the next page, if there is one and it is not being read already."""
        if self._reading is None and self._chain.url is not None:
            self._reading = asyncio.create_task(self._reader.fetch(self._chain.url))
            self._reading.add_done_callback(partial(look_at, trouble=self.trouble))

    async def fill(self) -> bool:
        """Wait for a page with records on it; tell whether there is one.

        Raises:
            PaginationError: The way to the next page loops or leaves the origin.
        """
        while self._taken == self._stop:
            if self._pass_gap():
                continue
            self.start()
            if self._reading is None:
                self._chain.check()
                return False
            fetched = await self._reading
            self._reading = None
            self._chain.advance(fetched)
            self._read += fetched.count
            if self._wanted is None or self._read < self._wanted:
                self.start()
                await asyncio.sleep(0)  # the request leaves now, and the service works while we do
            page = self._chain.check_page(fetched.page())
            self._after = self._last_taken()
            self._page = page
            self._show(page.data[::-1] if self.backwards else page.data)
        return True

    def peek(self) -> T | None:
        """Show the next record of the page."""
        return self._records[self._taken] if self._taken < self._stop else None

    def take_page(self, limit: int | None) -> Page[T]:
        """Hand over the rest of the page, up to a limit, with the service's own links."""
        records: list[T] = []
        while self._taken < self._stop and len(records) != limit:
            end = self._stop if limit is None else min(self._stop, self._taken + limit - len(records))
            records += self._records[self._taken : end]
            self._taken = end
            if end == self._stop and len(records) != limit and self.gaps.are_passed:
                self._pass_gap()
        return attrs.evolve(self._page, data=tuple(records[::-1] if self.backwards else records))

    def _last_taken(self) -> str | None:
        behind = self._behind()
        return self._records[behind - 1].id if behind else self._after  # type: ignore[attr-defined]  # as above

    def position(self) -> dict[str, Any]:
        """Tell the id of the last record handed over."""
        after = self._last_taken()
        return {} if after is None else {"after": after}

    def close(self) -> None:
        """Stop reading ahead."""
        self._chain.url = None
        if self._reading is not None:
            cancel(self._reading)

    async def wait_closed(self) -> None:
        """Wait until reading ahead has stopped."""
        if self._reading is not None:
            await asyncio.wait([self._reading])


def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, unless its loop is gone and the task with it."""
    if not task.get_loop().is_closed():
        task.cancel()


def look_at(task: asyncio.Task[Any], trouble: Trouble | None = None) -> None:
    """Look at a task's exception, since a caller who stopped early never will; report it, if asked to."""
    error = None if task.cancelled() else task.exception()
    if error is not None and trouble is not None:
        trouble.report(error)
