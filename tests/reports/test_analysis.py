from __future__ import annotations

import operator
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.reports import plain
from timezest_async import F, ResourceReference, SchedulingRequest, tql
from timezest_async.reports import Analysis, Report
from timezest_async.reports.figures import LEAD_TIME_STEPS
from timezest_async.sandbox import Sandbox
from timezest_async.serialization.converter import structure

NOW = 1_790_000_000
LONDON = ZoneInfo("Europe/London")


def analyse(records: list[plain.Wire], **options: Any) -> Report:
    analysis = Analysis(**options)
    for record in records:
        analysis.add(structure(record, SchedulingRequest))
    return analysis.report(now=datetime.fromtimestamp(NOW, UTC))


def check(records: list[plain.Wire], zone: ZoneInfo, weeks: int, oldest: int) -> None:
    """Compare a report with the plain calculation."""
    report = analyse(records, zone=zone, weeks=weeks, oldest=oldest)
    assert report.total == len(records)
    assert report.booked == len(plain.booked(records))
    assert report.statuses == Counter(r["status"] for r in records)
    created = [r["created_at"] for r in records]
    assert (report.first_created_at is None) == (not records)
    if report.first_created_at and report.last_created_at:
        assert report.first_created_at.timestamp() == min(created)
        assert report.last_created_at.timestamp() == max(created)
    assert [(f"{w.start}", w.counts) for w in report.weeks] == plain.weeks(records, zone, weeks)

    times = plain.lead_times(records)
    assert report.lead_time.bookings == len(times)
    assert report.lead_time.median == plain.percentile(times, 0.5)
    assert report.lead_time.p90 == plain.percentile(times, 0.9)
    start = 0
    for (end, name), count in zip(LEAD_TIME_STEPS, report.lead_time.steps, strict=True):
        assert count == sum(start <= t and (end is None or t < end) for t in times), name
        start = end or 0

    done = {r["id"] for r in plain.booked(records)}
    types = {
        key: (len(ids), len(ids & done))
        for key in {r.get("appointment_type_id") for r in records}
        for ids in [{r["id"] for r in records if r.get("appointment_type_id") == key}]
    }
    assert {r.id: (r.requests, r.booked) for r in report.appointment_types} == types
    assert {r.id: (r.requests, r.booked) for r in report.teams} == plain.rates(records, "team")
    asked = plain.rates(records, "agent")
    assert {r.id: (r.requests, r.booked) for r in report.technicians if r.requests} == asked
    took = Counter(key for r in plain.booked(records) for key in {a["id"] for a in r["scheduled_agents"]})
    assert {r.id: r.taken for r in report.technicians if r.taken} == took

    standings: dict[str | None, Counter[str]] = {}
    for record in records:
        named = [w["id"] for w in record["resources"] if "team" not in {w.get("type"), w.get("object")}]
        for key in set(named) | {w["id"] for w in record["scheduled_agents"]} or {None}:
            standings.setdefault(key, Counter())[record["status"]] += 1
    assert {s.id: s.counts for s in report.technician_statuses} == standings

    hours = plain.hours(records)
    assert [[hours[day, hour] for hour in range(24)] for day in range(7)] == [
        list(day) for day in report.hours
    ]
    longest = plain.waiting(records)
    assert report.waiting == len(longest)
    assert [u.id for u in report.oldest_unbooked] == [r["id"] for r in longest[:oldest]]


@pytest.mark.asyncio
async def test_the_sample_data_comes_out_as_a_plain_calculation_has_it() -> None:
    async with Sandbox(records=1_500, clock=lambda: NOW) as sandbox:
        records = sandbox.records()
    check(records, ZoneInfo("UTC"), 12, 20)
    check(records[::-1], LONDON, 30, 7)
    assert len(plain.waiting(records)) > 150, "enough to be cut down on the way"


