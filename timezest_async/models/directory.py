"""Who and what can be booked: agents, teams and appointment types."""

from __future__ import annotations

from datetime import datetime

import attrs

from timezest_async.models.dicts import AgentDict, AppointmentTypeDict, TeamDict
from timezest_async.models.enums import AgentRole, TeamType
from timezest_async.models.record import ABSENT, Record, enum_or_str, utc_or_none


def _agent_role(value: AgentRole | str | None) -> AgentRole | str | None:
    word: AgentRole | str | None = enum_or_str(AgentRole, value)
    return word


def _team_type(value: TeamType | str | None) -> TeamType | str | None:
    word: TeamType | str | None = enum_or_str(TeamType, value)
    return word


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class Agent(Record[AgentDict]):
    """A person with whom appointments are booked.

    Attributes:
        id: Such as ``"agnt_2wvARLFjTDmO4djuOBf3r"``.
        object: ``"agent"``.
        name: The agent's full name.
        email: The agent's e-mail address.
        role: What the agent may do in TimeZest.
        schedulable: Whether appointments can be booked with the agent.
        two_factor_enabled: Whether the agent signs in with a second factor.
        url_slug: The agent's part of a shareable URL.
        created_at: When the agent was created (UTC).
        updated_at: When the agent was last changed (UTC).
    """

    id: str
    object: str | None = ABSENT
    name: str | None = ABSENT
    email: str | None = ABSENT
    role: AgentRole | str | None = attrs.field(default=ABSENT, converter=_agent_role)
    schedulable: bool | None = ABSENT
    two_factor_enabled: bool | None = ABSENT
    url_slug: str | None = ABSENT
    created_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)
    updated_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class Team(Record[TeamDict]):
    """A group of agents, from which TimeZest picks one when an appointment is booked.

    Attributes:
        id: Such as ``"team_W4hPN4gKvru7c4BWerF4d"``.
        object: ``"team"``.
        internal_name: The name that agents see.
        external_name: The name that end users see, where it is another one.
        team_type: Where the team is defined.
        url_slug: The team's part of a shareable URL.
        created_at: When the team was created (UTC).
        updated_at: When the team was last changed (UTC).
    """

    id: str
    object: str | None = ABSENT
    internal_name: str | None = ABSENT
    external_name: str | None = ABSENT
    team_type: TeamType | str | None = attrs.field(default=ABSENT, converter=_team_type)
    url_slug: str | None = ABSENT
    created_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)
    updated_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)

    @property
    def name(self) -> str | None:
        """The name that end users see: the external one, else the internal one."""
        return self.external_name or self.internal_name


Resource = Agent | Team
"""What an appointment can be booked with."""


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class AppointmentType(Record[AppointmentTypeDict]):
    """A kind of appointment that can be booked.

    Attributes:
        id: Such as ``"apty_2s211C0S1I5gqIaA8wbDu6"``.
        object: ``"appointment_type"``; the service may leave it out.
        internal_name: The name that agents see.
        external_name: The name that end users see, where it is another one.
        duration_mins: How long the appointment takes, in minutes.
        url_slug: The appointment type's part of a shareable URL.
        created_at: When the appointment type was created (UTC).
        updated_at: When the appointment type was last changed (UTC).
    """

    id: str
    object: str | None = ABSENT
    internal_name: str | None = ABSENT
    external_name: str | None = ABSENT
    duration_mins: int | None = ABSENT
    url_slug: str | None = ABSENT
    created_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)
    updated_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)

    @property
    def name(self) -> str | None:
        """The name that end users see: the external one, else the internal one."""
        return self.external_name or self.internal_name
