from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import NOON
from timezest_async import RateLimiter, TimeZestClient
from timezest_async.changes import engine, watching
from timezest_async.sandbox import Sandbox

DAY = 86_400


@pytest.mark.asyncio
async def test_where_another_time_moves_nothing_the_plan_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PAGE_SIZE", 1)
    monkeypatch.setattr(watching, "_LOOKING", 1)
    now = NOON
    async with (
        Sandbox(clock=lambda: now, rebooking_moves_scheduled_at=False) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(1_000_000, 1.0)) as client,
    ):
        for number in range(20):
            sandbox.add(id=f"sreq_{number}", end_user_email=f"{number}@example.com")
            sandbox.book(f"sreq_{number}", int(NOON) + DAY)
        now += 600
        sandbox.add(id="sreq_20", end_user_email="20@example.com")
        sandbox.book("sreq_20", int(NOON) + DAY)

        async def look() -> tuple[str, list[str]]:
            changes = watching.Watch(
                client.scheduling_requests._service(),
                tmp_path / "seen",
                None,
                interval=None,
                clock=lambda: now,
            )
            kinds = [change.kind.value async for change in changes]
            assert changes.cost is not None
            return changes.cost.plan.value, kinds

        assert await look() == ("first", ["created"] * 21)
        now += 600
        sandbox.book("sreq_3", int(NOON) + 2 * DAY)
        assert await look() == ("names", [])
        now += engine.FULL
        assert await look() == ("lists", ["rebooked"])
        now += 600
        sandbox.book("sreq_4", int(NOON) + 3 * DAY)
        # From now on the booked ones are read each time, which here is all there is to read.
        assert (await look())[1] == ["rebooked"]
