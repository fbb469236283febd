"""Where a list may be split for another reader, and whether that is worth its price.

Nothing here decides which records are read, only how soon and with how many requests: `windows` keeps
the partition right whatever is chosen here. The figures in `Tuning` were found with
``benchmarks/window_simulator.py``; change them only with its table in hand.

A split wastes half a request on average (the page in which a reader meets the next one's first record) and
a whole one if it finds nothing. The waste allowed grows with what is known of the list's length.
Where to split is told by position and density, never by half of the time range: a year
without a record would make that worthless.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import sub
from typing import Generic, TypeVar

from attrs import Factory, define, frozen

from timezest_async.pagination.places import BEGINNING, Place

PAGE_SIZE = 20

T = TypeVar("T")


@frozen
class Tuning:
    """Every figure that the choice of splits depends on, in pages unless said otherwise.

    Attributes:
        free_waste: How many wasted requests any list may cost, in the end; a list of under 50 pages then
            costs 2 more than its pages on average.
        free_waste_growth: How fast that is reached, in requests per page read.
        short: Below so many pages known, no more than ``free_waste``. (Some are estimates.)
        waste_share: Wasted requests allowed per page read beyond ``waste_from``, for longer lists ..
        waste_share_late: .. and per page beyond ``late_from``.
        leap: How far ahead a reader goes at most.
        leap_throttled: The same once the budget has run out, since readers then wait for it anyway.
        smallest_half: Below this a piece is not worth halving.
        smoothing: The weight of the newest page in a piece's density.
        outlier: How many usual gaps the largest gap of a page may count for.
        boldness_step: How much one surprise changes the boldness.
        crowded: The share of the buffer from which on only what is needed soon is read.
        thrifty_from: Where requests are scarcer than time (see `Planner`): how many are spent freely first ..
        thrifty_reserve: .. and how many must then be left beyond the estimated rest of the list.
    """

    free_waste: float = 2.6
    free_waste_growth: float = 0.5
    short: float = 54
    waste_share: float = 0.105
    waste_from: float = 9
    waste_share_late: float = 0.05
    late_from: float = 160
    leap: float = 24
    leap_throttled: float = 48
    smallest_half: float = 2
    smoothing: float = 0.5
    outlier: float = 8.0
    boldness_step: float = 0.5
    crowded: float = 0.5
    thrifty_from: float = 40
    thrifty_reserve: float = 5


@frozen
class PageRequest:
    """One page to ask for: the user's own filter, narrowed by what is given here.

    Attributes:
        piece: Which piece of the list it belongs to.
        cursor: The piece's ``next_page`` as the service gave it; it says everything. None: ask by the rest.
        after: The record id for ``starting_after``, or None.
        lo: Ask for ``created_at GTE lo`` (epoch seconds, UTC) as well, or None.
        hi: Ask for ``created_at LT hi`` (epoch seconds, UTC) as well, or None.
    """

    piece: int
    cursor: str | None
    after: str | None
    lo: int | None
    hi: int | None


@frozen
class BufferedPage(Generic[T]):
    """Records that wait for their turn, and how to read them again."""

    items: Sequence[T]
    cursor: str | None
    after: str | None
    place: Place = BEGINNING


@define(eq=False)
class Piece(Generic[T]):
    """One cursor chain, and the records ``lo <= created_at < hi`` that it alone answers for.

    Attributes:
        lo: The bound that may still rise (None: the user's own); ``query_lo`` is the one that is sent.
        cursor: Where the next request goes on; with ``after``, as in `PageRequest`.
        complete: Whether nothing is left to ask.
        disordered: Whether a page was not newest first.
        position: The time of the last record received, or None before the first.
        seconds_per_record: The local density, smoothed, or None while unknown.
        kept: Records received that belong to the piece.
        place: Where its chain stands, should a cursor be of no use.
        planned: The pages that a split left to it by estimate (0: no estimate), when it had received
            ``kept_before_plan`` records.
    """

    number: int
    lo: int | None
    hi: int | None
    query_lo: int | None
    cursor: str | None = None
    after: str | None = None
    in_flight: PageRequest | None = None
    complete: bool = False
    disordered: bool = False
    position: int | None = None
    seconds_per_record: float | None = None
    requests: int = 0
    kept: int = 0
    planned: float = 0.0
    kept_before_plan: int = 0
    place: Place = BEGINNING
    pages: deque[BufferedPage[T]] = Factory(deque[BufferedPage[T]])

    @property
    def wasted(self) -> float:
        """Requests beyond what the records would have needed in full pages."""
        return self.requests - self.kept / PAGE_SIZE

    def owns(self, time: int) -> bool:
        """Tell whether a record created at ``time`` is this piece's to hand over."""
        return (self.lo is None or time >= self.lo) and (self.hi is None or time < self.hi)


@define
class Density:
    """Seconds per record, over all that was read."""

    seconds: float = 0.0
    records: int = 0

    @property
    def average(self) -> float:
        """The mean, silences included; 0 while nothing is known."""
        return self.seconds / self.records if self.records else 0.0

    def observe(self, piece: Piece[T], times: Sequence[int], tuning: Tuning) -> None:
        """Learn from a page (newest first) that ``piece`` received, before its position moves on.

        One silence, such as a year without a record, says little of what follows it. So for the piece's own
        density, the largest gap of a page counts as at most ``tuning.outlier`` usual ones.
        """
        known = times if piece.position is None else [piece.position, *times]
        count = len(known) - 1
        if count < 1:
            return
        span = known[0] - known[-1]
        self.seconds += span
        self.records += count
        local = float(span)
        if count > 1:
            largest = max(map(sub, known, known[1:]))
            usual = max((span - largest) / (count - 1), piece.seconds_per_record or 0.0)
            local = span - largest + min(largest, tuning.outlier * usual)
        previous = local / count if piece.seconds_per_record is None else piece.seconds_per_record
        piece.seconds_per_record = previous + tuning.smoothing * (local / count - previous)


@frozen
class Split(Generic[T]):
    """``victim`` keeps ``created_at >= at`` and so about ``ahead`` pages; what is older is a new piece's.

    ``rest`` is the estimate of the new piece's pages, 0 where its end is unknown.
    """

    victim: Piece[T]
    at: int
    ahead: float
    rest: float


@define
class Planner:
    """Chooses splits. Holds what was learnt about the whole list.

    Attributes:
        floor: The oldest time (epoch seconds) that the user's filter admits, if it is known. Only a hint.
        pages: Pages received.
        closed_waste: Requests wasted by pieces that are complete.
        throttled: Whether the request budget has ever run out.
        boldness: Which of two densities to believe, the local one and the average: 0 the denser, 1 the
            sparser.
        surprised: Whether an estimate was ever wrong by more than a factor of two.
        slot_seconds: Seconds in which the budget renews one request, if a list that one reader would read at
            that pace anyway is to be read thriftily; None: never.
        latency: Seconds that a page takes, smoothed, if measured.
    """

    floor: int | None = None
    tuning: Tuning = Tuning()
    pages: int = 0
    closed_waste: float = 0.0
    throttled: bool = False
    boldness: float = 0.5
    surprised: bool = False
    density: Density = Factory(Density)
    slot_seconds: float | None = None
    latency: float | None = None

    def choose(self, unread: Sequence[Piece[T]], slots: int | None) -> Split[T] | None:
        """Return the split that gains most, or None when none is worth a request.

        Args:
            unread: The pieces that are not complete, newest first.
            slots: The requests that the budget would let through now, or None without a budget.
        """
        remaining = [self.remaining(piece) for piece in unread]
        if not self._affordable(unread, remaining):
            return None
        # One reader alone uses the budget up, so every wasted request may cost a wait for its renewal. Only
        # looking for the end is worth that, until what is left is known to fit.
        only_leap = self._thrifty(remaining, slots)
        best: Split[T] | None = None
        best_gain = 0.0
        leap = self.tuning.leap_throttled if self.throttled else self.tuning.leap
        for piece, pages in zip(unread, remaining, strict=True):
            if piece.position is None or piece.seconds_per_record is None or piece.disordered:
                continue
            if pages is not None and pages < 2 * self.tuning.smallest_half:
                continue
            if only_leap and (pages is not None or len(unread) > 1):
                continue
            ahead = leap if pages is None else min(pages / 2, leap)
            gain = leap if pages is None else pages / 2
            lower = self._lower(piece)
            # The service need not understand times before 1970.
            at = min(piece.position, max(0, piece.position - round(ahead * PAGE_SIZE * self._spacing(piece))))
            if lower is not None and at <= lower:
                at = (piece.position + lower + 1) // 2
            if gain > best_gain and (lower is None or at > lower):
                best, best_gain = Split(piece, at, ahead, 0.0 if pages is None else pages - ahead), gain
        return best

    def learn(self, piece: Piece[T]) -> None:
        """Compare a piece that is complete with what was planned for it."""
        self.closed_waste += piece.wasted
        overshot = piece.kept == 0
        if not overshot and not piece.planned:
            return
        pages = (piece.kept - piece.kept_before_plan) / PAGE_SIZE
        step = 0.0
        if overshot or pages > 2 * piece.planned:
            step = -self.tuning.boldness_step
        elif pages < piece.planned / 2:
            step = self.tuning.boldness_step
        self.boldness = min(1.0, max(0.0, self.boldness + step))
        self.surprised = self.surprised or step != 0

    def remaining(self, piece: Piece[T]) -> float | None:
        """Estimate the pages that a piece has yet to read; None where its end is unknown."""
        lower = self._lower(piece)
        if lower is None:
            return None
        if piece.position is None or piece.seconds_per_record is None:
            return 0.0
        # A list of one instant has no density: what is older than it may be anything.
        return (piece.position - lower) / max(self._spacing(piece) * PAGE_SIZE, 1e-3)

    def observe_latency(self, seconds: float) -> None:
        """Learn how long a page took."""
        self.latency = seconds if self.latency is None else self.latency + 0.2 * (seconds - self.latency)

    def _thrifty(self, remaining: Sequence[float | None], slots: int | None) -> bool:
        if self.slot_seconds is None or self.latency is None or slots is None:
            return False
        if self.latency >= self.slot_seconds:
            return False
        if not self.throttled and self.pages <= self.tuning.thrifty_from:
            return False
        rest = sum(slots if pages is None else 1.2 * pages for pages in remaining)
        return rest + self.tuning.thrifty_reserve > slots

    def _lower(self, piece: Piece[T]) -> int | None:
        return self.floor if piece.lo is None else piece.lo

    def _spacing(self, piece: Piece[T]) -> float:
        """Estimate the seconds per record in what is older than the piece's position."""
        local, average = piece.seconds_per_record or 0.0, self.density.average
        denser, sparser = min(local, average), max(local, average)
        if not denser:
            return sparser * self.boldness
        return float(denser ** (1 - self.boldness) * sparser**self.boldness)

    def _affordable(self, unread: Sequence[Piece[T]], remaining: Sequence[float | None]) -> bool:
        """Tell whether one more request may be risked, for what is known of the list's length."""
        tuning = self.tuning
        wasted = self.closed_waste + sum(1.0 if piece.position is None else 0.5 for piece in unread)
        known = float(self.pages)
        if not self.surprised:
            known += sum(min(pages or 0.0, tuning.leap) for pages in remaining)
        free = min(tuning.free_waste_growth * known, tuning.free_waste)
        if known < tuning.short:
            return wasted + 1 <= free
        share = tuning.waste_share * (min(known, tuning.late_from) - tuning.waste_from)
        share += tuning.waste_share_late * max(0.0, known - tuning.late_from)
        return wasted + 1 <= max(free, share)
