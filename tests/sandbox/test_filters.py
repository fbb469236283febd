"""The sandbox's SQL against a plain-Python evaluation, over the store itself and random data."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from timezest_async.sandbox.new_records import complete
from timezest_async.sandbox.query import Predicate, UnreadableFilterError, compile_filter, read
from timezest_async.sandbox.record_store import Store

Record = dict[str, Any]

PSA_IDS = {
    "autotask_company_id": "autotask/company",
    "autotask_contact_id": "autotask/contact",
    "connectwise_psa_company_id": "connectwise_psa/company",
    "connectwise_psa_contact_id": "connectwise_psa/contact",
    "halo_psa_client_id": "halo_psa/client",
    "halo_psa_user_id": "halo_psa/user",
    "service_now_task_id": "service_now/task",
    "service_now_contact_id": "service_now/contact",
}
TICKETS = {
    "autotask_ticket_number": ["autotask/ticket"],
    "connectwise_psa_ticket_number": ["connectwise_psa/service_ticket", "connectwise_psa/project_ticket"],
    "connectwise_psa_service_ticket_number": ["connectwise_psa/service_ticket"],
    "connectwise_psa_project_ticket_number": ["connectwise_psa/project_ticket"],
    "halo_psa_ticket_number": ["halo_psa/ticket"],
    "service_now_task_number": ["service_now/task"],
}
MEMBERS = {"agent": ["resources", "scheduled_agents"], "team": ["resources"]}
TEXTS = ["end_user_name", "end_user_email", "status", "appointment_type_id"]
TIMES = ["created_at", "scheduled_at", "selected_start_time"]
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "NOT_EQ": operator.ne,
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
}


def quoted(value: str) -> str:
    must = (
        not value
        or value.upper() in {"AND", "OR", "NOT"}
        or any(letter.isspace() or letter in ',~"\\()' for letter in value)
    )
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if must else value


def render(predicates: list[Predicate], entity: str = "scheduling_request") -> str:
    return "~AND~".join(
        f"{entity}.{p.attribute}~{p.operator}~{','.join(map(quoted, p.values))}" for p in predicates
    )


def values_of(record: Record, attribute: str) -> list[str]:
    if attribute in TEXTS:
        return [] if record.get(attribute) is None else [record[attribute]]
    if attribute in PSA_IDS:
        return [str(e["id"]) for e in record["associated_entities"] if e["type"] == PSA_IDS[attribute]]
    if attribute in TICKETS:
        return [
            e["number"]
            for e in record["associated_entities"]
            if e["type"] in TICKETS[attribute] and "number" in e
        ]
    return [
        r["id"]
        for place in MEMBERS[attribute]
        for r in record[place]
        if (r.get("object") or r.get("type")) == attribute
    ]


def holds(predicate: Predicate, record: Record) -> bool:
    name, op, wanted = predicate.attribute, predicate.operator, list(predicate.values)
    if name in TIMES:
        value = record.get(name)
        return value is not None and COMPARISONS[op](value, int(wanted[0]))
    found = values_of(record, name)
    if not found:
        return False
    if name in TICKETS and op in {"EQ", "NOT_EQ"}:
        found = [value.removeprefix("#") for value in found]
        wanted = [value.removeprefix("#") for value in wanted]
    if op.endswith("LIKE"):
        some = any(wanted[0].casefold() in value.casefold() for value in found)
    else:
        some = any(value in wanted for value in found)
    return not some if op.startswith("NOT_") else some


words = st.sampled_from(
    ["new", "sent", "Pat", "pat smith", "100%", "a_b", "STRASSE", "straße", "", "#7", "7", "x,y"]
)
numbers = st.sampled_from(["#1", "1", "#12", "T2.1", "##1"])
small = st.integers(0, 4)
times = st.integers(-3, 12)
entity_types = sorted({t for types in TICKETS.values() for t in types} | set(PSA_IDS.values()))


@st.composite
def entities(draw: st.DrawFn) -> Record:
    entity: Record = {"type": draw(st.sampled_from(entity_types)), "id": draw(small)}
    if draw(st.booleans()) and entity["type"].endswith(("ticket", "task")):
        entity["number"] = draw(numbers)
    return entity


references = st.builds(
    lambda key, kind, number: {key: kind, "id": f"{kind}_{number}", "name": "N"},
    st.sampled_from(["object", "type"]),
    st.sampled_from(["agent", "team"]),
    small,
)
records = st.fixed_dictionaries(
    {
        "created_at": times,
        "associated_entities": st.lists(entities(), max_size=4),
        "resources": st.lists(references, max_size=3),
        "scheduled_agents": st.lists(references, max_size=2),
        "status": words,
    },
    optional={
        "end_user_name": st.none() | words,
        "end_user_email": st.none() | words,
        "appointment_type_id": st.none() | words,
        "scheduled_at": st.none() | times,
        "selected_start_time": st.none() | times,
    },
)


def predicate_of(name: str) -> st.SearchStrategy[Predicate]:
    many = ["IN", "NOT_IN"]
    if name in TIMES:
        ops, values = list(COMPARISONS), times.map(str)
    elif name in PSA_IDS:
        ops, values = ["EQ", "NOT_EQ"], small.map(str)
    elif name in MEMBERS:
        ops, values = ["EQ", "NOT_EQ", *many], small.map(lambda number: f"{name}_{number}")
    elif name == "appointment_type_id":
        ops, values = ["EQ", "NOT_EQ", *many], words
    else:
        ops = ["EQ", "NOT_EQ", "LIKE", "NOT_LIKE", *many]
        values = numbers if name in TICKETS else words
    return st.sampled_from(ops).flatmap(
        lambda op: st.lists(values, min_size=1, max_size=3 if op in many else 1).map(
            lambda chosen: Predicate(name, op, tuple(chosen))
        )
    )


predicates = st.sampled_from([*TIMES, *TEXTS, *PSA_IDS, *TICKETS, *MEMBERS]).flatmap(predicate_of)


@settings(max_examples=support.examples(2000))
@given(
    st.lists(records, max_size=12),
    st.lists(st.lists(predicates, min_size=1, max_size=3), min_size=1, max_size=8),
)
def test_what_the_sql_returns_is_what_the_filter_means(
    given_records: list[Record], filters: list[Any]
) -> None:
    store = Store()
    try:
        store.add(
            complete({**record, "id": f"sreq_{index}"}, now=0) for index, record in enumerate(given_records)
        )
        stored = list(store.records("scheduling_request"))
        assert [r["created_at"] for r in stored] == sorted((r["created_at"] for r in stored), reverse=True)
        for terms in filters:
            condition = compile_filter("scheduling_request", render(terms))
            page = store.page("scheduling_request", condition, size=100)
            expected = [r["id"] for r in stored if all(holds(term, r) for term in terms)]
            assert [body.split('"')[3] for body in page.bodies] == expected
    finally:
        store.close()


@settings(max_examples=support.examples(5000))
@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cc", "Cs"]))
            | st.text('ANDORnot ~,"\\()#EQ.', max_size=12)
            | st.just('x"~AND~scheduling_request.status~EQ~new'),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_quoted_text_arrives_as_exactly_that_text_and_no_more_predicates(lists: list[list[str]]) -> None:
    sent = [Predicate("end_user_name", "IN" if len(values) > 1 else "EQ", tuple(values)) for values in lists]
    assert list(read("scheduling_request", render(sent))) == sent


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "scheduling_request.status",
        "scheduling_request.status~EQ",
        "scheduling_request.status~EQ~",
        "scheduling_request.status~eq~new",
        "scheduling_request.status~GT~new",
        "scheduling_request.status~EQ~new,sent",
        "scheduling_request.status~IN~new,",
        "scheduling_request.status~IN~,new",
        "scheduling_request.status~EQ~new~AND~",
        "scheduling_request.status~EQ~new~OR~scheduling_request.status~EQ~sent",
        "scheduling_request.status~EQ~new~and~scheduling_request.status~EQ~sent",
        "NOT~scheduling_request.status~EQ~new",
        "(scheduling_request.status~EQ~new)",
        "scheduling_request.status~EQ~(new)",
        "scheduling_request.status~EQ~or",
        'scheduling_request.status~EQ~"new',
        'scheduling_request.status~EQ~"new"x',
        'scheduling_request.status~EQ~"a\\n"',
        'scheduling_request.status~EQ~a"b',
        "scheduling_request.updated_at~EQ~1",
        "scheduling_request.id~EQ~1",
        "scheduling_request.agent_id~EQ~x",
        "scheduling_requestss.status~EQ~new",
        "agents.name~EQ~x",
        "agent.name~EQ~x",
        "status~EQ~new",
        "scheduling_request.created_at~LIKE~1",
        "scheduling_request.created_at~GTE~yesterday",
        "scheduling_request.created_at~GTE~1.5",
        "scheduling_request.created_at~GTE~2024-02-30",
        "scheduling_request.created_at~GTE~" + "9" * 30,
        "scheduling_request.connectwise_psa_company_id~IN~1,2",
        "scheduling_request.connectwise_psa_company_id~EQ~x",
        "scheduling_request.agent~LIKE~x",
    ],
)
def test_what_the_service_refuses_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFilterError):
        compile_filter("scheduling_request", text)


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("agent", "agent.schedulable~EQ~yes"),
        ("agent", "agent.schedulable~LT~true"),
        ("agent", "team.internal_name~EQ~x"),
        ("team", "team.team_type~EQ~x"),
        ("resource", "resource.name~EQ~x"),
        ("appointment_type", "appointment_type.duration_mins~LIKE~3"),
        ("appointment_type", "appointment_type.duration_mins~EQ~x"),
    ],
)
def test_the_directory_refuses_too(entity: str, text: str) -> None:
    with pytest.raises(UnreadableFilterError):
        compile_filter(entity, text)


@pytest.mark.parametrize(
    ("entity", "name"),
    [
        ("scheduling_request", "status"),
        ("agent", "name"),
        ("team", "url_slug"),
        ("resource", "url_slug"),
        ("appointment_type", "url_slug"),
    ],
)
def test_the_plural_prefixes_of_the_vendors_page_are_taken(entity: str, name: str) -> None:
    rest = f".{name}~EQ~new~AND~{entity}.{name}~EQ~x"
    assert read(entity, f"{entity}s{rest}") == read(entity, f"{entity}{rest}")


def test_with_spaces_the_first_value_swallows_the_rest() -> None:
    text = "scheduling_request.status EQ new AND scheduling_request.created_at GTE 5"
    assert read("scheduling_request", text) == (
        Predicate("status", "EQ", ("new AND scheduling_request.created_at GTE 5",)),
    )
    with pytest.raises(UnreadableFilterError):
        compile_filter(
            "scheduling_request", "scheduling_request.created_at GTE 5 AND scheduling_request.status EQ x"
        )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1690000000", 1690000000),
        ("-5", -5),
        ("2023-07-01", datetime(2023, 7, 1, tzinfo=UTC).timestamp()),
        ("2023-07-01T12:30:00Z", datetime(2023, 7, 1, 12, 30, tzinfo=UTC).timestamp()),
        ("2023-07-01T12:30:00+02:00", datetime(2023, 7, 1, 10, 30, tzinfo=UTC).timestamp()),
        ("2023-07-01T12:30:00", datetime(2023, 7, 1, 12, 30, tzinfo=UTC).timestamp()),
    ],
)
def test_forms_of_timestamps(text: str, seconds: float) -> None:
    condition = compile_filter("scheduling_request", f"scheduling_request.created_at~GTE~{text}")
    assert condition.parameters == (seconds,)


def test_a_thousand_predicates_fit_into_one_query() -> None:
    store = Store()
    store.add([complete({"id": "sreq_1"}, now=5)])
    text = "~AND~".join(f"scheduling_request.created_at~NOT_EQ~{100 + n}" for n in range(2000))
    assert len(store.page("scheduling_request", compile_filter("scheduling_request", text)).bodies) == 1
    store.close()


AGENTS = [
    {"name": "Ann Lee", "role": "user", "schedulable": True, "two_factor_enabled": False, "created_at": 1},
    {"name": "Bo Ray", "role": "administrator", "schedulable": False, "url_slug": "bo", "created_at": 2},
]


@pytest.mark.parametrize(
    ("entity", "text", "expected"),
    [
        ("agent", "agent.name~LIKE~LEE", {"Ann Lee"}),
        ("agent", "agent.schedulable~EQ~true", {"Ann Lee"}),
        ("agent", "agent.two_factor_enabled~NOT_EQ~true", {"Ann Lee", "Bo Ray"}),
        ("agent", "agent.url_slug~NOT_EQ~x", {"Bo Ray"}),
        ("agent", "agent.created_at~GT~1", {"Bo Ray"}),
        ("agent", "agent.role~IN~user,owner", {"Ann Lee"}),
        ("team", "team.internal_name~EQ~Old", {"Old"}),
        ("resource", "resource.internal_name~LIKE~l", {"Ann Lee"}),
        ("resource", "resource.internal_name~NOT_LIKE~zzz", {"Ann Lee", "Bo Ray", "Desk"}),
        ("resource", "resource.external_name~EQ~Front", {"Desk"}),
        ("appointment_type", "appointment_type.duration_mins~GTE~45", {"Visit"}),
        ("appointment_type", "appointment_type.duration_mins~LT~45", {"Call"}),
    ],
)
def test_directory_filters(entity: str, text: str, expected: set[str]) -> None:
    store = Store()
    store.add(complete({"object": "agent", **agent}, now=9) for agent in AGENTS)
    store.add([complete({"object": "team", "internal_name": "Desk", "external_name": "Front"}, now=9)])
    store.add([complete({"object": "team", "internal_name": "Old"}, now=9)], deleted=True)
    store.add(
        complete({"object": "appointment_type", "internal_name": name, "duration_mins": minutes}, now=9)
        for name, minutes in [("Call", 15), ("Visit", 120)]
    )
    page = store.page(entity, compile_filter(entity, text))
    assert {
        name
        for name in ["Ann Lee", "Bo Ray", "Desk", "Old", "Call", "Visit"]
        if any(f'"{name}"' in body for body in page.bodies)
    } == expected
    store.close()
