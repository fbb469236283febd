"""Where a list may be split for another reader, and whether that is worth its price.

Nothing here decides which records are read, only how soon and with how many requests: `scheduler` keeps
the partition right whatever is chosen here.

A split wastes half a request on average (the page in which a reader meets the next one's first record) and
a whole one if it finds nothing. Where the request budget surely has slots to spare for the rest of the list,
that costs nothing; where it has not, each may cost a minute. How much is left of a window is told by how many
records lie in stretches of time as long as it, nearby: a year without a record, or an import of thousands
within minutes, would make any single density worthless. What was learnt of an earlier list of the account
tells more, as long as it proves right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import sub
from typing import Generic, TypeVar

from attrs import Factory, define, frozen

from timezest_async.pagination.pages import PAGE_SIZE
from timezest_async.pagination.windows.coverage import Coverage
from timezest_async.pagination.windows.hints import Hint
from timezest_async.pagination.windows.tuning import Tuning
from timezest_async.pagination.windows.window import Window

T = TypeVar("T")


@frozen
class Split(Generic[T]):
    """``victim`` keeps ``created_at >= at`` and so about ``ahead`` pages; what is older is a new window's.

    ``rest`` is the estimate of the new window's pages, 0 where its end is unknown.
    """

    victim: Window[T]
    at: int
    ahead: float
    rest: float


@frozen
class _Prospect:
    """What is left to read, and what may be wasted on it.

    Attributes:
        remaining: The pages left of each unread window; None where its end is unknown.
        allowed: Requests that may still be wasted to halve what is left ..
        allowed_ahead: .. and to find out where the list ends.
        is_thrifty: Whether only one look ahead is worth it, since one reader alone uses the budget up.
    """

    remaining: Sequence[float | None]
    allowed: float
    allowed_ahead: float
    is_thrifty: bool


@define
class Planner:
    """Chooses splits. Holds what was learnt about the whole list.

    Attributes:
        readers: How many requests may be in flight at once.
        room: How many pages may be in flight or wait for their turn.
        floor: The oldest time (epoch seconds) that the user's filter admits, if it is known. Only a hint.
        ceiling: The newest time that a record may have, if it is known. Only a hint.
        hint: What is known of the spread of the list's records.
        pages: Pages received.
        closed_waste: Requests wasted by windows that are complete.
        throttled: Whether the request budget has ever run out.
        slot_seconds: Seconds in which the budget renews one request, if a list that one reader would read at
            that pace anyway is to be read thriftily; None: never.
        latency: Seconds that a page takes, smoothed, if measured.
    """

    readers: int = 8
    room: int = 180
    floor: int | None = None
    ceiling: int | None = None
    hint: Hint = Factory(Hint)
    tuning: Tuning = Factory(Tuning)
    pages: int = 0
    closed_waste: float = 0.0
    throttled: bool = False
    slot_seconds: float | None = None
    latency: float | None = None
    _coverage: Coverage = Factory(Coverage)

    def opening(self, slots: int | None) -> Iterator[int]:
        """Return the times, from older to newer, to part a list at before anything of it is read."""
        if slots is not None:
            slots -= 1
        if self.hint.spread is not None:
            yield from self._opening_by_hint(slots)
        elif self.floor is not None and self.ceiling is not None and self.room >= 2 * self.tuning.leap:
            parts = 1 + min(self.tuning.blind, self.readers - 1, self.readers if slots is None else slots)
            if self.slot_seconds is not None:
                parts = min(parts, 2)
            seconds = self.ceiling - self.floor
            yield from (self.floor + seconds * part // parts for part in range(1, parts) if seconds >= parts)

    def _opening_by_hint(self, slots: int | None) -> Iterator[int]:
        low, high = self.hint.range(self.floor)
        pages = self.hint.records(low, high) / PAGE_SIZE
        if slots is not None and slots < pages + self.readers and (self.slot_seconds or slots > pages):
            return
        near = min(pages, self.room)
        parts = min(self.readers, round(near))
        for part in range(1, parts):
            cut = self.hint.cut(low, high, (pages - near + near * part / parts) * PAGE_SIZE)
            if cut is not None and cut > low:
                yield cut

    def choose(self, unread: Sequence[Window[T]], slots: int | None) -> Split[T] | None:
        """Return the split that gains most, or None when none is worth a request.

        Args:
            unread: The windows that are not complete, newest first.
            slots: The requests that the budget would let through now, this one included, or None without a
                budget.
        """
        prospect = self._prospect(unread, slots)
        tuning = self.tuning
        leap = self._leap()
        if prospect.is_thrifty and slots is not None:
            leap = max(1.0, slots / 2)
        share = sum(leap if pages is None else pages for pages in prospect.remaining) / self.readers
        smallest = max(2 * tuning.smallest_half, tuning.smallest_share * share)
        best: Split[T] | None = None
        best_gain = 0.0
        for window, pages in zip(unread, prospect.remaining, strict=True):
            allowed, gain = (
                (prospect.allowed_ahead, 2 * leap) if pages is None else (prospect.allowed, float(pages))
            )
            if allowed < 1 or gain <= best_gain or window.position is None or window.unsorted:
                continue
            if pages is None:
                split = self._look_ahead(window, leap)
            elif pages < smallest:
                continue
            else:
                idle = self.readers - sum(one.in_flight is not None for one in unread)
                parts = max(
                    2, min(int(allowed) + 1, idle + 1, round(pages / max(share, tuning.smallest_half)))
                )
                split = self._part(window, pages, parts, leap)
            if split is not None:
                best, best_gain = split, gain
        return best

    def observe(self, window: Window[T], times: Sequence[int], *, is_last: bool) -> None:
        """Learn from a page's records that are the window's own, before its position moves on."""
        tuning = self.tuning
        before = window.position
        upper = before if before is not None else window.hi
        known = [*times] if upper is None else [upper, *times]
        self._coverage.add_page(known)
        if len(known) > 1:
            self.hint.compare(known[-1], known[0], len(known) - 1)
        if is_last and known and (lower := self._lower(window)) is not None and known[-1] > lower:
            self._coverage.add(lower, known[-1], 0)
            self.hint.compare(lower, known[-1], 0)
        if before is None:
            known = [*times]
        count = len(known) - 1
        if count < 1:
            return
        local = span = float(known[0] - known[-1])
        if count > 1:
            largest = max(map(sub, known, known[1:]))
            usual = max((span - largest) / (count - 1), window.seconds_per_record or 0.0)
            local = span - largest + min(largest, tuning.outlier * usual)
        previous = local / count if window.seconds_per_record is None else window.seconds_per_record
        window.seconds_per_record = previous + tuning.smoothing * (local / count - previous)

    def learn(self, window: Window[T], newer: Window[T] | None, older: Window[T] | None) -> None:
        """Compare a window that is complete with what was planned for it, for those beside it."""
        if window.kept:
            self.closed_waste += window.wasted
        elif window.was_chosen:
            self.closed_waste += window.wasted
            if newer is not None:
                newer.boldness *= self.tuning.overshot
        if older is not None and window.since_plan < window.planned / 2:
            older.boldness = min(1.0, older.boldness + self.tuning.undershot)

    def observe_latency(self, seconds: float) -> None:
        """Learn how long a page took."""
        before = seconds if self.latency is None else self.latency
        self.latency = before + max(0.1, 1 / max(1, self.pages)) * (seconds - before)

    def remaining(self, window: Window[T]) -> float | None:
        """Estimate the pages that a window has yet to read; None where its end is unknown."""
        lower = self._lower(window)
        if lower is None:
            return None
        if window.position is None:
            return max(window.planned, 1.0)
        estimate = self._estimate(window, window.position, lower)
        if not window.planned:
            window.plan(estimate)
        return max(estimate, self._overdue(window))

    def _estimate(self, window: Window[T], position: int, lower: int) -> float:
        expected = self.hint.expected(lower, position)
        if seconds := self.hint.untold(lower, position):
            records, known = self._coverage.within(lower - seconds, position + seconds)
            spacing = known / records if records else window.seconds_per_record or 0.0
            # A list of one instant has no density: what is older than it may be anything.
            expected += seconds / max(spacing, 1e-4)
        return expected / PAGE_SIZE

    def _overdue(self, window: Window[T]) -> float:
        """Expect more of a window that has had more pages than planned, the more the longer."""
        return self.tuning.doubling * max(0.0, window.since_plan - window.planned) if window.planned else 0.0

    def _look_ahead(self, window: Window[T], leap: float) -> Split[T] | None:
        position = window.position or 0
        seconds = self._distance(window, leap, window.boldness * self.tuning.open_boldness)
        # The service need not understand times before 1970.
        return Split(window, min(position, max(0, position - round(seconds))), leap, 0.0)

    def _part(self, window: Window[T], pages: float, parts: int, leap: float) -> Split[T] | None:
        """Cut the oldest of several equal parts off a window, or all that is far away."""
        position, lower = window.position or 0, self._lower(window) or 0
        at = self.hint.cut(lower, position, max(pages / parts, pages - leap) * PAGE_SIZE)
        if at is None:
            at = lower + round((position - lower) / parts)
            far = leap if window.boldness == 1 else min(leap, pages * (1 - 1 / parts))
            at = max(at, position - round(self._distance(window, far, window.boldness)))
            if pages == self._overdue(window):
                near = (window.seconds_per_record or 0.0) * PAGE_SIZE * pages / 2
                at = max(at, position - round(near))
            if at <= lower:
                at = (position + lower + 1) // 2
            at = min(at, position)
        if at <= lower:
            return None
        ahead = pages * (position - at) / max(1, position - lower)
        return Split(window, at, ahead, pages - ahead)

    def _distance(self, window: Window[T], pages: float, boldness: float) -> float:
        """Estimate the seconds that so many pages reach back from the window's position."""
        local = (window.seconds_per_record or 0.0) * pages * PAGE_SIZE
        wide = self._coverage.reach(window.position or 0, pages * PAGE_SIZE)
        denser, sparser = min(local, wide), max(local, wide)
        if not denser:
            return sparser * boldness
        return float(denser ** (1 - boldness) * sparser**boldness)

    def _is_quick(self) -> bool:
        """Return whether one reader alone would use the budget up; of a few pages' times none is sure."""
        if self.slot_seconds is None or self.latency is None:
            return False
        return self.latency * (1 - 0.25 * max(0.0, 1 - self.pages / 10)) < self.slot_seconds

    def _leap(self) -> float:
        if self.throttled:
            return min(self.tuning.leap_throttled, max(1.0, self.room / 2))
        return min(self.tuning.leap, max(1.0, self.room / 6), self.tuning.first_leap + self.pages)

    def _lower(self, window: Window[T]) -> int | None:
        if window.lo is not None:
            return window.lo
        return self.hint.oldest(window.position) if self.floor is None else self.floor

    def _prospect(self, unread: Sequence[Window[T]], slots: int | None) -> _Prospect:
        """Estimate what is left to read, and what may be wasted on it."""
        tuning = self.tuning
        remaining = [self.remaining(window) for window in unread]
        wasted = self.closed_waste + sum(1.0 if window.position is None else 0.5 for window in unread)
        rest = sum(pages or 0.0 for pages in remaining)
        near = sum(min(pages or 0.0, tuning.leap) for pages in remaining)
        known = self.pages + min(near, tuning.trust * self.pages)
        allowed = min(tuning.free_waste, known * tuning.free_waste_growth)
        allowed += tuning.waste_share * min(known, tuning.late_from)
        allowed += tuning.waste_share_late * max(0.0, known - tuning.late_from)
        if slots is None:
            return _Prospect(remaining, allowed - wasted, allowed - wasted, is_thrifty=False)
        needed = (rest - sum(window.in_flight is not None for window in unread)) * tuning.margin
        needed += len(unread) / 2 + tuning.reserve
        is_open = None in remaining
        if self._is_quick():
            if is_open or needed >= slots:
                may_look = is_open and len(unread) == 1 and not self.throttled and wasted <= 0.5
                return _Prospect(remaining, 0.0, float(may_look), is_thrifty=True)
            allowed = min(allowed, tuning.quick_waste + tuning.quick_share * self.pages)
            return _Prospect(remaining, allowed - wasted, allowed - wasted, is_thrifty=False)
        if is_open:
            needed += max(tuning.leap, tuning.open_share * (self.pages + rest))
        tight = tuning.tight_waste if self.floor is None else tuning.tight_waste_bounded
        tight = min(allowed, tight + tuning.tight_share * known)
        within = allowed if needed < slots else tight
        return _Prospect(remaining, within - wasted, allowed - wasted, is_thrifty=False)
