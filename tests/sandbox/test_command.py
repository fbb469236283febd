"""The sandbox as a program of its own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from timezest_async import TimeZestClient
from timezest_async.sandbox import run


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_serves_and_ends_with_0(number: signal.Signals, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "timezest_async.sandbox", "--port", "0", "--records", "25", "--api-key", "k"),
        *("--database", str(tmp_path / "kept.db"), "--rate-limit", "1/60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    base_url = (await process.stdout.readline()).decode().split()[-1]
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        statuses = []
        for _ in range(2):
            async with session.get(f"{base_url}/scheduling_requests") as response:
                statuses.append(response.status)
    process.send_signal(number)
    _, errors = await process.communicate()
    assert (statuses, process.returncode, errors) == ([200, 429], 0, b"")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "70000"),
        ("--port", "-1"),
        ("--records", "-5"),
        ("--page-size", "0"),
        ("--latency", "-1"),
        ("--latency", "nan"),
        ("--api-key", ""),
        ("--api-key", "two words"),
        ("--read-only-key", "demo"),
        ("--rate-limit", "0/5"),
    ],
)
def test_unfit_options_are_wrong_usage(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        run([option, value])
    assert raised.value.code == 2
    name = option.removeprefix("--")
    assert name.replace("-", "_") in (told := capsys.readouterr().err) or name in told


@pytest.mark.asyncio
async def test_a_database_outlives_the_process(tmp_path: Path) -> None:
    listings = []
    for records in ("25", "70"):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "timezest_async.sandbox", "--port", "0", "--records", records),
            *("--database", str(tmp_path / "kept.db")),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        base_url = (await process.stdout.readline()).decode().split()[-1]
        async with TimeZestClient("demo", base_url) as client:
            if not listings:
                agent = await client.agents.list().first()
                assert agent is not None
                await client.scheduling_requests.create(
                    appointment_type_id=(await client.appointment_types.list().to_list())[0].id,
                    trigger_mode="pod",
                    resource_ids=[agent.id],
                    end_user_name="Pat",
                    end_user_email="pat@example.com",
                )
            listings.append(await client.scheduling_requests.list().to_list())
        process.kill()
        await process.communicate()
    assert len(listings[0]) == 26
    assert listings[0] == listings[1]


def test_wrong_usage_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        run(["--rate-limit", "fast"])
    assert raised.value.code == 2
    assert "write it like 180/60" in capsys.readouterr().err
    foreign = tmp_path / "foreign"
    foreign.write_text("not a database" * 100)
    assert run(["--database", str(foreign), "--port", "0"]) == 1
    assert "not a database of the sandbox" in capsys.readouterr().err
    assert run(["--database", str(tmp_path / "nowhere" / "x.db"), "--port", "0"]) == 1
    assert "cannot be opened" in capsys.readouterr().err
