"""Streams through a service that fails in every known way come out exactly right in the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.system.leaks import leaks
from tests.system.storms import Weather, records, script, seeds
from timezest_async import (
    APIStatusError,
    BudgetExhaustedError,
    Checkpoint,
    ConfigurationError,
    ConnectionFailedError,
    PaginationError,
    Paginator,
    RateLimiter,
    RequestTimeoutError,
    SchedulingRequest,
    TimeZestClient,
    TimeZestError,
    UnexpectedResponseError,
)
from timezest_async.sandbox import Sandbox

RUNS = 1_200
SHARDS = 4
ROUGH_ROUNDS = 6
"""After so many interruptions nothing more goes wrong, so that each run ends."""
SLACK = 1.5
"""Seconds by which a busy machine may be late."""
ROUTE = "GET /scheduling_requests"
EXPECTED = (
    APIStatusError,
    BudgetExhaustedError,
    ConnectionFailedError,
    PaginationError,
    RequestTimeoutError,
    UnexpectedResponseError,
)


class Run:
    """One stream, read with interruptions until it is complete."""

    def __init__(self, sandbox: Sandbox, weather: Weather) -> None:
        self.sandbox = sandbox
        self.weather = weather
        self.rng = weather.rng
        self.got: list[str] = []
        self.checkpoint: Checkpoint | None = None
        self.paginator: Paginator[SchedulingRequest] | None = None
        self.client: TimeZestClient | None = None
        self.history: list[str] = []
        self.closes_early = False

    async def complete(self, wanted: list[dict[str, Any]]) -> None:
        try:
            for turn in range(ROUGH_ROUNDS + 2):
                rough = turn < ROUGH_ROUNDS
                self.sandbox.faults.clear()
                if rough:
                    for _ in range(self.rng.choice((1, 1, 2))):
                        self.sandbox.faults.script(ROUTE, script(self.rng, 300))
                if await self.read_on(rough=rough):
                    break
            else:
                pytest.fail("the stream does not end although nothing goes wrong any more")
        finally:
            self.sandbox.faults.clear()
            if self.client is not None:
                await self.client.close()
        self.compare(wanted)

    def compare(self, wanted: list[dict[str, Any]]) -> None:
        wanted = list(reversed(wanted)) if self.weather.backwards else wanted
        ids = [one["id"] for one in wanted]
        if self.weather.filter.expression is not None:
            # Queries that are merged leave the order within a second open.
            second = {one["id"]: one["created_at"] for one in wanted}
            assert len(self.got) == len(set(self.got))
            assert [second.get(id) for id in self.got] == [second[id] for id in ids]
            ids.sort()
            self.got.sort()
        assert self.got == ids

    async def read_on(self, *, rough: bool) -> bool:
        """Read until the end (then True), or until something stops it."""
        await self.prepare_client(rough=rough)
        task = asyncio.current_task()
        assert task is not None
        assert self.client is not None
        loop = asyncio.get_running_loop()
        stop_after = self.rng.randint(0, 1_300) if rough and self.rng.random() < 0.3 else None
        cancel = closing = None
        self.closes_early = rough and self.rng.random() < 0.03
        reading = asyncio.create_task(self.consume(stop_after, patient=not rough))
        if rough and self.rng.random() < 0.3:
            cancel = loop.call_later(self.rng.random() * 0.06, reading.cancel)
        if self.closes_early:
            closing = asyncio.create_task(self.close_soon(self.client))
        try:
            async with asyncio.timeout(30):
                done = await reading
            self.history.append("done" if done else "break")
        except asyncio.CancelledError:
            assert cancel is not None
            assert not task.cancelling()
            self.history.append("cancelled")
            return self.resume_from(self.paginator.checkpoint if self.paginator else self.checkpoint)
        except TimeZestError as error:
            self.history.append(repr(error)[:120])
            self.check(error)
            return self.resume_from(error.checkpoint)
        else:
            return done or self.resume_from(self.paginator.checkpoint if self.paginator else self.checkpoint)
        finally:
            if cancel is not None:
                cancel.cancel()
            if closing is not None:
                closing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await closing

    def check(self, error: TimeZestError) -> None:
        assert isinstance(error, EXPECTED) or (self.closes_early and isinstance(error, ConfigurationError))
        assert isinstance(error.checkpoint, Checkpoint)

    def resume_from(self, checkpoint: Checkpoint | None) -> bool:
        if checkpoint is not None:
            self.checkpoint = Checkpoint.from_text(checkpoint.to_text())
        return False

    async def close_soon(self, client: TimeZestClient) -> None:
        await asyncio.sleep(self.rng.random() * 0.05)
        await client.close()

    async def prepare_client(self, *, rough: bool) -> None:
        weather = self.weather
        if self.client is not None:
            # After a Retry-After of an hour, only a budget of its own starts at once.
            pause = self.client.rate_limiter.wait_time()
            if rough and weather.keeps_client and not self.client.closed and pause < 0.1:
                return
            await self.client.close()
        self.client = TimeZestClient(
            self.sandbox.api_key,
            self.sandbox.base_url,
            timeout=weather.timeout if rough else 30.0,
            deadline=weather.deadline if rough else None,
            max_attempts=weather.max_attempts,
            rate_limiter=RateLimiter(*weather.budget, margin=0.0),
        )
        # Back-offs as they are, but a hundredth as long.
        self.client._transport._random = lambda: self.rng.random() * 0.01

    async def consume(self, stop_after: int | None, *, patient: bool) -> bool:
        assert self.client is not None
        weather = self.weather
        filter = weather.filter.expression
        where: dict[str, Any] = {"concurrency": weather.concurrency}
        if self.checkpoint is not None:
            where["checkpoint"] = self.checkpoint
        elif weather.backwards:
            # The walk up begins at the oldest record, which therefore is not part of it.
            where["ending_before"] = OLDEST
        paginator = self.paginator = self.client.scheduling_requests.list(filter, **where)
        limit = None if patient else weather.deadline
        taken = 0
        async for ids in self.timed(self.chunks(paginator), limit):
            self.got += ids
            taken += len(ids)
            if stop_after is not None and taken > stop_after:
                return False
        return True

    def chunks(self, paginator: Paginator[SchedulingRequest]) -> AsyncIterator[Any]:
        match self.weather.way:
            case "records":
                return aiter(paginator)
            case "pages":
                return paginator.pages()
            case _:
                return paginator.batches(self.rng.choice((1, 50, 333)))

    async def timed(self, chunks: AsyncIterator[Any], deadline: float | None) -> AsyncIterator[list[str]]:
        """Hand on ids, and see that none keeps us waiting beyond what the deadlines allow."""
        while True:
            began = time.monotonic()
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            finally:
                if deadline is not None and self.weather.way != "batches":
                    # A page under way when this one was asked for may come first; empty pages add theirs.
                    assert time.monotonic() - began < 4 * deadline + SLACK
            match self.weather.way:
                case "records":
                    yield [chunk.id]
                case "pages":
                    yield [one.id for one in (reversed(chunk.data) if self.weather.backwards else chunk.data)]
                case _:
                    yield [one.id for one in chunk]


DATA = records()
OLDEST = DATA[-1]["id"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_streams_survive(shard: int) -> None:
    async def main() -> None:
        async with Sandbox(keep_requests=False) as sandbox:
            sandbox.add_many(reversed(DATA))
            stored = sandbox.records()
            async with leaks() as watch:
                for count, seed in enumerate(seeds(RUNS, shard, SHARDS)):
                    await survive(sandbox, seed, stored)
                    await watch.check()
                    if count % 10 == 0:
                        await watch.check_after_collection()

    asyncio.run(main())


async def survive(sandbox: Sandbox, seed: int, stored: list[dict[str, Any]]) -> None:
    weather = Weather.of(seed)
    run = Run(sandbox, weather)
    wanted = [one for one in stored if weather.filter.admits(one)]
    if weather.backwards:
        wanted = [one for one in wanted if one["id"] != OLDEST]
    try:
        await run.complete(wanted)
    except BaseException as error:
        error.add_note(f"to repeat: {weather}; so far: {run.history}")
        raise
