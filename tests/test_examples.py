"""The examples, run as their readers would run them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from pathlib import Path

import pytest

from timezest_async.sandbox import Sandbox
from timezest_async.sandbox.faults import AnswerLost, Status

EXAMPLES = Path(__file__).parent.parent / "examples"


async def run(name: str, *arguments: str, sandbox: Sandbox, status: int = 0) -> str:
    """Run an example against a sandbox, and give what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-Werror",
        EXAMPLES / name,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TIMEZEST_API_KEY": sandbox.api_key, "TIMEZEST_BASE_URL": sandbox.base_url},
    )
    output, errors = await process.communicate()
    assert process.returncode == status, errors.decode()
    assert status or not errors
    return output.decode() if status == 0 else errors.decode()


def test_every_example_is_run() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert not [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in source]


def add_days(sandbox: Sandbox, count: int) -> None:
    """Store a scheduling request for each of the last days, booked and not by turns."""
    for back in range(count):
        moment = int(time.time()) - back * 86_400 - 43_200
        sandbox.add(
            status="new" if back % 2 else "scheduled",
            end_user_name="Ann",
            end_user_email="ann@example.org",
            created_at=moment,
            scheduled_at=None if back % 2 else moment,
            selected_start_time=None if back % 2 else moment,
            selected_time_zone=None if back % 2 else "Sydney",
        )


@pytest.mark.asyncio
async def test_stream() -> None:
    async with Sandbox() as sandbox:
        add_days(sandbox, 50)
        *lines, last = (await run("stream.py", sandbox=sandbox)).splitlines()
    assert len(lines) == 15
    assert last == f"{len(lines)} booked in the last 30 days"
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d AE[SD]T  Ann", line) for line in lines)


@pytest.mark.asyncio
@pytest.mark.parametrize("is_lost", [False, True])
async def test_create(is_lost: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with Sandbox(records=20, clock=time.time) as sandbox:
        if is_lost:
            sandbox.faults.script("POST /scheduling_requests", [AnswerLost()])
        printed = await run("create.py", "#1234", sandbox=sandbox)
        newest = sandbox.records()[0]
        assert len(sandbox.records()) == 21
    assert printed == f"{newest['id']}  new  {newest['scheduling_url']}\n"
    assert newest["associated_entities"][0]["number"] == "#1234"


@pytest.mark.asyncio
async def test_create_that_did_not_happen() -> None:
    async with Sandbox(records=20, clock=time.time) as sandbox:
        sandbox.faults.script("POST /scheduling_requests", [Status(502)])
        errors = await run("create.py", "#1234", sandbox=sandbox, status=1)
        assert len(sandbox.records()) == 20
    assert "nothing was created yet" in errors
    assert "Traceback" not in errors


@pytest.mark.asyncio
async def test_fan_out() -> None:
    async with Sandbox() as sandbox:
        add_days(sandbox, 80)
        printed = await run("fan_out.py", sandbox=sandbox)
    *queries, first, second = printed.splitlines()
    assert len(queries) == 3
    assert first == "First sitting: 25 scheduling requests"
    assert second == f"Second sitting: {40 + 15 - 25} more"  # half of 80 are unbooked, and 15 more are recent
