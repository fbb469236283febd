"""Records of what the service sends and takes.

Knows the fields, words and time zones of the service; knows no HTTP, no filters, and not who reads or
writes a record.
"""

from timezest_async.models.associated_entities import AssociatedEntity
from timezest_async.models.dicts import (
    AgentDict,
    AppointmentTypeDict,
    AssociatedEntityDict,
    ResourceDict,
    ResourceReferenceDict,
    SchedulingRequestDict,
    TeamDict,
)
from timezest_async.models.directory import Agent, AppointmentType, Resource, Team
from timezest_async.models.enums import (
    CONTACT_TYPES,
    TICKET_TYPES,
    AgentRole,
    EntityType,
    Status,
    TeamType,
    TriggerMode,
)
from timezest_async.models.record import Record
from timezest_async.models.scheduling_requests import ResourceReference, SchedulingRequest

__all__ = [
    "CONTACT_TYPES",
    "TICKET_TYPES",
    "Agent",
    "AgentDict",
    "AgentRole",
    "AppointmentType",
    "AppointmentTypeDict",
    "AssociatedEntity",
    "AssociatedEntityDict",
    "EntityType",
    "Record",
    "Resource",
    "ResourceDict",
    "ResourceReference",
    "ResourceReferenceDict",
    "SchedulingRequest",
    "SchedulingRequestDict",
    "Status",
    "Team",
    "TeamDict",
    "TeamType",
    "TriggerMode",
]
