from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.servers.list_service import Service, evaluator, record
from timezest_async import Checkpoint, F, PaginationError, ServerError, TimeZestClient, tql
from timezest_async.models import SchedulingRequest
from timezest_async.sandbox import Sandbox, Status
from timezest_async.serialization.converter import structure

TYPES = [f"apty_{letter}" for letter in "abcdef"]


def expression(types: list[str], statuses: list[str]) -> tql.Expression[Any]:
    """An OR that is read as a query per term: overlapping ones, since statuses and types are independent."""
    by_type = [(F.appointment_type_id == one) & (F.end_user_name != f"x{one}") for one in types]
    by_status = [(F.status == one) & (F.end_user_email != f"x{one}") for one in statuses]
    return tql.any_of(*by_type, *by_status)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[dict[str, Any]], tql.Expression[Any]]:
    """Records newest first, with ties, and a filter of up to six queries that overlap."""
    gaps = draw(st.lists(st.sampled_from([0, 0, 1, 500]), max_size=90))
    second, records = 1_000_000, []
    for number, gap in enumerate(gaps):
        second -= gap
        records.append(
            record(
                number,
                second,
                appointment_type_id=draw(st.sampled_from(TYPES)),
                status=draw(st.sampled_from(["new", "sent", "closed"])),
                end_user_name="Pat",
                end_user_email="pat@example.com",
            )
        )
    types = draw(st.lists(st.sampled_from(TYPES), unique=True, min_size=1, max_size=4))
    statuses = draw(st.lists(st.sampled_from(["new", "sent"]), unique=True, min_size=1, max_size=2))
    return records, expression(types, statuses)


def by_second(records: Any) -> list[tuple[int, set[str]]]:
    """Group ids by second: within one, the pages at hand tell the order, and so nothing for small ones."""
    groups: list[tuple[int, set[str]]] = []
    for one in records:
        second = one["created_at"] if isinstance(one, dict) else int(one.created_at.timestamp())
        identity = one["id"] if isinstance(one, dict) else one.id
        if not groups or groups[-1][0] != second:
            groups.append((second, set()))
        assert identity not in groups[-1][1]
        groups[-1][1].add(identity)
    return groups


@given(
    situation=situations(),
    page_size=st.integers(1, 7),
    stop=st.integers(0, 90),
    backwards=st.booleans(),
)
@settings(max_examples=support.examples(2000))
def test_merging_is_the_evaluators_list_and_resumes(
    situation: Any, page_size: int, stop: int, *, backwards: bool
) -> None:
    records, filter = situation
    if backwards:
        records = [*records, record(9999, 1, end_user_name="Pat", end_user_email="p", status="closed")]

    accepts = evaluator(records)

    def service() -> Service:
        return Service(records, accepts=accepts, page_size=lambda: page_size)

    async def run() -> None:
        arguments: dict[str, Any] = {"ending_before": "sreq_9999"} if backwards else {}
        expected = [one for one in records if filter.matches(structure(one, SchedulingRequest))]
        if backwards:
            expected.reverse()
        paginator = service().list(filter, **arguments)
        assert by_second(await paginator.to_list()) == by_second(expected)
        got = []
        async for one in paginator:
            if len(got) == stop:
                break
            got.append(one)
            checkpoint = paginator.checkpoint
        if got:
            checkpoint = Checkpoint.from_text(checkpoint.to_text())
            rest = await service().list(filter, checkpoint=checkpoint).to_list()
            assert by_second(got[:stop] + rest) == by_second(expected)
        first = await service().list(filter, **arguments).first()
        assert (first is None) == (not expected)
        some = await service().list(filter, limit=stop, **arguments).to_list()
        assert len(some) == min(stop, len(expected))
        pages = [page async for page in service().list(filter, limit=stop, **arguments).pages()]
        assert sum(len(page.data) for page in pages) == len(some)

    asyncio.run(run())


@given(situation=situations(), backwards=st.booleans())
@settings(max_examples=support.examples(1000))
def test_each_query_keeps_its_order_within_a_second(situation: Any, *, backwards: bool) -> None:
    records, filter = situation
    arguments: dict[str, Any] = {"ending_before": "sreq_9999"} if backwards else {}
    if backwards:
        records = [*records, record(9999, 1, status="closed")]
    merged = asyncio.run(
        Service(records, accepts=evaluator(records), page_size=lambda: 100)
        .list(filter, **arguments)
        .to_list()
    )
    for query in tql.plan(filter).queries:
        alone = [one["id"] for one in records if query.matches(structure(one, SchedulingRequest))]
        kept = [one.id for one in merged if query.matches(one)]
        assert kept == (alone[::-1] if backwards else alone)


