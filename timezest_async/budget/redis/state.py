"""What a process remembers of a shared budget, so that Redis may forget it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import attrs

from timezest_async.budget.slots import Outcome

LONGEST_POLL = 1.0
"""Seconds at most between two questions while somebody waits: only a slot given back unused, or the end
of a process before it in the line, can be news in the meantime; or that Redis has forgotten."""


@attrs.frozen
class Terms:
    """What a budget allows: see ``RedisRateLimiter``."""

    name: str
    max_requests: int
    period: float
    margin: float
    lease: float

    @property
    def window(self) -> float:
        """Seconds for which a request counts."""
        return self.period + self.margin

    @property
    def poll(self) -> float:
        """Seconds at most between two questions while there is anything to wait for, or to remember."""
        return min(LONGEST_POLL, self.period / 8)


@attrs.define
class News:
    """What became of requests, beside that they count: see ``Question``."""

    pause: float = 0.0
    answered: int = -1
    lost: int = -1
    refused: int = -1
    unsaid: int = -1

    @classmethod
    def of(cls, outcome: Outcome, number: int) -> News:
        """Make the news of one request.

        Args:
            outcome: What became of it.
            number: The number of the last pause before its slot.
        """
        if outcome.refused:
            return cls(unsaid=number) if outcome.pause is None else cls(pause=outcome.pause, refused=number)
        return cls(answered=number) if outcome.answered else cls(lost=number)

    def add(self, other: News) -> None:
        """Add other news; what is the same, or older, is told once."""
        for name in ("pause", "answered", "lost", "refused", "unsaid"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))


class Memory:
    """The requests that this process has sent in the last window, and which of them Redis is to hear of.

    Args:
        clock: Returns seconds that never go backwards.
        longest_flight: Seconds after which a request that was never heard of again counts no more.
    """

    def __init__(self, clock: Callable[[], float], longest_flight: float) -> None:
        self._clock = clock
        self._longest_flight = longest_flight
        self._until: dict[str, float] = {}
        self._in_flight: set[str] = set()
        self._unreported: dict[str, bool] = {}

    def __bool__(self) -> bool:
        """Whether any request counts, or is to be reported."""
        self._forget_old()
        return bool(self._until or self._unreported)

    def note(self, name: str, *, reported: bool) -> None:
        """Remember a request that is being sent.

        Args:
            name: The request's.
            reported: Whether Redis knows of it.
        """
        self._until[name] = self._clock() + self._longest_flight
        self._in_flight.add(name)
        if not reported:
            self._unreported[name] = True

    def settle(self, name: str, counts_for: float | None) -> None:
        """Remember what became of a request.

        Args:
            name: The request's.
            counts_for: Seconds for which it counts; None if it was never sent.
        """
        self._in_flight.discard(name)
        self._unreported[name] = counts_for is not None
        if counts_for is None:
            self._until.pop(name, None)
        else:
            self._until[name] = self._clock() + counts_for

    @property
    def has_unreported(self) -> bool:
        """Whether there is anything to tell Redis."""
        return bool(self._unreported)

    def take_unreported(self) -> dict[str, bool]:
        """Hand over the names to tell Redis of, each with whether it was sent; ``give_back`` takes them."""
        unreported, self._unreported = self._unreported, {}
        return unreported

    def give_back(self, unreported: dict[str, bool], most: int) -> None:
        """Take back what could not be told.

        Args:
            unreported: As from ``take_unreported``.
            most: How many names to keep; older ones the leases have settled.
        """
        self._unreported = unreported | self._unreported
        while len(self._unreported) > most:
            del self._unreported[next(iter(self._unreported))]

    def report_all(self) -> None:
        """Tell everything anew, since Redis has forgotten."""
        self._unreported = dict.fromkeys(self._until, True) | self._unreported

    def counts_for(self, name: str) -> float:
        """Return for how many seconds a request that was sent counts from now on, at least 0."""
        return max(0.0, self._until.get(name, -math.inf) - self._clock())

    def sent(self) -> Iterator[tuple[str, float, bool]]:
        """Give each request that counts: its name, until when, and whether it is in flight."""
        self._forget_old()
        for name, until in self._until.items():
            yield name, until, name in self._in_flight

    def _forget_old(self) -> None:
        now = self._clock()
        for name in [name for name, until in self._until.items() if until <= now]:
            del self._until[name]
            self._in_flight.discard(name)


class LastAnswer:
    """What a process knows of Redis's memory and of its time, since it answered last.

    Attributes:
        epoch: Which memory answered; empty if none did, or it has proved wrong.
        replaces: The memory that has proved wrong.
        seen: The time then, by Redis's clock, in microseconds.
        asked_at: When that was asked, by the process's clock.
        heard_at: When the answer came.
        round_trip: How long answers take.
        paused_until: When, by the process's clock, the last pause ends.
    """

    def __init__(self) -> None:
        self.epoch: str = ""
        self.replaces: str = ""
        self.seen: int = 0
        self.round_trip: float = 0.0
        self.asked_at: float = -math.inf
        self.heard_at: float = -math.inf
        self.paused_until: float = -math.inf

    def heard(self, epoch: str, seen: int, asked_at: float, heard_at: float) -> None:
        """Note an answer."""
        self.epoch, self.replaces, self.seen = epoch, "", seen
        self.asked_at, self.heard_at = asked_at, heard_at
        # Of late, at most: one slow answer is a sign that the next may be slow.
        self.round_trip = max(heard_at - asked_at, 0.9 * self.round_trip)

    def lose(self) -> None:
        """Note that Redis has forgotten."""
        self.epoch, self.replaces = "", self.epoch
