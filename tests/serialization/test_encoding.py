from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.wires import typed, wires
from timezest_async import Agent, AssociatedEntity, ResourceReference, SchedulingRequest, Team
from timezest_async.models import Record
from timezest_async.serialization import encoding as wire
from timezest_async.serialization.converter import structure

CLASSES: list[type[Record]] = [SchedulingRequest, Agent, Team]


@pytest.mark.parametrize("cls", CLASSES)
@settings(max_examples=support.examples(1_000))
@given(data=st.data())
def test_a_form_is_encoded_as_the_records_dictionary(cls: Any, data: st.DataObject) -> None:
    record = structure(data.draw(wires(cls)), cls)
    encoded = msgspec.json.encode(wire.wire_form(record))
    assert encoded == msgspec.json.encode(record.to_dict())
    assert typed(json.loads(encoded)) == typed(record.to_dict())


class Watched(datetime):
    """What a user's own converter may put in the place of a timestamp."""


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class Branch(AssociatedEntity):
    """What it may put in the place of an entity."""

    branch: str = "north"


def test_what_a_users_converter_made_is_encoded_too() -> None:
    record = SchedulingRequest(
        id="sreq_1",
        status="new",
        created_at=Watched(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        updated_at=datetime(2024, 1, 1, tzinfo=UTC),
        associated_entities=[Branch(type="x/y", id=1), AssociatedEntity(type="x/y", extra={"a": 1})],
        resources=[ResourceReference(id="agnt_1", object="agent", extra={"b": [None]})],
    )
    assert msgspec.json.encode(wire.wire_form(record)) == msgspec.json.encode(record.to_dict())


def test_ever_other_fields_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MAX_FORMS", 3)
    monkeypatch.setattr(wire, "_EXTENDED", {})
    records = [structure({"id": "team_1", f"field {number}": number}, Team) for number in range(5)]
    assert wire.wire_array(records) == msgspec.json.encode([record.to_dict() for record in records])
    assert len(wire._EXTENDED) == 3
