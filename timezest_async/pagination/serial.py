"""The plain way of reading a list: one page after the other."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import attrs
import yarl

from timezest_async.errors import (
    BadRequestError,
    NotFoundError,
    PaginationError,
    TimeZestError,
    ValidationError,
)
from timezest_async.pagination.chain import Chain, begun_again, find, leads_on
from timezest_async.pagination.pages import PageReader
from timezest_async.pagination.positions import Cursor
from timezest_async.pagination.queries import Query
from timezest_async.pagination.sources import QuerySource, begin, cancel, consume_exception
from timezest_async.pagination.unreadable import has_id
from timezest_async.serialization.decoding import Page

T = TypeVar("T")

CURSOR_GONE: Final = (BadRequestError, NotFoundError, ValidationError)
"""What the service may answer where the record to go on after is gone."""


class SerialSource(QuerySource[T]):
    """One query, one page after the other, read one page ahead of the caller.

    Args:
        reader: Reads the pages.
        query: The query.
        position: Where it starts.
        backwards: Whether to walk from older to newer by ``previous_page``.
        wanted: How many records are wanted at most; reading ahead stops there.
    """

    def __init__(
        self,
        reader: PageReader[T],
        query: Query,
        position: Cursor,
        *,
        backwards: bool = False,
        wanted: int | None = None,
    ) -> None:
        self._reader = reader
        self._query = query
        self.backwards = backwards
        self._wanted = wanted
        self._cursor = attrs.evolve(position, is_sorted=reader.is_sorted)
        self._left: Cursor | None = None
        self._page: Page[T] = Page(())
        self._chain = self._chain_from(reader.first_url(query, position.after, backwards=backwards))
        self._reading: asyncio.Task[Page[T]] | None = None
        self._read = 0

    def start(self) -> None:
        """Begin to read the next page, if there is one and it is not being read already."""
        if self._reading is None and self._chain.url is not None:
            self._reading = begin(self._reader.fetch(self._chain.url))
            self._reading.add_done_callback(self._consume_exception)

    async def fill(self) -> bool:
        """Wait for a page with records on it; return whether there is one.

        Raises:
            PaginationError: The way to the next page loops or leaves the origin.
        """
        while self._taken == self._stop:
            if self._pass_placeholder():
                continue
            self.start()
            if self._reading is None:
                self._chain.check()
                return False
            try:
                page = await self._reading
            except CURSOR_GONE as error:
                await self._go_on_without_cursor(error)
                continue
            self._reading = None
            self._chain.advance(page)
            if self._wanted is None or self._read + page.count < self._wanted:
                self.start()
                await asyncio.sleep(0)  # the request leaves now, and the service works while we do
            cursor = self._cursor_after(len(self._records))
            try:
                checked = self._chain.check_page(page, cursor)
            except PaginationError as error:  # the service began again, or this is a loop
                await self._go_on_without_cursor(error)
                continue
            if self.backwards and cursor == self._left:
                # It was asked for from further back. What was passed there is known by ids, if it has any.
                new = (one for one in checked.data if has_id(one) or not _is_behind(cursor, one))
                checked = checked.with_data(new)
            if not await self._leads_on(cursor, checked):
                await self._go_on_without_cursor(begun_again())
                continue
            self._read += page.count
            self._cursor = cursor
            self._page = checked.with_data(checked.data)  # without what they were made of
            self._show(checked.data[::-1] if self.backwards else checked.data)
        return True

    async def _go_on_without_cursor(self, error: TimeZestError) -> None:
        """Go on by what else the cursor knows, since its record is gone.

        Raises:
            TimeZestError: This error: it was tried already, or nothing else is known.
        """
        self.close()
        await self.wait_closed()
        self._reading = None
        cursor = self._cursor_after(len(self._records))
        url = None if cursor == self._left else await self._url_from(cursor)
        if url is None:
            raise error
        self._cursor = self._left = cursor
        self._show(())
        self._chain = self._chain_from(url)

    async def _url_from(self, cursor: Cursor) -> yarl.URL | None:
        if not self.backwards:
            onward = cursor.onward(self._query)
            return None if onward is None else self._reader.first_url(*onward)
        if cursor.since is not None:
            return self._reader.first_url(self._query, cursor.since, backwards=True)

        def was_passed(one: Any) -> bool:
            return has_id(one) and _is_behind(cursor, one)

        # Only a cursor leads to newer records: that of the newest one that is there of those passed.
        for query in (self._query, Query()):
            onward = cursor.onward(query)
            passed = None if onward is None else await find(self._reader, onward[0], was_passed)
            if passed is not None:
                return self._reader.first_url(self._query, passed.id, backwards=True)
        return None

    async def _leads_on(self, cursor: Cursor, page: Page[T]) -> bool:
        """Return whether a page leads on from the cursor, rather than to the list's beginning.

        Raises:
            PaginationError: It leads elsewhere.
        """
        is_onward = await leads_on(
            self._reader,
            self._query,
            cursor,
            page,
            asked_after=self._chain.asked_after,
            backwards=self.backwards,
        )
        if is_onward and self.backwards and not self._chain.goes_on:
            return not await self._leaves_out(cursor, page)
        return is_onward

    async def _leaves_out(self, cursor: Cursor, page: Page[T]) -> bool:
        """Return whether records are missing between the cursor and what seems the last page, read backwards.

        It is then the newest page of a list that was begun again.
        """
        start, end = cursor.moment, getattr(page.data[-1], "created_at", None) if page.data else None
        if start is None or not isinstance(end, datetime) or not self._query.is_narrowable:
            return False
        # Of the cursor's own second, what was before the beginning is not known.
        start += timedelta(seconds=cursor.since is not None)
        if end < start:
            return False
        known = {one.id for one in page.data}.union(cursor.seen or ())  # type: ignore[attr-defined]  # every record has an id
        between = self._query.narrowed(int(start.timestamp()), int(end.timestamp()) + 1)
        missed = await find(
            self._reader,
            between,
            lambda one: (
                has_id(one)
                and one.id not in known
                and one.created_at is not None
                and start <= one.created_at <= end
            ),
        )
        return missed is not None

    def _chain_from(self, url: yarl.URL) -> Chain[T]:
        return Chain(self._reader, url, backwards=self.backwards)

    def peek(self) -> T | None:
        """Return the next record of the page."""
        return self._records[self._taken] if self._taken < self._stop else None

    def take_page(self, limit: int | None) -> Page[T]:
        """Hand over the rest of the page, up to a limit, with the service's own links."""
        records: list[T] = []
        while self._taken < self._stop and len(records) != limit:
            end = self._stop if limit is None else min(self._stop, self._taken + limit - len(records))
            records += self._records[self._taken : end]
            self._taken = end
            if end == self._stop and len(records) != limit and self.unreadable.passes_over:
                self._pass_placeholder()
        return self._page.with_data(tuple(records[::-1] if self.backwards else records))

    def _cursor_after(self, count: int) -> Cursor:
        return self._cursor.advanced(self._records[:count], backwards=self.backwards)

    def position(self) -> Cursor:
        """Return where reading stands after the last record handed over."""
        return self._cursor_after(self._behind())

    def close(self) -> None:
        """Stop reading ahead."""
        self._chain.url = None
        if self._reading is not None:
            cancel(self._reading)

    async def wait_closed(self) -> None:
        """Wait until reading ahead has stopped."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _consume_exception(self, task: asyncio.Task[Any]) -> None:
        """Consume the error that reading ended with; report it unless reading may go on all the same."""
        may_go_on = False
        if not task.cancelled() and isinstance(task.exception(), CURSOR_GONE):
            cursor = self._cursor_after(len(self._records))
            may_go_on = cursor.is_known and cursor != self._left
        consume_exception(task, None if may_go_on else self.first_failure)


def _is_behind(cursor: Cursor, record: Any) -> bool:
    if record.id in (cursor.seen or ()):
        return True
    return cursor.moment is not None and record.created_at is not None and record.created_at < cursor.moment
