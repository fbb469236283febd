"""``deadline=`` of one call, over sockets: it goes before the client's, and the budget may refuse it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests import support
from tests.endpoints.test_bad_input import GOOD
from timezest_async import (
    BudgetExhaustedError,
    OutcomeUnknownError,
    RateLimiter,
    RequestTimeoutError,
    TimeZestClient,
)
from timezest_async.sandbox import Delay, PageSize, Sandbox, TooManyRequests

CALLS: dict[str, Callable[..., Awaitable[Any]]] = {
    "get": lambda client, **when: client.scheduling_requests.get("sreq_a", **when),
    "create": lambda client, **when: client.scheduling_requests.create(**GOOD, **when),
    "list": lambda client, **when: client.scheduling_requests.list(**when).first(),
    "list by several readers": lambda client, **when: client.scheduling_requests.list(
        concurrency=3, **when
    ).to_list(),
    "agents": lambda client, **when: client.agents.list(**when).first(),
    "an agent": lambda client, **when: client.agents.get("agnt_a", **when),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("own", [None, 90.0])
async def test_what_the_budget_cannot_meet_is_said_at_once(call: str, own: float | None) -> None:
    budget = RateLimiter(1, 60.0)
    async with (
        Sandbox(clock=support.stopped_clock) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=budget, deadline=own) as client,
    ):
        (await budget.acquire()).answered()
        began = asyncio.get_running_loop().time()
        with pytest.raises(BudgetExhaustedError, match="nothing was sent") as caught:
            await CALLS[call](client, deadline=30)
        assert asyncio.get_running_loop().time() - began < 20.0
        assert 30 < caught.value.retry_after <= 60.05
        assert caught.value.retryable
        assert sandbox.requests_seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
async def test_a_slow_answer_is_not_waited_for(call: str) -> None:
    async with (
        Sandbox(clock=support.stopped_clock) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url, deadline=90.0) as client,
    ):
        sandbox.faults.script(None, [Delay(20.0)] * 4)
        with pytest.raises((RequestTimeoutError, OutcomeUnknownError), match=r"deadline of 0\.05 s"):
            await CALLS[call](client, deadline=0.05)


@pytest.mark.asyncio
async def test_a_record_found_by_reading_a_list_has_one_deadline_for_all_its_pages() -> None:
    async with (
        Sandbox(records=20, clock=support.stopped_clock) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url) as client,
    ):
        sandbox.faults.script(None, [PageSize(1)] * 9)
        sandbox.faults.script(None, [Delay(0.15)] * 9)
        with pytest.raises(RequestTimeoutError, match=r"GET /agents .*deadline of 0\.2 s"):
            await client.agents.get("agnt_a", deadline=0.2)


@pytest.mark.asyncio
@pytest.mark.parametrize("retry_after", [None, 0, "-1", "soon"])
async def test_thirty_gets_at_once_outlast_refusals_that_say_nothing(retry_after: Any) -> None:
    async with (
        Sandbox(records=1, clock=support.stopped_clock) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(180, 0.8)) as client,
    ):
        [record] = await client.scheduling_requests.list().to_list()
        sandbox.faults.script("GET /scheduling_requests/{id}", [TooManyRequests(retry_after)] * 32)
        gets = (client.scheduling_requests.get(record.id) for _ in range(30))
        assert len(await asyncio.gather(*gets)) == 30
        # Thirty refused at once, two more after pauses, and those that were answered.
        assert len(sandbox.requests_seen) == 1 + 32 + 30
