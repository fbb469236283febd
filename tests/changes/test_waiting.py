from __future__ import annotations

import asyncio
from typing import Any

import pytest

from timezest_async import (
    InvalidRequestError,
    NotFoundError,
    RateLimiter,
    Status,
    TimeZestClient,
    TimeZestError,
)
from timezest_async.sandbox import DropBeforeHeaders, Sandbox

LATER = 1_900_000_000
pytestmark = pytest.mark.asyncio


def add(sandbox: Sandbox, number: int, **fields: Any) -> str:
    named: Any = [
        {"associated_entities": [{"type": "autotask/ticket", "id": number, "number": f"T{number}"}]},
        {"end_user_email": f"user{number}@example.com"},
        {},
    ][number % 3]
    return str(sandbox.add(id=f"sreq_{number}", status="sent", **named, **fields)["id"])


def looking() -> list[str]:
    coroutines = [str(task.get_coro()) for task in asyncio.all_tasks()]
    return [name for name in coroutines if "_look_on" in name]


async def eventually(sandbox: Sandbox, requests: int) -> None:
    while len(sandbox.requests_seen) < requests:
        await asyncio.sleep(0.005)


async def test_one_is_waited_for(sandbox: Sandbox, client: TimeZestClient) -> None:
    name = add(sandbox, 1)
    waiting = asyncio.create_task(
        client.scheduling_requests.wait_until(name, Status.SCHEDULED, timeout=10, interval=0.01)
    )
    await eventually(sandbox, 3)
    sandbox.book(name, LATER)
    found = await waiting
    assert (found.id, found.status) == (name, "scheduled")
    sandbox.requests_seen.clear()
    assert await client.scheduling_requests.wait_until(name, ["scheduled", "closed"]) == found
    assert len(sandbox.requests_seen) == 1


async def test_many_share_the_looks(sandbox: Sandbox, client: TimeZestClient) -> None:
    names = [add(sandbox, number) for number in range(0, 300, 3)]
    requests = client.scheduling_requests
    everybody = asyncio.gather(
        requests.wait_until(names, Status.SCHEDULED, timeout=20, interval=0.05),
        *(requests.wait_until(name, "scheduled", timeout=20, interval=0.05) for name in names),
    )
    await eventually(sandbox, 2 * len(names))
    # Everybody has been read once. From now on it is a question by ticket number, and what it finds.
    sandbox.requests_seen.clear()
    await eventually(sandbox, 3)
    assert {seen.route for seen in sandbox.requests_seen} == {"GET /scheduling_requests"}
    for name in names:
        sandbox.book(name, LATER)
    sandbox.requests_seen.clear()
    together, *single = await everybody
    assert [one.id for one in together] == [one.id for one in single] == names
    assert {one.status for one in together} == {"scheduled"}
    assert len(sandbox.requests_seen) <= 2 * (1 + len(names) // 20)
    assert not looking()


@pytest.mark.parametrize("count", [1, 9])
async def test_any_function_is_waited_for(sandbox: Sandbox, client: TimeZestClient, count: int) -> None:
    names = [add(sandbox, number) for number in range(count)]
    waiting = asyncio.create_task(
        client.scheduling_requests.wait_until(
            names, lambda request: request.end_user_name == "Ann", timeout=10, interval=0.01
        )
    )
    await eventually(sandbox, 3 * count)
    for name in names:
        sandbox.update(name, end_user_name="Ann")
    assert [one.end_user_name for one in await waiting] == ["Ann"] * count


@pytest.mark.parametrize("count", [1, 9])
async def test_time_runs_out(sandbox: Sandbox, client: TimeZestClient, count: int) -> None:
    names = [add(sandbox, number) for number in range(count)]
    for name in names[:-1]:
        sandbox.book(name, LATER)
    with pytest.raises(TimeoutError, match=rf"{names[-1]} was not closed or scheduled within 0\.2 s"):
        await client.scheduling_requests.wait_until(
            names, [Status.CLOSED, Status.SCHEDULED], timeout=0.2, interval=0.01
        )
    assert not looking()


@pytest.mark.parametrize("count", [1, 9])
async def test_what_vanishes_is_told(sandbox: Sandbox, client: TimeZestClient, count: int) -> None:
    names = [add(sandbox, number) for number in range(count)]
    waiting = asyncio.create_task(
        client.scheduling_requests.wait_until(names, Status.CLOSED, timeout=10, interval=0.01)
    )
    await eventually(sandbox, 2 * count)
    sandbox.remove(names[-1])
    with pytest.raises(NotFoundError):
        await waiting
    with pytest.raises(NotFoundError):
        await client.scheduling_requests.wait_until(names[-1], Status.CLOSED)


async def test_failures_that_pass_are_borne(sandbox: Sandbox) -> None:
    name = add(sandbox, 1)
    async with TimeZestClient(
        sandbox.api_key, sandbox.base_url, max_attempts=1, rate_limiter=RateLimiter(1_000_000, 1.0)
    ) as client:
        sandbox.faults.script(None, [DropBeforeHeaders(), None, *[DropBeforeHeaders()] * 3])
        waiting = asyncio.create_task(
            client.scheduling_requests.wait_until(name, Status.CANCELLED, timeout=10, interval=0.01)
        )
        await eventually(sandbox, 7)
        sandbox.cancel(name)
        assert (await waiting).status == "cancelled"


async def test_what_a_function_raises_is_its_callers(sandbox: Sandbox, client: TimeZestClient) -> None:
    name, looks = add(sandbox, 1), 0

    def broken(_: object) -> bool:
        nonlocal looks
        looks += 1
        return looks > 1 and bool(1 / 0)

    sound = asyncio.create_task(
        client.scheduling_requests.wait_until(name, Status.CLOSED, timeout=10, interval=0.01)
    )
    with pytest.raises(ZeroDivisionError):
        await client.scheduling_requests.wait_until(name, broken, timeout=10, interval=0.01)
    sandbox.close_request(name)
    assert (await sound).status == "closed"


@pytest.mark.parametrize("wanted", ["schedueled", [], 7, ["new", None], [b"new"]])
async def test_what_cannot_be_waited_for_is_refused(
    sandbox: Sandbox, client: TimeZestClient, wanted: Any
) -> None:
    with pytest.raises(InvalidRequestError, match="wait_until"):
        await client.scheduling_requests.wait_until("sreq_1", wanted, timeout=1)
    for arguments in ({"timeout": 0}, {"timeout": "1"}, {"interval": -1}):
        with pytest.raises(InvalidRequestError):
            await client.scheduling_requests.wait_until("sreq_1", "new", **arguments)
    assert sandbox.requests_seen == []


async def test_a_refused_key_ends_the_wait(sandbox: Sandbox) -> None:
    async with TimeZestClient("wrong", sandbox.base_url) as client:
        with pytest.raises(TimeZestError):
            await client.scheduling_requests.wait_until("sreq_1", "new", timeout=5)
