"""What an earlier list tells of the one being read, as long as it proves right."""

from __future__ import annotations

from attrs import define

from timezest_async.pagination.pages import PAGE_SIZE
from timezest_async.pagination.windows.spreads import Spread


@define
class Hint:
    """A spread that is believed until what is read differs too much from it.

    Attributes:
        spread: What was learnt of an earlier list; None where nothing was, or it has proved wrong.
    """

    spread: Spread | None = None
    _expected: float = 0.0
    _found: int = 0
    _missed: float = 0.0

    def range(self, floor: int | None) -> tuple[int, int]:
        """Return the oldest and the newest time it tells of."""
        if self.spread is None:
            return 0, 0
        low, high = self.spread.times[0], self.spread.times[-1]
        return (low if floor is None else max(low, floor)), high

    def oldest(self, position: int | None) -> int | None:
        """Return the oldest time it tells of, where that is older than a position."""
        oldest = None if self.spread is None else self.spread.times[0]
        return oldest if position is not None and oldest is not None and oldest < position else None

    def records(self, start: int, end: int) -> float:
        """Return how many records the earlier list has between two times."""
        return 0.0 if self.spread is None else max(0.0, self.spread.below(end) - self.spread.below(start))

    def expected(self, start: int, end: int) -> float:
        """Estimate how many records this list has between two times, as far as it tells of them."""
        return self.records(start, end) * self._scale

    def untold(self, start: int, end: int) -> int:
        """Return the seconds between two times that it tells nothing of."""
        if self.spread is None:
            return end - start
        oldest, newest = self.spread.times[0], self.spread.times[-1]
        return max(0, min(end, oldest) - start) + max(0, end - max(start, newest))

    def cut(self, low: int, high: int, records: float) -> int | None:
        """Find the time between two others that leaves so many records above ``low``, if it tells of them."""
        if self.spread is None or low < self.spread.times[0] or records > self.expected(low, high):
            return None
        return self.spread.cut(low, high, records / self._scale)

    def compare(self, start: int, end: int, count: int) -> None:
        """Compare it with what was found between two times; how many times as many there are is no matter."""
        if self.spread is None or self.untold(start, end):
            return
        expected = self.records(start, end)
        self._expected += expected
        self._found += count
        self._missed += abs(expected * self._scale - count)
        if self._found > 2 * PAGE_SIZE and self._missed > self._found / 2:
            self.spread = None

    @property
    def _scale(self) -> float:
        return self._found / self._expected if self._expected >= PAGE_SIZE else 1.0
