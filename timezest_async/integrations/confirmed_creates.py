"""Creates for an assistant: the first call says what would be done, the second, with its code, does it."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from timezest_async.client import TimeZestClient
from timezest_async.endpoints.creating import creation_parameters
from timezest_async.errors import InvalidRequestError
from timezest_async.idempotency import IntentJournal
from timezest_async.idempotency.keys import digest_of
from timezest_async.models import AssociatedEntity, TriggerMode

_DEADLINE: Final = 50.0
"""Seconds for a create, after which asking again goes on: clients of MCP give up after about a minute."""
_TICKETS: Final[Mapping[str, Callable[..., AssociatedEntity]]] = {
    "autotask": AssociatedEntity.autotask_ticket,
    "connectwise_psa": AssociatedEntity.connectwise_psa_service_ticket,
    "connectwise_psa_project": AssociatedEntity.connectwise_psa_project_ticket,
    "halo_psa": AssociatedEntity.halo_psa_ticket,
    "service_now": AssociatedEntity.service_now_task,
}
Psa = Literal["autotask", "connectwise_psa", "connectwise_psa_project", "halo_psa", "service_now"]
Key = Annotated[
    str, Field(description="What is to exist once; by default the ticket and the appointment type")
]
Code = Annotated[str, Field(description="Empty at first; then what the first answer said")]


class ConfirmedCreates:
    """The tool that creates.

    Args:
        client: Asks the service.
        journal: Remembers what was created.
        shown: Makes an answer of records.
    """

    def __init__(
        self, client: TimeZestClient, journal: IntentJournal, shown: Callable[..., dict[str, Any]]
    ) -> None:
        self._client = client
        self._journal = journal
        self._shown = shown
        self._secret = secrets.token_bytes(16)

    async def create(
        self,
        *,
        ticket: Annotated[str, Field(description="Its number, such as #1234")],
        appointment_type_id: str,
        resource_ids: list[str],
        psa: Psa = "connectwise_psa",
        end_user_name: str = "",
        end_user_email: str = "",
        duration_mins: int | None = None,
        earliest_date: date | None = None,
        earliest_time: time | None = None,
        latest_date: date | None = None,
        latest_time: time | None = None,
        key: Key = "",
        code: Code = "",
    ) -> dict[str, Any]:
        """Ask a ticket's end user to choose a time. The first call says what would be done, and a code.

        Show that to the user. Only if they agree, call again with the same arguments and the code. What was
        created for a key is found again; another appointment of the same type for the ticket needs a key.
        """
        arguments: dict[str, Any] = {
            "appointment_type_id": appointment_type_id,
            "trigger_mode": TriggerMode.POD,
            "resource_ids": resource_ids,
            "associated_entities": [_TICKETS[psa](number=ticket)],
            "end_user_name": end_user_name or None,
            "end_user_email": end_user_email or None,
            "duration_mins": duration_mins,
            "earliest_date": earliest_date,
            "earliest_time": earliest_time,
            "latest_date": latest_date,
            "latest_time": latest_time,
        }
        parameters = creation_parameters(**arguments)
        # The service takes a number with and without its sign for the same.
        name = key.strip() or f"{psa}/{ticket.removeprefix('#')}/{appointment_type_id}"
        right = self._code(parameters, name)
        if not code:
            return {"would_create": parameters, "key": name, "code": right, "nothing_was_done": True}
        if not hmac.compare_digest(code.strip().encode("utf-8", "replace"), right.encode()):
            raise InvalidRequestError(
                "this code is not that of these arguments: call without a code, and ask the user"
            )
        made = await self._client.scheduling_requests.create_once(
            self._journal, key=name, unless_open=not key.strip(), deadline=_DEADLINE, **arguments
        )
        return self._shown([made.request], how=made.how, key=name)

    def _code(self, parameters: Mapping[str, Any], key: str) -> str:
        """Return what only a call with these arguments is told; another server has another one."""
        said = f"{digest_of(parameters)} {key}".encode("utf-8", "replace")
        return hmac.digest(self._secret, said, "sha256").hex()[:8]
