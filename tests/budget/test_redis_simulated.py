"""The shared budget in virtual time: the script runs in a real redis-server, which is told the time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings, strategies as st

from tests import support, virtual
from tests.servers.redis_server import RedisServer
from timezest_async.budget import Slot
from timezest_async.budget.redis.limiter import RedisRateLimiter
from timezest_async.budget.redis.questions import PATIENCE
from timezest_async.budget.redis.state import News
from timezest_async.errors import BudgetExhaustedError, ConnectionFailedError

GRACE, MARGIN, LEASE = 1.0, 0.05, 4.0
EPOCH = 4_102_444_800.0
"""Redis's clock at the loop's beginning; to come, since Redis itself expires keys by the real one."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def link(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


class Process:
    """A process's way to Redis: as slow and unsure as a test likes, and gone once it is killed."""

    def __init__(
        self, link: redis.Redis, chance: random.Random, *, slow: float = 0.0, unsure: float = 0.0
    ) -> None:
        self._link = link
        self._chance = chance
        self._slow = slow
        self._unsure = unsure
        self.killed = self.deaf = False
        self.step = 0.0
        self.asked = 0

    def register_script(self, script: str) -> Callable[..., Awaitable[Any]]:
        script_that_is_told = script.replace("redis.call('TIME')", "{ARGV[2], ARGV[3]}")
        assert script_that_is_told != script
        run = self._link.register_script(script_that_is_told)

        async def call(keys: list[str], args: list[str]) -> Any:
            self.asked += 1
            await asyncio.sleep(self._chance.random() * self._slow)
            self._fail_at_times()
            seconds, micros = divmod(
                round((EPOCH + self.step + asyncio.get_running_loop().time()) * 1e6), 10**6
            )
            reply = run(keys=keys, args=[*args, seconds, micros])
            if self.deaf:
                raise redis.ConnectionError("the answer was lost")
            await asyncio.sleep(self._chance.random() * self._slow)
            self._fail_at_times()
            return reply

        return call

    def _fail_at_times(self) -> None:
        if self.killed or self._chance.random() < self._unsure:
            raise redis.ConnectionError("as the test likes")


def limiter_of(process: Process, limit: int, period: float, skew: float = 0.0) -> RedisRateLimiter:
    clock = asyncio.get_running_loop().time
    return RedisRateLimiter(
        process,  # type: ignore[arg-type]  # what is needed of a client
        limit,
        period,
        MARGIN,
        name="simulated",
        lease=LEASE,
        clock=lambda: clock() + skew,
    )


async def insist(limiter: RedisRateLimiter, again: Slot | None = None) -> Slot:
    while True:
        try:
            return await limiter.acquire(again)
        except ConnectionFailedError:
            await asyncio.sleep(0.1)


class Service:
    """Counts each request at some moment between its sending and its answer."""

    def __init__(self, period: float) -> None:
        self.period = period
        self.counted: list[float] = []

    def widest(self) -> int:
        times = sorted(self.counted)
        most, first = 0, 0
        for last, moment in enumerate(times):
            # Redis counts in whole microseconds.
            while moment - times[first] >= self.period - 1e-5:
                first += 1
            most = max(most, last - first + 1)
        return most

    async def serve(self, slot: Slot, chance: random.Random, latency: float, fate: str) -> None:
        """Send one request that meets a fate, and settle its slot as a transport would."""
        loop = asyncio.get_running_loop()
        if fate == "refused":
            await asyncio.sleep(latency / 2)
            slot.release()
            return
        if fate == "timed out":
            self.counted.append(chance.uniform(loop.time(), loop.time() + latency + GRACE))
            await asyncio.sleep(latency)
            slot.lost()
            return
        before = chance.random() * latency
        await asyncio.sleep(before)
        self.counted.append(loop.time())
        await asyncio.sleep(latency - before)
        if fate == "429":
            slot.limited(chance.random() * 2)
        else:
            slot.answered()


