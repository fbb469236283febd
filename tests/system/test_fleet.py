"""A fleet of real processes: each ticket twice in the queue, answers lost, workers killed and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.servers.redis_server import RedisServer
from tests.support import FULL
from timezest_async.sandbox import (
    ActsLate,
    AnswerLost,
    DropBeforeHeaders,
    DropMidBody,
    ListLag,
    Sandbox,
    Status,
    TooManyRequests,
)

WORKER = Path(__file__).with_name("fleet_worker.py")
POST, LIST = "POST /scheduling_requests", "GET /scheduling_requests"
WORKERS, AT_ONCE = 4, 6


@attrs.define(eq=False)
class Worker:
    """A process, and the jobs that it was given."""

    process: asyncio.subprocess.Process
    jobs: set[str] = attrs.field(factory=set)
    is_stopped: bool = False

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


class Fleet:
    """A queue that gives a job again when its worker is gone, or says nothing for too long."""

    def __init__(self, plan: dict[str, Any], tickets: list[str], seed: int) -> None:
        self.plan = plan
        self.random = random.Random(seed)
        self.queue = deque(f"{ticket}/{copy}" for copy in (1, 2) for ticket in tickets)
        self.wanted = len(self.queue)
        self.results: dict[str, set[str]] = {}
        self.failed: list[Any] = []
        self.workers: list[Worker] = []
        self.kills = self.stops = 0
        self.done = asyncio.Event()

    async def run(self, *, kills: int, stops: int, spell: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self.employ(tasks))
            trouble = tasks.create_task(self.trouble(kills, stops, spell))
            await self.done.wait()
            trouble.cancel()
            for worker in self.workers:
                worker.send(signal.SIGKILL)

    async def employ(self, tasks: asyncio.TaskGroup) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-Werror",
            WORKER,
            json.dumps(self.plan),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        worker = Worker(process)
        self.workers.append(worker)
        while line := await process.stdout.readline():
            with contextlib.suppress(ValueError):  # a kill may cut a line short
                self.hear(worker, **json.loads(line))
            self.hand_out(worker)
        errors = await process.stderr.read()
        await process.wait()
        process.stdin.close()  # type: ignore[union-attr]
        self.workers.remove(worker)
        self.give_again(worker)
        if not self.done.is_set():
            assert process.returncode == -signal.SIGKILL, errors.decode()
            tasks.create_task(self.employ(tasks))

    def hear(
        self,
        worker: Worker,
        *,
        job: str | None = None,
        request: str | None = None,
        again: float | None = None,
        **more: Any,
    ) -> None:
        if job is None:
            return
        worker.jobs.discard(job)
        if request is not None:
            self.results.setdefault(job, set()).add(request)
        elif again is None:
            self.failed.append(more)
            self.done.set()
        elif job not in self.results:
            asyncio.get_running_loop().call_later(min(again, 0.5), self.give, job)
        if len(self.results) == self.wanted:
            self.done.set()

    def give(self, job: str) -> None:
        if job not in self.results:
            self.queue.append(job)
            for worker in self.workers:
                self.hand_out(worker)

    def hand_out(self, worker: Worker) -> None:
        stdin = worker.process.stdin
        while self.queue and len(worker.jobs) < AT_ONCE and not worker.is_stopped and stdin is not None:
            job = self.queue.popleft()
            if job in self.results or stdin.is_closing():
                continue
            worker.jobs.add(job)
            stdin.write(job.encode() + b"\n")

    def give_again(self, worker: Worker) -> None:
        jobs, worker.jobs = worker.jobs, set()
        for job in sorted(jobs):
            self.give(job)

    async def trouble(self, kills: int, stops: int, spell: float) -> None:
        """Kill and stop workers at random moments, as long as there is work."""
        while self.kills < kills or self.stops < stops:
            await asyncio.sleep(self.random.random() * spell)
            busy = [worker for worker in self.workers if worker.jobs and not worker.is_stopped]
            if not busy:
                continue
            worker = self.random.choice(busy)
            if self.random.random() * (kills + stops) < kills and self.kills < kills:
                self.kills += 1
                worker.send(signal.SIGKILL)
            elif self.stops < stops:
                self.stops += 1
                asyncio.get_running_loop().create_task(self.stop(worker))

    async def stop(self, worker: Worker) -> None:
        worker.send(signal.SIGSTOP)
        worker.is_stopped = True
        self.give_again(worker)
        await asyncio.sleep(1.5 * self.plan["lease"])
        worker.is_stopped = False
        worker.send(signal.SIGCONT)


async def run_fleet(
    journal: str,
    *,
    tickets: int,
    kills: int,
    stops: int,
    late: float,
    lag: float,
    lease: float,
    timeout: float,  # noqa: ASYNC109 - that of the clients
    settle: float,
) -> None:
    numbers = [f"#{number}" for number in range(1, tickets + 1)]
    async with Sandbox(seed=tickets) as sandbox:
        sandbox.add(object="agent", id="agnt_sam")
        faults = [
            AnswerLost(),
            AnswerLost(),
            ActsLate(late),
            ActsLate(late / 2),
            DropMidBody(),
            DropBeforeHeaders(),
            Status(503),
            TooManyRequests(0.02),
        ]
        sandbox.faults.randomly(0.2, faults, route=POST)
        sandbox.faults.randomly(1.0, [ListLag(lag)], route=LIST)
        plan = {
            "journal": journal,
            "base_url": sandbox.base_url,
            "lease": lease,
            "timeout": timeout,
            "settle": settle,
        }
        fleet = Fleet(plan, numbers, seed=tickets)
        await fleet.run(kills=kills, stops=stops, spell=0.3 if tickets < 100 else 1.5)
        await asyncio.sleep(late + 0.1)
        records = sandbox.records()
        posts = sum(seen.route == POST for seen in sandbox.requests_seen)
        gets = len(sandbox.requests_seen) - posts
    assert not fleet.failed
    made = {record["associated_entities"][0]["number"]: record["id"] for record in records}
    assert sorted(made) == sorted(numbers)
    assert len(records) == len(numbers)
    for job, requests in fleet.results.items():
        assert requests == {made[job.partition("/")[0]]}, job
    print(f"{tickets} tickets: {posts} POST, {gets} GET, {fleet.kills} kills, {fleet.stops} stops")  # noqa: T201


@pytest.mark.asyncio
@pytest.mark.skipif(FULL, reason="the whole fleet runs instead")
async def test_a_small_fleet_on_one_host_creates_each_ticket_once(tmp_path: Path) -> None:
    await run_fleet(
        str(tmp_path / "intents.db"),
        tickets=50,
        kills=2,
        stops=1,
        late=0.5,
        lag=0.2,
        lease=0.5,
        timeout=1.5,
        settle=1.5,
    )


@pytest.mark.asyncio
@pytest.mark.timeout(400)
@pytest.mark.skipif(not FULL, reason="takes a minute: set TIMEZEST_FULL=1")
@pytest.mark.parametrize("kind", ["redis", "sqlite"])
async def test_a_fleet_creates_each_ticket_once(kind: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        where = str(tmp_path / "intents.db")
        if kind == "redis":
            where = stack.enter_context(RedisServer()).url
        await run_fleet(
            where,
            tickets=500,
            kills=13,
            stops=5,
            late=2.0,
            lag=2.0,
            lease=2.0,
            timeout=2.0,
            settle=6.0,
        )
