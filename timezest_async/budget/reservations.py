"""Waiting for the budget apart from asking: first the slot, then the decision what to ask."""

from __future__ import annotations

import asyncio
import contextlib

import attrs

from timezest_async.budget.protocols import Limiter
from timezest_async.budget.slots import Slot
from timezest_async.errors import BudgetExhaustedError, RequestTimeoutError


@attrs.define(eq=False)
class Reservation:
    """A slot of the budget that was waited for before it was decided which request to make.

    Give it to ``Transport.get(slot=...)``, or release it; it is good for one attempt, and whoever
    gives it again waits for the budget like everybody. The deadline of the call began with it.

    Attributes:
        asked_at: When the waiting began, in the seconds of the event loop.
        waited: How many seconds it took.
    """

    _slot: Slot | None = attrs.field(repr=False)
    asked_at: float
    waited: float

    def take(self) -> Slot | None:
        """Hand the slot over; None if it was handed over or given back before."""
        slot, self._slot = self._slot, None
        return slot

    def release(self) -> None:
        """Give the slot back unused; does nothing once it was used."""
        slot = self.take()
        if slot is not None:
            slot.release()


async def reserve(limiter: Limiter, deadline: float | None, *, again: Slot | None = None) -> Reservation:
    """Wait for a slot, at most up to the deadline.

    Args:
        limiter: The budget.
        deadline: Seconds to wait at most, or None.
        again: The slot of the attempt before.

    Raises:
        BudgetExhaustedError: There is none before the deadline. That is said as soon as the budget knows it.
    """
    asked_at = asyncio.get_running_loop().time()
    slot: Slot | None = None
    if deadline is None:
        slot = await limiter.acquire(again)
    else:
        # What the budget cannot foretell, such as the answers that it waits for, the time tells.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                slot = await limiter.acquire(again, deadline)
        if slot is None:
            wait = limiter.wait_time()
            raise BudgetExhaustedError(
                f"The request budget had no room within {deadline:.3g} s, nor has it for {wait:.3g} s more:"
                " nothing was sent.",
                retry_after=wait,
            )
    return Reservation(slot, asked_at, asyncio.get_running_loop().time() - asked_at)


def deadline_passed(seconds: float, asked: str, *, never_sent: bool = True) -> RequestTimeoutError:
    """Say that a deadline passed before anything else went wrong."""
    return RequestTimeoutError(
        f"{asked} was not done within its deadline of {seconds:g} s.", seconds=seconds, never_sent=never_sent
    )
