"""How the request budget spaces requests: what it has held up, and how long it will hold up those to come."""

from __future__ import annotations

import time
from collections.abc import Callable

from timezest_async import Limiter


class Pace:
    """Tells apart the time that requests take and the time that they wait for the budget.

    Args:
        limiter: The request budget.
        clock: Returns seconds that never go backwards.
    """

    def __init__(self, limiter: Limiter, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter = limiter
        self._clock = clock
        self._began = self._last = clock()
        self._held = self._wait_after_last = 0.0

    def sent(self) -> None:
        """Note that a request is sent, with a slot that it has taken already."""
        self._held += self._held_since_last()
        self._last = self._clock()
        self._wait_after_last = self._limiter.wait_time()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    @property
    def worked(self) -> float:
        """Seconds since the start in which the budget would have let a request go."""
        return self.elapsed - self._held - self._held_since_last()

    @property
    def wait(self) -> float:
        """Seconds until the budget lets a request go; 0 while it does."""
        return self._limiter.wait_time()

    def seconds_for(self, requests: int) -> float:
        """Return how many seconds pass, at least, until the budget has let so many more requests go."""
        return self._limiter.wait_time(ahead=requests - 1) if requests > 0 else 0.0

    def _held_since_last(self) -> float:
        return min(self._clock() - self._last, self._wait_after_last)
