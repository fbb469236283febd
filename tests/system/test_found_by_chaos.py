"""What the chaotic runs brought to light, each by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.system.storms import records
from timezest_async import (
    F,
    PaginationError,
    RateLimitedError,
    RateLimiter,
    TimeZestClient,
)
from timezest_async.sandbox import Delay, Fault, LoopingNextPage, NextPageShape, Sandbox, TooManyRequests

ROUTE = "GET /scheduling_requests"


def client_of(sandbox: Sandbox) -> TimeZestClient:
    return TimeZestClient(
        sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(1_000_000, 1.0), max_attempts=1
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("same_second", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
async def test_a_list_that_resumes_does_not_loop_back_to_its_beginning(
    concurrency: int, *, same_second: bool, backwards: bool
) -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        second = (lambda _: 7) if same_second else (lambda number: number)
        sandbox.add_many({"id": f"sreq_{n:03}", "created_at": second(n)} for n in range(200))
        order = [one["id"] for one in sandbox.records()]
        start: dict[str, Any] = {}
        if backwards:
            order = order[-2::-1]
            start = {"ending_before": "sreq_000"}
        paginator = client.scheduling_requests.list(F.status == "new", concurrency=concurrency, **start)
        got = []
        async for record in paginator:
            got.append(record.id)
            if len(got) == 90:
                break
        paginator = client.scheduling_requests.list(
            F.status == "new", concurrency=concurrency, checkpoint=paginator.checkpoint
        )
        sandbox.faults.script(ROUTE, [None, LoopingNextPage()])
        if not backwards:  # the fault's link is a next_page
            with pytest.raises(PaginationError, match="loop") as caught:
                async for record in paginator:
                    got.append(record.id)
            assert got == order[: len(got)]
            paginator = client.scheduling_requests.list(checkpoint=caught.value.checkpoint)
        got += [record.id async for record in paginator]
        assert got == order


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("faults", [(TooManyRequests(500), Delay(60)), (Delay(60), TooManyRequests(500))])
async def test_the_failure_of_one_query_is_not_kept_back_by_the_wait_of_another(
    concurrency: int, faults: tuple[Fault, Fault]
) -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        sandbox.add_many(reversed(records()))
        sandbox.faults.script(ROUTE, faults)
        both = (F.status != "new") | (F.end_user_email != "user5@example.com")
        with pytest.raises(RateLimitedError) as caught:
            async with asyncio.timeout(10):
                await client.scheduling_requests.list(both, concurrency=concurrency).to_list()
        sandbox.faults.clear()
        async with client_of(sandbox) as another:
            got = await another.scheduling_requests.list(checkpoint=caught.value.checkpoint).to_list()
        wanted = [
            one["id"]
            for one in sandbox.records()
            if one["status"] != "new" or one["end_user_email"] != "user5@example.com"
        ]
        assert sorted(one.id for one in got) == sorted(wanted)


@pytest.mark.asyncio
async def test_links_in_another_encoding_are_known_again() -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        sandbox.add_many({"id": f"sreq_{n:03}", "created_at": n} for n in range(100))
        sandbox.faults.script(ROUTE, [NextPageShape("path"), NextPageShape("query"), LoopingNextPage()])
        with pytest.raises(PaginationError, match="loop"):
            await client.scheduling_requests.list(F.status == "new").to_list()
        # The loop is known by its link, before it is followed.
        assert len(sandbox.requests_seen) == 3
