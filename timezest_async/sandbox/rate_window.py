"""The account's request budget, counted exactly as observed: in any sliding window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import Literal, TypeAlias

RetryAfter: TypeAlias = Literal["none", "seconds", "date"]


class RateWindow:
    """Admit at most ``max_requests`` in any window of ``period`` seconds.

    Refused requests do not count.

    Args:
        max_requests: How many are admitted.
        period: The window's length in seconds.
        clock: Epoch seconds.
    """

    def __init__(self, max_requests: int, period: float, clock: Callable[[], float]) -> None:
        self._max_requests = max_requests
        self._period = period
        self._clock = clock
        self._admitted: deque[float] = deque()

    def admit(self) -> bool:
        """Count a request that arrives now; False where the budget is used up."""
        now = self._clock()
        if self._admitted and now < self._admitted[-1]:
            self._admitted.clear()  # a clock that was set back says nothing about what was before
        while self._admitted and now - self._admitted[0] >= self._period:
            self._admitted.popleft()
        if len(self._admitted) >= self._max_requests:
            return False
        self._admitted.append(now)
        return True

    def headers(self, form: RetryAfter) -> dict[str, str]:
        """Say when the next request is admitted: in whole seconds, as an HTTP date, or not at all."""
        if form == "none" or not self._admitted:
            return {}
        free_at = self._admitted[0] + self._period
        if form == "date":
            return {"Retry-After": formatdate(math.ceil(free_at), usegmt=True)}
        return {"Retry-After": str(max(1, math.ceil(free_at - self._clock())))}
