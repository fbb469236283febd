"""Reading concurrently gives what reading serially gives, always."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.servers.list_service import Service, evaluator, record
from timezest_async import Checkpoint, F, InvalidRequestError, RateLimiter, ServerError, TimeZestClient, tql
from timezest_async.sandbox import Sandbox, Status

gaps = st.one_of(
    st.lists(st.integers(0, 3), max_size=400),
    st.lists(st.just(0), max_size=300),
    st.lists(st.sampled_from([0, 0, 0, 1, 1000, 31_536_000]), max_size=400),
    st.builds(lambda count, step: [step] * count, st.integers(0, 600), st.integers(1, 5000)),
    st.builds(lambda count: [n * n for n in range(count)], st.integers(0, 300)),
    st.builds(lambda count: [n * n for n in reversed(range(count))], st.integers(0, 300)),
)


def make(distances: list[int]) -> list[dict[str, Any]]:
    second, records = 2_000_000_000, []
    for number, distance in enumerate(distances):
        second -= distance
        records.append(record(number, second, status=("new", "sent")[number % 2]))
    return records


@given(
    distances=gaps,
    concurrency=st.one_of(st.integers(2, 9), st.just("auto")),
    seed=st.integers(0, 2**32),
    limit=st.one_of(st.none(), st.integers(0, 500)),
    filter=st.sampled_from(
        [None, F.created_at >= 1_999_900_000, F.created_at.between(1_900_000_000, 1_999_999_990)]
    ),
    page_sizes=st.sampled_from([[20], [20, 20, 3, 0, 20], [1], [7]]),
)
@settings(max_examples=support.examples(1500))
def test_the_same_records_in_the_same_order(
    distances: list[int], concurrency: Any, seed: int, limit: int | None, filter: Any, page_sizes: list[int]
) -> None:
    records = make(distances)
    chance = random.Random(seed)
    service = Service(records, accepts=evaluator(records), page_size=lambda: chance.choice(page_sizes))
    service.turns = lambda: chance.randrange(1, 12)
    query = "" if filter is None else tql.render(filter)
    expected = [one["id"] for one in records if service.accepts(query, one)][:limit]

    async def run() -> None:
        got = await service.list(filter, concurrency=concurrency, limit=limit).to_list()
        assert [one.id for one in got] == expected
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


@given(
    distances=gaps,
    concurrency=st.integers(2, 9),
    resumed=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    stop=st.integers(0, 400),
    failing=st.one_of(st.none(), st.integers(0, 25)),
    use_or=st.booleans(),
)
@settings(max_examples=support.examples(1500))
def test_resuming_completes_exactly(
    distances: list[int],
    concurrency: int,
    resumed: int,
    seed: int,
    stop: int,
    failing: int | None,
    *,
    use_or: bool,
) -> None:
    records = make(distances)
    chance = random.Random(seed)
    # Two queries that overlap nowhere keep the order of ties: that within one second is nobody's promise.
    if use_or:
        records = [
            one
            for i, one in enumerate(records)
            if i == 0 or one["created_at"] != records[i - 1]["created_at"]
        ]
    filter = (
        (F.status == "new") & (F.created_at > 1) | (F.status == "sent") & (F.created_at > 2)
        if use_or
        else None
    )

    accepts = evaluator(records)

    def service() -> Service:
        service = Service(records, accepts=accepts)
        service.turns = lambda: chance.randrange(1, 12)
        return service

    async def run() -> None:
        first = service()
        if failing is not None:
            first.failures[failing] = ServerError("down", status=500)
        paginator = first.list(filter, concurrency=concurrency)
        got: list[str] = []
        checkpoint = paginator.checkpoint
        try:
            async for one in paginator:
                got.append(one.id)
                if len(got) >= stop:
                    break
            checkpoint = paginator.checkpoint
        except ServerError as error:
            checkpoint = error.checkpoint
        checkpoint = Checkpoint.from_text(checkpoint.to_text())
        rest = await service().list(filter, checkpoint=checkpoint, concurrency=resumed).to_list()
        assert got + [one.id for one in rest] == [one["id"] for one in records]

    asyncio.run(run())


@pytest.mark.asyncio
async def test_over_real_sockets_under_a_budget_with_inserts() -> None:
    async with Sandbox(rate_limit=(60, 1.0)) as sandbox:
        sandbox.add_many(record(n, 1_700_000_000 + n * 37 % 90_000) for n in range(2_000))
        expected = [one["id"] for one in sandbox.records()]
        async with TimeZestClient(
            sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(60, 1.0)
        ) as client:
            got = []
            async for one in client.scheduling_requests.list(concurrency=8):
                got.append(one.id)
                if len(got) % 100 == 0:
                    sandbox.add({"created_at": 1_800_000_000 + len(got)})
        assert got == expected
        assert not [seen for seen in sandbox.requests_seen if seen.status == 429]
        assert len(sandbox.requests_seen) <= 112


@pytest.mark.asyncio
async def test_it_is_sooner() -> None:
    """In rounds of the loop rather than seconds: eight readers take a fraction of one reader's turns."""
    records = make([60] * 3200)

    async def rounds(concurrency: int) -> tuple[int, int]:
        service = Service(records, accepts=lambda _query, _record: True)
        service.answer = fast_answer(records)  # type: ignore[method-assign]
        service.turns = lambda: 100
        clock = asyncio.create_task(count_turns())
        got = await service.list(concurrency=concurrency).to_list()
        clock.cancel()
        assert len(got) == 3200
        return turns[0], len(service.asked)

    turns = [0]

    async def count_turns() -> None:
        turns[0] = 0
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    serial, pages = await rounds(1)
    concurrent, requests = await rounds(8)
    assert pages == 160
    assert requests <= 1.1 * pages
    assert concurrent <= 0.19 * serial


