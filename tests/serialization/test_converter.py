from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import attrs
import cattrs
import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.wires import EVERY_TYPE, FITS, KINDS, smallest, typed, wires
from timezest_async.models import (
    Agent,
    AssociatedEntity,
    Resource,
    ResourceReference,
    SchedulingRequest,
    Status,
    Team,
)
from timezest_async.serialization.converter import (
    configure_converter,
    make_converter,
    structure,
)
from timezest_async.serialization.readers import StructureError

CONVERTER = make_converter()


def test_the_table_names_every_field() -> None:
    for cls, kinds in KINDS.items():
        assert set(kinds) == set(cls.field_names)


@pytest.mark.parametrize("cls", KINDS)
@given(data=st.data())
@settings(max_examples=support.examples(2000))
def test_any_record_survives_the_round_trip(cls: Any, data: st.DataObject) -> None:
    wire = data.draw(wires(cls))
    record = structure(wire, cls)
    assert typed(record.to_dict()) == typed(wire)
    assert typed(CONVERTER.unstructure(record)) == typed(wire)
    assert structure(record.to_dict(), cls) == record
    assert pickle.loads(pickle.dumps(record)) == record
    assert attrs.evolve(record) == record
    assert isinstance(hash(record), int)
    for name, kind in KINDS[cls].items():
        value = getattr(record, name)
        if wire.get(name) is None:
            assert value == (() if name in cls.array_names else None)
        elif kind.startswith("time") and value is not None:
            assert (value.tzinfo, value.timestamp()) == (UTC, wire[name])


@pytest.mark.parametrize("cls", KINDS)
def test_a_structured_record_is_like_one_made_by_hand(cls: Any) -> None:
    wire = smallest(cls) | {name: [] for name in cls.array_names}
    made = cls(**wire | {name: datetime.fromtimestamp(5, UTC) for name in wire if name == "created_at"})
    record = structure(wire, cls)
    assert type(record) is cls
    assert record == made
    assert repr(record) == repr(made)
    with pytest.raises(AttributeError):
        record.id = "y"


@pytest.mark.parametrize(
    ("cls", "name", "kind"),
    [(cls, name, kind) for cls, kinds in KINDS.items() for name, kind in kinds.items()],
)
def test_a_wrong_type_is_refused_with_its_path(cls: Any, name: str, kind: str) -> None:
    refused = 0
    for value in EVERY_TYPE:
        fits = type(value) in FITS[kind.rstrip("!")] or (value is None and not kind.endswith("!"))
        if isinstance(value, list) and value:
            fits = False
        if fits and not (kind.startswith("time") and value == 10**30):
            assert typed(structure(smallest(cls) | {name: value}, cls).to_dict()[name]) == typed(value)
            continue
        with pytest.raises(StructureError) as caught:
            structure([smallest(cls), smallest(cls) | {name: value}], list[cls])
        at_item = isinstance(value, list) and "list" in str(FITS[kind.rstrip("!")])
        assert caught.value.path == f"$[1].{name}" + "[0]" * at_item
        assert caught.value.reason
        refused += 1
    assert refused >= len(EVERY_TYPE) - 8


@pytest.mark.parametrize(("cls", "name"), [(cls, name) for cls in KINDS for name in smallest(cls)])
def test_what_is_required_is_missed(cls: Any, name: str) -> None:
    wire = smallest(cls)
    del wire[name]
    with pytest.raises(StructureError, match="missing") as caught:
        structure(wire, cls)
    assert caught.value.path == f"$.{name}"


@pytest.mark.parametrize("value", [None, [], "x", 1, True, [["id", "x"]]])
@pytest.mark.parametrize("cls", [*KINDS, Resource])
def test_a_record_is_an_object(cls: Any, value: Any) -> None:
    with pytest.raises(StructureError, match=r"^\$: expected an object"):
        structure(value, cls)


def test_paths_lead_into_nested_records() -> None:
    wire = smallest(SchedulingRequest) | {"associated_entities": [{"type": "a"}, {"type": "b", "id": 1.5}]}
    with pytest.raises(StructureError) as caught:
        structure([wire], list[SchedulingRequest])
    assert caught.value.path == "$[0].associated_entities[1].id"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.path, again.reason, str(again)) == (
        caught.value.path,
        "expected a string or a whole number, not 1.5",
        "$[0].associated_entities[1].id: expected a string or a whole number, not 1.5",
    )


@pytest.mark.parametrize(
    ("value", "cls"),
    [(None, str), (1, str), ("false", bool), (1, bool), (1.9, int), ("1", int), (True, int), (True, datetime),
     (1.5, datetime), ("2024-01-01", datetime), (None, datetime), (10**12, datetime), ({}, list[int]),
     ("ab", list[str]), ({}, tuple[str, ...]), ([1, "2"], list[int]), ("odd", Status), (1, Status),
     (None, Status)],
)  # fmt: skip
def test_nothing_is_coerced(value: Any, cls: Any) -> None:
    with pytest.raises(StructureError):
        make_converter().structure(value, cls)


def test_what_fits_is_taken() -> None:
    converter = make_converter()
    assert converter.structure([1, 2], list[int]) == [1, 2]
    assert converter.structure([["a"]], tuple[list[str], ...]) == (["a"],)
    assert converter.structure("new", Status) is Status.NEW
    assert converter.structure(0, datetime) == datetime(1970, 1, 1, tzinfo=UTC)
    assert converter.structure(None, datetime | None) is None


