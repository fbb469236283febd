"""The windows of a list that is read by several readers, and what is asked for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from attrs import Factory, define, frozen

from timezest_async.pagination.pages import PAGE_SIZE
from timezest_async.pagination.positions import BEGINNING, Cursor

T = TypeVar("T")


@frozen
class PageRequest:
    """One page to ask for: the user's own filter, narrowed by what is given here.

    Attributes:
        window: Which window of the list it belongs to.
        cursor: Where the window's chain stands; the page starts after its record.
        lo: Ask for ``created_at GTE lo`` (epoch seconds, UTC) as well, or None.
        hi: Ask for ``created_at LT hi`` (epoch seconds, UTC) as well, or None.
    """

    window: int
    cursor: Cursor
    lo: int | None
    hi: int | None


@frozen
class BufferedPage(Generic[T]):
    """Records that wait for their turn, and how to read them again.

    Attributes:
        cursor: Where the chain stood before them.
        times: When each record was created (epoch seconds, UTC).
    """

    items: Sequence[T]
    times: Sequence[int]
    cursor: Cursor


@define(eq=False)
class Window(Generic[T]):
    """One cursor chain, and the records ``lo <= created_at < hi`` that it alone answers for.

    Attributes:
        lo: The bound that may still rise (None: the user's own); ``query_lo`` is the one that is sent.
        cursor: Where its chain stands.
        complete: Whether nothing is left to ask.
        unsorted: Whether a page was not newest first.
        position: The time of the last record received, or None before the first.
        seconds_per_record: The local density, smoothed, or None while unknown.
        kept: Records received that belong to the window.
        planned: The pages that it was estimated to have left (0: no estimate) when it had received
            ``kept_before_plan`` records.
        was_chosen: Whether it was split off for what had been read, rather than at the beginning.
        boldness: How far its leaps trust the wider density rather than the local one, from 0 to 1.
    """

    number: int
    lo: int | None
    hi: int | None
    query_lo: int | None
    cursor: Cursor = BEGINNING
    in_flight: PageRequest | None = None
    complete: bool = False
    unsorted: bool = False
    position: int | None = None
    seconds_per_record: float | None = None
    requests: int = 0
    kept: int = 0
    planned: float = 0.0
    kept_before_plan: int = 0
    was_chosen: bool = False
    boldness: float = 1.0
    pages: deque[BufferedPage[T]] = Factory(deque[BufferedPage[T]])

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was asked for it yet, so that its query can still be narrowed."""
        return self.in_flight is None and not self.requests and self.cursor.after is None

    @property
    def wasted(self) -> float:
        """Requests beyond what the records would have needed in full pages."""
        return self.requests - self.kept / PAGE_SIZE

    @property
    def since_plan(self) -> float:
        """The pages received since ``planned`` was estimated."""
        return (self.kept - self.kept_before_plan) / PAGE_SIZE

    def plan(self, pages: float) -> None:
        """Note how many pages it is estimated to have left."""
        self.planned, self.kept_before_plan = pages, self.kept

    def owns(self, time: int) -> bool:
        """Return whether a record created at ``time`` is this window's to hand over."""
        return (self.lo is None or time >= self.lo) and (self.hi is None or time < self.hi)
