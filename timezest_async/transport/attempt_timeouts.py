"""The end of one attempt: its own time, which stands still in a queue, and the call's deadline."""

from __future__ import annotations

import asyncio
import math


class AttemptTimeout:
    """Limits one attempt; to be made where it begins.

    Args:
        timeout: Seconds for the attempt.
        remaining: Seconds up to the deadline of the call, or None.
        patience: Seconds that it may wait for a connection at most, or None.

    Attributes:
        queued: Seconds that it has waited for a connection.
    """

    def __init__(self, timeout: float, remaining: float | None, patience: float | None = None) -> None:
        self._clock = asyncio.get_running_loop().time
        now = self._clock()
        self._ends = now + timeout
        self._last = math.inf if remaining is None else now + remaining
        self._leaves_queue = math.inf if patience is None else now + patience
        self._queued_at: float | None = None
        self.queued: float = 0.0
        self.guard = asyncio.timeout_at(min(self._ends, self._last))

    @property
    def is_deadline(self) -> bool:
        """Whether the deadline comes, or came, first."""
        return self.guard.when() == self._last

    def queue(self, waits: bool) -> None:  # noqa: FBT001 - what SendTracker calls
        """Let the attempt's own time stand still while it waits for a connection."""
        now = self._clock()
        if waits:
            self._queued_at = now
        elif self._queued_at is not None:
            self.queued += now - self._queued_at
            self._ends += now - self._queued_at
            self._queued_at = None
        end = min(self._leaves_queue if waits else self._ends, self._last)
        self.guard.reschedule(None if end == math.inf else end)
