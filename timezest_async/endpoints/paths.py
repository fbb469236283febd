"""The lists of the service, by their paths."""

from __future__ import annotations

from typing import Any, Final

from timezest_async.endpoints.directory import (
    AgentsEndpoint,
    AppointmentTypesEndpoint,
    ResourcesEndpoint,
    TeamsEndpoint,
)
from timezest_async.endpoints.lists import Endpoint
from timezest_async.endpoints.scheduling_requests import SchedulingRequestsEndpoint
from timezest_async.errors import InvalidRequestError

PATHS: Final = {
    endpoint.entity: endpoint.path
    for endpoint in (
        SchedulingRequestsEndpoint,
        AgentsEndpoint,
        TeamsEndpoint,
        ResourcesEndpoint,
        AppointmentTypesEndpoint,
    )
}
"""The path of each entity's list, such as ``"/agents"`` for ``"agent"``."""


def endpoint_of(client: object, path: str) -> Endpoint[Any]:
    """Return a client's endpoint by the path of its list.

    Raises:
        InvalidRequestError: There is no such list.
    """
    if path not in PATHS.values():
        raise InvalidRequestError(
            f"{path!r} is not a list of the service: those are {', '.join(PATHS.values())}"
        )
    endpoint: Endpoint[Any] = getattr(client, path.removeprefix("/"))
    return endpoint
