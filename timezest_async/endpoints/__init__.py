"""What the service offers, one object per kind of record.

Knows paths, arguments and what a create may be; knows nothing of connections, retries and files.
"""

from timezest_async.endpoints.directory import (
    AgentsEndpoint,
    AppointmentTypesEndpoint,
    ResourcesEndpoint,
    TeamsEndpoint,
)
from timezest_async.endpoints.paths import PATHS, endpoint_of
from timezest_async.endpoints.scheduling_requests import SchedulingRequestsEndpoint

__all__ = [
    "PATHS",
    "AgentsEndpoint",
    "AppointmentTypesEndpoint",
    "ResourcesEndpoint",
    "SchedulingRequestsEndpoint",
    "TeamsEndpoint",
    "endpoint_of",
]
