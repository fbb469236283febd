"""Shares of a budget: never more than their part, never more than the whole, nothing lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests import support, virtual
from tests.budget.test_rate_limits import FATES, Server, limiter_of, use
from timezest_async.budget import RateLimiter
from timezest_async.errors import BudgetExhaustedError, ConfigurationError


@given(FATES, st.integers(2, 8), st.data(), st.integers(0, 2**32))
@settings(max_examples=support.examples(500))
def test_no_window_of_a_share_holds_more_than_it_and_nothing_is_stranded(
    fates: list[tuple[float, str]], limit: int, data: st.DataObject, seed: int
) -> None:
    part = data.draw(st.integers(1, limit))
    nested = data.draw(st.integers(1, part))

    async def main() -> None:
        whole = limiter_of(limit, 2.0)
        limiters: list[Any] = [whole, whole.share(part), whole.share(part).share(nested)]
        servers = [Server(limiter.max_requests, 2.0) for limiter in limiters]
        chance = random.Random(seed)
        todo = list(fates)

        async def work(number: int) -> None:
            limiter, server = limiters[number % 3], servers[number % 3]
            while todo:
                latency, fate = todo.pop()
                waiting = asyncio.create_task(limiter.acquire())
                if fate == "waiter cancelled":
                    await asyncio.sleep(chance.random() * 2)
                    waiting.cancel()
                    fate = "refused"
                try:
                    slot = await waiting
                except asyncio.CancelledError:
                    continue
                await use(server, slot, chance, latency, fate)

        await asyncio.gather(*(work(number) for number in range(9)))
        everything = Server(limit, 2.0)
        everything.counted = [moment for server in servers for moment in server.counted]
        assert everything.widest() <= limit
        for server in servers:
            assert server.widest() <= server.limit
        await asyncio.sleep(2.0 + 0.05 + 1.0 + 2.0 + 1e-6)
        for limiter in limiters:
            assert limiter.available == limiter.max_requests
            assert limiter.wait_time() == 0.0

    virtual.run(main())


def test_a_share_leaves_room_and_waits_in_line() -> None:
    async def main() -> None:
        whole = limiter_of(3, 10.0, margin=0.0)
        bulk = whole.share(2)
        clock = asyncio.get_running_loop().time
        began = clock()
        for slot in [await bulk.acquire() for _ in range(2)]:
            slot.answered()
        assert (bulk.available, whole.available, bulk.wait_time(), whole.wait_time()) == (0, 1, 10.0, 0.0)
        assert bulk.period == 10.0
        with pytest.raises(BudgetExhaustedError) as caught:
            await bulk.acquire(within=9.0)
        assert caught.value.retry_after == 10.0
        (await whole.acquire()).answered()
        assert clock() == began
        # Nor is anybody turned away too late where the share has room and the whole has none.
        other = whole.share(1)
        with pytest.raises(BudgetExhaustedError):
            await other.acquire(within=9.0)
        assert other.available == 0 < whole.share(1).max_requests
        (await other.acquire(within=10.0)).answered()
        assert clock() - began == 10.0

    virtual.run(main())


def test_a_429_in_a_share_stops_everybody_and_its_request_goes_first_again() -> None:
    async def main() -> None:
        whole = limiter_of(5, 10.0)
        share = whole.share(2)
        unlucky = await share.acquire()
        unlucky.limited(30.0)
        assert whole.wait_time() == share.wait_time() == 30.0
        order: list[str] = []

        async def ask(name: str, limiter: Any, again: Any = None) -> None:
            slot = await limiter.acquire(again)
            order.append(name)
            slot.answered()

        late = asyncio.create_task(ask("late", whole))
        await asyncio.sleep(0)
        await asyncio.gather(ask("again", share, unlucky), late)
        assert order == ["again", "late"]

    virtual.run(main())


@pytest.mark.parametrize("part", [0, -1, 1.5, True, "3", 6])
def test_an_unfit_share_is_refused(part: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"max_requests is .*: (give a|a share of a budget of 5)"):
        RateLimiter(5).share(part)
