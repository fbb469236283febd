"""How many records lie in which stretches of time, as far as a list was read."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import sub
from typing import Final

from attrs import Factory, define

_MOST: Final = 512
"""Stretches kept; beyond that, neighbours are joined."""


@define
class Coverage:
    """Stretches of time, apart from each other, and the number of records in each."""

    _starts: list[int] = Factory(list[int])
    _ends: list[int] = Factory(list[int])
    _counts: list[int] = Factory(list[int])
    _records: list[int] = Factory(list[int])
    """Records, and ``_seconds`` seconds, in all stretches before each; empty while they are to be summed."""
    _seconds: list[int] = Factory(list[int])

    def add_page(self, times: Sequence[int]) -> None:
        """Take in the records between the first of these times, newest first, and the last, which counts.

        A silence that takes up most of a page is a stretch of its own, since it says nothing of the rest.
        """
        gaps = list(map(sub, times, times[1:]))
        if not gaps:
            return
        widest = gaps.index(max(gaps))
        cuts = [0, len(gaps)]
        if 2 * gaps[widest] > times[0] - times[-1]:
            cuts = sorted({0, widest, widest + 1, len(gaps)})
        for newer, older in pairwise(cuts):
            self.add(times[older], times[newer], older - newer)

    def add(self, start: int, end: int, count: int) -> None:
        """Take in a stretch from ``start`` to ``end`` (epoch seconds) with ``count`` records."""
        index = bisect_right(self._starts, start)
        self._starts.insert(index, start)
        self._ends.insert(index, end)
        self._counts.insert(index, count)
        if len(self._starts) > _MOST:
            self._join()
        self._records = []

    def within(self, start: int, end: int) -> tuple[float, float]:
        """Return the records, and the seconds, that are known between two times."""
        self._sum()
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if first >= last:
            return 0.0, 0.0
        records = float(self._records[last] - self._records[first])
        seconds = float(self._seconds[last] - self._seconds[first])
        for index, cut in ((first, start - self._starts[first]), (last - 1, self._ends[last - 1] - end)):
            if cut > 0:
                seconds -= cut
                records -= self._counts[index] * cut / (self._ends[index] - self._starts[index])
        return max(records, 0.0), max(seconds, 0.0)

    def reach(self, position: int, records: float) -> float:
        """Return the seconds in which so many records lie, from ``position`` on towards newer ones.

        Where fewer are known, it is what they would take at the same density.
        """
        self._sum()
        first = bisect_left(self._starts, position)
        last = min(bisect_left(self._records, self._records[first] + records), len(self._starts))
        known = self._records[last] - self._records[first]
        seconds = self._seconds[last] - self._seconds[first]
        if known <= 0:
            known, seconds = self._records[-1], self._seconds[-1]
        return seconds * records / known if known > 0 else 0.0

    def _sum(self) -> None:
        if not self._records:
            self._records = list(accumulate(self._counts, initial=0))
            self._seconds = list(accumulate(map(sub, self._ends, self._starts), initial=0))

    def _join(self) -> None:
        """Join each stretch with the next one that begins where it ends."""
        starts, ends, counts = self._starts[:1], self._ends[:1], self._counts[:1]
        joined = False
        for start, end, count in zip(self._starts[1:], self._ends[1:], self._counts[1:], strict=True):
            if not joined and start <= ends[-1]:
                ends[-1], counts[-1], joined = max(end, ends[-1]), counts[-1] + count, True
            else:
                starts.append(start)
                ends.append(end)
                counts.append(count)
                joined = False
        self._starts, self._ends, self._counts = starts, ends, counts
