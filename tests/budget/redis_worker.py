"""A process of its own that shares the budget; told what to do by JSON, once it says that it is ready.

Its clocks are wrong by ``skew`` seconds.
"""

from __future__ import annotations

import json
import sys
import time

plan = json.loads(sys.argv[1])
true_monotonic, true_time = time.monotonic, time.time
time.monotonic = lambda: true_monotonic() + plan["skew"]
time.time = lambda: true_time() + plan["skew"]

import asyncio  # noqa: E402 - the loop is to have the wrong clock too

from timezest_async.budget.redis import script as budget_script  # noqa: E402 - as above

if plan.get("steps_clock"):
    # The clock of a host cannot be set here: what Redis tells of it can.
    budget_script.SCRIPT = budget_script.SCRIPT.replace(
        "local time = redis.call('TIME')",
        "local time = redis.call('TIME')\ntime[1] = time[1] + (redis.call('GET', 'clock step') or 0)",
    )

from timezest_async import errors  # noqa: E402 - as above
from timezest_async.budget.redis.limiter import RedisRateLimiter  # noqa: E402 - as above
from timezest_async.transport import Transport  # noqa: E402 - as above


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def limiter() -> RedisRateLimiter:
    return RedisRateLimiter(
        plan["redis"],
        plan["max_requests"],
        plan["period"],
        name=plan["name"],
        lease=plan.get("lease", 10.0),
        on_unavailable=plan.get("on_unavailable", "raise"),
        local_share=plan.get("local_share", 0.25),
        clock=time.monotonic,
    )


async def ask_greedily() -> None:
    answered = limited = 0
    async with limiter() as shared:
        transport = Transport(
            api_key=plan["api_key"],
            base_url=plan["base_url"],
            rate_limiter=shared,
            max_attempts=1,
            timeout=shared.lease / 2,
        )

        async def greedy() -> None:
            nonlocal answered, limited
            while true_monotonic() < plan["until"]:
                try:
                    await transport.get("/agents", route="/agents")
                    answered += 1
                except errors.RateLimitedError:
                    limited += 1
                except errors.ConnectionFailedError:
                    await asyncio.sleep(0.05)  # Redis is away

        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(greedy()) for _ in range(plan["tasks"])]
            await asyncio.sleep(plan["until"] - true_monotonic())
            for worker in workers:
                worker.cancel()
        await transport.close()
    say(answered=answered, limited=limited)


async def hold_and_wait() -> None:
    shared = limiter()
    slots = [await shared.acquire() for _ in range(plan["hold"])]
    waiters = [asyncio.create_task(shared.acquire()) for _ in range(plan["tasks"])]
    await asyncio.sleep(0.1)
    say(held=len(slots), waiting=sum(not waiter.done() for waiter in waiters))
    await asyncio.Event().wait()


say(ready=True)
plan |= json.loads(sys.stdin.readline())
asyncio.run({"ask greedily": ask_greedily, "hold and wait": hold_and_wait}[plan["job"]]())
