"""One create by ``create_once``: its arguments, and what of the service it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NotRequired, Protocol, TypedDict

from timezest_async.checks import check_settle
from timezest_async.endpoints.open_requests import open_requests
from timezest_async.idempotency.keys import check_intent
from timezest_async.models import AssociatedEntity, SchedulingRequest, TriggerMode
from timezest_async.transport import Transport


class CreateArguments(TypedDict):
    """What ``create`` takes, apart from its deadline."""

    appointment_type_id: str
    trigger_mode: TriggerMode | str
    resource_ids: Sequence[str]
    associated_entities: NotRequired[Sequence[AssociatedEntity | Mapping[str, Any]]]
    end_user_name: NotRequired[str | None]
    end_user_email: NotRequired[str | None]
    end_user_company: NotRequired[str | None]
    duration_mins: NotRequired[int | None]
    earliest_date: NotRequired[date | None]
    earliest_time: NotRequired[time | None]
    latest_date: NotRequired[date | None]
    latest_time: NotRequired[time | None]


class _Requests(Protocol):
    """The endpoint, as far as it is needed here."""

    async def send(
        self,
        parameters: Mapping[str, Any],
        *,
        deadline: float | None,
        before_send: Callable[[], Awaitable[None]] | None,
    ) -> SchedulingRequest: ...

    async def get(self, id: str, *, deadline: float | None) -> SchedulingRequest: ...

    async def find_candidates(
        self, parameters: Mapping[str, Any], sent_at: datetime, *, deadline: float | None
    ) -> Sequence[SchedulingRequest]: ...

    async def find_open(
        self, parameters: Mapping[str, Any], *, deadline: float | None
    ) -> SchedulingRequest | None: ...


class OneCreate:
    """The ``Creator`` of ``create_once`` for certain parameters.

    Args:
        requests: The endpoint.
        transport: Its transport.
        parameters: What is to be created, as JSON.
        unless_open: Whether open requests will be looked for.

    Raises:
        InvalidRequestError: Open requests cannot be looked for by these parameters.
    """

    def __init__(
        self,
        requests: _Requests,
        transport: Transport,
        parameters: Mapping[str, Any],
        *,
        unless_open: bool,
    ) -> None:
        if unless_open:
            open_requests(parameters)
        self._requests = requests
        self._parameters = parameters
        self.timeout: float = transport.timeout
        self.rounds: int = transport.max_attempts

    async def create(
        self, before_send: Callable[[], Awaitable[None]], deadline: float | None
    ) -> SchedulingRequest:
        """Create; see ``Creator``."""
        return await self._requests.send(self._parameters, deadline=deadline, before_send=before_send)

    async def get(self, id: str, deadline: float | None) -> SchedulingRequest:
        """Get what was made; see ``Creator``."""
        return await self._requests.get(id, deadline=deadline)

    async def candidates(self, sent_ago: float, deadline: float | None) -> Sequence[SchedulingRequest]:
        """List what may have come of it; see ``Creator``."""
        # Who sent it may have had another clock; this one, and how far the service's is ahead of it, agree.
        sent_at = datetime.now(UTC) - timedelta(seconds=sent_ago)
        return await self._requests.find_candidates(self._parameters, sent_at, deadline=deadline)

    async def find_open(self, deadline: float | None) -> SchedulingRequest | None:
        """Find an open request; see ``Creator``."""
        return await self._requests.find_open(self._parameters, deadline=deadline)


def check_once(journal: object, key: object, settle: object) -> None:
    """Check what ``create_once`` takes beside the arguments of a create.

    Raises:
        InvalidRequestError: Something is unfit.
    """
    check_intent(journal, key)
    check_settle(settle)