@pytest.mark.parametrize(
    ("wire", "cls"),
    [
        ({"id": "x", "object": "agent"}, Agent),
        ({"id": "x", "object": "team"}, Team),
        ({"id": "team_1", "object": "agent"}, Agent),
        ({"id": "x", "type": "team"}, Team),
        ({"id": "agnt_1"}, Agent),
        ({"id": "team_1", "object": "squad"}, Team),
        ({"id": "team_1", "object": None}, Team),
    ],
)
def test_resources_are_told_apart(wire: dict[str, Any], cls: Any) -> None:
    (resource,) = structure([wire], list[Resource])
    assert type(resource) is cls
    assert resource.to_dict() == wire


@pytest.mark.parametrize("wire", [{"id": "x"}, {"id": "room_1", "object": "room", "seats": 3}])
def test_a_resource_of_no_known_kind_is_kept(wire: dict[str, Any]) -> None:
    (resource,) = structure([wire], list[Resource])
    assert resource.to_dict() == wire


@pytest.mark.parametrize("wire", [{}, {"object": 1, "id": 2}, 3, None])
def test_what_is_no_resource_is_refused(wire: Any) -> None:
    with pytest.raises(StructureError, match=r"^\$\[0\]"):
        structure([wire], list[Resource])


def test_hooks_of_the_user_take_effect_within_records() -> None:
    converter = make_converter()
    wire = smallest(SchedulingRequest) | {
        "updated_at": None,
        "end_user_name": "pat",
        "guests_list": ["a"],
        "resources": [{"id": "r"}],
        "earliest_date": "e",
        "latest_date": 3,
        "associated_entities": [{"type": "autotask/ticket", "id": 1}],
    }
    assert converter.structure(wire, SchedulingRequest) == structure(wire, SchedulingRequest)

    converter.register_structure_hook(datetime, lambda value, _: f"at {value}")
    converter.register_structure_hook(str, lambda value, _: value.upper())
    converter.register_structure_hook(AssociatedEntity, lambda value, _: value["type"])
    converter.register_structure_hook(Status, lambda value, _: f"status {value}")
    record: Any = converter.structure(wire, SchedulingRequest)
    assert (record.created_at, record.updated_at, record.scheduled_at) == ("at 5", None, None)
    assert (record.id, record.end_user_name, record.guests_list) == ("X", "PAT", ("A",))
    assert (record.earliest_date, record.latest_date) == ("E", 3)
    assert record.associated_entities == ("autotask/ticket",)
    assert record.resources[0].id == "R"
    assert record.status == "status x"
    assert pickle.loads(pickle.dumps(record)) == record
    with pytest.raises(StructureError, match=r"^\$\.created_at: missing"):
        converter.structure({"id": "x", **{n: [] for n in wire if n == "resources"}} | {
            "status": "x", "associated_entities": [], "scheduled_agents": []}, SchedulingRequest)  # fmt: skip


def test_errors_of_the_users_hooks_are_placed() -> None:
    def refuse(value: Any, _: Any) -> Any:
        raise StructureError("no", "$.inner")

    converter = make_converter()
    converter.register_structure_hook(datetime, refuse)
    with pytest.raises(StructureError, match=r"^\$\.created_at\.inner: no"):
        converter.structure(smallest(SchedulingRequest), SchedulingRequest)


def test_unstructure_hooks_of_the_user_take_effect_within_records() -> None:
    converter = make_converter()
    converter.register_unstructure_hook(datetime, lambda value: value.isoformat())
    converter.register_unstructure_hook(ResourceReference, lambda value: value.id)
    wire = smallest(SchedulingRequest) | {"resources": [{"id": "r"}], "odd": [1]}
    found = converter.unstructure(structure(wire, SchedulingRequest))
    assert found == wire | {"created_at": "1970-01-01T00:00:05+00:00", "resources": ["r"]}


@attrs.frozen
class Report:
    title: str
    requests: list[SchedulingRequest]
    by: Agent | None = None


def test_records_nest_in_classes_of_the_user() -> None:
    converter = cattrs.Converter()
    configure_converter(converter)
    wire = {"title": "t", "requests": [smallest(SchedulingRequest)], "by": {"id": "agnt_1"}}
    report = converter.structure(wire, Report)
    assert report.requests[0].id == "x"
    assert converter.unstructure(report) == wire


def test_the_default_converter_is_not_the_users() -> None:
    make_converter().register_structure_hook(str, lambda value, _: "changed")
    assert structure(smallest(Agent), Agent).id == "x"


def test_the_page_of_the_reference_is_read() -> None:
    wire = msgspec.json.decode(
        b'{"id":"sreq_p4","object":"scheduling_request","associated_entities":[{"type":'
        b'"connectwise_psa/service_ticket","id":1234,"number":"#1234"}],'
        b'"resources":[{"type":"agent","id":"agnt_2w","name":"Samantha Jones"}],'
        b'"scheduled_agents":[],"selected_start_time":1692363445,'
        b'"selected_time_zone":"Eastern Time (US & Canada)",'
        b'"status":"scheduled","created_at":1691585916,"extra":{"extra":1}}'
    )
    record = structure(wire, SchedulingRequest)
    assert record.status is Status.SCHEDULED
    assert record.extra == {"extra": {"extra": 1}}
    assert record.local_start_time is not None
    assert record.local_start_time.isoformat() == "2023-08-18T08:57:25-04:00"
    assert list(record.to_dict()) == [name for name in record.field_names if name in wire] + ["extra"]
