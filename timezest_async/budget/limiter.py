"""The request budget: at most so many requests in any sliding window, fair, and never guessed.

The service counts a request somewhere between its sending and the arrival of its response headers.
So a slot is held while its request is in flight and comes back one period after the headers
arrived: at least one period after the service counted it, whatever its clock says. A request whose
fate is unknown may be counted a little later than we stop listening, hence ``LOST_GRACE``.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from collections.abc import Callable

import attrs

from timezest_async.budget.alarms import Alarm, Timer, call_later
from timezest_async.budget.pauses import Pauses
from timezest_async.budget.protocols import exhausted
from timezest_async.budget.shares import Share
from timezest_async.budget.slots import NEVER_SENT, Outcome, SettledOnce, Slot
from timezest_async.checks import check_count, check_seconds


class _Slot(SettledOnce):
    """A slot of one of the budget's windows.

    Args:
        limiter: The budget.
        ticket: Its request's place in the line.
        pause: The number of the last pause before it.
    """

    __slots__ = ("_limiter", "pause", "ticket")

    def __init__(self, limiter: RateLimiter, ticket: int, pause: int) -> None:
        super().__init__()
        self._limiter, self.ticket, self.pause = limiter, ticket, pause

    def on_outcome(self, outcome: Outcome) -> None:
        self._limiter.settle(self.pause, outcome)


@attrs.define(order=True)
class _Waiter:
    """A request that waits.

    Attributes:
        ticket: Its place in the line.
        number: Its place among those of the same ticket.
        outcome: None once it may be sent; or the seconds that it would have to wait, which are too many.
        latest: When, by the limiter's clock, it is too late for it.
        pause: The number of the last pause before its slot.
        waits: Whether it stands in the line and has no outcome.
    """

    ticket: int
    number: int
    outcome: asyncio.Future[float | None] = attrs.field(order=False)
    latest: float = attrs.field(order=False)
    pause: int = attrs.field(default=0, order=False)
    waits: bool = attrs.field(default=True, order=False)


class RateLimiter:
    """At most ``max_requests`` in any sliding ``period``, in the order in which they were asked for.

    One object may serve several clients of one account, and successive event loops (one
    ``asyncio.run`` after another), but not several threads at once.

    Args:
        max_requests: Requests that the service allows in one period.
        period: The window's length in seconds.
        margin: Seconds added to the period, for the coarseness of clocks.
        clock: Returns seconds that never go backwards.
        timer: Calls a function after some seconds of that clock; by default the running loop does.
    """

    max_requests: int
    period: float
    margin: float

    def __init__(
        self,
        max_requests: int = 180,
        period: float = 60.0,
        margin: float = 0.05,
        *,
        clock: Callable[[], float] = time.monotonic,
        timer: Timer = call_later,
    ) -> None:
        # Set first of all: a traceback with locals asks for the repr while an argument is refused.
        self.max_requests, self.period, self.margin = max_requests, period, margin
        self.max_requests = check_count("max_requests", max_requests)
        self.period = check_seconds("period", period)
        self.margin = check_seconds("margin", margin, zero_allowed=True)
        self._clock = clock
        self._timer = timer
        self._in_flight = 0
        self._freed_at: list[float] = []
        self._waiters: list[_Waiter] = []
        self._waiting = 0
        self._tickets = itertools.count()
        self._pauses = Pauses(self.period)
        self._newest = 0
        self._look_again_at = math.inf
        self._alarm = Alarm(timer, self._wake)

    def __repr__(self) -> str:
        return f"RateLimiter(max_requests={self.max_requests}, period={self.period}, margin={self.margin})"

    @property
    def available(self) -> int:
        """How many requests could be sent at this moment without waiting."""
        now = self._clock()
        if self._is_paused(now) or self._has_waiters():
            return 0
        return min(self._free(now), 1) if self._pauses.is_probing(now) else self._free(now)

    def wait_time(self, ahead: int = 0) -> float:
        """Return the seconds that the next request would wait.

        It is a lower bound while requests are in flight, since those count from their answers on.

        Args:
            ahead: How many other requests are sent before it, beside those that wait already.
        """
        now = self._clock()
        return self._wait(now, ahead + (self._waiting if self._has_waiters() else 0))

    def share(self, max_requests: int) -> Share:
        """Return a limiter on this budget that never holds more than its share of a window.

        A bulk job that is given one leaves the rest to others, such as a web application with the limiter
        itself. A share can be shared again.

        Args:
            max_requests: Requests of this budget in one period.

        Raises:
            ConfigurationError: It is not a whole number from 1 to the limiter's own ``max_requests``.
        """

        def limiter_of(part: int) -> RateLimiter:
            return RateLimiter(part, self.period, self.margin, clock=self._clock, timer=self._timer)

        return Share(self, max_requests, limiter_of, self._clock, self.wait_time)

    async def acquire(self, again: Slot | None = None, within: float | None = None) -> Slot:
        """Wait for a slot: first come, first served.

        Args:
            again: The settled slot of this request's attempt before, whose place it keeps.
            within: Seconds after which the slot would be of no use; None for no limit.

        Returns:
            The slot, to be settled by exactly one of its methods.

        Raises:
            BudgetExhaustedError: There will be no slot within that time, which counts requests in flight as
                if they were answered now. It is raised as soon as that is certain.
        """
        ticket = again.ticket if isinstance(again, _Slot) else next(self._tickets)
        now = self._clock()
        if not self._has_waiters() and not self._is_paused(now) and self._free(now) > 0:
            return _Slot(self, ticket, self._grant(now))
        outcome: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(ticket, next(self._tickets), outcome, math.inf if within is None else now + within)
        self._line_up(now, waiter)
        try:
            wait = await outcome
        except BaseException:
            if waiter.waits:
                # Its loop may be closed by now; then _has_waiters drops it.
                with contextlib.suppress(RuntimeError):
                    outcome.cancel()
                self._leave(waiter)
            elif outcome.done() and not outcome.cancelled() and outcome.result() is None:
                self.settle(waiter.pause, NEVER_SENT)
            raise
        if wait is not None:
            raise exhausted(wait, within or 0.0)
        return _Slot(self, ticket, waiter.pause)

    def occupy(self) -> Slot:
        """Return a slot for a request that was sent already, whether there is one or not."""
        self._in_flight += 1
        return _Slot(self, next(self._tickets), self._pauses.number)

    def remember(self, until: float) -> None:
        """Count a request that was sent already, until a time by the limiter's clock."""
        heapq.heappush(self._freed_at, until)

    def turn_out(self) -> None:
        """Turn away all who wait."""
        for waiter in self._waiters:
            if waiter.waits and not waiter.outcome.get_loop().is_closed():
                waiter.outcome.set_result(0.0)
                self._leave(waiter)

    def pause(self, seconds: float) -> None:
        """Let nobody send for some seconds, as a 429 demands; a longer pause that runs stays."""
        now = self._clock()
        self._pauses.pause(now, seconds)
        self._turn_away(now)

    def settle(self, pause: int, outcome: Outcome) -> None:
        """End a slot's flight; called by slots, not by users.

        Args:
            pause: The number of the last pause before the slot.
            outcome: What became of its request.
        """
        now = self._clock()
        if outcome.refused:
            self._pauses.limited(now, pause, outcome.pause)
            self._look_again_at = -math.inf
        else:
            self._pauses.settled(pause, answered=outcome.answered)
        self._in_flight -= 1
        if outcome.grace is not None:
            heapq.heappush(self._freed_at, now + outcome.grace + self.period + self.margin)
        if now >= self._look_again_at:
            self._turn_away(now)
        self._wake()

    def _grant(self, now: float) -> int:
        self._in_flight += 1
        return self._pauses.granted(now)

    def _is_paused(self, now: float) -> bool:
        return now < self._pauses.until or now < self._pauses.held_until

    def _free(self, now: float) -> int:
        while self._freed_at and self._freed_at[0] <= now:
            heapq.heappop(self._freed_at)
        return self.max_requests - self._in_flight - len(self._freed_at)

    def _wait(self, now: float, ahead: int, freed: list[float] | None = None) -> float:
        """Return the seconds that a request waits at least who has so many before it."""
        rounds, rank = divmod(ahead, self.max_requests)
        full_period = self.period + self.margin
        later = rank - self._free(now)
        wait = max(0.0, self._pauses.until - now)
        if later >= 0:
            freed = sorted(self._freed_at) if freed is None else freed
            wait = max(wait, freed[later] - now if later < len(freed) else full_period)
        return wait + rounds * full_period

    def _line_up(self, now: float, waiter: _Waiter) -> None:
        """Let a request wait, unless that is certainly in vain."""
        ahead = self._waiting
        if self._waiters and waiter.ticket < self._newest:
            ahead = sum(other.waits and other < waiter for other in self._waiters)
            # It pushes the others back.
            self._look_again_at = -math.inf
        self._newest = max(self._newest, waiter.ticket)
        wait = self._wait(now, ahead)
        if now + wait > waiter.latest:
            waiter.waits = False
            waiter.outcome.set_result(wait)
            return
        self._look_again_at = min(self._look_again_at, waiter.latest - wait)
        heapq.heappush(self._waiters, waiter)
        self._waiting += 1
        self._wake()

    def _turn_away(self, now: float) -> None:
        """Tell those who by now certainly wait in vain.

        What a request waits at least grows by no more than the time that passes, unless there is a pause or
        somebody comes again: so nobody has to be looked at before the least time to spare is over.
        """
        self._look_again_at = math.inf
        if not self._has_waiters() or all(waiter.latest == math.inf for waiter in self._waiters):
            return
        freed, place = sorted(self._freed_at), 0
        for waiter in sorted(self._waiters):
            if waiter.waits and not waiter.outcome.get_loop().is_closed():
                wait = self._wait(now, place, freed)
                if now + wait > waiter.latest:
                    waiter.outcome.set_result(wait)
                    self._leave(waiter)
                else:
                    place += 1
                    self._look_again_at = min(self._look_again_at, waiter.latest - wait)

    def _leave(self, waiter: _Waiter) -> None:
        if waiter.waits:
            waiter.waits = False
            self._waiting -= 1

    def _has_waiters(self) -> bool:
        """Return whether anybody waits; drop those who gave up, or whose loop is gone."""
        while self._waiters:
            waiter = self._waiters[0]
            if waiter.waits and not waiter.outcome.done() and not waiter.outcome.get_loop().is_closed():
                return True
            self._leave(heapq.heappop(self._waiters))
        return False

    def _wake(self) -> None:
        """Hand free slots to those who wait longest, and set the alarm for the next one."""
        now = self._clock()
        while self._has_waiters() and not self._is_paused(now) and self._free(now) > 0:
            waiter = heapq.heappop(self._waiters)
            self._leave(waiter)
            waiter.pause = self._grant(now)
            waiter.outcome.set_result(None)
        if not self._has_waiters():
            return
        if self._is_paused(now):
            self._alarm.set(now, max(self._pauses.until, self._pauses.held_until))
        elif self._freed_at:
            self._alarm.set(now, self._freed_at[0])
        # Otherwise every slot is in flight: whoever settles first sets the alarm.
