"""Changes as server-sent events, under a real uvicorn."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from tests.servers.web_app import serving
from tests.system.leaks import leaks
from timezest_async import AuthenticationError, Change, RateLimiter
from timezest_async.integrations import fastapi as timezest
from timezest_async.sandbox import Sandbox, Status

pytestmark = pytest.mark.asyncio
QUICK: Any = {"interval": 0.01, "sweep": 0.01}
LIVE_APP = Path(__file__).with_name("live_app.py")
ROOT = Path(__file__).parents[2]


def live(sandbox: Sandbox, state: Path, **options: Any) -> FastAPI:
    limiter = RateLimiter(1_000_000, 1.0)
    app = FastAPI(lifespan=timezest.lifespan(sandbox.api_key, sandbox.base_url, rate_limiter=limiter))
    timezest.install_problems(app)

    @app.get("/changes")
    async def changes(request: Request, client: timezest.Client) -> Response:
        return timezest.event_stream(request, client.scheduling_requests.watch(state, **QUICK), **options)

    @app.get("/awaited")
    async def awaited(request: Request, client: timezest.Client) -> Response:
        try:
            return await timezest.event_stream(request, client.scheduling_requests.watch(state, **QUICK))
        except AuthenticationError:
            return Response("refused", 503)

    return app


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in response.content:
        name, _, value = line.decode().rstrip("\r\n").partition(": ")
        if name:
            event[name] = value
        elif event:
            yield event
            event = {}


async def settled() -> None:
    """Wait until nobody looks any more."""
    while any(task.get_name().startswith("TimeZest:") for task in asyncio.all_tasks()):
        await asyncio.sleep(0.001)


async def test_a_page_hears_what_happens(sandbox: Sandbox, tmp_path: Path) -> None:
    async with leaks(), serving(live(sandbox, tmp_path / "state")) as session:
        async with session.get("changes") as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
            heard = events(response)
            name = sandbox.add(status="new")["id"]
            first = await anext(heard)
            assert first["id"] == "1"
            assert json.loads(first["data"]) == {
                **json.loads(first["data"]),
                "kind": "created",
                "id": name,
                "after": sandbox.records()[0],
            }
            sandbox.book(name, int(time.time()) + 90_000)
            second = json.loads((await anext(heard))["data"])
            assert (second["kind"], second["seq"]) == ("booked", 2)
        await settled()
        sandbox.cancel(name)
        async with session.get("changes", headers={"Last-Event-ID": "1"}) as response:
            heard = events(response)
            kinds = [json.loads((await anext(heard))["data"])["kind"] for _ in range(2)]
            assert kinds == ["booked", "cancelled"]
        async with session.get("changes", params={"last_event_id": "2"}) as response:
            assert (await anext(events(response)))["id"] == "3"
        for unfit in ("-1", "17", "x", "9" * 30):
            async with session.get("changes", headers={"Last-Event-ID": unfit}) as response:
                assert (await anext(events(response)))["event"] == "reset"
        await settled()


async def test_what_is_sent_of_a_change_is_the_apps_to_say(sandbox: Sandbox, tmp_path: Path) -> None:
    def data(change: Change) -> Any:
        return {"name": change.request.end_user_name} if change.kind == "created" else None

    async with serving(live(sandbox, tmp_path / "state", data=data)) as session:
        async with session.get("changes") as response:
            heard = events(response)
            for number in range(3):
                name = sandbox.add(status="new", end_user_name=f"Ünal \r\n{number}")["id"]
                assert json.loads((await anext(heard))["data"]) == {"name": f"Ünal \r\n{number}"}
                sandbox.close_request(name)
        await settled()


async def test_many_listeners_cost_what_one_does(sandbox: Sandbox, tmp_path: Path) -> None:
    async with leaks(), serving(live(sandbox, tmp_path / "state")) as session, AsyncExitStack() as stack:
        responses = [await stack.enter_async_context(session.get("changes")) for _ in range(40)]
        hearing = [asyncio.create_task(anext(events(one))) for one in responses]
        looks = [
            task for task in asyncio.all_tasks() if task.get_name() == "TimeZest: a watch with listeners"
        ]
        assert len(looks) == 1
        name = sandbox.add(status="new")["id"]
        heard = await asyncio.gather(*hearing)
        assert {json.loads(one["data"])["id"] for one in heard} == {name}
        await stack.aclose()
        await settled()


async def test_a_first_look_that_fails_is_answered_as_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(live(sandbox, tmp_path / "state")) as session:
        for path, status in (("changes", 502), ("awaited", 503), ("changes", 502)):
            sandbox.faults.script(None, [Status(401)])
            async with session.get(path) as response:
                assert response.status == status
            await settled()
        async with session.get("awaited") as response:
            assert response.status == 200
        await settled()


async def test_a_signal_stops_the_app_with_streams_open(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            str(LIVE_APP),
            sandbox.base_url,
            sandbox.api_key,
            str(tmp_path / "state"),
            str(port),
        ),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}/") as session, AsyncExitStack() as stack:
        while True:
            try:
                response = await stack.enter_async_context(session.get("changes"))
                break
            except aiohttp.ClientConnectorError:
                assert process.returncode is None
                await asyncio.sleep(0.02)
        for _ in range(9):
            await stack.enter_async_context(session.get("changes"))
        sandbox.add(status="new")
        await anext(events(response))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
        took = time.monotonic() - began
    assert process.returncode in {0, -signal.SIGTERM}
    assert said == b""
    assert took < 10, took  # 0.3 to 0.7 s on a machine with nothing else to do; without an end it is for ever
