"""What the service offers, one object per kind of record."""

from timezest_async.endpoints.directory import (
    AgentsEndpoint,
    AppointmentTypesEndpoint,
    ResourcesEndpoint,
    TeamsEndpoint,
)
from timezest_async.endpoints.scheduling_requests import SchedulingRequestsEndpoint

__all__ = [
    "AgentsEndpoint",
    "AppointmentTypesEndpoint",
    "ResourcesEndpoint",
    "SchedulingRequestsEndpoint",
    "TeamsEndpoint",
]
