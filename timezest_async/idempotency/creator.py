"""What ``create_once`` needs of the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from timezest_async.models import SchedulingRequest


class Creator(Protocol):
    """What is needed of the service for one key."""

    @property
    def timeout(self) -> float:
        """Seconds after which the answer of an attempt is given up."""
        ...

    @property
    def rounds(self) -> int:
        """How often a create is sent at most whose answers are lost."""
        ...

    async def create(
        self, before_send: Callable[[], Awaitable[None]], deadline: float | None
    ) -> SchedulingRequest:
        """Create; ``before_send`` is awaited right before the first byte of each attempt.

        Raises:
            OutcomeUnknownError: It may have happened.
            TimeZestError: It did not.
        """
        ...

    async def get(self, id: str, deadline: float | None) -> SchedulingRequest:
        """Get what was made."""
        ...

    async def candidates(self, sent_ago: float, deadline: float | None) -> Sequence[SchedulingRequest]:
        """List what may have come of a create that was first sent so many seconds ago."""
        ...

    async def find_open(self, deadline: float | None) -> SchedulingRequest | None:
        """Find an open request of the same ticket or end user."""
        ...
