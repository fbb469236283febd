"""Which page to ask for next when several readers share one list: events in, requests out.

The service gives a list newest first, 20 records a page, behind a cursor that only one reader can follow.
Its filter can be narrowed though, and ranges of ``created_at`` are independent queries. So the list is always
partitioned into *windows*, newest first. Each is one cursor chain and alone answers for the records with
``lo <= created_at < hi``. A split moves a window's ``lo`` up to a time not above what it has received, and
gives what is older to a new window. The bounds of a query that was sent never change; what a chain brings
from beyond its window is dropped by its time. Hence records of one instant never straddle a bound, and since
only the newest unfinished window hands records over, the stream is the one a single reader would have given:
nothing lost, doubled or reordered.

Times are the whole seconds that the service shows; it may keep finer ones. Pieces part at ``LT n`` and
``GTE n`` of one ``n``, which is safe as long as it shows a time rounded down. The user's own bounds are never
used to drop anything, since the service applies them to the finer time.

A page that is not newest first (the service promises that it is) is kept in the order it came. Each record
still goes by its time to exactly one window. Such a window is read to the end of its chain, since one record
beyond its lower bound no longer says that all that follow are, and it is not split again.

No I/O, clock or asyncio here, and nothing about records but their times.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import lt
from typing import Generic, Literal, TypeVar

from attrs import evolve

from timezest_async.errors import InvalidRequestError
from timezest_async.pagination.pages import PAGE_SIZE
from timezest_async.pagination.positions import BEGINNING, ConcurrentPosition, Cursor, WindowPosition
from timezest_async.pagination.windows.hints import Hint
from timezest_async.pagination.windows.planner import Planner
from timezest_async.pagination.windows.spreads import Sampler, Spread
from timezest_async.pagination.windows.tuning import Tuning
from timezest_async.pagination.windows.window import BufferedPage, PageRequest, Window

T = TypeVar("T")

AUTO_CONCURRENCY = 8


class WindowReader(Generic[T]):
    """The state of one list being read by up to ``concurrency`` readers.

    The caller asks for `next_request` whenever a request may be sent (not earlier: what is best changes with
    every page), reports each one's end by `page_arrived` or `request_failed`, and hands over what
    `take_ready` returns, until `finished`.

    Args:
        concurrency: How many requests may be in flight at once, 1 or more. ``"auto"``: 8, but where a page
            takes less than ``slot_seconds``, a longer list is split only if the budget is sure to last:
            one reader alone uses it up, and a wasted request may then cost a wait of a minute.
        buffer_pages: How many pages may be in flight or wait for their turn together, 1 or more.
        floor: The oldest ``created_at`` (epoch seconds, UTC) that the user's filter admits, if any. It helps
            to choose splits; a wrong one costs time, never records.
        ceiling: The newest ``created_at`` that a record may have, such as the present, if it is known. With
            ``floor``, several readers start at once. A hint as well.
        spread: What `spread` told of an earlier list of the account. A hint as well.
        slot_seconds: Seconds in which the budget renews one request (60 s for 180).
        state: What `state` returned in an earlier reading, to go on from there.
        tuning: Figures for choosing splits; the default is the one that simulation found best.

    Raises:
        InvalidRequestError: A number is out of range.
    """

    def __init__(
        self,
        *,
        concurrency: int | Literal["auto"] = "auto",
        buffer_pages: int = 180,
        floor: int | None = None,
        ceiling: int | None = None,
        spread: Spread | None = None,
        slot_seconds: float = 60 / 180,
        state: ConcurrentPosition | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        readers = AUTO_CONCURRENCY if concurrency == "auto" else concurrency
        if readers < 1 or buffer_pages < 1:
            raise InvalidRequestError(
                f"concurrency and buffer_pages count from 1; got {concurrency} and {buffer_pages}"
            )
        self.concurrency = readers
        self.buffered_pages: int = 0
        self._buffer_pages = buffer_pages
        self._planner = Planner(
            readers=readers,
            room=buffer_pages,
            floor=floor,
            ceiling=ceiling,
            hint=Hint(spread),
            tuning=tuning or Tuning(),
            slot_seconds=slot_seconds if concurrency == "auto" else None,
        )
        self._windows: list[Window[T]] = []
        self._sent: dict[int, Window[T]] = {}
        self._last_number = 0
        self._taken: tuple[Window[T], BufferedPage[T]] | None = None
        self._sampler = Sampler(PAGE_SIZE) if state is None else None
        self._is_begun = state is not None
        if state is None:
            self._add(0, lo=None, hi=None)
        else:
            self._restore(state)

    @property
    def finished(self) -> bool:
        """Whether every record was taken."""
        return not self._windows

    @property
    def in_flight(self) -> int:
        """How many requests were given out and not reported yet."""
        return len(self._sent)

    def next_request(self, slots: int | None = None) -> PageRequest | None:
        """Choose the page to ask for now, and count it as in flight.

        Args:
            slots: How many requests the budget would let through at this moment, this one included; None
                where there is no budget.

        Returns:
            The request, or None when none is worth sending before the next page arrives or is taken.
        """
        if not self._is_begun:
            self._is_begun = True
            for at in self._planner.opening(slots):
                if self._windows[0].owns(at):
                    self._split(self._windows[0], at)
        if slots is not None and slots <= 1:
            self._planner.throttled = True
        if len(self._sent) >= self.concurrency:
            return None
        occupied = self.buffered_pages + len(self._sent)
        if occupied >= self._buffer_pages:
            return None
        if occupied > self._planner.tuning.crowded * self._buffer_pages:
            unread = self._within_reach()
        else:
            unread = [window for window in self._windows if not window.complete]
        # Newest first, so a place that falls free in a full buffer goes to the window that all others wait
        # for, and they can never fill it up without that one.
        for window in unread:
            if window.in_flight is None:
                return self._send(window)
        split = self._planner.choose(unread, slots)
        if split is None:
            return None
        older = self._split(split.victim, split.at)
        split.victim.plan(split.ahead)
        older.plan(split.rest)
        older.was_chosen = True
        return self._send(older)

    def page_arrived(
        self,
        request: PageRequest,
        *,
        times: Sequence[int],
        items: Sequence[T],
        next_cursor: Cursor | None,
        seconds: float | None = None,
    ) -> bool:
        """Take in the page that ``request`` brought, and return whether its window has more pages to ask for.

        Args:
            request: What `next_request` returned.
            times: ``created_at`` (epoch seconds, UTC) of each record.
            items: The records, as many and in the same order.
            next_cursor: Where the window's chain stands after the page; None where it has ended.
            seconds: How long the request took, waiting for the budget not included.
        """
        window = self._land(request)
        window.requests += 1
        self._planner.pages += 1
        if seconds is not None:
            self._planner.observe_latency(seconds)
        last = window.position
        if any(map(lt, times, times[1:])) or (times and last is not None and last < times[0]):
            window.unsorted = True
        mine = [index for index, time in enumerate(times) if window.owns(time)]
        reached_next = len(mine) < len(times) and window.lo is not None and times[-1] < window.lo
        if len(mine) < len(times):
            times, items = [times[index] for index in mine], [items[index] for index in mine]
        is_last = next_cursor is None or (reached_next and not window.unsorted)
        if not window.unsorted:
            self._planner.observe(window, times, is_last=is_last)
        if items:
            window.position = times[-1]
            window.kept += len(items)
            window.pages.append(BufferedPage(items, times, request.cursor))
            self.buffered_pages += 1
        window.cursor = next_cursor or window.cursor
        if is_last:
            window.complete = True
            beside = self._windows.index(window)
            newer = self._windows[beside - 1] if beside else None
            older = self._windows[beside + 1] if beside + 1 < len(self._windows) else None
            self._planner.learn(window, newer, older)
            self._drop_if_done(window)
        return not window.complete

    def request_failed(self, request: PageRequest) -> None:
        """Forget ``request``; the same page is asked for again in its turn."""
        self._land(request)

    def take_ready(self) -> Sequence[T]:
        """Return the records that come next, those of one page at most; empty while they are still unread."""
        if not self._windows or not self._windows[0].pages:
            return ()
        window = self._windows[0]
        page = window.pages.popleft()
        self.buffered_pages -= 1
        self._taken = window, page
        if self._sampler is not None:
            self._sampler.add(page.times)
        self._drop_if_done(window)
        return page.items

    def spread(self) -> Spread | None:
        """Return how the records are spread over time; None before all of a list was taken."""
        return self._sampler.spread(self._planner.floor) if self.finished and self._sampler else None

    @property
    def cursor_taken(self) -> Cursor:
        """Where the list stands before what `take_ready` returned last."""
        return self._taken[1].cursor if self._taken else BEGINNING

    def state(self, *, handed_over: int | None = None, cursor: Cursor | None = None) -> ConcurrentPosition:
        """Describe what remains to be handed over.

        Pages that wait for their turn are lost with the process, so each window is described by what reads
        its first record that was not handed over.

        Args:
            handed_over: How many records of what `take_ready` returned last are behind the user; None: all.
            cursor: Where the list stands after the last of these, needed where they are some but not all.
        """
        remaining = [
            self._describe(window, window.pages[0].cursor if window.pages else window.cursor)
            for window in self._windows
        ]
        if self._taken is None or handed_over is None:
            return ConcurrentPosition(tuple(remaining))
        window, page = self._taken
        if handed_over < len(page.items):
            start = cursor if handed_over else page.cursor
            if start is None:
                raise ValueError("a cursor is needed where only a part of a page was handed over")
            is_first = bool(self._windows) and self._windows[0] is window
            remaining[: int(is_first)] = [self._describe(window, start)]
        return ConcurrentPosition(tuple(remaining))

    def _restore(self, state: ConcurrentPosition) -> None:
        for position in state.windows:
            window = self._add(len(self._windows), lo=position.lo, hi=position.hi)
            window.cursor, window.unsorted = position.cursor, not position.cursor.is_sorted

    def _within_reach(self) -> list[Window[T]]:
        """Return the unread windows whose next page is expected among the next ``buffer_pages``."""
        reach: list[Window[T]] = []
        ahead = 0.0
        for window in self._windows:
            ahead += len(window.pages)
            if ahead >= self._buffer_pages:
                break
            if not window.complete:
                reach.append(window)
                ahead += self._planner.remaining(window) or 0.0
        return reach

    def _add(self, index: int, *, lo: int | None, hi: int | None) -> Window[T]:
        self._last_number += 1
        window = Window[T](self._last_number, lo=lo, hi=hi, query_lo=lo)
        self._windows.insert(index, window)
        return window

    def _split(self, victim: Window[T], at: int) -> Window[T]:
        """Leave what is older than ``at`` to a new window."""
        older = self._add(self._windows.index(victim) + 1, lo=victim.lo, hi=at)
        older.boldness = victim.boldness
        victim.lo = at
        if victim.is_fresh:
            victim.query_lo = at
        return older

    def _send(self, window: Window[T]) -> PageRequest:
        request = PageRequest(window.number, window.cursor, window.query_lo, window.hi)
        window.in_flight = request
        self._sent[window.number] = window
        return request

    def _land(self, request: PageRequest) -> Window[T]:
        window = self._sent.get(request.window)
        if window is None or window.in_flight != request:
            raise ValueError(f"not in flight: {request}")
        del self._sent[request.window]
        window.in_flight = None
        return window

    def _drop_if_done(self, window: Window[T]) -> None:
        if window.complete and not window.pages:
            self._windows.remove(window)

    @staticmethod
    def _describe(window: Window[T], cursor: Cursor) -> WindowPosition:
        return WindowPosition(window.lo, window.hi, evolve(cursor, is_sorted=not window.unsorted))
