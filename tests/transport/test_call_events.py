"""Hooks hear of calls: each beginning has its end, and each request its call."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import support
from timezest_async import (
    AssociatedEntity,
    CallEvent,
    F,
    Hooks,
    MemoryJournal,
    NotFoundError,
    RateLimiter,
    RequestEvent,
    TimeZestClient,
    TimeZestError,
)
from timezest_async.sandbox import AnswerLost, Delay, DropBeforeHeaders, Sandbox, Status, TruncatedJSON

pytestmark = pytest.mark.asyncio


class Heard(Hooks):
    def __init__(self) -> None:
        self.begun: dict[int, CallEvent] = {}
        self.ended: dict[int, CallEvent] = {}
        self.requests: list[RequestEvent] = []

    def on_call_start(self, event: CallEvent) -> None:
        assert event.id not in self.begun
        assert (event.seconds, event.attempts, event.error) == (None, 0, None)
        self.begun[event.id] = event

    def on_call_end(self, event: CallEvent) -> None:
        assert event.id in self.begun
        assert event.id not in self.ended
        assert event.seconds is not None
        assert event.seconds >= 0
        self.ended[event.id] = event

    def on_request(self, event: RequestEvent) -> None:
        assert event.call in self.begun
        assert event.call not in self.ended
        self.requests.append(event)

    def named(self, operation: str) -> CallEvent:
        (found,) = [one for one in self.ended.values() if one.operation == operation]
        return found


def connected(sandbox: Sandbox, hooks: Any, **options: Any) -> TimeZestClient:
    limiter = RateLimiter(1_000_000, 1.0)
    return TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=limiter, hooks=hooks, **options)


async def test_what_is_told_of_calls(sandbox: Sandbox) -> None:
    heard = Heard()
    name = sandbox.add_many([{"status": "new"}] * 45) and sandbox.records()[0]["id"]
    sandbox.faults.script("GET /scheduling_requests", [None, Status(503)])
    async with connected(sandbox, heard) as client:
        await client.scheduling_requests.list().to_list()
        listed = heard.named("list")
        assert (listed.route, listed.pages, listed.records, listed.attempts) == (
            "/scheduling_requests",
            3,
            45,
            4,
        )
        assert listed.waited > 0
        assert (listed.error, listed.parent) == (None, None)
        await client.scheduling_requests.get(name)
        got = heard.named("get")
        assert (got.route, got.pages, got.attempts) == ("/scheduling_requests/{id}", 0, 1)
        with pytest.raises(NotFoundError):
            await client.scheduling_requests.get("sreq_none")
        assert [one.error for one in heard.ended.values()] == [None, None, "NotFoundError"]
        where = {(one.server_address, one.server_port, one.base_path) for one in heard.requests}
        assert where == {("127.0.0.1", int(sandbox.base_url.split(":")[2].split("/")[0]), "/v1")}
        begun = len(heard.begun)
        assert await client.scheduling_requests.list(limit=0).to_list() == []
        client.scheduling_requests.list()
        with pytest.raises(TimeZestError):
            await client.scheduling_requests.get("not an id")
        assert len(heard.begun) == begun


async def test_a_create_once_is_a_call_of_calls(sandbox: Sandbox) -> None:
    heard = Heard()
    sandbox.add(object="agent", id="agnt_1")
    sandbox.add(object="appointment_type", id="apty_1")
    sandbox.add_contact("connectwise_psa/service_ticket", number="#1", name="Ann", email="ann@example.com")
    sandbox.faults.script("POST /scheduling_requests", [AnswerLost()])
    async with connected(sandbox, heard) as client:
        made = await client.scheduling_requests.create_once(
            MemoryJournal(),
            key="1",
            appointment_type_id="apty_1",
            trigger_mode="pod",
            resource_ids=["agnt_1"],
            associated_entities=[AssociatedEntity.connectwise_psa_service_ticket(number="#1")],
        )
        assert made.how == "found"
    whole = heard.named("create_once")
    assert {one.parent for one in heard.ended.values() if one is not whole} == {whole.id}
    own = [one.method for one in heard.requests if one.call == whole.id]
    assert own.count("POST") == 1
    assert len(own) == whole.attempts


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_list_that_is_left_has_its_end(sandbox: Sandbox, concurrency: int) -> None:
    heard = Heard()
    sandbox.add_many([{"status": "new", "created_at": 1_700_000_000 + 60 * n} for n in range(200)])
    async with connected(sandbox, heard) as client:
        async for _ in client.scheduling_requests.list(concurrency=concurrency):
            break
        gc.collect()
        assert len(heard.ended) == 1
        sandbox.faults.script("GET /scheduling_requests", [None, Delay(60)])
        reading = asyncio.create_task(client.scheduling_requests.list(concurrency=concurrency).to_list())
        while len(heard.requests) < 3:
            await asyncio.sleep(0.001)
        reading.cancel()
        await asyncio.wait([reading])
        assert [one.error for one in heard.ended.values()] == [None, "CancelledError"]
        assert heard.begun.keys() == heard.ended.keys()


@pytest.mark.parametrize("seed", range(support.examples(20)))
async def test_each_beginning_has_its_end_whatever_happens(sandbox: Sandbox, seed: int) -> None:
    heard, chance = Heard(), random.Random(seed)
    sandbox.add_many([{"status": "new", "created_at": 1_700_000_000 + 60 * n} for n in range(150)])
    names = [one["id"] for one in sandbox.records()]
    faults = [None, None, None, Status(500), Status(404), DropBeforeHeaders(), TruncatedJSON(), Delay(0.01)]
    sandbox.faults.script(None, [chance.choice(faults) for _ in range(5_000)])

    async def one() -> None:
        requests = client.scheduling_requests
        listed = requests.list(
            chance.choice([None, (F.status == "new") | (F.end_user_name == "x")]),
            concurrency=chance.choice([1, 1, 4, 8]),
            limit=chance.choice([None, 5, 70]),
        )
        with suppress(TimeZestError, TimeoutError):
            async with asyncio.timeout(chance.choice([0.005, 0.05, 60, 60])):
                match chance.randrange(5):
                    case 0:
                        await requests.get(chance.choice(names))
                    case 1:
                        await listed.first()
                    case 2:
                        async for _ in listed:
                            if chance.random() < 0.05:
                                break
                    case 3:
                        async for _ in listed.batches(30):
                            pass
                    case _:
                        await listed.to_list()

    async with connected(sandbox, heard, max_attempts=2) as client:
        for _ in range(4):
            await asyncio.gather(*(one() for _ in range(10)))
        gc.collect()
    assert heard.begun.keys() == heard.ended.keys()
    sent = Counter(one.call for one in heard.requests)
    assert {name: one.attempts for name, one in heard.ended.items() if one.attempts} == dict(sent)


async def test_hooks_may_lack_them_and_be_changed(sandbox: Sandbox) -> None:
    class Old:
        def on_request(self, event: RequestEvent) -> None:
            assert event.call is None

        on_response = on_retry = on_wait = on_request

    heard = Heard()
    async with connected(sandbox, Old()) as client:
        await client.scheduling_requests.list().to_list()
        assert isinstance(client.hooks, Old)
        client.hooks = heard
        await client.scheduling_requests.list().to_list()
        client.hooks = None
        await client.scheduling_requests.list().to_list()
    assert len(heard.ended) == 1


async def test_a_watch_tells_of_its_looks(sandbox: Sandbox, tmp_path: Path) -> None:
    heard = Heard()
    sandbox.add(status="new")
    async with (
        connected(sandbox, heard) as client,
        client.scheduling_requests.changes(tmp_path / "state") as changes,
    ):
        assert len([one async for one in changes]) == 1
    assert heard.begun.keys() == heard.ended.keys() != set()
    assert sum(one.attempts for one in heard.ended.values()) == len(heard.requests)
