"""Ctrl-C and SIGTERM: what is under way is cancelled, puts its things in order, and the status is 130."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED: Final = 130
"""The exit status."""


@contextmanager
def raised() -> Generator[None]:
    """Within the block, Ctrl-C and SIGTERM alike raise KeyboardInterrupt."""
    with _handled(_raise):
        yield


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command in an event loop of its own.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM cut it short, after it has put its things in order.
    """
    cancellable = _Cancellable(work)
    # Raised in the midst of asyncio, a KeyboardInterrupt would leave it with tasks that never ran.
    with _handled(cancellable.cancel):
        done = asyncio.run(cancellable.run())
    if not done:
        raise KeyboardInterrupt
    return done[0]


def run_until_killed(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command that reads stdin in a thread, which nothing wakes: a signal ends the process.

    So there must be nothing to put in order; a create that is under way is its journal's to find again.
    """
    with _handled(lambda: os._exit(INTERRUPTED)):
        return asyncio.run(work)


class _Cancellable(Generic[T]):
    """Work that a signal cancels, whether it comes before the first step or after it."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._cancel: Callable[[], object] | None = None
        self._is_cancelled = False

    async def run(self) -> tuple[T] | None:
        """Return what the work returns; None where it was cancelled."""
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(self._work)
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)  # which also wakes the loop
        if self._is_cancelled:
            task.cancel()
        try:
            return (await task,)
        except asyncio.CancelledError:
            return None
        finally:
            self._cancel = None

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._cancel is not None:
            self._cancel()


def _raise() -> None:
    raise KeyboardInterrupt


@contextmanager
def _handled(handler: Callable[[], None]) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        handler()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
