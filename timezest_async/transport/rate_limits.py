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
from typing import Protocol

from timezest_async.transport.settings import check_count, check_seconds

LOST_GRACE = 1.0
"""Seconds after a time-out or a cancellation within which the service may still count the request."""


class Slot(Protocol):
    """The right to send one request. Exactly one of its methods is called; further calls do nothing."""

    def answered(self) -> None:
        """Note that the response headers have arrived: the request counts from now on."""
        ...

    def limited(self, pause: float) -> None:
        """Note a 429, and let nobody send for ``pause`` seconds."""
        ...

    def lost(self) -> None:
        """Note that the request was sent, or may have been, and that nobody listens any more."""
        ...

    def release(self) -> None:
        """Give the slot back: it is certain that the request was never sent."""
        ...


class Limiter(Protocol):
    """What ``Transport`` needs of a request budget: so many requests in any window of so many seconds."""

    @property
    def max_requests(self) -> int:
        """Requests allowed in one period."""
        ...

    @property
    def period(self) -> float:
        """The window's length in seconds."""
        ...

    @property
    def available(self) -> int:
        """How many requests could be sent at this moment without waiting."""
        ...

    def wait_time(self) -> float:
        """Return the seconds that the next request would wait, at least."""
        ...

    async def acquire(self, again: Slot | None = None) -> Slot:
        """Wait for a slot.

        Args:
            again: The settled slot of this request's attempt before, whose place in the line the
                request keeps: it goes before all that came later.
        """
        ...


class TimerHandle(Protocol):
    """What a timer returns, such as ``asyncio.TimerHandle``."""

    def cancel(self) -> None:
        """Forget the call."""
        ...


def _call_later(delay: float, callback: Callable[[], None]) -> TimerHandle:
    return asyncio.get_running_loop().call_later(delay, callback)


class _Slot:
    __slots__ = ("_limiter", "_settled", "ticket")

    def __init__(self, limiter: RateLimiter, ticket: int) -> None:
        self._limiter = limiter
        self._settled = False
        self.ticket = ticket

    def answered(self) -> None:
        self._settle(0.0)

    def limited(self, pause: float) -> None:
        self._limiter.pause(pause)
        self._settle(0.0)

    def lost(self) -> None:
        self._settle(LOST_GRACE)

    def release(self) -> None:
        self._settle(None)

    def _settle(self, grace: float | None) -> None:
        if not self._settled:
            self._settled = True
            self._limiter.settle(grace)


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

    def __init__(
        self,
        max_requests: int = 180,
        period: float = 60.0,
        margin: float = 0.05,
        *,
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[[float, Callable[[], None]], TimerHandle] = _call_later,
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
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()
        self._paused_until = -math.inf
        self._alarm: tuple[float, TimerHandle, asyncio.AbstractEventLoop] | None = None

    def __repr__(self) -> str:
        return f"RateLimiter(max_requests={self.max_requests}, period={self.period}, margin={self.margin})"

    @property
    def available(self) -> int:
        """How many requests could be sent at this moment without waiting."""
        now = self._clock()
        return 0 if now < self._paused_until or self._has_waiters() else self._free(now)

    def wait_time(self) -> float:
        """Return the seconds that the next request would wait.

        It is a lower bound while requests are in flight, since those count from their answers on.
        """
        now = self._clock()
        pause = max(0.0, self._paused_until - now)
        lacking = 1 + sum(not waiter.done() for _, _, waiter in self._waiters) - self._free(now)
        if lacking <= 0:
            return pause
        rounds, position = divmod(lacking - 1, self.max_requests)
        full_period = self.period + self.margin
        freed = sorted(self._freed_at)
        wait = freed[position] - now if position < len(freed) else full_period
        return max(pause, wait + rounds * full_period)

    async def acquire(self, again: Slot | None = None) -> Slot:
        """Wait for a slot: first come, first served.

        Args:
            again: The settled slot of this request's attempt before, whose place it keeps.

        Returns:
            The slot, to be settled by exactly one of its methods.
        """
        ticket = again.ticket if isinstance(again, _Slot) else next(self._tickets)
        now = self._clock()
        if now >= self._paused_until and not self._has_waiters() and self._free(now) > 0:
            self._in_flight += 1
            return _Slot(self, ticket)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The second number keeps the heap from ever comparing futures.
        heapq.heappush(self._waiters, (ticket, next(self._tickets), granted))
        self._wake()
        try:
            await granted
        except BaseException:
            if granted.done() and not granted.cancelled():
                self.settle(None)
            else:
                # Its loop may be closed by now; then _has_waiters drops it.
                with contextlib.suppress(RuntimeError):
                    granted.cancel()
            raise
        return _Slot(self, ticket)

    def pause(self, seconds: float) -> None:
        """Let nobody send for some seconds, as a 429 demands; a longer pause that runs stays."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _free(self, now: float) -> int:
        while self._freed_at and self._freed_at[0] <= now:
            heapq.heappop(self._freed_at)
        return self.max_requests - self._in_flight - len(self._freed_at)

    def _has_waiters(self) -> bool:
        """Tell whether anybody waits; drop those who gave up, or whose loop is gone."""
        while self._waiters:
            granted = self._waiters[0][2]
            if not granted.done() and not granted.get_loop().is_closed():
                return True
            heapq.heappop(self._waiters)
        return False

    def settle(self, grace: float | None) -> None:
        """End a slot's flight; called by slots, not by users.

        Args:
            grace: Seconds from now on after which the request counts; None if it was never sent.
        """
        self._in_flight -= 1
        if grace is not None:
            heapq.heappush(self._freed_at, self._clock() + grace + self.period + self.margin)
        self._wake()

    def _wake(self) -> None:
        """Hand free slots to those who wait longest, and set the alarm for the next one."""
        now = self._clock()
        paused = now < self._paused_until
        while self._has_waiters() and not paused and self._free(now) > 0:
            heapq.heappop(self._waiters)[2].set_result(None)
            self._in_flight += 1
        if not self._has_waiters():
            return
        if paused:
            self._set_alarm(now, self._paused_until)
        elif self._freed_at:
            self._set_alarm(now, self._freed_at[0])
        # Otherwise every slot is in flight: whoever settles first sets the alarm.

    def _set_alarm(self, now: float, at: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # A slot settled by the garbage collector after its loop's end: whoever waits wakes later.
            return
        if self._alarm is not None:
            known, handle, its_loop = self._alarm
            if its_loop is loop and known == at:
                return
            handle.cancel()
        self._alarm = (at, self._timer(max(0.0, at - now), self._ring), loop)

    def _ring(self) -> None:
        self._alarm = None
        self._wake()