@pytest.mark.asyncio
async def test_an_impossible_filter_sends_nothing() -> None:
    service = Service([record(1, 5)])
    assert await service.list((F.status == "new") & (F.status == "sent")).to_list() == []
    assert service.asked == []


@pytest.mark.asyncio
async def test_records_created_since_are_passed_over_when_resuming() -> None:
    old = [record(n, 1000 - n, status="new" if n % 2 else "sent", end_user_name="Pat") for n in range(30)]
    filter = (F.status == "new") & (F.end_user_name == "Pat") | (F.status == "sent") & (
        F.end_user_name != "Lee"
    )
    paginator = Service(old, accepts=evaluator(old), page_size=lambda: 4).list(filter)
    got = []
    async for one in paginator:
        got.append(one)
        if len(got) == 1:  # only one of the queries has handed over anything
            break
    newer = [
        record(99, 5000, status="new", end_user_name="Pat"),
        record(98, 4000, status="sent", end_user_name="Pat"),
    ]
    service = Service(newer + old, accepts=evaluator(newer + old), page_size=lambda: 4)
    rest = await service.list(filter, checkpoint=paginator.checkpoint).to_list()
    assert by_second(got + rest) == by_second(old)


@pytest.mark.asyncio
async def test_unsorted_queries_are_an_error_not_a_loss() -> None:
    records = [record(n, 1000 - n, status="new") for n in range(10)]
    records[6] = record(6, 999_999, status="new")
    service = Service(records, accepts=lambda _q, _r: True, page_size=lambda: 3)
    got = []
    with pytest.raises(PaginationError, match="sorted") as caught:
        async for one in service.list(expression(["apty_a"], ["new"])):
            got.append(one.id)
    assert got == [f"sreq_{n}" for n in range(6)]
    assert caught.value.checkpoint is not None


@pytest.mark.asyncio
async def test_one_failure_ends_all(sandbox: Sandbox) -> None:
    async with TimeZestClient(api_key=sandbox.api_key, base_url=sandbox.base_url, max_attempts=1) as client:
        sandbox.add_many(
            record(
                n, 1000 - n, status="new", appointment_type_id="apty_a", end_user_name="P", end_user_email="e"
            )
            for n in range(100)
        )
        sandbox.faults.script("GET /scheduling_requests", [None, None, None, Status(500)])
        filter = expression(["apty_a"], ["new"])
        got = []
        with pytest.raises(ServerError) as caught:
            async for one in client.scheduling_requests.list(filter):
                got.append(one.id)
        assert not [task for task in asyncio.all_tasks() if "PageReader" in repr(task)]
        rest = await client.scheduling_requests.list(checkpoint=caught.value.checkpoint).to_list()
        assert got + [one.id for one in rest] == [f"sreq_{n}" for n in range(100)]


@pytest.mark.asyncio
async def test_directory_lists_merge_without_an_order(sandbox: Sandbox, client: TimeZestClient) -> None:
    for n in range(30):
        sandbox.add(
            {"object": "team", "id": f"team_{n}", "internal_name": f"Tier {n % 7}", "url_slug": f"s{n % 5}"}
        )
    filter = (tql.team.internal_name == "Tier 1") | (tql.team.url_slug == "s1")
    got = await client.teams.list(filter).to_list()
    assert sorted(one.id for one in got) == sorted(f"team_{n}" for n in range(30) if n % 7 == 1 or n % 5 == 1)


def test_damaged_positions_are_refused() -> None:
    filter = expression(["apty_a"], ["new"])
    text = Service([]).list(filter).checkpoint.to_text()
    for position in (
        {"parts": []},
        {"parts": 3},
        {"parts": [{}, {}], "second": "x"},
        {"parts": [{}, {}], "seen": 1},
    ):
        value = json.loads(text) | {"position": position}
        checkpoint = Checkpoint.from_text(json.dumps(value))
        with pytest.raises(ValueError, match="damaged"):
            aiter(Service([]).list(filter, checkpoint=checkpoint))
