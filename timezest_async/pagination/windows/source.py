"""One query read by several readers at once: what ``windows`` decides, done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from time import time
from typing import Any, Final, Literal, TypeVar, cast

import yarl

from timezest_async.budget import Reservation
from timezest_async.errors import PaginationError, TimeZestError
from timezest_async.pagination.chain import Chain, begun_again, leads_on
from timezest_async.pagination.pages import PAGE_SIZE, PageReader
from timezest_async.pagination.positions import ConcurrentPosition, Cursor, QueryPosition, WindowPosition
from timezest_async.pagination.queries import Query
from timezest_async.pagination.serial import CURSOR_GONE
from timezest_async.pagination.sources import QuerySource, begin, cancel, consume_exception
from timezest_async.pagination.windows.scheduler import WindowReader
from timezest_async.pagination.windows.window import PageRequest
from timezest_async.serialization.decoding import Page

T = TypeVar("T")

BUFFER_PAGES: Final = 180
"""Pages in flight or waiting for their turn: as many as one minute's budget."""


class ConcurrentSource(QuerySource[T]):
    """One query's records in the order of a single reader, but read by several.

    A page is chosen when the request budget has a slot for it, not earlier, since what is best changes with
    every page.

    Args:
        reader: Reads the pages.
        query: The query.
        position: From ``position()`` of an earlier source of either way of reading.
        concurrency: How many requests may be in flight at once, or ``"auto"``.
        wanted: How many records are wanted at most.
    """

    def __init__(
        self,
        reader: PageReader[T],
        query: Query,
        position: QueryPosition,
        *,
        concurrency: int | Literal["auto"],
        wanted: int | None = None,
    ) -> None:
        self._reader = reader
        self._query = query
        self._windows = WindowReader[T](
            concurrency=concurrency,
            buffer_pages=BUFFER_PAGES if wanted is None else min(BUFFER_PAGES, 1 + wanted // PAGE_SIZE),
            floor=query.floor,
            ceiling=int(time()) if query.ceiling is None else query.ceiling,
            spread=reader.spreads.recall(query),
            slot_seconds=reader.slot_seconds,
            state=_state(position),
        )
        self._chains: dict[int, Chain[T]] = {}
        self._reached: dict[int, int] = {}
        self._left: dict[int, Cursor] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._arrival = asyncio.Event()  # for who waits for records
        self._change = asyncio.Event()  # for who decides what to ask for next

    def start(self) -> None:
        """Begin to read."""
        if self._dispatcher is None:
            self._dispatcher = begin(self._dispatch())
            self._dispatcher.add_done_callback(consume_exception)

    async def fill(self) -> bool:
        """Wait until the next record in order is there; return whether there is one."""
        while self.peek() is None:
            if self._pass_placeholder():
                continue
            if self._windows.finished:
                return False
            if self._failure is not None:
                raise self._failure
            self.start()
            self._arrival.clear()
            await self._arrival.wait()
        return True

    def peek(self) -> T | None:
        """Return the next record in order, if it is there."""
        if self._taken == len(self._records):
            records = self._windows.take_ready()
            if not records:
                return None
            if self._windows.finished:
                self._reader.spreads.learn(self._query, self._windows.spread())
            self._show(records)
            self._change.set()
        return self._records[self._taken] if self._taken < self._stop else None

    def take(self) -> T | None:
        """Hand over the next record in order, if it is there."""
        self.peek()
        return super().take()

    def position(self) -> ConcurrentPosition:
        """Return where reading stands in every window that is not handed over yet."""
        behind = self._behind()
        cursor = self._windows.cursor_taken.advanced(self._records[:behind])
        return self._windows.state(handed_over=behind, cursor=cursor)

    def close(self) -> None:
        """Stop all readers."""
        for task in (*self._tasks, *([self._dispatcher] if self._dispatcher else [])):
            cancel(task)

    async def wait_closed(self) -> None:
        """Wait until all readers have stopped."""
        tasks = {*self._tasks, *([self._dispatcher] if self._dispatcher else [])}
        if tasks:
            await asyncio.wait(tasks)

    async def _dispatch(self) -> None:
        """Send requests, one whenever there is a slot for it and it is worth it, until all is read."""
        windows = self._windows
        while not windows.finished and self._failure is None:
            self._change.clear()
            if windows.in_flight < windows.concurrency:
                try:
                    slot = await self._reader.reserve()
                except Exception as error:  # noqa: BLE001 - goes to whoever reads the list
                    self._fail(error)
                    return
                request = windows.next_request(self._reader.slots_left + 1)
                if request is not None:
                    task = begin(self._read(request, slot))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                    # A task that is cancelled before it began has not used its slot.
                    task.add_done_callback(partial(_give_back, slot))
                    continue
                slot.release()
            await self._change.wait()

    async def _read(self, request: PageRequest, slot: Reservation) -> None:
        started = asyncio.get_running_loop().time()
        try:
            chain = self._chain_of(request)
            chain.check()
            page = await self._page(chain, request, slot)
        except Exception as error:  # noqa: BLE001 - goes to whoever reads the list
            self._windows.request_failed(request)
            self._fail(error)
            return
        chain = self._chains[request.window]
        goes_on = self._windows.page_arrived(
            request,
            times=self._seconds(request, page.data),
            items=page.data,
            next_cursor=request.cursor.advanced(page.data) if chain.goes_on else None,
            seconds=asyncio.get_running_loop().time() - started,
        )
        if not goes_on:
            del self._chains[request.window]
            self._reached.pop(request.window, None)
            self._left.pop(request.window, None)
        self._arrival.set()
        self._change.set()

    async def _page(self, chain: Chain[T], request: PageRequest, slot: Reservation) -> Page[T]:
        """Read the next page of a chain; where its record is gone, of another one from there on."""
        failure: TimeZestError
        cursor = request.cursor
        try:
            page = await self._next_page(chain, slot, cursor)
        except (*CURSOR_GONE, PaginationError) as error:
            failure = error
        else:
            if await leads_on(self._reader, self._query, cursor, page, asked_after=chain.asked_after):
                return page
            failure = begun_again()
        onward = cursor.onward(self._query, request.lo, request.hi)
        if onward is None or cursor == self._left.get(request.window):
            raise failure
        self._left[request.window] = cursor
        chain = Chain(self._reader, self._reader.first_url(*onward))
        self._chains[request.window] = chain
        return await self._next_page(chain, None, cursor)

    async def _next_page(self, chain: Chain[T], slot: Reservation | None, cursor: Cursor) -> Page[T]:
        # A window whose chain has ended is not asked for again.
        page = await self._reader.fetch(cast("yarl.URL", chain.url), slot)
        chain.advance(page)
        return chain.check_page(page, cursor)

    def _chain_of(self, request: PageRequest) -> Chain[T]:
        """Find the chain that a request goes on with, or begin it: at a bound, or after a record."""
        chain = self._chains.get(request.window)
        if chain is None:
            query = self._query.narrowed(request.lo, request.hi)
            url = self._reader.first_url(query, request.cursor.after)
            chain = self._chains[request.window] = Chain(self._reader, url)
        return chain

    def _seconds(self, request: PageRequest, records: Sequence[Any]) -> list[int]:
        """Return when each record of a page was created (epoch seconds, UTC).

        One that does not say so is taken to be of the time of the one before it, and so stays with it.
        """
        created: list[datetime | None] = [record.created_at for record in records]
        known = [time.timestamp() for time in created if time is not None]
        first = request.hi - 1 if request.hi is not None else known[0] if known else request.lo or 0
        time = int(self._reached.get(request.window, first))
        times: list[int] = []
        for moment in created:
            time = time if moment is None else int(moment.timestamp())
            times.append(time)
        self._reached[request.window] = time
        return times

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        if self.first_failure is not None:
            self.first_failure.report(error)
        self._arrival.set()
        self._change.set()


def _give_back(slot: Reservation, _: asyncio.Task[None]) -> None:
    slot.release()


def _state(position: QueryPosition) -> ConcurrentPosition | None:
    """Return a position as that of a reading by windows; None for a list's beginning."""
    if isinstance(position, ConcurrentPosition):
        return position
    if position.after is None:
        return None
    return ConcurrentPosition((WindowPosition(None, None, position),))
