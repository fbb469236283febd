"""Blocking work off the event loop, which a cancellation waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run what may block in a thread; a cancellation waits for its end, so that nothing writes on."""
    if asyncio._get_running_loop() is None:  # noqa: SLF001  # documented; None where the loop was closed early
        return work()
    return await finished(asyncio.ensure_future(asyncio.to_thread(work)))


async def finished(task: asyncio.Future[T]) -> T:
    """Wait for a task's end, even when cancelled meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()
        raise cancelled
    return task.result()
