from __future__ import annotations

import pytest

from benchmarks import changing_account
from tests.support import FULL
from timezest_async.changes import engine


@pytest.mark.asyncio
@pytest.mark.parametrize("clears", [False, True])
async def test_half_an_hour_costs_little_and_nothing_is_missed(
    monkeypatch: pytest.MonkeyPatch, *, clears: bool
) -> None:
    count, minutes = (20_000, 30) if FULL else (400, 5)
    if not FULL:
        # So that reading lists seems dear, as it is where there is more to read.
        monkeypatch.setattr(engine, "PAGE_SIZE", 1)
    watched = await changing_account.watch(count, minutes=minutes, cancelling_clears_times=clears)
    assert watched.missed == 0
    assert watched.requests <= 20 * minutes


@pytest.mark.skipif(not FULL, reason="20,000 requests")
@pytest.mark.asyncio
async def test_that_another_time_moves_nothing_is_noticed() -> None:
    watched = await changing_account.watch(20_000, rebooking_moves_scheduled_at=False)
    assert watched.missed == 0
    assert watched.requests <= 45 * 30
