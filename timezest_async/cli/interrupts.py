"""Ctrl-C and SIGTERM: what is under way is cancelled, puts its things in order, and the status is 130."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

INTERRUPTED: Final = 130
"""The exit status."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM cut it short, after it has put its things in order.
    """
    try:
        return asyncio.run(_cancelled_by_signals(work))
    except asyncio.CancelledError:
        # Raised here, not in a task: a loop stops at once at it, and leaves the rest undone.
        raise KeyboardInterrupt from None


async def _cancelled_by_signals(work: Coroutine[Any, Any, T]) -> T:
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers; there Ctrl-C cancels this task, and with it the work.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
