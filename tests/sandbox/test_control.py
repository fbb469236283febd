"""The control address, and the commands that use it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from tests.support import NOON, stopped_clock
from timezest_async import TimeZestClient
from timezest_async.sandbox import Sandbox, run


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(clock=stopped_clock, control=0, rate_limit=(50, 60.0)) as sandbox:
        sandbox.add(object="agent", id="agnt_1", name="Sam")
        sandbox.add(id="sreq_1", resources=[{"object": "team", "id": "team_1", "name": "Desk"}])
        yield sandbox


async def tell(sandbox: Sandbox, method: str, path: str, content: Any = None) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{sandbox.control_url}{path}", json=content or {}) as response,
    ):
        return response.status, await response.json()


async def listed(sandbox: Sandbox) -> tuple[int, str, float]:
    """Ask for the list: its status, its date, and how long it took."""
    begun = time.monotonic()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {sandbox.api_key}"}) as session,
        session.get(f"{sandbox.base_url}/scheduling_requests") as response,
    ):
        return response.status, response.headers["Date"], time.monotonic() - begun


@pytest.mark.asyncio
async def test_the_team_and_the_end_user_act(sandbox: Sandbox) -> None:
    starts = "2026-07-02T09:30:00-07:00"
    content = {"start_time": starts, "time_zone": "Arizona"}
    status, booked = await tell(sandbox, "POST", "/requests/sreq_1/book", content)
    assert (status, booked) == (200, sandbox.records()[0])
    assert (booked["status"], booked["selected_start_time"]) == ("scheduled", 1_783_009_800)
    assert booked["scheduled_agents"][0]["id"] == "agnt_1"
    assert (await tell(sandbox, "POST", "/requests/sreq_1/book"))[1]["selected_start_time"] == NOON + 86_400
    assert (await tell(sandbox, "POST", "/requests/sreq_1/cancel"))[1]["status"] == "cancelled"
    assert (await tell(sandbox, "POST", "/requests/sreq_1/close"))[1]["status"] == "closed"
    status, refused = await tell(sandbox, "POST", "/requests/sreq_1/book", content)
    assert (status, "no longer be booked" in refused["error"]) == (409, True)


@pytest.mark.asyncio
async def test_faults_come_and_go(sandbox: Sandbox) -> None:
    script = {"route": "GET /scheduling_requests", "script": [{"fault": "Status", "status": 503}, None]}
    assert (await tell(sandbox, "POST", "/faults", script))[1]["faults_pending"] == 1
    assert [(await listed(sandbox))[0] for _ in range(3)] == [503, 200, 200]
    by_chance = {"probability": 1, "faults": [{"fault": "TooManyRequests", "retry_after": 3}]}
    await tell(sandbox, "POST", "/faults", by_chance)
    assert (await listed(sandbox))[0] == 429
    await tell(sandbox, "DELETE", "/faults")
    assert (await listed(sandbox))[0] == 200


@pytest.mark.asyncio
async def test_latency_and_time_are_set(sandbox: Sandbox) -> None:
    await tell(sandbox, "PUT", "/latency", {"seconds": 0.2})
    assert (await listed(sandbox))[2] >= 0.2
    await tell(sandbox, "PUT", "/latency", {"seconds": 0})
    _, told = await tell(sandbox, "PUT", "/time", {"now": "2026-03-08T06:30:00-07:00"})
    assert told == {"now": 1_772_976_600, "latency": 0, "faults_pending": 0}
    assert (await listed(sandbox))[1] == "Sun, 08 Mar 2026 13:30:00 GMT"
    assert sandbox.add()["created_at"] == 1_772_976_600
    assert (await tell(sandbox, "GET", "/"))[1] == told


@pytest.mark.asyncio
async def test_setting_the_clock_back_does_not_use_the_budget_up(sandbox: Sandbox) -> None:
    for _ in range(50):
        status = (await listed(sandbox))[0]
    assert (status, (await listed(sandbox))[0]) == (200, 429)
    await tell(sandbox, "PUT", "/time", {"now": NOON - 7200})
    assert (await listed(sandbox))[0] == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "content", "status", "words"),
    [
        ("PUT", "/latency", {"seconds": -1}, 422, "latency takes"),
        ("PUT", "/latency", {}, 422, "latency takes"),
        ("PUT", "/time", {"now": "2026-03-08T06:30:00"}, 422, "with its offset"),
        ("PUT", "/time", {"now": 1e300}, 422, "epoch seconds"),
        ("PUT", "/time", {"now": True}, 422, "epoch seconds"),
        ("POST", "/faults", {"script": [{"fault": "Slow"}]}, 422, "names one of Status"),
        ("POST", "/faults", {"script": [{"fault": "Status", "status": "503"}]}, 422, "Status takes status"),
        ("POST", "/faults", {"script": [{"fault": "Status"}]}, 422, "Status needs status"),
        ("POST", "/faults", {"script": [{"fault": "Delay", "second": 1}]}, 422, "Delay takes seconds"),
        ("POST", "/faults", {"script": [{"fault": "NextPageShape", "link": "odd"}]}, 422, "takes link, end"),
        ("POST", "/faults", {"script": [5]}, 422, "names one of"),
        ("POST", "/faults", {"route": "GET /nowhere", "script": [None]}, 422, "route takes"),
        ("POST", "/faults", {"probability": 2, "faults": [{"fault": "HTML"}]}, 422, "probability takes"),
        ("POST", "/faults", {"faults": 1}, 422, "faults are given as"),
        ("POST", "/faults", [1], 422, "a JSON object"),
        ("POST", "/requests/sreq_9/cancel", {}, 404, "sreq_9"),
        ("POST", "/requests/sreq_1/book", {"time_zone": 5}, 422, "time_zone takes"),
        ("POST", "/requests/sreq_1/approve", {}, 404, "nothing at POST"),
        ("GET", "/v1/agents", {}, 404, "nothing at GET"),
    ],
)
async def test_what_it_cannot_do_is_said_and_nothing_changes(
    sandbox: Sandbox, method: str, path: str, content: Any, status: int, words: str
) -> None:
    before = sandbox.records()
    told, answer = await tell(sandbox, method, path, content)
    assert (told, words in answer["error"]) == (status, True), answer
    assert sandbox.records() == before
    assert sandbox.faults.pending == 0


@pytest.mark.asyncio
async def test_pages_of_other_sites_cannot_use_it(sandbox: Sandbox) -> None:
    url = f"{sandbox.control_url}/requests/sreq_1/close"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, data={"a": "form"}) as response:
            assert response.status == 415
        port = urlsplit(url).port
        async with session.post(url, json={}, headers={"Host": f"rebound.example:{port}"}) as response:
            assert response.status == 403
        async with session.options(url, headers={"Origin": "https://x.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
    assert sandbox.records()[0]["status"] == "new"


@pytest.mark.asyncio
async def test_every_public_fault_can_be_ordered(sandbox: Sandbox) -> None:
    from timezest_async import sandbox as room

    names = {
        name
        for name in room.__all__
        if isinstance(kind := getattr(room, name), type) and issubclass(kind, room.Fault)
    } - {"Fault"}
    needs = {"Status": {"status": 503}, "PageSize": {"records": 3}}
    seconds = {name: {"seconds": 1.5} for name in ("Delay", "ActsLate", "ListLag")}
    script = [{"fault": name, **needs.get(name, {}), **seconds.get(name, {})} for name in sorted(names)]
    _, told = await tell(sandbox, "POST", "/faults", {"script": script})
    assert told.get("faults_pending") == len(names), told


@pytest.mark.asyncio
async def test_commands_reach_a_sandbox_that_runs_by_itself() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "timezest_async.sandbox", "--port", "0", "--records", "25", "--control", "0"),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    base_url, _, control_url = [(await process.stdout.readline()).decode().split()[-1] for _ in range(3)]
    async with TimeZestClient("demo", base_url) as client:
        id = (await client.scheduling_requests.list("status != closed").to_list())[0].id
        port = str(urlsplit(control_url).port)
        for act, status in (("book", "scheduled"), ("cancel", "cancelled"), ("close", "closed")):
            zone = ("--at", "2030-01-07T10:00:00Z", "--time-zone", "London") if act == "book" else ()
            command = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-W", "error", "-m", "timezest_async.sandbox", act, id, "--control", port, *zone),
                stdout=subprocess.PIPE,
            )
            output, _ = await command.communicate()
            assert (command.returncode, json.loads(output)["status"]) == (0, status)
        request = await client.scheduling_requests.get(id)
    process.terminate()
    await process.communicate()
    assert (request.status, request.selected_time_zone) == ("closed", "London")


def test_commands_say_what_is_wrong(capsys: pytest.CaptureFixture[str], unused_tcp_port: int) -> None:
    assert run(["cancel", "sreq_1", "--control", str(unused_tcp_port)]) == 1
    assert "start one with it" in capsys.readouterr().err
    with pytest.raises(SystemExit) as raised:
        run(["book"], "timezest sandbox")
    assert raised.value.code == 2
    assert "timezest sandbox book" in capsys.readouterr().err
