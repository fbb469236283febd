from __future__ import annotations

from datetime import UTC, datetime

import pytest

from timezest_async.sandbox import Sandbox

NOW = 1_750_000_000
STARTS = datetime(2025, 7, 1, 9, 30, tzinfo=UTC)
pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("clears", [False, True])
@pytest.mark.parametrize("moves", [False, True])
async def test_an_end_user_books_moves_and_cancels(*, clears: bool, moves: bool) -> None:
    now = NOW
    async with Sandbox(
        clock=lambda: now, cancelling_clears_times=clears, rebooking_moves_scheduled_at=moves
    ) as sandbox:
        sandbox.add(object="agent", id="agnt_1", name="Sam")
        name = sandbox.add(status="sent", resources=[{"object": "team", "id": "team_1", "name": "Desk"}])[
            "id"
        ]
        booked = sandbox.book(name, STARTS, "Arizona")
        assert (booked["status"], booked["scheduled_at"], booked["updated_at"]) == ("scheduled", NOW, NOW)
        assert (booked["selected_start_time"], booked["selected_time_zone"]) == (
            int(STARTS.timestamp()),
            "Arizona",
        )
        assert booked["scheduled_agents"] == [{"type": "agent", "id": "agnt_1", "name": "Sam"}]
        now += 60
        moved = sandbox.book(name, int(STARTS.timestamp()) + 3600)
        assert moved["scheduled_at"] == (now if moves else NOW)
        assert moved["selected_time_zone"] == "Arizona"
        cancelled = sandbox.cancel(name)
        assert cancelled["status"] == "cancelled"
        assert cancelled["scheduled_at"] == (None if clears else moved["scheduled_at"])
        assert cancelled["scheduled_agents"] == ([] if clears else moved["scheduled_agents"])
        assert sandbox.book(name, STARTS)["scheduled_at"] == now
        assert sandbox.close_request(name)["status"] == "closed"
        assert sandbox.records() == [sandbox.close_request(name)]


async def test_what_nobody_can_do_is_refused() -> None:
    async with Sandbox() as sandbox:
        for act in (sandbox.cancel, sandbox.close_request, lambda name: sandbox.book(name, STARTS)):
            with pytest.raises(KeyError):
                act("sreq_none")
        closed = sandbox.add(status="closed")["id"]
        with pytest.raises(ValueError, match="no longer be booked"):
            sandbox.book(closed, STARTS)
        with pytest.raises(ValueError, match="no longer be cancelled"):
            sandbox.cancel(closed)
        with pytest.raises(ValueError, match="time zone"):
            sandbox.book(sandbox.add()["id"], datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused
