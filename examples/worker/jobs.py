"""The job of the fleet, whatever the queue: one scheduling request for a ticket, exactly once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs

from timezest_async import (
    AssociatedEntity,
    AuthenticationError,
    ConfigurationError,
    IntentJournal,
    Limiter,
    PermissionDeniedError,
    RateLimiter,
    RedisJournal,
    RedisRateLimiter,
    SQLiteJournal,
    TimeZestClient,
    TimeZestError,
)

APPOINTMENT_TYPE = os.environ.get("FLEET_APPOINTMENT_TYPE", "apty_2s211C0S1I5gqIaA8wbDu6")
RESOURCE = os.environ.get("FLEET_RESOURCE", "agnt_2wvARLFjTDmO4djuOBf3r")
NOBODYS_FAULT = (AuthenticationError, ConfigurationError, PermissionDeniedError)
"""A wrong key, or a fleet that is not set up rightly: the jobs wait until that is mended."""


class AgainError(Exception):
    """The job is not done yet, through no fault of its own: give it again after so many seconds."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


class PoisonError(Exception):
    """The job will never be done like this: put it aside, and let a person look at the reason."""


class CountedBudget:
    """A request budget that tells how many wait for it."""

    def __init__(self, budget: Limiter) -> None:
        self._budget = budget
        self.waiting = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._budget, name)

    async def acquire(self, *arguments: Any, **more: Any) -> Any:
        """Wait for a slot; see ``Limiter``."""
        self.waiting += 1
        try:
            return await self._budget.acquire(*arguments, **more)
        finally:
            self.waiting -= 1


@attrs.frozen
class Tools:
    """What a job needs, opened once in each process."""

    client: TimeZestClient
    journal: IntentJournal
    budget: CountedBudget


@asynccontextmanager
async def opened(where: str) -> AsyncIterator[Tools]:
    """Open the client, the journal and the budget.

    Args:
        where: ``redis://…`` for a fleet on several hosts, or a file for the processes of one.
    """
    async with AsyncExitStack() as stack:
        budget: Limiter
        journal: IntentJournal
        if where.startswith("redis"):
            budget = await stack.enter_async_context(RedisRateLimiter(where))
            journal = await stack.enter_async_context(RedisJournal(where))
        else:
            budget = RateLimiter()
            journal = await stack.enter_async_context(SQLiteJournal(where))
        counted = CountedBudget(budget)
        client = await stack.enter_async_context(TimeZestClient(rate_limiter=counted))
        yield Tools(client, journal, counted)


async def create_request(tools: Tools, ticket: str) -> str:
    """Create the request of a ticket, once, however often this is called; return its id.

    Raises:
        AgainError: Call it again later.
        PoisonError: Do not.
    """
    try:
        made = await tools.client.scheduling_requests.create_once(
            tools.journal,
            key=f"{ticket}/onsite",
            unless_open=True,
            appointment_type_id=APPOINTMENT_TYPE,
            trigger_mode="pod",
            resource_ids=[RESOURCE],
            associated_entities=[AssociatedEntity.connectwise_psa_service_ticket(number=ticket)],
        )
    except TimeZestError as error:
        if error.retryable or isinstance(error, NOBODYS_FAULT):
            raise AgainError(getattr(error, "retry_after", None) or 5.0, str(error)) from None
        raise PoisonError(f"{type(error).__name__}: {error}") from None
    return made.request.id
