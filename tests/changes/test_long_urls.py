"""A gateway may refuse URLs that the service takes: then the questions by name are asked in smaller parts."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tests.export.test_incremental import latest
from tests.servers.gateway import refusing
from tests.support import NOON
from timezest_async import (
    BadRequestError,
    ChangeKind,
    ConfigurationError,
    RateLimiter,
    TimeZestClient,
    export,
)
from timezest_async.changes import engine, watching
from timezest_async.changes.watching import Watch
from timezest_async.export import incremental_run
from timezest_async.sandbox import Sandbox, Status

DAY = 86_400
COUNT = 400
LIMITS = [(4_096, 414), (2_048, 414), (1_024, 431), (700, 413), (450, 400)]
pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def ask_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reading lists seem dear, as it is where there is more to read."""
    monkeypatch.setattr(engine, "PAGE_SIZE", 1)
    monkeypatch.setattr(watching, "_LOOKING", 1)


def fill(sandbox: Sandbox, *, is_mixed: bool = True) -> None:
    for number in range(COUNT):
        created = int(NOON) - 10 * DAY + 1_000 * number
        ticket = {"type": "autotask/ticket", "id": number, "number": f"T2026.{number:04}"}
        by_email = is_mixed and number % 4 == 0
        named: dict[str, Any] = (
            {"end_user_email": f"somebody.{number}+ü@example.com"}
            if by_email
            else {"associated_entities": [ticket]}
        )
        sandbox.add(id=f"sreq_{number}", status="sent", created_at=created, updated_at=created, **named)


def client_of(sandbox: Sandbox, base_url: str) -> TimeZestClient:
    return TimeZestClient(sandbox.api_key, base_url, rate_limiter=RateLimiter(1_000_000, 1.0))


@pytest.mark.parametrize(("longest", "status"), LIMITS)
async def test_what_is_refused_is_halved_and_not_tried_again(
    tmp_path: Path, longest: int, status: int
) -> None:
    now = NOON
    async with (
        Sandbox(clock=lambda: now) as sandbox,
        refusing(sandbox.base_url, longest, status) as gateway,
        client_of(sandbox, gateway.base_url) as client,
    ):
        fill(sandbox)
        watch = Watch(
            client.scheduling_requests._service(),
            tmp_path / "seen",
            None,
            interval=60,
            initial=False,
            clock=lambda: now,
        )
        async with watch:
            looks = await watch._opened()
            await looks.look(sweep=True, allowance=1)
            for number, pause in enumerate((600, 60, 60)):
                now += pause
                gone = random.Random(number).sample(range(COUNT), 5)
                for one in gone:
                    sandbox.cancel(f"sreq_{one}")
                store, refused = watch.store, len(gateway.refused)
                cost = await looks.look(sweep=True, allowance=1)
                assert cost.plan is engine.Plan.NAMES
                told = await store.pending("main", 100)
                assert {(event.kind, (event.after or {})["id"]) for event in told} == {
                    (ChangeKind.CANCELLED, f"sreq_{one}") for one in gone
                }
                await store.acknowledge("main", told[-1].seq)
                if number == 0:
                    # Halved until it fits: no more refusals than halves of 4 kB.
                    assert bool(gateway.refused) == (longest < 4_000)
                    assert len(gateway.refused) <= 5
                else:
                    assert len(gateway.refused) == refused, "the size is remembered"
                    sandbox.requests_seen.clear()
                    gateway.forwarded.clear()
        assert max(gateway.refused, default=longest + 1) > longest


async def test_where_not_even_one_name_is_taken_it_says_so(tmp_path: Path) -> None:
    now = NOON
    async with (
        Sandbox(clock=lambda: now) as sandbox,
        refusing(sandbox.base_url, 250) as gateway,
        client_of(sandbox, gateway.base_url) as client,
    ):
        fill(sandbox)
        service = client.scheduling_requests._service()
        seen = tmp_path / "seen"
        async with Watch(service, seen, None, interval=None, initial=False, clock=lambda: now) as first:
            assert [change async for change in first] == []
        now += 600
        with pytest.raises(ConfigurationError, match=r"single ticket number.*414 for GET.*let the gateway"):
            async with Watch(service, seen, None, interval=None, clock=lambda: now) as watch:
                await anext(watch)
        assert len(gateway.refused) <= 13


async def test_what_the_service_itself_refuses_is_not_asked_again(tmp_path: Path) -> None:
    now = NOON
    async with Sandbox(clock=lambda: now) as sandbox, client_of(sandbox, sandbox.base_url) as client:
        fill(sandbox)
        service = client.scheduling_requests._service()
        seen = tmp_path / "seen"
        async with Watch(service, seen, None, interval=None, initial=False, clock=lambda: now) as first:
            assert [change async for change in first] == []
        now += 600
        sandbox.requests_seen.clear()
        body = '{"errors": [{"message": "Invalid filter"}]}'
        sandbox.faults.script("GET /scheduling_requests", [None, None, *[Status(400, body)] * 20])
        with pytest.raises(BadRequestError, match="Invalid filter"):
            async with Watch(service, seen, None, interval=None, clock=lambda: now) as watch:
                await anext(watch)
        assert [seen.status for seen in sandbox.requests_seen] == [200, 200, 400]


@pytest.mark.parametrize(("longest", "status"), LIMITS[1:4])
async def test_those_who_wait_for_many_ask_in_smaller_parts(longest: int, status: int) -> None:
    async with (
        Sandbox(clock=lambda: NOON) as sandbox,
        refusing(sandbox.base_url, longest, status) as gateway,
        client_of(sandbox, gateway.base_url) as client,
    ):
        fill(sandbox, is_mixed=False)
        for number in range(COUNT):
            sandbox.book(f"sreq_{number}", int(NOON) + DAY)
        some = [f"sreq_{number}" for number in range(COUNT)]
        for name in some:
            sandbox.update(name, status="sent")
        waiting = asyncio.create_task(
            client.scheduling_requests.wait_until(some, "scheduled", timeout=60, interval=0.05)
        )
        while not gateway.refused:
            await asyncio.sleep(0.01)
        for name in some:
            sandbox.book(name, int(NOON) + DAY)
        assert [one.id for one in await waiting] == some
        assert len(gateway.refused) <= 5


@pytest.mark.parametrize(("longest", "status"), LIMITS[1:])
async def test_an_incremental_export_asks_in_smaller_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: int, status: int
) -> None:
    monkeypatch.setattr(incremental_run, "_FEW_PAGES", 0)
    monkeypatch.setattr(incremental_run, "PAGE_SIZE", 1)
    async with (
        Sandbox(clock=lambda: NOON) as sandbox,
        refusing(sandbox.base_url, longest, status) as gateway,
        client_of(sandbox, gateway.base_url) as client,
    ):
        fill(sandbox)
        path = tmp_path / "out.jsonl"
        job = export.IncrementalExport(client, path, tmp_path / "state")
        await job.run()
        for number in (3, 200, 399):
            sandbox.update(f"sreq_{number}", status="closed", updated_at=int(NOON) + 1)
        summary = await job.run()
        assert summary.changes == {f"sreq_{number}": ChangeKind.CLOSED for number in (3, 200, 399)}
        assert gateway.refused
        assert latest(path) == {one["id"]: one for one in sandbox.records()}
