"""The example of a fleet, under each of the queues that it names."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.servers.redis_server import RedisServer
from tests.support import FULL, needs
from timezest_async.sandbox import AnswerLost, DropMidBody, Sandbox

EXAMPLE = Path(__file__).parents[2] / "examples" / "worker"
TEXT = (EXAMPLE / "README.md").read_text(encoding="utf-8")
PLAIN, ACTORS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
POST = "POST /scheduling_requests"
TICKETS = [f"#{number}" for number in range(1, 31)]
POISON = "#666"


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        sandbox.add(object="agent", id="agnt_2wvARLFjTDmO4djuOBf3r")
        for ticket in TICKETS:
            sandbox.add_contact(
                "connectwise_psa/service_ticket", number=ticket, name="Al", email="a@example.org"
            )
        sandbox.faults.script(POST, [None, AnswerLost(), DropMidBody()])
        yield sandbox


async def run(sandbox: Sandbox, redis: str, *arguments: str, folder: Path = EXAMPLE) -> Any:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "TIMEZEST_API_KEY": sandbox.api_key,
            "TIMEZEST_BASE_URL": sandbox.base_url,
            "TIMEZEST_REDIS_URL": redis,
            "FLEET_SILENCE": "3",
            "PYTHONPATH": os.pathsep.join([str(EXAMPLE), str(EXAMPLE.parents[1])]),
        },
    )


async def made(sandbox: Sandbox, count: int) -> None:
    async with asyncio.timeout(60):
        while len(sandbox.records()) < count:
            await asyncio.sleep(0.05)


def check(sandbox: Sandbox) -> None:
    numbers = [record["associated_entities"][0]["number"] for record in sandbox.records()]
    assert len(numbers) == len(set(numbers)) == len(TICKETS)


@pytest.mark.asyncio
async def test_a_plain_queue(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setenv("TIMEZEST_API_KEY", sandbox.api_key)
    monkeypatch.setenv("TIMEZEST_BASE_URL", sandbox.base_url)
    names: dict[str, Any] = {}
    exec(compile(PLAIN, "README.md", "exec"), names)
    result = await names["main"]([*TICKETS, *TICKETS, POISON])
    sys.modules.pop("jobs")
    refused = [ticket for ticket, id in result.items() if id.startswith("put aside: ValidationError: 422")]
    assert refused == [POISON]
    check(sandbox)


@pytest.mark.asyncio
@pytest.mark.skipif(not FULL, reason="streaq takes half a minute: set TIMEZEST_FULL=1")
async def test_streaq_over_redis(sandbox: Sandbox) -> None:
    needs("streaq", "worker")
    with RedisServer() as server:
        enqueue = await run(sandbox, server.url, "fleet.py", "enqueue", *TICKETS, *TICKETS, POISON)
        output, _ = await enqueue.communicate()
        assert output.decode().startswith("queued 61 · done 0 · put aside 0")
        workers = [await run(sandbox, server.url, "-m", "streaq", "run", "fleet:worker") for _ in range(2)]
        await made(sandbox, 5)
        workers[0].send_signal(signal.SIGKILL)
        await workers[0].communicate()
        with server.client() as client:
            # Two windows of the budget, and what a busy machine takes.
            async with asyncio.timeout(300):
                while (client.scard("fleet:done"), client.hlen("fleet:aside")) != (len(TICKETS), 1):
                    await asyncio.sleep(0.1)
        async with asyncio.timeout(60):
            while True:
                status, _ = await (await run(sandbox, server.url, "fleet.py", "status")).communicate()
                if status.decode().startswith("queued 0 · done 30 · put aside 1"):
                    break
                await asyncio.sleep(0.3)
        assert f"  {POISON}: ValidationError: 422" in status.decode()
        workers[1].send_signal(signal.SIGTERM)
        output, _ = await workers[1].communicate()
        assert workers[1].returncode == 0, output.decode()
        assert re.search(
            r"queued \d+ · done \d+ · put aside \d+ · waiting for budget here \d+", output.decode()
        )
        check(sandbox)


@pytest.mark.asyncio
@pytest.mark.skipif(not FULL, reason="dramatiq takes half a minute: set TIMEZEST_FULL=1")
async def test_dramatiq_over_redis(sandbox: Sandbox, tmp_path: Path) -> None:
    needs("dramatiq", "worker")
    (tmp_path / "actors.py").write_text(ACTORS)
    (tmp_path / "give.py").write_text(
        "import sys, actors\nfor ticket in sys.argv[1:]:\n    actors.request_for.send(ticket)\n"
    )
    with RedisServer() as server:
        give = await run(sandbox, server.url, "give.py", *TICKETS, *TICKETS, POISON, folder=tmp_path)
        output, _ = await give.communicate()
        assert give.returncode == 0, output.decode()
        command = ("-m", "dramatiq", "actors", "--processes=1", "--threads=8")
        worker = await run(sandbox, server.url, *command, folder=tmp_path)
        await made(sandbox, len(TICKETS))
        await asyncio.sleep(1.0)
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            output, _ = await worker.communicate()
    assert f"{POISON} put aside: ValidationError: 422" in output.decode()
    check(sandbox)
