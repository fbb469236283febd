"""What the service does after a connection is gone, and lists that are behind."""

from __future__ import annotations

import asyncio

import pytest

from timezest_async import ConfigurationError, F, OutcomeUnknownError, TimeZestClient
from timezest_async.sandbox import ActsLate, ListLag, Sandbox, history

WANTED = {
    "appointment_type_id": "apty_visit",
    "trigger_mode": "pod",
    "resource_ids": ["agnt_sam"],
    "end_user_name": "Kim",
    "end_user_email": "kim@example.com",
}


class Moments:
    """A clock that stands still."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    moments = Moments()
    monkeypatch.setattr(history, "time", moments)
    return moments


@pytest.mark.asyncio
async def test_a_create_happens_after_its_connection_was_closed(
    sandbox: Sandbox, client: TimeZestClient
) -> None:
    sandbox.add(object="agent", id="agnt_sam")
    sandbox.faults.script("POST /scheduling_requests", [ActsLate(0.5)])
    with pytest.raises(OutcomeUnknownError):
        await client.scheduling_requests.create(**WANTED)
    assert not sandbox.records()
    while not sandbox.records():
        await asyncio.sleep(0.01)
    assert len(sandbox.records()) == 1
    assert sandbox.faults.pending == 0


@pytest.mark.asyncio
async def test_what_is_to_happen_later_ends_with_the_sandbox() -> None:
    async with Sandbox() as sandbox, TimeZestClient("demo", sandbox.base_url) as client:
        sandbox.faults.script("POST /scheduling_requests", [ActsLate(3600)])
        with pytest.raises(OutcomeUnknownError):
            await client.scheduling_requests.create(**WANTED)


@pytest.mark.asyncio
async def test_a_late_list_shows_what_was_true_then(
    sandbox: Sandbox, client: TimeZestClient, moments: Moments
) -> None:
    changed = sandbox.add(status="new")["id"]
    removed = sandbox.add(status="new")["id"]

    async def shown(filter: object = None) -> set[str]:
        return {one.id for one in await client.scheduling_requests.list(filter).to_list()}  # type: ignore[arg-type]

    moments.now += 10
    added = sandbox.add(status="sent")["id"]
    sandbox.update(changed, status="sent")
    sandbox.remove(removed)
    assert await shown() == {changed, added}
    sandbox.faults.randomly(1.0, [ListLag(5)], route="GET /scheduling_requests")
    for passed in (0, 4.9):
        moments.now += passed
        assert await shown() == {changed, removed}
        assert await shown(F.status == "new") == {changed, removed}
    moments.now += 0.2
    assert await shown() == {changed, added}
    assert await shown(F.status == "new") == set()
    sandbox.faults.clear()
    sandbox.faults.script("GET /scheduling_requests", [ListLag(3600)])
    assert await shown() == set()


@pytest.mark.asyncio
async def test_a_late_list_has_pages_too(sandbox: Sandbox, client: TimeZestClient, moments: Moments) -> None:
    sandbox.add_many({"status": "new", "created_at": 1_700_000_000 + number} for number in range(45))
    moments.now += 10
    sandbox.add_many({"status": "new", "created_at": 1_700_000_020} for _ in range(5))
    sandbox.faults.randomly(1.0, [ListLag(5)])
    assert len(await client.scheduling_requests.list().to_list()) == 45


@pytest.mark.parametrize("fault", [ActsLate, ListLag])
@pytest.mark.parametrize("seconds", [-1, "2", None, float("nan"), float("inf"), True])
def test_seconds_that_are_none_are_refused(fault: type[ActsLate], seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="seconds takes"):
        fault(seconds)