_AGENTS = st.sampled_from(["agnt_1", "agnt_2", "agnt_3"])
_WHO = st.one_of(
    st.builds(lambda i: {"id": i, "type": "agent", "name": i.title()}, _AGENTS),
    st.builds(lambda i: {"id": f"team_{i}", "object": "team"}, st.integers(1, 2)),
)
_MOMENT = st.integers(NOW - 86_400 * 200, NOW)
_REQUEST = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["new", "sent", "scheduled", "cancelled", "closed", "on hold"]),
        "created_at": _MOMENT,
        "associated_entities": st.just([]),
        "resources": st.lists(_WHO, max_size=3),
        "scheduled_agents": st.lists(_AGENTS.map(lambda i: {"id": i, "type": "agent"}), max_size=2),
    },
    optional={
        "appointment_type_id": st.sampled_from([None, "apty_1", "apty_2"]),
        "scheduled_at": st.none() | _MOMENT,
        "selected_start_time": st.none() | _MOMENT,
        "selected_time_zone": st.sampled_from([None, "Arizona", "London", "Sydney", "Asia/Kathmandu"]),
    },
)


@settings(max_examples=support.examples(1_000))
@given(
    records=st.lists(_REQUEST, max_size=30),
    zone=st.sampled_from([ZoneInfo("UTC"), LONDON, ZoneInfo("Pacific/Auckland")]),
    weeks=st.integers(1, 60),
    oldest=st.integers(1, 5),
)
def test_any_requests_come_out_as_a_plain_calculation_has_them(
    records: list[plain.Wire], zone: ZoneInfo, weeks: int, oldest: int
) -> None:
    check([{"id": f"sreq_{n}", **r} for n, r in enumerate(records)], zone, weeks, oldest)


_NO_ARRAYS: plain.Wire = {"associated_entities": [], "resources": [], "scheduled_agents": []}
_BOUND = st.sampled_from(["<", "<=", ">=", ">", "=="])


@settings(max_examples=support.examples(1_000))
@given(
    bounds=st.lists(st.lists(st.tuples(_BOUND, _MOMENT), min_size=1, max_size=3), min_size=1, max_size=3),
    created=st.lists(_MOMENT, max_size=20),
    zone=st.sampled_from([ZoneInfo("UTC"), LONDON, ZoneInfo("Pacific/Auckland")]),
    weeks=st.integers(1, 60),
)
def test_only_weeks_that_the_filter_admits_are_shown(
    bounds: list[list[tuple[str, int]]], created: list[int], zone: ZoneInfo, weeks: int
) -> None:
    compare: dict[str, Any] = {
        "<": operator.lt, "<=": operator.le, ">=": operator.ge, ">": operator.gt, "==": operator.eq
    }  # fmt: skip
    wanted = tql.any_of(*(tql.all_of(*(compare[o](F.created_at, n) for o, n in term)) for term in bounds))
    wanted &= F.status.in_(["new", "sent"])
    spans: list[tuple[int, int]] = []
    for term in bounds:
        # The service may keep times finer than whole seconds, so that > n begins within n.
        lows = [n for o, n in term if o in {">", ">=", "=="}]
        highs = [n - 1 if o == "<" else n for o, n in term if o in {"<", "<=", "=="}]
        span = max(lows, default=NOW - 86_400 * 3_000), min(highs, default=NOW + 86_400 * 9)
        if span[0] <= span[1]:
            spans.append(span)
    inside = [n for n in created if any(first <= n <= last for first, last in spans)]
    records = [{"id": f"sreq_{n}", "status": "new", "created_at": n, **_NO_ARRAYS} for n in inside]
    report = analyse(records, zone=zone, weeks=weeks, filter=wanted)
    assert [(f"{w.start}", w.counts) for w in report.weeks] == plain.weeks(records, zone, weeks, spans)


def test_those_who_look_the_same_are_told_apart_by_their_ids() -> None:
    analysis = Analysis()
    names = {"agnt_1": "Bob", "agnt_2": "Bob ", "agnt_3": "BOB\u200b", "agnt_4": "Ann", "team_1": "Ann"}
    names |= {"apty_1": "Call", "apty_2": "Call", "apty_3": "Bob", "agnt_9": "Zoe", "agnt_8": "Zoe"}
    for agent, kind in (("agnt_1", "apty_1"), ("agnt_2", "apty_2"), ("agnt_3", "apty_3"), ("agnt_4", None)):
        who = [
            ResourceReference(id=agent, type="agent"),
            ResourceReference(id="agnt_9", type="agent"),
            ResourceReference(id="team_1", type="team"),
        ]
        analysis.add(request(status="new", appointment_type_id=kind, resources=who))
    report = analysis.report(names=names)
    people = {"Bob (agnt_1)", "Bob (agnt_2)", "BOB\u200b (agnt_3)", "Ann (agnt_4)", "Zoe"}
    assert {one.label for one in report.technicians} == people
    assert {one.label for one in report.technician_statuses} == people
    assert {one.label for one in report.teams} == {"Ann (team_1)"}
    types = {"Call (apty_1)", "Call (apty_2)", "Bob", "(none named)"}
    assert {one.label for one in report.appointment_types} == types
    assert {one.appointment_type for one in report.oldest_unbooked} == types - {"(none named)"} | {""}
    assert ("Ann (agnt_4)", "Zoe", "Ann (team_1)") in {one.resources for one in report.oldest_unbooked}


