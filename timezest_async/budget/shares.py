"""A part of a budget for one of its users, so that a bulk job leaves room for the others."""

from __future__ import annotations

from collections.abc import Callable

from timezest_async.budget.protocols import Limiter, exhausted
from timezest_async.budget.slots import ANSWERED, Outcome, SettledOnce, Slot
from timezest_async.checks import check_count
from timezest_async.errors import ConfigurationError


class _ShareSlot(SettledOnce):
    """A slot of the share together with one of the whole."""

    __slots__ = ("part", "slot")

    def __init__(self, part: Slot, slot: Slot) -> None:
        super().__init__()
        self.part, self.slot = part, slot

    def on_outcome(self, outcome: Outcome) -> None:
        # A 429 is the whole's affair: the pause holds for everybody.
        (ANSWERED if outcome.refused else outcome).settle(self.part)
        outcome.settle(self.slot)


class Share:
    """At most so many of a budget's requests in any window; ``limiter.share(max_requests)`` makes it.

    Whoever has a share waits first for its own turn in it, and then in the line of the whole budget like
    everybody else.

    Args:
        whole: The budget.
        max_requests: Requests of it in one period.
        limiter_of: Makes a budget of so many requests with the same window and clock as the whole.
        clock: Returns the seconds of that clock.
        certain_wait: Returns the seconds that a request will certainly wait for the whole.

    Raises:
        ConfigurationError: The budget has less than that.
    """

    def __init__(
        self,
        whole: Limiter,
        max_requests: int,
        limiter_of: Callable[[int], Limiter],
        clock: Callable[[], float],
        certain_wait: Callable[[], float],
    ) -> None:
        if check_count("max_requests", max_requests) > whole.max_requests:
            raise ConfigurationError(
                f"max_requests is {max_requests}: a share of a budget of {whole.max_requests} requests is"
                f" {whole.max_requests} at most."
            )
        self._whole = whole
        self._part = limiter_of(max_requests)
        self._limiter_of = limiter_of
        self._clock = clock
        self._whole_wait = certain_wait

    def __repr__(self) -> str:
        return f"<share of {self.max_requests} requests of {self._whole!r}>"

    @property
    def max_requests(self) -> int:
        """Requests allowed in one period."""
        return self._part.max_requests

    @property
    def period(self) -> float:
        """The window's length in seconds."""
        return self._whole.period

    @property
    def lease(self) -> float | None:
        """The whole's lease, if it has one: see ``RedisRateLimiter``."""
        return getattr(self._whole, "lease", None)

    @property
    def available(self) -> int:
        """How many requests could be sent at this moment without waiting."""
        return min(self._part.available, self._whole.available)

    def wait_time(self, ahead: int = 0) -> float:
        """Return the seconds that the next request would wait, at least; see ``RateLimiter.wait_time``."""
        return max(self._part.wait_time(ahead), self._whole.wait_time(ahead))

    def share(self, max_requests: int) -> Share:
        """Return a part of this share: see ``RateLimiter.share``."""
        return Share(self, max_requests, self._limiter_of, self._clock, self._certain_wait)

    def _certain_wait(self) -> float:
        return max(self._part.wait_time(), self._whole_wait())

    async def acquire(self, again: Slot | None = None, within: float | None = None) -> Slot:
        """Wait for a slot; see ``RateLimiter.acquire``."""
        before = again if isinstance(again, _ShareSlot) else None
        began = self._clock()
        if within is not None and (wait := self._whole_wait()) > within:
            raise exhausted(wait, within)
        part = await self._part.acquire(None if before is None else before.part, within)
        try:
            left = None if within is None else max(0.0, within - (self._clock() - began))
            slot = await self._whole.acquire(None if before is None else before.slot, left)
        except BaseException:
            part.release()
            raise
        return _ShareSlot(part, slot)
