"""The example app: its own tests, and its page in a browser while an end user books in another."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.reports.chromium import Tab, open_tab
from timezest_async.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "fastapi_app"
pytestmark = pytest.mark.asyncio


async def test_its_own_tests_pass() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py"),
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@asynccontextmanager
async def served(sandbox: Sandbox, data: Path) -> AsyncIterator[str]:
    """Run the app as its README says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "uvicorn",
            "app:app",
            "--port",
            str(port),
            "--timeout-graceful-shutdown",
            "1",
        ),
        cwd=EXAMPLE,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TIMEZEST_API_KEY": sandbox.api_key,
            "TIMEZEST_BASE_URL": sandbox.base_url,
            "APP_DATA": str(data),
            "APP_INTERVAL": "0.1",
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{url}healthz"):
                        break
                except aiohttp.ClientConnectorError:
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        _, said = await process.communicate()
    assert b"ERROR" not in said, said.decode()


async def shows(tab: Tab, text: str) -> str:
    """Wait until a page shows something."""
    while text not in (shown := str(await tab.evaluate("document.body.innerText"))):
        await asyncio.sleep(0.02)
    return shown


async def submit(tab: Tab, script: str) -> None:
    loads = tab.count_loads()
    await tab.evaluate(f"{script}; true")
    await tab.loaded(loads)


async def test_the_page_follows_an_end_user_in_another_browser(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox())
        customers = await stack.enter_async_context(open_tab(tmp_path / "customer"))
        staffs = await stack.enter_async_context(open_tab(tmp_path / "staff"))
        app = await stack.enter_async_context(served(sandbox, tmp_path))
        url = sandbox.base_url.replace("/v1", "/schedule/browser")
        name = sandbox.add(
            scheduling_url=url,
            end_user_name="Ann <b>Example</b>",
            resources=[{"object": "agent", "id": "agnt_1", "name": "Sam"}],
        )["id"]
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                await staffs.show(width=width, height=844, scheme=scheme)
                await staffs.open(app)
                assert "Ann <b>Example</b>" in await shows(staffs, "new")
                widths = "[document.documentElement.scrollWidth, innerWidth]"
                assert await staffs.evaluate(widths) == [width, width]
        await customers.open(url)
        choose = "[...document.querySelectorAll('[type=radio]')].at({}).click();"
        book = "document.querySelector('button.main').click()"
        await submit(customers, choose.format(0) + book)
        booked = await shows(staffs, "Ann <b>Example</b>: booked")
        assert "scheduled" in booked
        await submit(customers, choose.format(-1) + book)
        moved = await shows(staffs, "Ann <b>Example</b>: rebooked")
        assert moved != booked
        await submit(customers, "document.querySelector('[value=cancel]').click()")
        await shows(staffs, "Ann <b>Example</b>: cancelled")
        assert await staffs.evaluate(f"document.getElementById('{name}').className") == "cancelled fresh"
        sandbox.remove(name)
        sandbox.add(status="new", end_user_name="Bert")
        assert "Bert" in await shows(staffs, "Bert: created")
        assert staffs.complaints() == []
        assert all(asked.startswith((app, "data:")) for asked in staffs.requested())
        (tmp_path / "live.png").write_bytes(await staffs.screenshot())
