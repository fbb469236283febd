from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from timezest_async import models
from timezest_async.models import (
    Agent,
    AgentRole,
    AppointmentType,
    AssociatedEntity,
    ResourceReference,
    SchedulingRequest,
    Status,
    Team,
    TeamType,
)
from timezest_async.serialization.converter import structure

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)

# Read off the vendor's reference page and LIVE_API.md.
DOCUMENTED = {
    SchedulingRequest: "id object appointment_type_id end_user_email end_user_name associated_entities "
    "resources scheduled_agents scheduled_at scheduling_url selected_start_time "
    "selected_time_zone status created_at "
    "updated_at duration_mins earliest_date earliest_time latest_date latest_time guests_list",
    AssociatedEntity: "type id number",
    ResourceReference: "id type object name",
    Agent: "id object name email role schedulable two_factor_enabled url_slug created_at updated_at",
    Team: "id object internal_name external_name team_type url_slug created_at updated_at",
    AppointmentType: "id object internal_name external_name duration_mins url_slug created_at updated_at",
}


def request(**changes: Any) -> SchedulingRequest:
    return SchedulingRequest(**{"id": "sreq_1", "status": "new", "created_at": NOON} | changes)


@pytest.mark.parametrize("cls", DOCUMENTED)
def test_fields_are_the_documented_ones(cls: Any) -> None:
    assert set(cls.field_names) == set(DOCUMENTED[cls].split())
    assert attrs.has(cls)


def test_exports_are_exact() -> None:
    assert sorted(models.__all__, key=lambda name: (not name.isupper(), name)) == models.__all__
    assert all(hasattr(models, name) for name in models.__all__)


def test_a_record_made_by_hand_needs_little() -> None:
    record = request()
    assert record.status is Status.NEW
    assert record.resources == ()
    assert record.end_user_name is None
    assert record.to_dict() == {
        "id": "sreq_1", "status": "new", "created_at": 1704110400,
        "associated_entities": [], "resources": [], "scheduled_agents": [],
    }  # fmt: skip


def test_known_words_become_members_and_unknown_ones_stay() -> None:
    assert request(status=Status.SENT).status is Status.SENT
    unknown = request(status="paused").status
    assert (type(unknown), unknown) == (str, "paused")
    assert AssociatedEntity(type="autotask/ticket").type is models.EntityType.AUTOTASK_TICKET
    assert Agent(id="agnt_1", role="administrator").role is AgentRole.ADMINISTRATOR
    assert Team(id="team_1", team_type="timezest/team").team_type is TeamType.TIMEZEST_TEAM
    assert Team(id="team_1", team_type=None).to_dict() == {"id": "team_1", "team_type": None}


def test_timestamps_come_to_utc_and_whole_seconds() -> None:
    east = timezone(timedelta(hours=5))
    record = request(created_at=datetime(2024, 1, 1, 17, 0, 0, 999_999, tzinfo=east), scheduled_at=None)
    assert record.created_at == NOON
    assert record.created_at.tzinfo is UTC
    assert record.to_dict()["scheduled_at"] is None
    with pytest.raises(ValueError, match="time zone"):
        request(created_at=datetime(2024, 1, 1))  # noqa: DTZ001
    for wrong in (1704110400, "2024-01-01", date(2024, 1, 1)):
        with pytest.raises(TypeError, match="aware datetime"):
            request(updated_at=wrong)


def test_arrays_are_tuples() -> None:
    reference = ResourceReference(id="agnt_1")
    record = request(resources=[reference], guests_list=["a@example.com"])
    assert record.resources == (reference,)
    assert record.guests_list == ("a@example.com",)


