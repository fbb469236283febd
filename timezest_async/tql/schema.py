"""The attribute table of each entity: the one place where an attribute is added.

Sources: the vendor's reference page ("Supported TQL Attributes") for most of the scheduling request's;
what published clients observed for the rest. The texts under the attributes are what editors show.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from timezest_async.errors import FilterError, UnknownAttributeError
from timezest_async.tql.attributes import (
    Attribute,
    Boolean,
    Id,
    Number,
    Reference,
    String,
    TicketNumber,
    Timestamp,
)
from timezest_async.tql.suggestions import nearest


class Schema:
    """The filterable attributes of one entity, as attributes of an object.

    A subclass is a table: it names its entity, and what is on the entity's records but cannot be filtered
    on, so that an error can say so.
    """

    __slots__ = ()

    _entity: ClassVar[str]
    _attributes: ClassVar[Mapping[str, Attribute[Any, Any]]]
    _unfilterable: ClassVar[frozenset[str]]
    _renamed: ClassVar[Mapping[str, str]]

    def __init_subclass__(
        cls, *, entity: str, unfilterable: frozenset[str], renamed: Mapping[str, str] | None = None
    ) -> None:
        cls._entity = entity
        attributes: dict[str, Attribute[Any, Any]] = {
            name: value for name, value in vars(cls).items() if isinstance(value, Attribute)
        }
        cls._attributes = MappingProxyType(attributes)
        cls._unfilterable = unfilterable
        cls._renamed = renamed or {}
        for name, attribute in attributes.items():
            attribute.bind(cls, entity, name)

    def __dir__(self) -> list[str]:
        return sorted(self._attributes)

    def __repr__(self) -> str:
        return f"<{self._entity} attributes: {', '.join(self._attributes)}>"

    if not TYPE_CHECKING:
        # Hidden from type checkers, which so reject unknown attributes.
        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):  # protocols of Python and of notebooks ask for these
                raise AttributeError(name)
            raise _unknown(self, name)


def entity_of(schema: Schema) -> str:
    """Return the entity of a table."""
    return schema._entity  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def attributes_of(schema: Schema) -> Mapping[str, Attribute[Any, Any]]:
    """Return the attributes of a table by name, in the order of definition."""
    return schema._attributes  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _unknown(schema: Schema, name: str) -> UnknownAttributeError:
    """Return the error for a name that the table does not hold, pointing to the nearest one that it does."""
    entity, attributes = entity_of(schema), attributes_of(schema)
    suggestion = schema._renamed.get(name)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    path = f"`{entity}.{name}`"
    if suggestion is not None:
        message = f"{path}: the service refuses this name; filter on {attributes[suggestion]!r}"
    elif name in schema._unfilterable:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        message = (
            f"{path} exists on the record but cannot be filtered on; "
            f"the service filters on {', '.join(attributes)}"
        )
    else:
        found = nearest(name, attributes)
        suggestion = (found or difflib.get_close_matches(name.lower(), attributes, n=1, cutoff=0.0))[0]
        message = f"{path} does not exist; the nearest is {attributes[suggestion]!r}"
        message += "".join(f", or {attributes[other]!r}" for other in found[1:4])
        if not found:  # hardly what was meant
            message += f", and there are {', '.join(attributes)}"
    return UnknownAttributeError(message, entity=entity, attribute=name, suggestion=suggestion)


class SchedulingRequestAttributes(
    Schema,
    entity="scheduling_request",
    unfilterable=frozenset(
        {
            "associated_entities",
            "duration_mins",
            "earliest_date",
            "earliest_time",
            "guests_list",
            "id",
            "latest_date",
            "latest_time",
            "object",
            "resources",
            "scheduled_agents",
            "scheduling_url",
            "selected_time_zone",
            "updated_at",
        }
    ),
    renamed={"agent_id": "agent", "team_id": "team"},
):
    """What scheduling requests can be filtered on."""

    __slots__ = ()

    autotask_company_id: Id[SchedulingRequestAttributes, int] = Id(int)
    """Id of an associated company in Autotask."""
    autotask_contact_id: Id[SchedulingRequestAttributes, int] = Id(int)
    """Id of an associated contact in Autotask."""
    autotask_ticket_number: TicketNumber[SchedulingRequestAttributes] = TicketNumber()
    """Number of an associated ticket in Autotask."""
    connectwise_psa_company_id: Id[SchedulingRequestAttributes, int] = Id(int)
    """Id of an associated company in ConnectWise PSA."""
    connectwise_psa_contact_id: Id[SchedulingRequestAttributes, int] = Id(int)
    """Id of an associated contact in ConnectWise PSA."""
    connectwise_psa_ticket_number: TicketNumber[SchedulingRequestAttributes] = TicketNumber()
    """Number of an associated service or project ticket in ConnectWise PSA."""
    connectwise_psa_project_ticket_number: TicketNumber[SchedulingRequestAttributes] = TicketNumber()
    """Number of an associated project ticket in ConnectWise PSA."""
    connectwise_psa_service_ticket_number: TicketNumber[SchedulingRequestAttributes] = TicketNumber()
    """Number of an associated service ticket in ConnectWise PSA."""
    halo_psa_client_id: Id[SchedulingRequestAttributes, int] = Id(int)
    """Id of an associated client in HaloPSA."""
    halo_psa_user_id: Id[SchedulingRequestAttributes, int] = Id(int)
    """Id of an associated user in HaloPSA."""
    halo_psa_ticket_number: TicketNumber[SchedulingRequestAttributes] = TicketNumber()
    """Number of an associated ticket in HaloPSA."""
    service_now_task_number: TicketNumber[SchedulingRequestAttributes] = TicketNumber()
    """Number of an associated task in ServiceNow (observed, not on the reference page)."""
    service_now_task_id: Id[SchedulingRequestAttributes, str] = Id(str)
    """Id of an associated task in ServiceNow (observed, not on the reference page)."""
    service_now_contact_id: Id[SchedulingRequestAttributes, str] = Id(str)
    """Id of an associated contact in ServiceNow (observed, not on the reference page)."""
    end_user_name: String[SchedulingRequestAttributes] = String()
    """Name of the end user who is to select a time for the appointment."""
    end_user_email: String[SchedulingRequestAttributes] = String()
    """E-mail address of the end user who is to select a time for the appointment."""
    status: String[SchedulingRequestAttributes] = String()
    """Where the request is in its life: new, sent, scheduled, cancelled or closed."""
    selected_start_time: Timestamp[SchedulingRequestAttributes] = Timestamp()
    """When the appointment starts, as the end user selected it; null before that."""
    scheduled_at: Timestamp[SchedulingRequestAttributes] = Timestamp()
    """When the end user booked (not when the appointment is); null before that."""
    created_at: Timestamp[SchedulingRequestAttributes] = Timestamp()
    """When the scheduling request was created; lists are newest first by this."""
    appointment_type_id: Reference[SchedulingRequestAttributes] = Reference("apty_")
    """Id of the appointment type (observed, not on the reference page)."""
    agent: Reference[SchedulingRequestAttributes] = Reference("agnt_", many_valued=True)
    """Id of an agent asked for or booked (observed; the documented ``agent_id`` is refused)."""
    team: Reference[SchedulingRequestAttributes] = Reference("team_", many_valued=True)
    """Id of a team asked for (observed; the documented ``team_id`` is refused)."""


class AgentAttributes(Schema, entity="agent", unfilterable=frozenset({"id", "object", "updated_at"})):
    """What agents can be filtered on."""

    __slots__ = ()

    name: String[AgentAttributes] = String()
    """The agent's name."""
    email: String[AgentAttributes] = String()
    """The agent's e-mail address."""
    role: String[AgentAttributes] = String()
    """The agent's role: user or administrator."""
    url_slug: String[AgentAttributes] = String()
    """What stands for the agent in booking URLs; may be null."""
    schedulable: Boolean[AgentAttributes] = Boolean()
    """Whether appointments can be booked with the agent."""
    two_factor_enabled: Boolean[AgentAttributes] = Boolean()
    """Whether the agent signs in with two factors."""
    created_at: Timestamp[AgentAttributes] = Timestamp()
    """When the agent was created."""


