"""What one reading teaches the next: of use where it is right, no harm where it is not."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.servers.list_service import Service, evaluator, record
from timezest_async import F, TimeZestClient
from timezest_async.pagination import Query, SpreadMemory
from timezest_async.pagination.windows.spreads import MOST, Sampler, Spread
from timezest_async.sandbox import Sandbox

START = 1_700_000_000

distances = st.one_of(
    st.lists(st.integers(0, 3), max_size=300),
    st.lists(st.sampled_from([0, 0, 0, 1, 1000, 31_536_000]), max_size=300),
    st.builds(lambda count, step: [step] * count, st.integers(0, 500), st.integers(1, 5000)),
)


def make(steps: Sequence[int]) -> list[dict[str, Any]]:
    second, records = 2_000_000_000, []
    for number, step in enumerate(steps):
        second -= step
        records.append(record(number, second))
    return records


def learnt(times: Sequence[int], floor: int | None = None) -> Spread | None:
    sampler = Sampler(20)
    for start in range(0, len(times), 20):
        sampler.add(times[start : start + 20])
    return sampler.spread(floor)


@given(distances, distances, st.integers(2, 9), st.integers(0, 2**32), st.sampled_from([0, 5_000, 10**8]))
@settings(max_examples=support.examples(1_000))
def test_a_list_that_has_changed_since_is_read_in_full(
    before: list[int], after: list[int], concurrency: int, seed: int, back: int
) -> None:
    chance = random.Random(seed)

    async def run() -> None:
        memory = SpreadMemory()
        for steps in (before, after, before + after):
            records = make(steps)
            service = Service(
                records, accepts=evaluator(records), page_size=lambda: chance.choice([20, 20, 7])
            )
            service.turns = lambda: chance.randrange(1, 12)
            filter = F.created_at >= 2_000_000_000 - back if back and chance.random() < 0.5 else None
            paginator = service.list(filter, concurrency=concurrency)
            paginator.spreads.restore(json.loads(json.dumps(memory.to_json())))
            expected = [one for one in records if filter is None or one["created_at"] >= 2_000_000_000 - back]
            assert [one.id for one in await paginator.to_list()] == [one["id"] for one in expected]
            memory = paginator.spreads

    asyncio.run(run())


@given(steps=st.lists(st.integers(0, 10_000), max_size=1_000), with_floor=st.booleans())
@settings(max_examples=support.examples(500))
def test_what_lies_between_two_of_its_times_fills_pages(steps: list[int], *, with_floor: bool) -> None:
    times = [10**9]
    for step in steps:
        times.append(times[-1] - step)
    spread = learnt(times, times[-1] - 5 if with_floor else None)
    if len(times) < 20:
        assert spread is None
        return
    assert spread is not None
    assert spread.records == len(times)
    assert spread.step % 20 == 0
    if len(set(times)) == len(times):
        for older, newer in pairwise(spread.times[1:-1]):
            assert sum(older <= time < newer for time in times) == spread.step
    for time in (*times, times[0] + 1, times[-1] - 1):
        assert abs(spread.below(time) - sum(one < time for one in times)) <= spread.step + times.count(time)


def test_a_list_of_any_length_leaves_a_few_hundred_numbers() -> None:
    sampler = Sampler(20)
    for page in range(20_000):
        sampler.add([10**9 - 20 * page - place for place in range(20)])
    spread = sampler.spread()
    assert spread is not None
    assert len(spread.times) <= MOST + 2
    assert spread.records == 400_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["step", "rest", "times"]), inner)
    ),
    max_leaves=8,
)


@given(json_values)
@settings(max_examples=support.examples(300))
def test_what_is_no_spread_is_passed_over(value: Any) -> None:
    memory = SpreadMemory()
    memory.restore(value)
    memory.restore([["", value], [value, {"step": 20, "rest": 0, "times": [1, 2]}]])
    assert SpreadMemory().to_json() == []
    for _, described in memory.to_json():
        assert Spread.read(described) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": 0},
        {"step": True},
        {"rest": -1},
        {"rest": 21},
        {"times": [3, 2, 1]},
        {"times": [1]},
        {"times": [1, 2.0, 3]},
        {"times": [1, 10**30]},
        {"times": list(range(10_000))},
    ],
)
def test_a_damaged_spread_is_none(wrong: dict[str, Any]) -> None:
    sound = {"step": 20, "rest": 5, "times": [1, 2, 3]}
    assert Spread.read(sound) == Spread(20, (1, 2, 3), 5)
    assert Spread.read({**sound, **wrong}) is None


def test_it_recalls_what_reaches_back_far_enough_of_the_same_subject() -> None:
    def bounded(second: int) -> Query:
        return Query.of((F.created_at >= second) & (F.status == "sent"))

    def reaching(second: int) -> Spread:
        return Spread(20, (second, 900, 1_000), 20)

    memory = SpreadMemory()
    memory.learn(Query.of(F.status == "sent"), reaching(10))
    memory.learn(bounded(500), reaching(500))
    assert memory.recall(bounded(600)) == reaching(500)
    assert memory.recall(bounded(400)) == reaching(10)
    assert memory.recall(Query.of(F.status == "sent")) == reaching(10)
    assert memory.recall(Query()) is None
    assert memory.recall(Query.of(F.status == "new")) is None
    memory.learn(bounded(100), reaching(100))
    assert memory.recall(bounded(600)) == reaching(100)
    for number in range(20):
        memory.learn(Query.of(F.end_user_email == f"{number}@example.com"), reaching(number))
    assert len(memory.to_json()) == 8


@pytest.mark.asyncio
async def test_the_second_list_of_a_client_begins_with_all_readers() -> None:
    async with Sandbox() as sandbox:
        for number in range(330):
            sandbox.add(created_at=START + number**2)
        options = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
        async with TimeZestClient(**options) as client:
            expected = [one.id for one in await client.scheduling_requests.list().to_list()]
            sandbox.requests_seen.clear()
            for _ in range(2):
                sandbox.requests_seen.clear()
                requests = await client.scheduling_requests.list(concurrency=8).to_list()
                assert [one.id for one in requests] == expected
            assert len(sandbox.requests_seen) == 17
            first = [one.query["filter"] for one in sandbox.requests_seen[:8]]
            assert all("created_at" in filter for filter in first)
