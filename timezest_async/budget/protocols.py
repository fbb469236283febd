"""What a request budget offers, whoever keeps it."""

from __future__ import annotations

from typing import Protocol

from timezest_async.budget.slots import Slot
from timezest_async.errors import BudgetExhaustedError


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

    def wait_time(self, ahead: int = 0) -> float:
        """Return the seconds that the next request would wait, at least.

        Args:
            ahead: How many other requests are sent before it, beside those that wait already.
        """
        ...

    async def acquire(self, again: Slot | None = None, within: float | None = None) -> Slot:
        """Wait for a slot.

        Args:
            again: The settled slot of this request's attempt before, whose place in the line the
                request keeps: it goes before all that came later.
            within: Seconds after which the slot would be of no use; None for no limit.

        Raises:
            BudgetExhaustedError: There will be no slot within that time. It is raised as soon as that is
                certain; whoever must not wait longer has to see to that himself.
        """
        ...


def exhausted(wait: float, within: float) -> BudgetExhaustedError:
    """Make the error for a request that there is no slot for in time.

    Args:
        wait: Seconds until there may be one.
        within: Seconds within which it was wanted.
    """
    return BudgetExhaustedError(
        f"The request budget has no room within {within:.3g} s, but in {wait:.3g} s at the earliest: nothing"
        " was sent.",
        retry_after=wait,
    )
