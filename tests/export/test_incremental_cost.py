"""A later run of an incremental export asks about what may change, not about all that was ever booked."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks import changing_account
from benchmarks.changing_account import DAY, NOON
from tests.export import readers
from tests.export.test_incremental import latest
from tests.support import FULL
from timezest_async import ChangeKind, RateLimiter, TimeZestClient, export
from timezest_async.export import incremental_run
from timezest_async.sandbox import Sandbox

COUNT = 20_000 if FULL else 2_000
ENDINGS = ["jsonl", "csv", "sqlite", "duckdb"] if FULL else ["jsonl", "sqlite"]


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(clock=lambda: NOON) as sandbox:
        yield sandbox


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("few_pages", [10, 1] if FULL else [1])
async def test_five_changes_cost_few_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, few_pages: int
) -> None:
    monkeypatch.setattr(incremental_run, "_FEW_PAGES", few_pages)
    now = NOON
    rng = random.Random(7)
    async with (
        Sandbox(clock=lambda: now) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(1_000_000, 1.0)) as client,
    ):
        sandbox.add_many(changing_account.records(COUNT, rng))
        path = tmp_path / f"all.{ending}"
        job = export.IncrementalExport(client, path, tmp_path / "state")
        assert (await job.run()).created == COUNT
        for number in range(3):
            now += 3600
            live = [one["id"] for one in sandbox.records() if one["status"] in {"new", "sent"}]
            ahead = [
                one["id"]
                for one in sandbox.records()
                if one["status"] == "scheduled" and one["selected_start_time"] > now
            ]
            booked, closed = rng.sample(live, 2)
            moved, cancelled = rng.sample(ahead, 2)
            sandbox.book(booked, now + DAY)
            sandbox.book(moved, now + 2 * DAY)
            sandbox.cancel(cancelled)
            sandbox.close_request(closed)
            made = sandbox.add(id=f"sreq_n{number}", updated_at=now)["id"]
            sandbox.requests_seen.clear()
            summary = await job.run()
            assert len(sandbox.requests_seen) <= 15
            assert summary.changes == {
                booked: ChangeKind.BOOKED,
                moved: ChangeKind.REBOOKED,
                cancelled: ChangeKind.CANCELLED,
                closed: ChangeKind.CLOSED,
                made: ChangeKind.CREATED,
            }
            assert (summary.created, summary.changed, summary.vanished) == (1, 4, 0)
            assert latest(path) == {row["id"]: row for row in readers.expected(sandbox.records(), path)}


@pytest.mark.asyncio
async def test_what_names_do_not_show_is_read_within_a_day(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incremental_run, "_FEW_PAGES", 1)
    sandbox.add_many(changing_account.records(4_000, random.Random(3)))
    state = tmp_path / "state"
    job = export.IncrementalExport(client, tmp_path / "all.sqlite", state)
    await job.run()
    live = [one["id"] for one in sandbox.records() if one["status"] == "sent"]
    old = live[-1]
    sandbox.update(old, end_user_name="Ann", updated_at=NOON + 1)
    sandbox.remove(live[-2])
    assert (await job.run()).changes == {}
    known = incremental_run.IncrementalState.load(state)
    assert known is not None
    assert known.thorough_at is not None
    monkeypatch.setattr(incremental_run, "_THOROUGH", 0.0)
    assert (await job.run()).changes == {
        old: ChangeKind.UPDATED,
        live[-2]: ChangeKind.VANISHED,
    }


@pytest.mark.asyncio
async def test_what_does_not_match_yet_is_asked_for_by_name_from_the_first_run_on(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incremental_run, "_FEW_PAGES", 0)
    sandbox.add_many(changing_account.records(2_000, random.Random(3)))
    path = tmp_path / "sent.jsonl"
    job = export.IncrementalExport(client, path, tmp_path / "state", filter="status = sent")
    had = (await job.run()).created
    assert had == sum(one["status"] == "sent" for one in sandbox.records())
    old = [one["id"] for one in sandbox.records() if one["status"] == "new"][-1]
    sandbox.update(old, status="sent", updated_at=NOON + 1)
    assert (await job.run()).changes == {old: ChangeKind.CREATED}
    assert latest(path).keys() == {one["id"] for one in sandbox.records() if one["status"] == "sent"}
