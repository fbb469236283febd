"""The service as a look sees it: lists and single requests, read without hurry, and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, Protocol

import attrs

from timezest_async import tql
from timezest_async.changes.change import Wire
from timezest_async.errors import NotFoundError, UnexpectedResponseError
from timezest_async.models import SchedulingRequest

PAGE_SIZE: Final = 20
"""Records on a page."""
_RESERVE: Final = 10
"""The part of the request budget that is left to others: a tenth."""
_PAUSE: Final = 1.0
"""Seconds after which the budget is looked at again."""


class Budget(Protocol):
    """What a look asks of the request budget."""

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


@attrs.frozen
class Service:
    """What a look needs of the client.

    Attributes:
        list: Lists scheduling requests, as the endpoint does.
        get: Gets one.
        structure: Makes a record of a JSON object.
        now: Returns the service's time (UTC), as far as its answers have told it.
        budget: The request budget.
    """

    list: Callable[..., Any]
    get: Callable[[str], Awaitable[SchedulingRequest]]
    structure: Callable[[Wire], SchedulingRequest]
    now: Callable[[], datetime]
    budget: Budget


class Reader:
    """Reads for one look.

    Args:
        service: The service.
        fixed: What holds for all that is listed; None for nothing.

    Attributes:
        found: What was read, by id; of several readings the last.
        unreadable: The ids of records that cannot be read.
        gone: What the service says of the ids that it does not know, or no longer.
        requests: How many requests it took, not counting repetitions.
        by_name: How many of them asked by name.
    """

    def __init__(self, service: Service, fixed: tql.Expression[Any] | None) -> None:
        self.found: dict[str, SchedulingRequest] = {}
        self.unreadable: set[str] = set()
        self.gone: dict[str, NotFoundError] = {}
        self.requests: int = 0
        self.by_name: int = 0
        self._service = service
        self._fixed = fixed

    async def list(self, query: tql.Expression[Any] | None, *, limit: int | None = None) -> int:
        """Read a list, and return how many requests were on it.

        Raises:
            TimeZestError: The service or the network failed.
        """
        terms = [term for term in (self._fixed, query) if term is not None]
        requests = self._service.list(
            tql.all_of(*terms) if terms else None, limit=limit, on_unreadable=self._pass_over
        )
        await self._leave_room()
        count = pages = 0
        try:
            async with aclosing(requests.pages()) as read:
                async for page in read:
                    pages += 1
                    count += len(page.data)
                    self.found.update((record.id, record) for record in page.data)
                    await self._leave_room()
        finally:
            self.requests += max(1, pages)
        return count

    async def get(self, id: str) -> SchedulingRequest | None:
        """Read a single request; None where there is none that can be read.

        Raises:
            TimeZestError: The service or the network failed.
        """
        await self._leave_room()
        self.requests += 1
        try:
            record = await self._service.get(id)
        except NotFoundError as error:
            self.gone[id] = error
            self.found.pop(id, None)
            return None
        except UnexpectedResponseError as error:
            if error.retryable:
                raise
            self.unreadable.add(id)
            return None
        self.found[id] = record
        return record

    def _pass_over(self, record: Any) -> None:
        if isinstance(record.id, str):
            self.unreadable.add(record.id)

    async def _leave_room(self) -> None:
        """Let the budget recover before it is used up: what else the client is for goes first."""
        budget = self._service.budget
        reserve = budget.max_requests // _RESERVE
        for _ in range(max(1, int(budget.period / _PAUSE))):
            if budget.available > reserve:
                return
            await asyncio.sleep(_PAUSE)