def fast_answer(records: list[dict[str, Any]]) -> Any:
    """Answer ranges of ``created_at`` over evenly spaced records by arithmetic."""
    newest = records[0]["created_at"]

    def answer(url: Any) -> dict[str, Any]:
        lo, hi = 0, len(records)
        if query := url.query.get("filter"):
            for leaf in tql.leaves(tql.parse(query)):
                index = -(-(newest - leaf.value) // 60)  # type: ignore[attr-defined]
                if leaf.operator == "GTE":  # type: ignore[attr-defined]
                    hi = (newest - leaf.value) // 60 + 1  # type: ignore[attr-defined]
                else:
                    lo = (newest - leaf.value) // 60 + 1 if index * 60 == newest - leaf.value else index  # type: ignore[attr-defined]
        if after := url.query.get("starting_after"):
            lo = max(lo, int(after.removeprefix("sreq_")) + 1)
        page = records[lo : min(hi, lo + 20)]
        more = lo + 20 < min(hi, len(records))
        link = str(url.update_query(starting_after=page[-1]["id"])) if more else None
        return {"data": page, "next_page": link}

    return answer


@pytest.mark.asyncio
async def test_errors_come_out_and_nothing_is_left(sandbox: Sandbox) -> None:
    async with TimeZestClient(sandbox.api_key, sandbox.base_url, max_attempts=1) as client:
        sandbox.add_many(record(n, 1_700_000_000 + n * 60) for n in range(600))
        sandbox.faults.script("GET /scheduling_requests", [None] * 9 + [Status(500)])
        got = []
        with pytest.raises(ServerError) as caught:
            async for one in client.scheduling_requests.list(concurrency=6):
                got.append(one.id)
        assert not [task for task in asyncio.all_tasks() if "ConcurrentSource" in repr(task)]
        rest = await client.scheduling_requests.list(checkpoint=caught.value.checkpoint).to_list()
        assert got + [one.id for one in rest] == [one["id"] for one in sandbox.records()]


@pytest.mark.asyncio
async def test_break_leaves_nothing_and_gives_the_budget_back() -> None:
    records = make([60] * 800)
    service = Service(records, accepts=evaluator(records))
    service.limiter = RateLimiter(50, 1000.0)
    async for one in service.list(concurrency=8):
        if one.id == "sreq_30":
            break
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)
    assert service.limiter.available == 50 - len(service.asked)


@pytest.mark.asyncio
async def test_raw_filters_are_read_one_by_one() -> None:
    service = Service(make([60] * 100), accepts=lambda _query, _one: True)
    assert len(await service.list(tql.raw("status EQ new"), concurrency=8).to_list()) == 100
    assert {url.query["filter"] for url in service.asked} == {"status EQ new"}


@pytest.mark.parametrize("concurrency", [0, -1, True, 2.0, "8", None])
def test_concurrency_is_checked(concurrency: Any) -> None:
    with pytest.raises(InvalidRequestError, match="concurrency"):
        Service([]).list(concurrency=concurrency)
