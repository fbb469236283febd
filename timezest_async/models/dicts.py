"""The JSON objects of the records, as ``to_dict()`` gives them, for type checkers.

Keys that the service may leave out may be absent. A record's unknown fields are in the object too, though no
type says so.
"""

# Without `from __future__ import annotations`: Python 3.11 could not tell which keys are not required.

from typing import NotRequired, TypeAlias, TypedDict


class AssociatedEntityDict(TypedDict):
    """The JSON object of an ``AssociatedEntity``."""

    type: str
    id: NotRequired[int | str | None]
    number: NotRequired[str | None]


class ResourceReferenceDict(TypedDict):
    """The JSON object of a ``ResourceReference``."""

    id: str
    type: NotRequired[str | None]
    object: NotRequired[str | None]
    name: NotRequired[str | None]


class SchedulingRequestDict(TypedDict):
    """The JSON object of a ``SchedulingRequest``; times are epoch seconds."""

    id: str
    object: NotRequired[str | None]
    appointment_type_id: NotRequired[str | None]
    end_user_email: NotRequired[str | None]
    end_user_name: NotRequired[str | None]
    associated_entities: NotRequired[list[AssociatedEntityDict] | None]
    resources: NotRequired[list[ResourceReferenceDict] | None]
    scheduled_agents: NotRequired[list[ResourceReferenceDict] | None]
    scheduled_at: NotRequired[int | None]
    scheduling_url: NotRequired[str | None]
    selected_start_time: NotRequired[int | None]
    selected_time_zone: NotRequired[str | None]
    status: str
    created_at: int
    updated_at: NotRequired[int | None]
    duration_mins: NotRequired[int | None]
    earliest_date: NotRequired[int | str | None]
    earliest_time: NotRequired[int | str | None]
    latest_date: NotRequired[int | str | None]
    latest_time: NotRequired[int | str | None]
    guests_list: NotRequired[list[str] | None]


class AgentDict(TypedDict):
    """The JSON object of an ``Agent``; times are epoch seconds."""

    id: str
    object: NotRequired[str | None]
    name: NotRequired[str | None]
    email: NotRequired[str | None]
    role: NotRequired[str | None]
    schedulable: NotRequired[bool | None]
    two_factor_enabled: NotRequired[bool | None]
    url_slug: NotRequired[str | None]
    created_at: NotRequired[int | None]
    updated_at: NotRequired[int | None]


class TeamDict(TypedDict):
    """The JSON object of a ``Team``; times are epoch seconds."""

    id: str
    object: NotRequired[str | None]
    internal_name: NotRequired[str | None]
    external_name: NotRequired[str | None]
    team_type: NotRequired[str | None]
    url_slug: NotRequired[str | None]
    created_at: NotRequired[int | None]
    updated_at: NotRequired[int | None]


class AppointmentTypeDict(TypedDict):
    """The JSON object of an ``AppointmentType``; times are epoch seconds."""

    id: str
    object: NotRequired[str | None]
    internal_name: NotRequired[str | None]
    external_name: NotRequired[str | None]
    duration_mins: NotRequired[int | None]
    url_slug: NotRequired[str | None]
    created_at: NotRequired[int | None]
    updated_at: NotRequired[int | None]


ResourceDict: TypeAlias = AgentDict | TeamDict
"""The JSON object of a ``Resource``."""