@pytest.mark.parametrize("name", ["associated_entities", "resources", "scheduled_agents", "guests_list"])
def test_an_array_that_is_null_or_left_out_reads_empty_and_goes_back_as_it_came(name: str) -> None:
    wire: dict[str, Any] = {"id": "sreq_1", "status": "new", "created_at": 5}
    wires: list[dict[str, Any]] = [wire, wire | {name: None}, wire | {name: []}]
    absent, null, empty = (structure(one, SchedulingRequest) for one in wires)
    assert [getattr(record, name) for record in (absent, null, empty)] == [()] * 3
    assert [record.to_dict() for record in (absent, null, empty)] == wires
    assert len({absent, null, empty}) == 3
    for record in (absent, null, empty):
        for twin in (pickle.loads(pickle.dumps(record)), copy.deepcopy(record), attrs.evolve(record)):
            assert (twin, repr(twin), twin.to_dict()) == (record, repr(record), record.to_dict())
    item = "a@example.com" if name == "guests_list" else ResourceReference(id="agnt_1")
    for record in (absent, null):
        full = attrs.evolve(record, **{name: (item,)})
        assert getattr(full, name) == (item,)
        assert full.to_dict()[name]
    assert request(**{name: None}).to_dict()[name] is None


def test_records_are_frozen_and_slotted() -> None:
    record = request(extra={"x": [1]})
    for name in ("status", "extra", "_absent", "anything"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(record, name, 1)
    with pytest.raises(TypeError):
        record.extra["y"] = 2  # type: ignore[index]
    assert not hasattr(record, "__dict__")


def test_absent_and_null_differ() -> None:
    absent, null = request(), request(end_user_name=None)
    assert absent != null
    assert "end_user_name" not in absent.to_dict()
    assert null.to_dict()["end_user_name"] is None
    assert "end_user_name" not in repr(absent)
    assert "end_user_name=None" in repr(null)


def test_evolve_makes_present_what_it_sets_and_nothing_else() -> None:
    record = attrs.evolve(request(updated_at=None), end_user_name="Pat")
    assert record == request(updated_at=None, end_user_name="Pat")
    assert attrs.evolve(record, end_user_name="Lee").end_user_name == "Lee"
    assert attrs.evolve(record, end_user_name=None).to_dict()["end_user_name"] is None
    assert attrs.evolve(request(), status="odd").to_dict() == request(status="odd").to_dict()


@pytest.mark.parametrize(
    "record",
    [
        request(),
        request(
            extra={"extra": {"deep": [1, None]}}, end_user_name=None, resources=[ResourceReference(id="x")]
        ),
        AssociatedEntity.autotask_contact(id=5),
        Agent(id="agnt_1", name=None, created_at=NOON),
    ],
)
def test_copies_are_equal(record: Any) -> None:
    for twin in (
        pickle.loads(pickle.dumps(record)),
        copy.copy(record),
        copy.deepcopy(record),
        attrs.evolve(record),
    ):
        assert twin == record
        assert hash(twin) == hash(record)
        assert twin.to_dict() == record.to_dict()
        assert repr(twin) == repr(record)


def test_to_dict_shares_nothing_with_the_record() -> None:
    record = request(extra={"list": [1]}, resources=[ResourceReference(id="x")])
    wire = record.to_dict()
    wire["list"].append(2)
    wire["resources"].clear()
    assert record.extra == {"list": [1]}
    assert record == request(extra={"list": [1]}, resources=[ResourceReference(id="x")])


def test_extra_cannot_hide_a_field() -> None:
    with pytest.raises(ValueError, match="'status'"):
        request(extra={"status": "new"})


def test_repr_is_readable() -> None:
    assert repr(request(extra={"a": 1})) == (
        "SchedulingRequest(id='sreq_1', associated_entities=(), resources=(), scheduled_agents=(), "
        "status='new', created_at=2024-01-01T12:00:00+00:00, extra={'a': 1})"
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"id": "agnt_1", "type": "agent"}, "agent"),
        ({"id": "agnt_1", "object": "team"}, "team"),
        ({"id": "agnt_1", "type": None}, "agent"),
        ({"id": "team_1"}, "team"),
        ({"id": "room_1", "type": "room"}, "room"),
        ({"id": "room_1"}, None),
    ],
)
def test_kind_of_a_reference(fields: dict[str, Any], kind: str | None) -> None:
    assert ResourceReference(**fields).kind == kind


@pytest.mark.parametrize("cls", [Team, AppointmentType])
def test_name_is_the_external_one_else_the_internal_one(cls: Any) -> None:
    assert cls(id="x", internal_name="in", external_name="out").name == "out"
    assert cls(id="x", internal_name="in", external_name=None).name == "in"
    assert cls(id="x").name is None
