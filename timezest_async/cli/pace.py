"""How the request budget spaces requests: what it has held up, and how long it will hold up those to come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from timezest_async import Limiter


class Pace:
    """Remembers when requests were sent, as far as that decides when the next ones may be.

    Args:
        limiter: The request budget.
        clock: Returns seconds that never go backwards.
    """

    def __init__(self, limiter: Limiter, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter = limiter
        self._clock = clock
        self._began = clock()
        self._held = 0.0
        self._sent: deque[float] = deque(maxlen=limiter.max_requests)

    def sent(self) -> None:
        """Note that a request is sent."""
        now = self._clock()
        self._held += self._held_since_the_last(now)
        self._sent.append(now)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    @property
    def worked(self) -> float:
        """Seconds since the start in which the budget would have let a request go."""
        now = self._clock()
        return now - self._began - self._held - self._held_since_the_last(now)

    @property
    def wait(self) -> float:
        """Seconds until the budget lets a request go; 0 while it does."""
        return 0.0 if self._limiter.available else self._limiter.wait_time()

    def seconds_for(self, requests: int) -> float:
        """Tell how many seconds pass, at least, until the budget has let so many more requests go."""
        if requests < 1:
            return 0.0
        windows, rest = divmod(requests - 1, self._limiter.max_requests)
        return max(self.wait, self._free_at(rest) - self._clock()) + windows * self._limiter.period

    def _held_since_the_last(self, now: float) -> float:
        return max(0.0, min(now, self._free_at(0)) - self._sent[-1]) if self._sent else 0.0

    def _free_at(self, before: int) -> float:
        """Tell when a request may be sent that goes after so many others, fewer than the budget has."""
        earlier = len(self._sent) - self._limiter.max_requests + before
        return self._sent[earlier] + self._limiter.period if earlier >= 0 else self._began
