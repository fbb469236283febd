"""Request budgets: what an acquire costs, and what thirty greedy tasks get past a service of 18 in 2 s."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import pyrate_limiter
from aiolimiter import AsyncLimiter
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from benchmarks.harness import Report, interleave_async, run_async
from timezest_async import RateLimiter

Exchange = Callable[[], Awaitable[bool]]
"""Ask the service once; True where it answered, False for a 429."""
Guarded = Callable[[Exchange], Awaitable[bool]]
"""Ask within the budget."""

_TASKS = 30


def _ours(most: int, period: float) -> Guarded:
    limiter = RateLimiter(most, period)

    async def ask(exchange: Exchange) -> bool:
        slot = await limiter.acquire()
        if answered := await exchange():
            slot.answered()
        else:
            slot.limited(period)
        return answered

    return ask


def _aiolimiter(most: int, period: float) -> Guarded:
    limiter = AsyncLimiter(most, period)

    async def ask(exchange: Exchange) -> bool:
        async with limiter:
            return await exchange()

    return ask


def _limits(most: int, period: float) -> Guarded:
    limiter, item = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerSecond(most, int(period))

    async def ask(exchange: Exchange) -> bool:
        # It has no acquire that waits: whoever is refused looks when to come again.
        while not await limiter.hit(item, "account"):
            stats = await limiter.get_window_stats(item, "account")
            await asyncio.sleep(max(0.001, stats.reset_time - time.time()))
        return await exchange()

    return ask


def _pyrate_limiter(most: int, period: float) -> Guarded:
    limiter = pyrate_limiter.Limiter(pyrate_limiter.Rate(most, int(period * 1000)))

    async def ask(exchange: Exchange) -> bool:
        await limiter.try_acquire_async("account")
        return await exchange()

    return ask


_LIMITERS = {
    "timezest_async": _ours,
    "aiolimiter": _aiolimiter,
    "limits, moving window": _limits,
    "pyrate-limiter": _pyrate_limiter,
}


class Judge:
    """The service: counts what arrives, exactly, in any window that slides."""

    def __init__(self, most: int, period: float) -> None:
        self._most = most
        self._period = period
        self._admitted: deque[float] = deque()
        self._chance = random.Random(0)
        self.answered = self.refused = self.densest = 0
        self._arrived: deque[float] = deque()

    async def exchange(self) -> bool:
        await asyncio.sleep(self._chance.uniform(0.002, 0.03))
        now = time.monotonic()
        for log in (self._admitted, self._arrived):
            while log and log[0] <= now - self._period:
                log.popleft()
        self._arrived.append(now)
        self.densest = max(self.densest, len(self._arrived))
        good = len(self._admitted) < self._most
        if good:
            self._admitted.append(now)
            self.answered += 1
        else:
            self.refused += 1
        await asyncio.sleep(self._chance.uniform(0.002, 0.03))
        return good


def run(report: Report) -> None:
    calls = 2_000 if report.quick else 5_000
    contenders = {name: partial(_spend, make, calls) for name, make in _LIMITERS.items()}
    samples, _ = run_async(partial(interleave_async, contenders, 5 if report.quick else 15))
    report.table(
        "One acquire while the budget is free, its settling included",
        ("", "µs (median)", "µs (best)", "ours ÷ this"),
        [
            (
                name,
                samples.middle(name) * 1e6 / calls,
                samples.best(name) * 1e6 / calls,
                samples.ratio("timezest_async", name),
            )
            for name in _LIMITERS
        ],
    )
    seconds = 5.0 if report.quick else 11.0
    rows = [run_async(partial(_compete, name, seconds)) for name in _LIMITERS]
    report.table(
        f"18 in 2 s, {_TASKS} tasks that ask all the time, {seconds:g} s",
        ("", "429s", "most in 2 s", "answered ÷ possible", "most ÷ least a task"),
        rows,
    )
    report.target("429s", rows[0][1], 0)


async def _spend(make: Callable[[int, float], Guarded], calls: int) -> None:
    ask = make(1_000_000, 1000.0)

    async def exchange() -> bool:
        return True

    for _ in range(calls):
        await ask(exchange)


async def _compete(name: str, seconds: float) -> tuple[str, int, int, float, str]:
    most, period = 18, 2.0
    judge, ask = Judge(most, period), _LIMITERS[name](most, period)
    counts = [0] * _TASKS

    async def greedy(number: int) -> None:
        while True:
            counts[number] += await ask(judge.exchange)

    tasks = [asyncio.create_task(greedy(number)) for number in range(_TASKS)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    possible = most * (int(seconds / period) + 1)
    fairness = f"{max(counts)} ÷ {min(counts)}"
    return name, judge.refused, judge.densest, judge.answered / possible, fairness
