"""The sandbox's time, which can be set while it runs."""

from __future__ import annotations

from collections.abc import Callable


class MovingClock:
    """A clock that goes on from wherever it is set to.

    Args:
        base: Epoch seconds, of the clock that it goes with.
    """

    def __init__(self, base: Callable[[], float]) -> None:
        self._base = base
        self._ahead = 0.0

    def __call__(self) -> float:
        """Return the sandbox's time, in epoch seconds."""
        return self._base() + self._ahead

    def set(self, now: float) -> None:
        """Make it ``now``, in epoch seconds."""
        self._ahead = now - self._base()
