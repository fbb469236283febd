"""The examples, run as their readers would run them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from timezest_async import F, TimeZestClient
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


@pytest.mark.asyncio
async def test_stream() -> None:
    async with Sandbox(records=300) as sandbox:
        *lines, last = (await run("stream.py", sandbox=sandbox)).splitlines()
    assert lines
    assert last == f"{len(lines)} booked in the last 30 days"
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d \S+  \S", line) for line in lines)


@pytest.mark.asyncio
@pytest.mark.parametrize("is_lost", [False, True])
async def test_create(is_lost: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with Sandbox(records=20) as sandbox:
        if is_lost:
            sandbox.faults.script("POST /scheduling_requests", [AnswerLost()])
        printed = await run("create.py", "#1234", sandbox=sandbox)
        newest = sandbox.records()[0]
        assert len(sandbox.records()) == 21
    assert printed == f"{newest['id']}  new  {newest['scheduling_url']}\n"
    assert newest["associated_entities"][0]["number"] == "#1234"


@pytest.mark.asyncio
async def test_create_that_did_not_happen() -> None:
    async with Sandbox(records=20) as sandbox:
        sandbox.faults.script("POST /scheduling_requests", [Status(502)])
        errors = await run("create.py", "#1234", sandbox=sandbox, status=1)
        assert len(sandbox.records()) == 20
    assert "nothing was created yet" in errors
    assert "Traceback" not in errors


@pytest.mark.asyncio
async def test_fan_out() -> None:
    async with Sandbox(records=600) as sandbox:
        printed = await run("fan_out.py", sandbox=sandbox)
        async with TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
            unbooked = await client.scheduling_requests.list(F.status.in_(["new", "sent"])).to_list()
    *queries, first, second = printed.splitlines()
    assert len(queries) == 3
    assert first == "First sitting: 25 scheduling requests"
    more = re.fullmatch(r"Second sitting: (\d+) more", second)
    assert more
    assert 25 + int(more[1]) > len(unbooked)
