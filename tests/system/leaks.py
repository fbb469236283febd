"""Nothing may be left behind: no task, no socket, no warning, no error that nobody heard of."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

_DESCRIPTORS = Path("/proc/self/fd")
_SANDBOX = ("/aiohttp/web", "/timezest_async/sandbox/")


def sockets() -> int:
    """Count this process's open sockets."""
    count = 0
    for descriptor in _DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):
            count += str(descriptor.readlink()).startswith("socket:")
    return count


def clients_tasks() -> list[asyncio.Task[Any]]:
    """List the tasks that neither run now nor are the sandbox's."""
    current = asyncio.current_task()
    return [task for task in asyncio.all_tasks() if task is not current and not _is_the_sandboxs(task)]


def _is_the_sandboxs(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and (
        code.co_name == "_accept_connection2" or any(part in code.co_filename for part in _SANDBOX)
    )


class Leaks:
    """What was left so far."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.sockets = sockets()

    async def check(self) -> None:
        """Check after everything was closed; the other end of a connection may need some turns to follow.

        Raises:
            AssertionError: Something is left.
        """
        left = clients_tasks()
        assert left == [], left
        for _ in range(2_000):
            if sockets() <= self.sockets:
                break
            await asyncio.sleep(0.001)
        assert sockets() <= self.sockets, (sockets(), self.sockets)
        assert self.heard == [], self.heard

    async def check_after_collection(self) -> None:
        """Check also what only the garbage collector brings to light."""
        gc.collect()
        await asyncio.sleep(0)
        await self.check()


@contextlib.asynccontextmanager
async def leaks() -> AsyncIterator[Leaks]:
    """Watch for leaks; to be entered once the servers listen."""
    if not _DESCRIPTORS.is_dir():  # noqa: ASYNC240 - no disk is behind /proc
        pytest.skip("open sockets are counted in /proc, which this system lacks")
    watch = Leaks()
    loop = asyncio.get_running_loop()
    handler, hook = loop.get_exception_handler(), sys.unraisablehook
    loop.set_exception_handler(lambda _, context: watch.heard.append(repr(context)))
    sys.unraisablehook = lambda what: watch.heard.append(f"{what.exc_value!r} in {what.object!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield watch
            await watch.check_after_collection()
    finally:
        loop.set_exception_handler(handler)
        sys.unraisablehook = hook
