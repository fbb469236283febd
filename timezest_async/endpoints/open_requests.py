"""Which scheduling requests are open, and are of the same ticket or end user as a create would be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from timezest_async import tql
from timezest_async.endpoints.creating import lookup_filter, same_text
from timezest_async.errors import InvalidRequestError
from timezest_async.models import CONTACT_TYPES, TICKET_TYPES, EntityType, SchedulingRequest, Status
from timezest_async.tql import scheduling_request as F

_OPEN: Final = (Status.NEW, Status.SENT, Status.SCHEDULED)


def open_requests(parameters: Mapping[str, Any]) -> tql.Expression[tql.SchedulingRequestAttributes]:
    """Give the filter that finds those of the same ticket, else of the same end user.

    Raises:
        InvalidRequestError: The ticket is named by an id that the service has no filter for.
    """
    for entity in parameters.get("associated_entities", ()):
        by_id = entity["type"] == EntityType.SERVICE_NOW_TASK and entity.get("id") is not None
        if entity["type"] in TICKET_TYPES and not entity.get("number") and not by_id:
            raise InvalidRequestError(
                f"open requests of a {entity['type']} can only be looked for by its number: give number="
            )
    return F.status.in_(_OPEN) & lookup_filter(parameters)


def is_open(request: SchedulingRequest, now: datetime) -> bool:
    """Return whether a request is new, sent, or scheduled for a time that is not past."""
    if request.status == Status.SCHEDULED:
        return request.selected_start_time is None or request.selected_start_time >= now
    return request.status in _OPEN


def is_for_same_user(request: SchedulingRequest, parameters: Mapping[str, Any]) -> bool:
    """Return whether a request that the filter found is of the same end user indeed: LIKE finds more."""
    types = {entity["type"] for entity in parameters.get("associated_entities", ())}
    return bool(types & (CONTACT_TYPES | TICKET_TYPES)) or same_text(
        request.end_user_email, parameters.get("end_user_email")
    )
