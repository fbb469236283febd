"""An app under a real uvicorn, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from typing import Any

import aiohttp
import uvicorn


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield  # signals are the test runner's


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve an app; gives a session whose relative addresses are its own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=10)
        server = _Server(config)
        task = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started:
                if task.done():
                    await task
                    raise RuntimeError("the app did not start")
                await asyncio.sleep(0.001)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}/") as session:
                yield session
        finally:
            server.should_exit = True
            await asyncio.wait([task])
            for task in asyncio.all_tasks():  # of sse-starlette, which keeps it as long as the loop
                if getattr(task.get_coro(), "__name__", "") == "_shutdown_watcher":
                    task.cancel()
                    await asyncio.wait([task])