class TeamAttributes(
    Schema, entity="team", unfilterable=frozenset({"created_at", "id", "object", "team_type", "updated_at"})
):
    """What teams can be filtered on."""

    __slots__ = ()

    internal_name: String[TeamAttributes] = String()
    """The team's name as agents see it."""
    external_name: String[TeamAttributes] = String()
    """The team's name as end users see it; may be null."""
    url_slug: String[TeamAttributes] = String()
    """What stands for the team in booking URLs; may be null."""


class ResourceAttributes(
    Schema,
    entity="resource",
    unfilterable=frozenset(
        {
            "created_at",
            "email",
            "id",
            "name",
            "object",
            "role",
            "schedulable",
            "team_type",
            "two_factor_enabled",
            "updated_at",
        }
    ),
):
    """What resources (agents and teams together) can be filtered on."""

    __slots__ = ()

    internal_name: String[ResourceAttributes] = String()
    """A team's name as agents see it, or an agent's name."""
    external_name: String[ResourceAttributes] = String()
    """A team's name as end users see it; may be null."""
    url_slug: String[ResourceAttributes] = String()
    """What stands for the resource in booking URLs; may be null."""


class AppointmentTypeAttributes(
    Schema,
    entity="appointment_type",
    unfilterable=frozenset({"created_at", "id", "object", "updated_at"}),
):
    """What appointment types can be filtered on."""

    __slots__ = ()

    internal_name: String[AppointmentTypeAttributes] = String()
    """The appointment type's name as agents see it."""
    external_name: String[AppointmentTypeAttributes] = String()
    """The appointment type's name as end users see it; may be null."""
    url_slug: String[AppointmentTypeAttributes] = String()
    """What stands for the appointment type in booking URLs; may be null."""
    duration_mins: Number[AppointmentTypeAttributes] = Number()
    """How long an appointment takes, in minutes."""


scheduling_request: Final = SchedulingRequestAttributes()
agent: Final = AgentAttributes()
team: Final = TeamAttributes()
resource: Final = ResourceAttributes()
appointment_type: Final = AppointmentTypeAttributes()

SCHEMAS: Final[Mapping[str, Schema]] = MappingProxyType(
    {entity_of(table): table for table in (scheduling_request, agent, team, resource, appointment_type)}
)
"""The table of each entity, by the entity's name in TQL (singular)."""


def schema_of(entity: str) -> Schema:
    """Return the table of an entity.

    Raises:
        FilterError: There is no such entity.
    """
    try:
        return SCHEMAS[entity]
    except (KeyError, TypeError):
        raise FilterError(f"{entity!r} is no entity of TQL; there are {', '.join(SCHEMAS)}") from None


def attribute_named(entity: str, name: str) -> Attribute[Any, Any]:
    """Return an attribute by entity and name.

    Raises:
        UnknownAttributeError: The entity has no such filterable attribute; the nearest one is named.
    """
    schema = schema_of(entity)
    try:
        return attributes_of(schema)[name]
    except KeyError:
        raise _unknown(schema, name) from None
