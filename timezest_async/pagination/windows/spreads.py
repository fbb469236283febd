"""How an account's records are spread over time: learnt while one list is read, of use for the next."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, cast

from attrs import define, field, frozen

MOST: Final = 256
"""Times kept of a list, however long it is."""
_LATEST: Final = 2**53
"""Beyond it no JSON reader is sure to keep a whole number."""


@frozen
class Spread:
    """Times in a list, from older to newer, with ``step`` records from each one to the next.

    A hint, never relied upon: a list may be another one, or have changed. Where it is right, what lies from
    one of these times to another fills its pages.

    Attributes:
        step: How many records, of a multiple of pages.
        times: Epoch seconds, UTC. The first one is the list's lower bound, or its oldest record's; the last
            one its newest record's.
        rest: Records between the first two times.
    """

    step: int
    times: tuple[int, ...]
    rest: int

    @property
    def records(self) -> int:
        """How many records there are."""
        return self.rest + self.step * max(0, len(self.times) - 2)

    def below(self, time: int) -> float:
        """Estimate how many records are older than a time."""
        index = bisect_right(self.times, time)
        if index == 0:
            return 0.0
        if index == len(self.times):
            return float(self.records)
        start, end = self.times[index - 1], self.times[index]
        share = (time - start) / (end - start)
        return share * self.rest if index == 1 else self.rest + (index - 2 + share) * self.step

    def cut(self, low: int, high: int, records: float) -> int | None:
        """Find the time kept, between two others, that leaves about so many records above ``low``."""
        first, last = bisect_right(self.times, low), bisect_left(self.times, high)
        if first >= last:
            return None
        target = self.below(low) + records
        index = bisect_left(self.times, target, first, last, key=self.below)
        near = [one for one in (index - 1, index) if first <= one < last]
        return min((self.times[one] for one in near), key=lambda time: abs(self.below(time) - target))

    def to_json(self) -> dict[str, Any]:
        """Write what ``read`` reads."""
        return {"step": self.step, "rest": self.rest, "times": list(self.times)}

    @classmethod
    def read(cls, value: object) -> Spread | None:
        """Read what ``to_json`` wrote; None where it is something else, which costs time, never records."""
        if not isinstance(value, dict):
            return None
        described = cast("dict[str, object]", value)
        step, rest, times = (described.get(name) for name in ("step", "rest", "times"))
        if not isinstance(step, int) or not isinstance(rest, int) or not isinstance(times, list):
            return None
        whole = [time for time in cast("list[object]", times) if type(time) is int and abs(time) <= _LATEST]
        in_order = all(older <= newer for older, newer in pairwise(whole))
        if len(whole) < len(cast("list[object]", times)) or not in_order or not 2 <= len(whole) <= 2 * MOST:
            return None
        if not 0 < step <= _LATEST or not 0 <= rest <= step:
            return None
        return cls(step, tuple(whole), rest)


@define
class Sampler:
    """Learns a spread from a list that is read from newer to older.

    Its step doubles whenever there are too many times.

    Args:
        step: Records from one time to the next at first: a page's.
    """

    _step: int
    _count: int = 0
    _times: list[int] = field(factory=list[int])
    _newest: int | None = None
    _oldest: int | None = None

    def add(self, times: Sequence[int]) -> None:
        """Take in when the next records were created (epoch seconds, UTC)."""
        if not times:
            return
        before, self._count = self._count, self._count + len(times)
        self._newest = times[0] if self._newest is None else self._newest
        self._times += times[(-before - 1) % self._step :: self._step]
        self._oldest = times[-1]
        while len(self._times) > MOST:
            self._step *= 2
            del self._times[::2]

    def spread(self, floor: int | None = None) -> Spread | None:
        """Return what was learnt of a list that was read to its end; None of one that is too short.

        Args:
            floor: The list's lower bound, if it has one.
        """
        if self._newest is None or self._oldest is None or not self._times:
            return None
        oldest = self._oldest if floor is None else min(floor, self._oldest)
        times = (oldest, *reversed(self._times), self._newest)
        if any(older > newer for older, newer in pairwise(times)):
            return None  # not sorted
        return Spread(self._step, times, self._count - self._step * len(self._times))
