"""A Redis that forgets, or whose clock is set, or that is away, in virtual time over a real redis-server."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings, strategies as st

from tests import support, virtual
from tests.budget.test_redis_simulated import MARGIN, Process, Service, insist, limiter_of
from tests.servers.redis_server import RedisServer
from timezest_async.budget.redis.limiter import RedisRateLimiter

LIMIT, PERIOD = 18, 6.0
KEYS = [f"timezest:{{simulated}}:{part}" for part in ("terms", "slots", "line", "clients")]
SETTINGS = settings(
    max_examples=support.examples(50),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def link(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def raw(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


async def send(limiter: Any, service: Service, chance: random.Random, until: float, rest: float) -> None:
    """Send again and again, with pauses of up to ``rest`` seconds."""
    loop = asyncio.get_running_loop()
    while True:
        slot = await insist(limiter)
        if loop.time() >= until:
            slot.release()
            return
        await service.serve(
            slot, chance, chance.uniform(0.01, 0.4), chance.choice(["answered"] * 9 + ["timed out"])
        )
        if rest:
            await asyncio.sleep(chance.uniform(0.0, rest))


LOSSES = st.lists(
    st.tuples(
        st.floats(3.0, 10.0),
        st.one_of(
            st.just("flush"),
            # Older than the time between two questions, so that all have seen more.
            st.floats(1.0, 5.0).map(lambda age: ("older", age)),
            st.sampled_from([1.0, -1.0, 3.0, -3.0, -20.0, 20.0, 3600.0, -3600.0]).map(
                lambda by: ("step", by)
            ),
            st.floats(-100.0, 100.0).map(lambda by: ("step", by)),
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(losses=LOSSES, rest=st.sampled_from([0.0, 0.0, 5.0]), seed=st.integers(0, 2**32))
@SETTINGS
def test_what_redis_forgets_frees_nothing_and_stalls_no_longer_than_a_window(
    link: redis.Redis, raw: redis.Redis, losses: list[tuple[float, Any]], rest: float, seed: int
) -> None:
    link.flushall()

    async def main() -> None:
        loop, chance, service = asyncio.get_running_loop(), random.Random(seed), Service(PERIOD)
        processes = [Process(link, chance, slow=0.001) for _ in range(4)]

        def restore(dumps: dict[str, Any]) -> None:
            raw.flushall()
            for key, dump in dumps.items():
                if dump is not None:
                    raw.restore(key, 0, dump)

        async def befall(what: Any) -> None:
            if what == "flush":
                raw.flushall()
            elif what[0] == "step":
                for process in processes:
                    process.step += what[1]
            else:
                # An old snapshot, or a replica that lagged.
                dumps = {key: raw.dump(key) for key in KEYS}
                await asyncio.sleep(what[1])
                restore(dumps)

        async def trouble() -> None:
            # One after the other: who tells what was forgotten has to come in between.
            for pause, what in losses:
                await asyncio.sleep(pause)
                await befall(what)

        troubles = asyncio.create_task(trouble())
        limiters = [limiter_of(process, LIMIT, PERIOD, skew=n * 3.0) for n, process in enumerate(processes)]
        until = loop.time() + 40.0
        began = loop.time()
        await asyncio.gather(*(send(limiters[n % 4], service, chance, until, rest) for n in range(24)))
        await troubles
        assert service.widest() <= LIMIT
        if not rest:
            moments = sorted([began, *service.counted, until])
            # A window, a lease of a lost request's, and what settling takes.
            assert max(b - a for a, b in itertools.pairwise(moments)) <= PERIOD + MARGIN + 2.0
        for limiter in limiters:
            await limiter.close()

    virtual.run(main())


@given(
    outages=st.lists(
        st.tuples(st.floats(0.5, 10.0), st.floats(0.1, 15.0), st.booleans()), min_size=1, max_size=1
    ),
    rest=st.sampled_from([0.0, 0.0, 5.0]),
    count=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
@SETTINGS
def test_with_local_shares_the_turns_stay_within_two_of_the_budget(
    link: redis.Redis, outages: list[tuple[float, float, bool]], rest: float, count: int, seed: int
) -> None:
    link.flushall()

    async def main() -> None:
        loop, chance, service = asyncio.get_running_loop(), random.Random(seed), Service(PERIOD)
        processes = [Process(link, chance, slow=0.001) for _ in range(count)]
        limiters = [
            RedisRateLimiter(
                process,  # type: ignore[arg-type]  # what is needed of a client
                LIMIT,
                PERIOD,
                MARGIN,
                name="simulated",
                lease=4.0,
                on_unavailable="local",
                local_share=1 / count,
                clock=loop.time,
            )
            for process in processes
        ]
        # Each has been in touch before anything happens.
        for limiter in limiters:
            await service.serve(await limiter.acquire(), chance, 0.01, "answered")

        async def go_away() -> None:
            for there, away, forgets in outages:  # after a second one, 20 of 18 have been seen
                await asyncio.sleep(there)
                for process in processes:
                    process.killed = True
                await asyncio.sleep(away)
                if forgets:
                    link.flushall()
                for process in processes:
                    process.killed = False

        began = loop.time()
        until = began + 40.0
        weather = asyncio.create_task(go_away())
        await asyncio.gather(*(send(limiters[n % count], service, chance, until, rest) for n in range(24)))
        await weather
        # One or two too many have been seen at a turn; a share that nobody reckoned with would be many.
        assert service.widest() <= LIMIT + 2
        for limiter in limiters:
            await limiter.close()

    virtual.run(main())
