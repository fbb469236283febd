"""The sandbox as a program of its own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

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


def test_wrong_usage_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        run(["--rate-limit", "fast"])
    assert raised.value.code == 2
    assert "write it like 180/60" in capsys.readouterr().err
    foreign = tmp_path / "foreign"
    foreign.write_text("not a database" * 100)
    assert run(["--database", str(foreign), "--port", "0"]) == 1
    assert "not a database of the sandbox" in capsys.readouterr().err
