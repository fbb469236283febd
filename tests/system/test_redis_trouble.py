"""Several processes and a real Redis that is flushed, restarted, stopped, or whose clock is set."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import Callable

import pytest

from tests import support
from tests.budget.test_redis_limits import end, start_workers, tell
from tests.servers.redis_server import RedisServer
from timezest_async.sandbox import Sandbox

LIMIT, PERIOD, MARGIN, PROCESSES = 18, 2.0, 0.05, 3

Trouble = Callable[[RedisServer], None]


def flush(server: RedisServer) -> None:
    with server.client() as client:
        step = client.get("clock step")
        client.flushall()
        if step is not None:
            client.set("clock step", step)


def restart(server: RedisServer) -> None:
    server.kill()
    server.start()


def set_clock(seconds: float) -> Trouble:
    def act(server: RedisServer) -> None:
        with server.client() as client:
            client.set("clock step", float(client.get("clock step") or 0) + seconds)

    return act


def away(seconds: float, *, forgets: bool) -> Trouble:
    def act(server: RedisServer) -> None:
        if forgets:
            server.kill()
            time.sleep(seconds)
            server.start()
        else:
            server.send(signal.SIGSTOP)
            time.sleep(seconds)
            server.send(signal.SIGCONT)

    return act


TROUBLES: dict[str, tuple[list[Trouble], float, str]] = {
    "flushed and restarted": ([flush, restart], 0.9, "raise"),
    "flushed six times": ([flush] * 6, 2.5, "raise"),
    "restarted three times": ([restart] * 3, 3.5, "raise"),
    "a second ahead": ([set_clock(1.0)], 1.0, "raise"),
    "a second back": ([set_clock(-1.0)], 1.0, "raise"),
    "twenty seconds back": ([set_clock(-20.0)], 1.0, "raise"),
    "an hour ahead and back": ([set_clock(3600.0), set_clock(-3600.0)], 3.0, "raise"),
    "stopped for a while": ([away(3.0, forgets=False)], 1.0, "raise"),
    "local shares": ([away(5.0, forgets=True)] * 2, 3.0, "local"),
    "local shares beside a stopped one": ([away(5.0, forgets=False)] * 2, 3.0, "local"),
}
"""What happens, how many seconds before each, and what the processes do while Redis is away."""


def widest(times: list[float]) -> int:
    """Return the most requests in any window [t, t + PERIOD)."""
    most = first = 0
    for last, moment in enumerate(times):
        while moment - times[first] >= PERIOD:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.skipif(not support.FULL, reason="takes two minutes: TIMEZEST_FULL=1 runs it")
@pytest.mark.asyncio
@pytest.mark.parametrize("case", TROUBLES)
async def test_no_window_holds_more_than_the_limit_and_nobody_stalls(case: str) -> None:
    troubles, pause, on_unavailable = TROUBLES[case]
    with RedisServer() as server:
        async with Sandbox(clock=time.monotonic) as sandbox:
            workers = await asyncio.to_thread(
                start_workers,
                PROCESSES,
                redis=server.url,
                name=f"test-{uuid.uuid4().hex}",
                max_requests=LIMIT,
                period=PERIOD,
                api_key=sandbox.api_key,
                base_url=sandbox.base_url,
                tasks=10,
                steps_clock=True,
                on_unavailable=on_unavailable,
                local_share=1 / PROCESSES,
                job="ask greedily",
            )
            try:
                began = time.monotonic()
                until = began + 3600
                for worker in workers:
                    tell(worker, until=until)
                for trouble in troubles:
                    await asyncio.sleep(pause)
                    await asyncio.to_thread(trouble, server)
                ended = time.monotonic()
                while not [seen for seen in sandbox.requests_seen if seen.time > ended + 0.1]:
                    await asyncio.sleep(0.05)
                    # A window, and what settling and a busy machine take.
                    assert time.monotonic() - ended < PERIOD + MARGIN + 10.0, "nobody sends any more"
                await asyncio.sleep(1.5 * PERIOD)
            finally:
                end(workers)
            times = sorted(seen.time for seen in sandbox.requests_seen)
    assert widest(times) <= LIMIT
    assert len(times) > LIMIT
