"""One call at one time, whichever event loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class TimerHandle(Protocol):
    """What a timer returns, such as ``asyncio.TimerHandle``."""

    def cancel(self) -> None:
        """Forget the call."""
        ...


Timer = Callable[[float, Callable[[], None]], TimerHandle]
"""Calls a function after some seconds."""


def call_later(delay: float, callback: Callable[[], None]) -> TimerHandle:
    """Call a function after some seconds, in the running loop."""
    return asyncio.get_running_loop().call_later(delay, callback)


class Alarm:
    """Ring once; setting it anew forgets the time before.

    Args:
        timer: Rings.
        ring: What to do then.
    """

    def __init__(self, timer: Timer, ring: Callable[[], None]) -> None:
        self._timer = timer
        self._ring_out = ring
        self._set: tuple[float, TimerHandle, asyncio.AbstractEventLoop] | None = None

    def set(self, now: float, at: float) -> None:
        """Ring at a time; does nothing without a running loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # A slot settled by the garbage collector after its loop's end: whoever waits wakes later.
            return
        if self._set is not None:
            known, handle, its_loop = self._set
            if its_loop is loop and known == at:
                return
            handle.cancel()
        self._set = (at, self._timer(max(0.0, at - now), self._ring), loop)

    def _ring(self) -> None:
        self._set = None
        self._ring_out()
