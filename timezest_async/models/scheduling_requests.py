"""Scheduling requests, the records that track the booking of one appointment each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from timezest_async.models import time_zones
from timezest_async.models.associated_entities import AssociatedEntity
from timezest_async.models.dicts import ResourceReferenceDict, SchedulingRequestDict
from timezest_async.models.enums import Status
from timezest_async.models.record import ABSENT, Record, as_tuple, enum_or_str, utc, utc_or_none

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_KINDS_BY_PREFIX = {"agnt": "agent", "team": "team"}


def _status(value: Status | str) -> Status | str:
    word: Status | str = enum_or_str(Status, value)
    return word


def _entities(values: Iterable[AssociatedEntity] | None) -> tuple[AssociatedEntity, ...]:
    return as_tuple(values)


def _references(values: Iterable[ResourceReference] | None) -> tuple[ResourceReference, ...]:
    return as_tuple(values)


def _texts(values: Iterable[str] | None) -> tuple[str, ...]:
    return as_tuple(values)


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class ResourceReference(Record[ResourceReferenceDict]):
    """An agent or team as a scheduling request names it.

    Attributes:
        id: The id of the agent or team.
        type: What it is; the service says it here or in ``object``. Read ``kind`` for either.
        object: As ``type``.
        name: The name of the agent or team.
    """

    id: str
    type: str | None = ABSENT
    object: str | None = ABSENT
    name: str | None = ABSENT

    @property
    def kind(self) -> str | None:
        """What it is: ``"agent"``, ``"team"`` or another word of the service's.

        Where neither ``type`` nor ``object`` says it, the id's prefix does; None where that is unknown.
        """
        return self.type or self.object or _KINDS_BY_PREFIX.get(self.id.partition("_")[0])


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class SchedulingRequest(Record[SchedulingRequestDict]):
    """The record of one appointment's booking (reference page, "The Scheduling Request object").

    Made by hand, only ``id``, ``status`` and ``created_at`` have to be given.

    Attributes:
        id: Such as ``"sreq_p4fvlg5FUuKSviNNemZzAO"``.
        object: ``"scheduling_request"``.
        appointment_type_id: The id of the appointment type.
        end_user_email: The e-mail address of whoever is to choose a time.
        end_user_name: The name of whoever is to choose a time.
        associated_entities: The tickets, contacts and companies it belongs to.
        resources: Who was asked for: agents, or teams to pick an agent from.
        scheduled_agents: Who took it; empty until a time is chosen.
        scheduled_at: When the time was chosen (UTC); not the time of the appointment.
        scheduling_url: Where the end user books, moves or cancels the appointment.
        selected_start_time: When the appointment starts (UTC).
        selected_time_zone: The end user's time zone, by its Rails or IANA name; see ``time_zone``.
        status: Where the request stands.
        created_at: When the request was created (UTC).
        updated_at: When the request was last changed (UTC).
        duration_mins: How long the appointment takes, in minutes.
        earliest_date: The bound on the day, if one was set at creation. The form of this and of the
            next three is undocumented, so they are handed on as they come.
        earliest_time: The bound on the time of day.
        latest_date: The other bound on the day.
        latest_time: The other bound on the time of day.
        guests_list: The e-mail addresses of further guests.
    """

    id: str
    object: str | None = ABSENT
    appointment_type_id: str | None = ABSENT
    end_user_email: str | None = ABSENT
    end_user_name: str | None = ABSENT
    associated_entities: tuple[AssociatedEntity, ...] = attrs.field(default=(), converter=_entities)
    resources: tuple[ResourceReference, ...] = attrs.field(default=(), converter=_references)
    scheduled_agents: tuple[ResourceReference, ...] = attrs.field(default=(), converter=_references)
    scheduled_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)
    scheduling_url: str | None = ABSENT
    selected_start_time: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)
    selected_time_zone: str | None = ABSENT
    status: Status | str = attrs.field(converter=_status)
    created_at: datetime = attrs.field(converter=utc)
    updated_at: datetime | None = attrs.field(default=ABSENT, converter=utc_or_none)
    duration_mins: int | None = ABSENT
    earliest_date: int | str | None = ABSENT
    earliest_time: int | str | None = ABSENT
    latest_date: int | str | None = ABSENT
    latest_time: int | str | None = ABSENT
    guests_list: tuple[str, ...] = attrs.field(default=ABSENT, converter=_texts)

    @property
    def time_zone(self) -> ZoneInfo | None:
        """The end user's time zone; None where the service names none, or one that nobody knows."""
        name = self.selected_time_zone
        return None if name is None else time_zones.find_zone(name)

    @property
    def local_start_time(self) -> datetime | None:
        """When the appointment starts, on the end user's clock.

        None where no time is chosen, the time zone is not known, or its clock leaves the years 1 to 9999:
        ``selected_start_time`` has the instant in UTC either way.
        """
        zone = self.time_zone
        if zone is None or self.selected_start_time is None:
            return None
        try:
            return self.selected_start_time.astimezone(zone)
        except OverflowError:
            return None
