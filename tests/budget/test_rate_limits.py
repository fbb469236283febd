from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests import support, virtual
from timezest_async.budget import RateLimiter, Slot
from timezest_async.errors import ConfigurationError


def limiter_of(max_requests: int, period: float, margin: float = 0.05) -> RateLimiter:
    return RateLimiter(max_requests, period, margin, clock=asyncio.get_running_loop().time)


class Server:
    """Counts each request at some moment between its sending and its answer."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit, self.period = limit, period
        self.counted: list[float] = []
        self.in_flight = self.most_in_flight = 0

    def widest(self) -> int:
        """Return the most requests in any window [t, t + period)."""
        times = sorted(self.counted)
        most, first = 0, 0
        for last, moment in enumerate(times):
            # Sums of floats differ in their last digits; a microsecond is no violation.
            while moment - times[first] >= self.period - 1e-6:
                first += 1
            most = max(most, last - first + 1)
        return most


async def use(server: Server, slot: Slot, chance: random.Random, latency: float, fate: str) -> None:
    """Send one request that meets a fate, and settle its slot as a transport would."""
    server.in_flight += 1
    server.most_in_flight = max(server.most_in_flight, server.in_flight)
    try:
        await meet(server, slot, chance, latency, fate)
    finally:
        server.in_flight -= 1


async def meet(server: Server, slot: Slot, chance: random.Random, latency: float, fate: str) -> None:
    loop = asyncio.get_running_loop()
    if fate == "refused":
        await asyncio.sleep(latency / 2)
        slot.release()
        return
    if fate in {"timed out", "cancelled"}:
        # The client gives up after `latency`; the server may count it up to a second later.
        given_up = loop.time() + latency
        server.counted.append(chance.uniform(loop.time(), given_up + 1.0))
        await asyncio.sleep(latency)
        slot.lost()
        return
    before = chance.random() * latency
    await asyncio.sleep(before)
    server.counted.append(loop.time())
    await asyncio.sleep(latency - before)
    if fate == "429":
        slot.limited(chance.random() * 2)
    else:
        slot.answered()


FATES = st.lists(
    st.tuples(
        st.floats(0.0, 3.0),
        st.sampled_from(["answered"] * 6 + ["429", "refused", "timed out", "cancelled", "waiter cancelled"]),
    ),
    min_size=1,
    max_size=60,
)


@given(FATES, st.integers(1, 8), st.floats(0.5, 5.0), st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=support.examples(1000))
def test_no_window_holds_more_than_the_limit_and_nothing_is_stranded(
    fates: list[tuple[float, str]], limit: int, period: float, seed: int, tasks: int
) -> None:
    async def main() -> None:
        limiter = limiter_of(limit, period)
        server = Server(limit, period)
        chance = random.Random(seed)
        todo = list(fates)

        async def worker() -> None:
            while todo:
                latency, fate = todo.pop()
                if fate == "waiter cancelled":
                    waiting = asyncio.create_task(limiter.acquire())
                    await asyncio.sleep(chance.random() * period)
                    waiting.cancel()
                    try:
                        slot = await waiting
                    except asyncio.CancelledError:
                        continue
                    slot.release()
                else:
                    await use(server, await limiter.acquire(), chance, latency, fate)

        await asyncio.gather(*(worker() for _ in range(tasks)))
        assert server.widest() <= limit
        assert server.most_in_flight <= limit
        # The full burst is there again, at once.
        await asyncio.sleep(period + 0.05 + 1.0 + 2.0 + 1e-6)
        assert limiter.available == limit
        assert limiter.wait_time() == 0.0
        before = asyncio.get_running_loop().time()
        slots = [await limiter.acquire() for _ in range(limit)]
        assert asyncio.get_running_loop().time() == before
        assert limiter.available == 0
        for slot in slots:
            slot.release()
        assert limiter.available == limit

    virtual.run(main())


@pytest.mark.parametrize("latency", [0.05, 0.2, 0.4])
def test_an_hour_of_greed_uses_99_percent_of_the_budget(latency: float) -> None:
    async def main() -> None:
        limiter, server = limiter_of(180, 60.0), Server(180, 60.0)
        chance = random.Random(7)
        until = asyncio.get_running_loop().time() + 3600

        async def greedy() -> None:
            while True:
                slot = await limiter.acquire()
                if asyncio.get_running_loop().time() >= until:
                    slot.release()
                    return
                await use(server, slot, chance, chance.uniform(0.5, 1.5) * latency, "answered")

        await asyncio.gather(*(greedy() for _ in range(30)))
        assert server.widest() <= 180
        assert len(server.counted) >= 0.99 * 180 * 60

    virtual.run(main())


@given(st.lists(st.sampled_from(["wait", "cancel"]), min_size=1, max_size=40), st.integers(1, 4))
@settings(max_examples=support.examples(300))
def test_slots_go_to_who_waits_longest(plan: list[str], limit: int) -> None:
    async def main() -> None:
        limiter = limiter_of(limit, 1.0)
        order: list[int] = []

        async def wait(number: int) -> None:
            slot = await limiter.acquire()
            order.append(number)
            try:
                await asyncio.sleep(0.3)
            finally:
                slot.answered()

        tasks = [asyncio.create_task(wait(number)) for number in range(len(plan))]
        await asyncio.sleep(0)
        for task, fate in zip(tasks, plan, strict=True):
            if fate == "cancel":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The first `limit` had their slots before anybody was cancelled.
        expected = [number for number, fate in enumerate(plan) if fate == "wait" or number < limit]
        assert order == expected

    virtual.run(main())


def test_a_429_stops_everybody_and_its_request_goes_first_again() -> None:
    async def main() -> None:
        limiter = limiter_of(3, 10.0)
        clock = asyncio.get_running_loop().time
        started = clock()
        order: list[tuple[str, float]] = []
        unlucky = [await limiter.acquire() for _ in range(3)]

        async def later(name: str, again: Slot | None = None) -> None:
            slot = await limiter.acquire(again)
            order.append((name, clock() - started))
            slot.release()

        late = asyncio.create_task(later("late"))
        await asyncio.sleep(0)
        for slot in unlucky:
            slot.limited(30.0)
        assert limiter.available == 0
        assert limiter.wait_time() == pytest.approx(30.0)
        numbered = reversed(list(enumerate(unlucky)))
        again = [asyncio.create_task(later(f"again {number}", slot)) for number, slot in numbered]
        await asyncio.gather(late, *again)
        assert [name for name, _ in order] == ["again 0", "again 1", "again 2", "late"]
        assert all(moment == pytest.approx(30.0) for _, moment in order)

    virtual.run(main())


def test_the_wait_is_foretold() -> None:
    async def main() -> None:
        limiter = limiter_of(2, 10.0, margin=0.0)
        assert limiter.wait_time() == 0.0
        first, second = await limiter.acquire(), await limiter.acquire()
        assert limiter.wait_time() == 10.0
        first.answered()
        await asyncio.sleep(4)
        assert limiter.wait_time() == pytest.approx(6.0)
        second.lost()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        assert limiter.wait_time() == pytest.approx(11.0)
        assert limiter.available == 0
        before = asyncio.get_running_loop().time()
        (await waiting).release()
        assert asyncio.get_running_loop().time() - before == pytest.approx(6.0)

    virtual.run(main())


@given(
    limit=st.integers(1, 5),
    share=st.integers(1, 5),
    gaps=st.lists(st.floats(0, 8), max_size=6),
    ahead=st.integers(0, 12),
)
@settings(max_examples=support.examples(60))
def test_the_wait_behind_others_is_foretold(limit: int, share: int, gaps: list[float], ahead: int) -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        whole = limiter_of(limit, 10.0, margin=0.5)
        part = whole.share(min(share, limit))
        for gap in gaps:
            await asyncio.sleep(gap)
            (await part.acquire()).answered()
        foretold, began = [limiter.wait_time(ahead) for limiter in (whole, part)], clock()
        assert foretold[0] <= foretold[1]
        for _ in range(ahead + 1):
            (await part.acquire()).answered()
        assert clock() - began == pytest.approx(foretold[1])

    virtual.run(main())


def test_settling_twice_counts_once() -> None:
    async def main() -> None:
        limiter = limiter_of(2, 10.0)
        slot = await limiter.acquire()
        slot.release()
        slot.answered()
        slot.lost()
        slot.release()
        assert limiter.available == 2

    virtual.run(main())


def test_a_waiter_cancelled_at_the_very_moment_of_its_turn_gives_it_on() -> None:
    async def main() -> None:
        limiter = limiter_of(1, 10.0)
        slot = await limiter.acquire()
        first, second = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        slot.release()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        (await second).release()
        assert limiter.available == 1

    virtual.run(main())


def test_one_limiter_serves_one_loop_after_another() -> None:
    limiter = RateLimiter(1, 0.1, 0.0)

    async def leave_a_waiter() -> None:
        slot = await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        assert not waiting.done()
        slot.answered()

    async def go_on() -> None:
        for _ in range(3):
            (await limiter.acquire()).answered()

    for _ in range(2):
        asyncio.run(leave_a_waiter())
        asyncio.run(go_on())


def test_a_loop_that_dies_without_goodbye_strands_nobody() -> None:
    limiter = RateLimiter(1, 0.1, 0.0)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    slot = loop.run_until_complete(limiter.acquire())
    waiting = loop.create_task(limiter.acquire())
    loop.run_until_complete(asyncio.sleep(0))
    slot.answered()
    loop.close()

    async def go_on() -> None:
        (await asyncio.wait_for(limiter.acquire(), 5)).release()

    asyncio.run(go_on())
    assert not waiting.done()


@pytest.mark.parametrize(
    "arguments",
    [
        (0,),
        (-1,),
        (1.5,),
        (True,),
        ("180",),
        (180, 0),
        (180, -1),
        (180, float("inf")),
        (180, True),
        (180, 60, -0.1),
    ],
)
def test_unfit_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"is .*: give a"):
        RateLimiter(*arguments)


def test_taking_a_free_slot_costs_microseconds() -> None:
    async def main() -> float:
        limiter = RateLimiter(1_000_000, 60.0)
        best = float("inf")
        for _ in range(5):
            before = time.perf_counter()
            for _ in range(1000):
                (await limiter.acquire()).answered()
            best = min(best, (time.perf_counter() - before) / 1000)
        return best

    # Some 2 µs on an idle machine; the bound allows for a busy one.
    assert asyncio.run(main()) < 50e-6
