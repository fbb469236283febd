"""Debian's Chromium, driven over its debugging protocol with what the package already depends on."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import needs_program

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


class Tab:
    """A tab, and everything that it reported: requests, log entries, exceptions."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        await self._socket.send_json({"id": self._count, "method": method, "params": parameters})
        while True:
            message = await self._receive()
            if message.get("id") == self._count:
                assert "error" not in message, message
                return message["result"]

    async def open(self, url: str) -> None:
        loads = self.count_loads()
        await self.call("Page.navigate", url=url)
        await self.loaded(loads)

    async def loaded(self, before: int) -> None:
        """Wait until another page has been loaded than there had been."""
        while self.count_loads() == before:
            await self._receive()

    def count_loads(self) -> int:
        return sum(event["method"] == "Page.loadEventFired" for event in self.events)

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=30)
        if "method" in message:
            self.events.append(message)
        return message

    async def evaluate(self, script: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"]["value"]

    async def show(self, *, width: int, height: int, scheme: str) -> None:
        """Take the size and colour scheme of a screen."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        await self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    async def screenshot(self) -> bytes:
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def complaints(self) -> list[dict[str, Any]]:
        """Return the console's messages, the browser's log and uncaught exceptions."""
        methods = {"Runtime.consoleAPICalled", "Log.entryAdded", "Runtime.exceptionThrown"}
        return [event for event in self.events if event["method"] in methods]

    def requested(self) -> list[str]:
        """List the URLs of everything that was asked for."""
        sent = (event for event in self.events if event["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]


@contextlib.asynccontextmanager
async def open_tab(profile: Path) -> AsyncIterator[Tab]:
    """Start Chromium with a new profile; it ends with the block."""
    program = shutil.which("chromium-browser") or needs_program("chromium")
    with (profile.parent / "chromium.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"),
            stdout=log,
            stderr=log,
            # Under faketime it would wait for ever.
            env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
        )
    try:
        port, _ = (await _ready(profile / "DevToolsActivePort", process)).split()
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [target for target in await answer.json() if target["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await tab.call(f"{domain}.enable")
                yield tab
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ready(path: Path, process: asyncio.subprocess.Process) -> str:
    """Wait for the file in which Chromium says its port; it gives no other sign that it is ready."""
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, "Chromium ended at once; see chromium.log"
            with contextlib.suppress(FileNotFoundError):
                text = await asyncio.to_thread(path.read_text)
                if len(text.split()) == 2:
                    return text
            await asyncio.sleep(0.05)