def request(**fields: Any) -> SchedulingRequest:
    fields = {"id": "sreq_1", "status": "scheduled", "created_at": datetime(2026, 3, 2, tzinfo=UTC), **fields}
    return SchedulingRequest(**fields)


def test_names_come_from_the_directory_else_from_the_newest_request_else_they_are_the_id() -> None:
    analysis = Analysis()
    for id, name in (("agnt_1", "Ann"), ("agnt_1", "Anna"), ("agnt_2", "Bob"), ("agnt_3", None)):
        analysis.add(request(status="new", resources=[ResourceReference(id=id, type="agent", name=name)]))
    report = analysis.report(names={"agnt_2": "Robert"})
    assert {r.id: r.name for r in report.technicians} == {"agnt_1": "Ann", "agnt_2": "Robert", "agnt_3": None}
    assert {u.resources for u in report.oldest_unbooked} == {("Ann",), ("Robert",), ("agnt_3",)}


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_the_ends_of_the_calendar_are_survived(year: int, zone: str) -> None:
    moment = datetime(1, 1, 1, tzinfo=UTC) if year == 1 else datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    analysis = Analysis(zone=ZoneInfo(zone), weeks=3)
    analysis.add(request(created_at=moment, selected_start_time=moment, selected_time_zone=zone))
    report = analysis.report()
    assert sum(week.total for week in report.weeks) == 1
    assert report.hours_unknown + sum(map(sum, report.hours)) == 1


def test_an_appointment_without_a_known_zone_is_counted_apart() -> None:
    analysis = Analysis()
    start = datetime(2026, 3, 3, 9, tzinfo=UTC)
    analysis.add(request(selected_start_time=start, selected_time_zone="Middle Earth"))
    analysis.add(request(selected_start_time=start, selected_time_zone="Arizona"))
    analysis.add(request(selected_start_time=None))
    report = analysis.report()
    assert (report.hours_unknown, report.hours[1][2], sum(map(sum, report.hours))) == (1, 1, 1)


def test_nothing_at_all_is_a_report_too() -> None:
    report = Analysis().report()
    assert (report.total, report.weeks, report.oldest_unbooked) == (0, (), ())
    assert report.lead_time.median is None


def test_memory_does_not_grow_with_the_requests_but_for_their_lead_times() -> None:
    template = request(
        scheduled_at=datetime(2026, 3, 2, 5, tzinfo=UTC),
        resources=[ResourceReference(id="agnt_1", type="agent")],
        appointment_type_id="apty_1",
    )
    waiting = attrs.evolve(template, status="sent", scheduled_at=None)

    def peak(count: int) -> int:
        analysis = Analysis()
        tracemalloc.start()
        for number in range(count):
            analysis.add(template)
            analysis.add(attrs.evolve(waiting, id=f"sreq_{number}"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(4_000) - peak(400) < 3_600 * 8 * 3, "the list of lead times doubles as it grows; no more"


def test_a_lead_time_on_the_edge_of_a_step_belongs_to_the_next() -> None:
    created_at = datetime(2026, 3, 2, tzinfo=UTC)
    for index, (end, _) in enumerate(LEAD_TIME_STEPS[:-1]):
        assert end
        analysis = Analysis()
        for seconds in (end - 1, end):
            analysis.add(request(created_at=created_at, scheduled_at=created_at + timedelta(seconds=seconds)))
        steps = analysis.report().lead_time.steps
        assert [number for number, count in enumerate(steps) if count] == [index, index + 1]
