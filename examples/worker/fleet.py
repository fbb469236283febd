"""A fleet of workers on streaq: ``streaq run fleet:worker --workers 4``.

``python fleet.py enqueue '#1001' '#1002'`` gives it tickets, ``python fleet.py status`` shows how far it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from jobs import AgainError, PoisonError, Tools, create_request, opened
from streaq import StreaqRetry, Worker

REDIS = os.environ.get("TIMEZEST_REDIS_URL", "redis://localhost:6379/0")
SILENCE = float(os.environ.get("FLEET_SILENCE", "30"))
"""Seconds of silence after which the jobs of a worker are given to others; it speaks as long as it lives."""
DONE, ASIDE = "fleet:done", "fleet:aside"


@asynccontextmanager
async def lifespan() -> AsyncIterator[Tools]:
    """Open what the jobs of a worker need, and show how it goes."""
    async with opened(REDIS) as tools:
        dashboard = asyncio.create_task(show(tools))
        try:
            yield tools
        finally:
            dashboard.cancel()


worker: Worker[Tools] = Worker(
    redis_url=REDIS,
    queue_name="tickets",
    concurrency=16,
    lifespan=lifespan,
    serializer=json.dumps,
    deserializer=json.loads,
    idle_timeout=SILENCE,
    grace_period=30,  # seconds after SIGTERM for the jobs that run; what is cut off goes on elsewhere
)


@worker.task(max_tries=None, silent=True)
async def request_for(ticket: str) -> str | None:
    """Do the job under streaq: come again, be put aside, or be done."""
    try:
        made = await create_request(worker.context, ticket)
    except AgainError as again:
        raise StreaqRetry(str(again), delay=timedelta(seconds=again.seconds)) from None
    except PoisonError as poison:
        await worker.redis.hset(ASIDE, {ticket: str(poison)})
        return None
    await worker.redis.sadd(DONE, {ticket})
    return made


async def line(tools: Tools | None = None) -> str:
    """Return the line of the dashboard."""
    queued, done, aside = await asyncio.gather(
        worker.queue_size(), worker.redis.scard(DONE), worker.redis.hlen(ASIDE)
    )
    waiting = "" if tools is None else f" · waiting for budget here {tools.budget.waiting}"
    return f"queued {queued} · done {done} · put aside {aside}{waiting}"


async def show(tools: Tools) -> None:
    """Show the line of the dashboard whenever it has changed."""
    said = ""
    while True:
        if (now := await line(tools)) != said:
            said = now
            print(said, file=sys.stderr, flush=True)
        await asyncio.sleep(2.0)


async def main(command: str, *tickets: str) -> None:
    """Do what the command line says."""
    async with worker:
        if command == "enqueue":
            await worker.enqueue_many([request_for.enqueue(ticket) for ticket in tickets])
        print(await line())
        for ticket, reason in sorted((await worker.redis.hgetall(ASIDE)).items()):
            print(f"  {ticket}: {reason}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in {"enqueue", "status"}:
        sys.exit("usage: python fleet.py enqueue TICKET… | status")
    asyncio.run(main(*sys.argv[1:]))
