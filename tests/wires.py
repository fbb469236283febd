"""JSON of records, for the tests of what reads it: hypothesis strategies, and what each field takes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from timezest_async.models import (
    Agent,
    AppointmentType,
    AssociatedEntity,
    ResourceReference,
    SchedulingRequest,
    Team,
)

# Kinds of JSON value by field; "!" marks what may be neither null nor left out.
_OWN_TIMES = {"created_at": "time", "updated_at": "time"}
KINDS: dict[Any, dict[str, str]] = {
    AssociatedEntity: {"type": "word!", "id": "identifier", "number": "text"},
    ResourceReference: {"id": "text!", "type": "text", "object": "text", "name": "text"},
    Agent: {
        "id": "text!", "object": "text", "name": "text", "email": "text", "role": "word",
        "schedulable": "bool", "two_factor_enabled": "bool", "url_slug": "text", **_OWN_TIMES,
    },
    Team: {
        "id": "text!", "object": "text", "internal_name": "text", "external_name": "text",
        "team_type": "word", "url_slug": "text", **_OWN_TIMES,
    },
    AppointmentType: {
        "id": "text!", "object": "text", "internal_name": "text", "external_name": "text",
        "duration_mins": "int", "url_slug": "text", **_OWN_TIMES,
    },
    SchedulingRequest: {
        "id": "text!", "object": "text", "appointment_type_id": "text", "end_user_email": "text",
        "end_user_name": "text", "associated_entities": "entities", "resources": "references",
        "scheduled_agents": "references", "scheduled_at": "time", "scheduling_url": "text",
        "selected_start_time": "time", "selected_time_zone": "text", "status": "word!", "created_at": "time!",
        "updated_at": "time", "duration_mins": "int", "earliest_date": "identifier",
        "earliest_time": "identifier", "latest_date": "identifier", "latest_time": "identifier",
        "guests_list": "texts",
    },
}  # fmt: skip
FITS: dict[str, tuple[type, ...]] = {
    "text": (str,), "word": (str,), "bool": (bool,), "int": (int,), "time": (int,), "identifier": (int, str),
    "entities": (list,), "references": (list,), "texts": (list,),
}  # fmt: skip

EVERY_TYPE: list[Any] = [
    "",
    "false",
    "12",
    0,
    1,
    10**30,
    True,
    False,
    1.0,
    1.9,
    {},
    {"id": "x"},
    [],
    [None],
    [[]],
    None,
]
WORDS = ["new", "closed", "agent", "user", "timezest/team", "autotask/ticket", "connectwise_psa/contact"]

texts = st.text(max_size=8) | st.sampled_from(WORDS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def wires(draw: st.DrawFn, cls: Any) -> dict[str, Any]:
    values = {
        "text": texts, "word": texts, "bool": st.booleans(), "int": st.integers(),
        "time": st.integers(-62135596800, 253402300799), "identifier": st.integers() | texts,
        "entities": st.deferred(lambda: st.lists(wires(AssociatedEntity), max_size=3)),
        "references": st.deferred(lambda: st.lists(wires(ResourceReference), max_size=2)),
        "texts": st.lists(texts, max_size=2),
    }  # fmt: skip
    unknown = st.sampled_from(["extra", "_absent", "field_names", "self"]) | texts
    wire = draw(st.dictionaries(unknown, json_values, max_size=3))
    for name, kind in KINDS[cls].items():
        value = values[kind.rstrip("!")]
        if kind.endswith("!") or draw(st.booleans()):
            wire[name] = draw(value if kind.endswith("!") else value | st.none())
        else:
            wire.pop(name, None)
    names = draw(st.permutations(list(wire)))
    return {name: wire[name] for name in names}


def typed(value: Any) -> Any:
    """Keep 1, 1.0 and True apart, which Python's equality does not."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    return type(value), value


def smallest(cls: Any) -> dict[str, Any]:
    values = {"text": "x", "word": "x", "time": 5}
    return {name: values[kind[:-1]] for name, kind in KINDS[cls].items() if kind.endswith("!")}