async def expect_a_full_burst(link: redis.Redis, limit: int, period: float) -> None:
    """Wait until everything has run out; then the whole budget is there, at once."""
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(LEASE + GRACE + period + MARGIN + 2.0)
    limiter = limiter_of(Process(link, random.Random(1)), limit, period)
    before = clock()
    slots = [await limiter.acquire() for _ in range(limit)]
    assert clock() == before
    assert limiter.available == 0
    assert limiter.wait_time() > 0
    for slot in slots:
        slot.release()
    await limiter.close()
    assert limiter.available == limit
    assert limiter.wait_time() == 0
    assert link.zcard("timezest:{simulated}:line") == 0


FATES = st.lists(
    st.tuples(
        st.floats(0.0, LEASE - 1.0),
        st.sampled_from(["answered"] * 6 + ["429", "refused", "timed out", "waiter cancelled", "killed"]),
    ),
    min_size=1,
    max_size=60,
)


@given(
    fates=FATES,
    limit=st.integers(1, 8),
    period=st.floats(0.5, 5.0),
    processes=st.integers(1, 4),
    tasks=st.integers(1, 4),
    slow=st.sampled_from([0.0, 0.001, 0.3]),
    unsure=st.sampled_from([0.0, 0.05]),
    seed=st.integers(0, 2**32),
)
@settings(
    max_examples=support.examples(1000),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_window_holds_more_than_the_limit_and_nothing_is_stranded(
    link: redis.Redis,
    fates: list[tuple[float, str]],
    limit: int,
    period: float,
    processes: int,
    tasks: int,
    slow: float,
    unsure: float,
    seed: int,
) -> None:
    link.flushall()

    async def main() -> None:
        chance = random.Random(seed)
        service = Service(period)
        todo = list(fates)
        loop = asyncio.get_running_loop()

        async def work(limiter: RedisRateLimiter, process: Process) -> None:
            while todo and not process.killed:
                latency, fate = todo.pop()
                if fate == "waiter cancelled":
                    waiting = asyncio.create_task(insist(limiter))
                    try:
                        await asyncio.sleep(chance.random() * period)
                    finally:
                        waiting.cancel()
                    try:
                        slot = await waiting
                    except asyncio.CancelledError:
                        continue
                    slot.release()
                    continue
                slot = await insist(limiter)
                if fate != "killed":
                    await service.serve(slot, chance, latency, fate)
                elif not process.killed:
                    # The request is on its way; nobody will ever tell Redis.
                    service.counted.append(loop.time() + latency)
                    process.killed = True

        async def run(number: int) -> None:
            # The first lives on, so that there is somebody to do what is left.
            process = Process(link, chance, slow=slow, unsure=unsure)
            limiter = limiter_of(process, limit, period, skew=chance.uniform(-0.5, 0.5))
            workers = [asyncio.create_task(work(limiter, process)) for _ in range(tasks)]
            while not all(worker.done() for worker in workers):
                await asyncio.wait(workers, timeout=0.05)
                if process.killed:
                    for worker in workers:
                        worker.cancel()
            results = await asyncio.gather(*workers, return_exceptions=True)
            assert all(r is None or isinstance(r, asyncio.CancelledError) for r in results), results
            await limiter.close()
            if process.killed and todo:
                await run(number)

        await asyncio.gather(*(run(number) for number in range(processes)))
        assert service.widest() <= limit

        await expect_a_full_burst(link, limit, period)

    virtual.run(main())


@pytest.mark.parametrize("processes", [1, 4])
def test_greed_uses_99_percent_of_the_budget(link: redis.Redis, processes: int) -> None:
    link.flushall()
    minutes = 60 if support.FULL else 6

    async def main() -> None:
        loop, chance, service = asyncio.get_running_loop(), random.Random(7), Service(60.0)
        until = loop.time() + minutes * 60

        async def greedy(limiter: RedisRateLimiter) -> None:
            while True:
                slot = await limiter.acquire()
                if loop.time() >= until:
                    slot.release()
                    return
                await service.serve(slot, chance, chance.uniform(0.1, 0.3), "answered")

        limiters = [
            limiter_of(Process(link, chance, slow=0.001), 180, 60.0, skew=number - 2.0)
            for number in range(processes)
        ]
        await asyncio.gather(*(greedy(limiter) for limiter in limiters for _ in range(32 // processes)))
        for limiter in limiters:
            await limiter.close()
        assert service.widest() <= 180
        assert len(service.counted) >= 0.99 * 180 * minutes

    virtual.run(main())


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["wait", "wait", "cancel"])), max_size=30),
    st.integers(1, 4),
)
@settings(
    max_examples=support.examples(200),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_slots_go_to_who_waits_longest_in_whichever_process(
    link: redis.Redis, plan: list[tuple[int, str]], limit: int
) -> None:
    link.flushall()

    async def main() -> None:
        chance = random.Random(1)
        limiters = [limiter_of(Process(link, chance), limit, 1.0) for _ in range(4)]
        clock = asyncio.get_running_loop().time
        first = [await limiters[0].acquire() for _ in range(limit)]
        moments: list[tuple[int, float]] = []

        async def wait(number: int, process: int) -> None:
            slot = await limiters[process].acquire()
            moments.append((number, clock()))
            slot.answered()

        tasks = []
        for number, (process, _) in enumerate(plan):
            tasks.append(asyncio.create_task(wait(number, process)))
            await asyncio.sleep(0.001)
        for task, (_, fate) in zip(tasks, plan, strict=True):
            if fate == "cancel":
                task.cancel()
        for slot in first:
            slot.answered()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(number for number, _ in moments) == [
            number for number, (_, fate) in enumerate(plan) if fate == "wait"
        ]
        # Those whose slots came free together may go in any order.
        latest = 0.0
        for _, moment in sorted(moments):
            assert moment >= latest - 0.01
            latest = max(latest, moment)
        for limiter in limiters:
            await limiter.close()

    virtual.run(main())


def test_a_429_stops_every_process_and_its_request_goes_first_again(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        chance = random.Random(1)
        one, other = (limiter_of(Process(link, chance), 2, 10.0) for _ in range(2))
        clock = asyncio.get_running_loop().time
        order: list[str] = []

        async def ask(name: str, limiter: RedisRateLimiter, again: Slot | None = None) -> None:
            slot = await limiter.acquire(again)
            order.append(name)
            await asyncio.sleep(0.01)
            slot.answered()

        unlucky = [await one.acquire() for _ in range(2)]
        # Virtual time alone gives requests of two processes the same microsecond.
        await asyncio.sleep(0.001)
        late = [asyncio.create_task(ask(f"late {n}", other)) for n in range(2)]
        await asyncio.sleep(0.1)
        began = clock()
        for slot in unlucky:
            slot.limited(30.0)
        again = [asyncio.create_task(ask(f"again {n}", one, slot)) for n, slot in enumerate(unlucky)]
        again.append(asyncio.create_task(ask("new", one)))
        await asyncio.gather(*again[:2])
        assert clock() - began == pytest.approx(30.0, abs=0.05)
        assert order == ["again 0", "again 1"]
        await asyncio.gather(*late)
        assert sorted(order[2:]) == ["late 0", "late 1"]
        again[2].cancel()
        assert clock() - began == pytest.approx(40.0 + MARGIN, abs=0.1)
        await one.close()
        await other.close()

    virtual.run(main())


def test_a_dead_process_holds_nobody_up_and_a_stalled_one_comes_back_to_its_place(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        chance = random.Random(1)
        processes = [Process(link, chance) for _ in range(2)]
        dead, alive = (limiter_of(process, 1, 4.0) for process in processes)
        clock = asyncio.get_running_loop().time
        holder = await alive.acquire()
        gone = [asyncio.create_task(dead.acquire()) for _ in range(5)]
        await asyncio.sleep(0.1)
        processes[0].killed = True
        waiting = asyncio.create_task(alive.acquire())
        await asyncio.sleep(0.1)
        began = clock()
        holder.release()
        slot = await waiting
        # It had promised to ask again within half a second (an eighth of the period).
        assert clock() - began <= 0.5 + PATIENCE + 0.5 + 0.01
        slot.release()
        for result in await asyncio.gather(*gone, return_exceptions=True):
            assert isinstance(result, ConnectionFailedError)
        processes[0].killed = False
        await alive.close()
        await dead.close()

    virtual.run(main())


def test_a_waiter_cancelled_at_the_very_moment_of_its_turn_gives_it_on(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        limiter = limiter_of(Process(link, random.Random(1)), 1, 10.0)
        clock = asyncio.get_running_loop().time
        slot = await limiter.acquire()
        unlucky = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.1)
        [waiter] = limiter._coordinator._waiters.values()
        began = clock()
        slot.release()
        while not waiter.outcome.done():
            await asyncio.sleep(0)
        unlucky.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unlucky
        (await limiter.acquire()).release()
        assert clock() == pytest.approx(began, abs=0.01)  # no wait but for an answer on its way
        await limiter.close()

    virtual.run(main())


def test_more_may_wait_than_one_question_carries(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        limiter = limiter_of(Process(link, random.Random(1)), 1000, 60.0)
        before = asyncio.get_running_loop().time()
        for slot in await asyncio.gather(*(limiter.acquire() for _ in range(1000))):
            slot.release()
        assert asyncio.get_running_loop().time() - before < 0.01
        await limiter.close()

    virtual.run(main())


def test_waiting_costs_few_questions(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        process = Process(link, random.Random(1))
        limiter = limiter_of(process, 2, 60.0)
        for slot in [await limiter.acquire() for _ in range(2)]:
            slot.answered()
        await asyncio.sleep(0.1)
        process.asked = 0
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(2)]
        await asyncio.gather(*waiting)
        # One a second, to be known to live.
        assert process.asked <= 65
        await limiter.close()

    virtual.run(main())


def test_what_an_outage_hid_is_told_and_given_back_after_it(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        process = Process(link, random.Random(1))
        limiter = limiter_of(process, 2, 10.0)
        clock = asyncio.get_running_loop().time
        began = clock()
        slot = await limiter.acquire()
        process.deaf = True
        with pytest.raises(ConnectionFailedError):
            await limiter.acquire()
        assert link.zcard("timezest:{simulated}:slots") == 2
        process.deaf, process.killed = False, True
        slot.release()
        await asyncio.sleep(0.1)
        process.killed = False
        for again in [await limiter.acquire() for _ in range(2)]:
            again.release()
        assert clock() == began + 0.1
        await limiter.close()

    virtual.run(main())


def test_out_of_touch_a_process_goes_on_with_its_share_and_owns_up_afterwards(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        process = Process(link, random.Random(1))
        limiter = RedisRateLimiter(
            process,  # type: ignore[arg-type]  # what is needed of a client
            10,
            10.0,
            MARGIN,
            name="simulated",
            on_unavailable="local",
            local_share=0.35,
            clock=clock,
        )
        process.killed = True
        began = clock()
        slots = [await limiter.acquire() for _ in range(3)]
        assert clock() == pytest.approx(began, abs=0.01)  # no wait but for an answer on its way
        assert limiter.available == 0
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        for slot in slots:
            slot.answered()
        assert limiter.wait_time() == pytest.approx(2 * (10 + MARGIN), abs=11)
        (await waiting).answered()
        assert clock() - began == pytest.approx(10 + MARGIN)
        # Its last window's request, and no more, takes a place in the common budget.
        process.killed = False
        shared = [await limiter.acquire() for _ in range(9)]
        assert limiter.available == 0
        assert process.asked <= 25  # at most once a second
        for slot in shared:
            slot.release()
        await asyncio.sleep(10 + MARGIN)
        began = clock()
        for slot in [await limiter.acquire() for _ in range(10)]:
            slot.release()
        assert clock() == pytest.approx(began, abs=0.01)  # no wait but for an answer on its way
        await limiter.close()

    virtual.run(main())


@given(refuses_for=st.floats(0.0, 60.0), calls=st.integers(1, 40), seed=st.integers(0, 2**32))
@settings(
    max_examples=support.examples(100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_refusals_that_say_nothing_stop_every_process_and_cost_little(
    link: redis.Redis, refuses_for: float, calls: int, seed: int
) -> None:
    link.flushall()

    async def main() -> None:
        chance = random.Random(seed)
        clock = asyncio.get_running_loop().time
        processes = [limiter_of(Process(link, chance, slow=0.001), 180, 60.0) for _ in range(3)]
        limiters: list[Any] = [processes[0], processes[1], processes[2].share(90)]
        began = clock()
        sent: list[float] = []

        async def ask(limiter: Any) -> None:
            slot = None
            while True:
                slot = await limiter.acquire(slot)
                moment = clock() - began
                sent.append(moment)
                await asyncio.sleep(chance.uniform(0.01, 0.3))
                if moment >= refuses_for:
                    slot.answered()
                    return
                slot.limited(None)

        await asyncio.gather(*(ask(limiters[n % 3]) for n in range(calls)))
        # The first burst, one at the end of each pause, and those that are answered.
        assert len(sent) <= 2 * calls + 6
        assert max(sent) <= refuses_for + 30.0 + 3.0
        for process in processes:
            await process.close()

    virtual.run(main())


def test_what_the_budget_cannot_meet_it_says_at_once(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        chance = random.Random(1)
        clock = asyncio.get_running_loop().time
        one, other = (limiter_of(Process(link, chance), 2, 10.0) for _ in range(2))
        for slot in [await one.acquire() for _ in range(2)]:
            slot.answered()
        await asyncio.sleep(0.1)
        began = clock()
        for limiter in (one, other, one.share(1)):
            with pytest.raises(BudgetExhaustedError, match="nothing was sent") as caught:
                await limiter.acquire(within=9.0)
            assert caught.value.retry_after == pytest.approx(10 + MARGIN - 0.1, abs=0.01)
        # Three wait already, so that the next has a window more to wait, wherever it comes from.
        line = []
        for limiter in (one, other, one):
            line.append(asyncio.create_task(limiter.acquire(within=25.0)))
            await asyncio.sleep(0.001)
        with pytest.raises(BudgetExhaustedError):
            await other.acquire(within=19.0)
        waiting = asyncio.create_task(other.acquire(within=25.0))
        # A refusal at another process pushes back who waits here.
        await asyncio.sleep(0.001)
        assert clock() == pytest.approx(began, abs=0.01)
        one._coordinator.settle("nobody", None, News(pause=21.0))
        results = await asyncio.gather(*line, waiting, return_exceptions=True)
        assert [type(result).__name__ for result in results] == ["NamedSlot"] * 2 + [
            "BudgetExhaustedError"
        ] * 2
        assert clock() - began == pytest.approx(21.0, abs=0.1)
        for slot in results[:2]:
            slot.release()  # type: ignore[union-attr]  # as asserted
        await one.close()
        await other.close()

    virtual.run(main())


def test_more_may_wait_in_vain_than_one_question_carries(link: redis.Redis) -> None:
    link.flushall()

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        limiter = limiter_of(Process(link, random.Random(1)), 100, 10.0)
        began = clock()
        slots = await asyncio.gather(
            *(limiter.acquire(within=9.0) for _ in range(600)), return_exceptions=True
        )
        assert clock() - began < 0.1
        assert [type(slot).__name__ for slot in slots] == ["NamedSlot"] * 100 + ["BudgetExhaustedError"] * 500
        for slot in slots[:100]:
            slot.release()  # type: ignore[union-attr]  # as asserted
        await limiter.close()

    virtual.run(main())
