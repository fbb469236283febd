"""While Redis is away: what a process may send by itself, so that all together keep to the budget."""

from __future__ import annotations

import math
from collections.abc import Callable

from timezest_async.budget.limiter import RateLimiter
from timezest_async.budget.redis.coordinator import Coordinator
from timezest_async.budget.redis.questions import Waiter
from timezest_async.budget.redis.state import News, Terms
from timezest_async.budget.slots import Outcome, SettledOnce, Slot
from timezest_async.errors import BudgetExhaustedError


class NamedSlot(SettledOnce):
    """A slot of the shared budget, or of the local share of a process; both know it by its name.

    Args:
        coordinator: Tells Redis what becomes of it.
        local: The local share, which counts it too.
        name: The request's.
        waiter: Who waited for it, if Redis gave it.
        own: The slot of the process's share, if that gave it.
    """

    __slots__ = ("_coordinator", "_local", "_name", "own", "waiter")

    def __init__(
        self,
        coordinator: Coordinator,
        local: LocalShare,
        name: str,
        waiter: Waiter | None = None,
        own: Slot | None = None,
    ) -> None:
        super().__init__()
        self._coordinator, self._local, self._name = coordinator, local, name
        self.waiter, self.own = waiter, own

    def on_outcome(self, outcome: Outcome) -> None:
        """Tell the share, and Redis."""
        for slot in (self.own, self._local.in_flight.pop(self._name, None)):
            if slot is not None:
                outcome.settle(slot)
        pause = -1 if self.waiter is None else self.waiter.pause
        self._coordinator.settle(self._name, outcome.grace, News.of(outcome, pause))


class LocalShare:
    """The share of a process that goes on without Redis.

    What it has just sent through Redis counts in it. Within the first window it has no more than it had of
    the common budget, and its part of what nobody had: so it takes nothing that another may have sent.

    Args:
        coordinator: Knows what was sent, and tells Redis afterwards.
        terms: The budget's.
        part: The share, above 0 and up to 1.
        timeout: Seconds that a question to Redis may take.
        clock: Returns seconds that never go backwards.

    Attributes:
        in_flight: Slots of the share for requests that Redis gave slots to.
        limiter: The share; None while Redis is there.
    """

    def __init__(
        self, coordinator: Coordinator, terms: Terms, part: float, timeout: float, clock: Callable[[], float]
    ) -> None:
        self._coordinator = coordinator
        self._terms = terms
        self._part = part
        self._timeout = timeout
        self._clock = clock
        self.in_flight: dict[str, Slot] = {}
        self.limiter: RateLimiter | None = None

    @property
    def max_requests(self) -> int:
        """Requests of this process in one window."""
        return max(1, math.floor(self._terms.max_requests * self._part))

    def begin(self) -> RateLimiter:
        """Go on without Redis; return the share, where it is so already the one that there is."""
        if self.limiter is not None:
            return self.limiter
        terms, coordinator = self._terms, self._coordinator
        own = self.limiter = RateLimiter(self.max_requests, terms.period, terms.margin, clock=self._clock)
        held = 0
        for name, until, in_flight in coordinator.memory.sent():
            held += 1
            if in_flight:
                self.in_flight[name] = own.occupy()
            else:
                own.remember(until)
        latest = coordinator.others_served_until(self._timeout)
        if latest is not None:
            for _ in range(self.max_requests - held - math.floor(self._part * coordinator.free)):
                own.remember(latest + terms.window)
        return own

    def end(self) -> None:
        """Go back to Redis, and send back to it who waits here."""
        limiter, self.limiter = self.limiter, None
        self.in_flight.clear()
        if limiter is not None:
            limiter.turn_out()

    async def acquire(self, limiter: RateLimiter, again: Slot | None, within: float | None) -> Slot | None:
        """Wait for a slot of the share.

        Returns:
            The slot; None where Redis is back first.

        Raises:
            BudgetExhaustedError: The share has none within that time.
        """
        try:
            own = await limiter.acquire(again.own if isinstance(again, NamedSlot) else None, within)
        except BudgetExhaustedError:
            if self.limiter is limiter:
                raise
            return None
        if self.limiter is not limiter:
            own.release()
            return None
        name = self._coordinator.new_name()
        self._coordinator.note_local_request(name)
        return NamedSlot(self._coordinator, self, name, own=own)
