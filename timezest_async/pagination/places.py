"""How far a list was read: enough to go on where the record to go on after is gone.

The service's cursors are record ids, and records vanish. A list that is sorted by time can then be asked for
from the last record's second on, less what of that second was handed over; one that is not sorted, from its
beginning, less all that was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import ge, le
from typing import Any, Final

import attrs

from timezest_async import tql
from timezest_async.errors import FilterError
from timezest_async.pagination.checkpoints import damaged, is_list_of_text
from timezest_async.pagination.gaps import Gap

_MAX_OF_SECOND: Final = 1_000
_MAX_OF_LIST: Final = 10_000
"""Ids beyond which a place is not known well enough to go on without a cursor."""
_CREATED_AT: Final = tql.scheduling_request.created_at


@attrs.frozen
class Place:
    """A place in a list.

    Attributes:
        second: The ``created_at`` (epoch seconds, UTC) of the last record; None at the beginning, and in a
            list that is not sorted.
        seen: The ids handed over of that second, or of a list that is not sorted; None where they are too
            many to remember.
        since: The id that reading began after, as long as ``seen`` holds only what was handed over since.
        is_sorted: Whether the list is sorted, as far as it was read.
    """

    second: int | None = None
    seen: frozenset[str] | None = frozenset()
    since: str | None = None
    is_sorted: bool = True

    @classmethod
    def read(cls, position: Mapping[str, Any], after: str | None, *, is_sorted: bool) -> Place:
        """Read the place in a checkpoint's position; those of earlier versions have none.

        Args:
            position: What ``to_json`` wrote, among other members.
            after: The id that it goes on after; None at the list's beginning.
            is_sorted: Whether the list promises to be sorted.

        Raises:
            InvalidRequestError: It is damaged.
        """
        second, seen, since = position.get("second"), position.get("seen"), position.get("since")
        if seen is None:
            return cls(since=after, is_sorted=is_sorted)
        if not (
            is_list_of_text(seen) and isinstance(since, str | None) and type(second) in {int, type(None)}
        ):
            raise damaged()
        place = cls(second, frozenset(seen), since, is_sorted)
        try:
            _ = place.moment
        except (ValueError, OverflowError, OSError):
            raise damaged() from None
        return place

    def to_json(self) -> dict[str, Any]:
        """Write what ``read`` reads."""
        if not self.is_known:
            return {}
        members = {"second": self.second, "since": self.since, "seen": sorted(self.seen or ())}
        return {name: value for name, value in members.items() if value is not None}

    @property
    def is_known(self) -> bool:
        """Whether reading can go on from here without the last record's cursor."""
        return bool(self.seen)

    @property
    def moment(self) -> datetime | None:
        """The ``second`` as a datetime."""
        return None if self.second is None else datetime.fromtimestamp(self.second, UTC)

    def after(self, records: Sequence[Any], *, backwards: bool = False) -> Place:
        """Give the place after some more records, in the order of the stream."""
        if not records:
            return self
        times: list[Any] = [one.created_at for one in records if one.created_at is not None]
        if not self.is_sorted or not times:
            return attrs.evolve(self, seen=_joined(self.seen, records, _MAX_OF_LIST))
        last = times[-1]
        if not isinstance(last, datetime) or not self._leads_to(times, backwards=backwards):
            # Out of order, or read by a converter that makes something else of times.
            return Place(seen=None, is_sorted=False)
        start = len(records)
        while start and records[start - 1].created_at in {last, None}:
            start -= 1
        second = int(last.timestamp())
        continues = start == 0 and self.second in {second, None}
        seen = self.seen if continues else frozenset[str]()
        since = self.since if continues else None
        return Place(second, _joined(seen, records[start:], _MAX_OF_SECOND), since)

    def precedes(self, records: Sequence[Any], *, backwards: bool = False) -> bool:
        """Tell whether the first record, in the order of the stream, lies behind no other that was seen."""
        time = next((one.created_at for one in records if one.created_at is not None), None)
        return not isinstance(time, datetime) or self._leads_to([time], backwards=backwards)

    def _leads_to(self, times: Sequence[datetime], *, backwards: bool) -> bool:
        """Tell whether these times follow, in order."""
        in_order = le if backwards else ge
        follows = self.moment is None or in_order(self.moment, times[0])
        return follows and all(map(in_order, times, times[1:]))

    def onward(
        self, query: str, lo: int | None = None, hi: int | None = None
    ) -> tuple[str, dict[str, str]] | None:
        """Say what to ask for to go on, from newer to older; some of it is to be left out, since it was seen.

        Args:
            query: The list's.
            lo: A bound that it has besides, as for ``narrowed``.
            hi: The other one.

        Returns:
            A query and a cursor; None where neither is known.
        """
        if not self.is_known:
            return None
        if self.since is not None:
            return narrowed(query, lo, hi), {"starting_after": self.since}
        if self.second is None:
            return query, {}
        if not is_narrowable(query):
            return None
        # The service may keep times finer than the whole seconds that it shows.
        after = self.second + 1
        return narrowed(query, lo, after if hi is None else min(hi, after)), {}


BEGINNING: Final = Place()


def _joined(seen: frozenset[str] | None, records: Sequence[Any], most: int) -> frozenset[str] | None:
    if seen is None:
        return None
    seen = seen.union(one.id for one in records if type(one) is not Gap or one.has_id)
    return None if len(seen) > most else seen


def narrowed(query: str, lo: int | None, hi: int | None) -> str:
    """Add bounds of ``created_at`` (epoch seconds, UTC) to a query: from ``lo`` on, and before ``hi``."""
    bounds = [
        tql.Predicate(_CREATED_AT, operator, second)
        for operator, second in ((tql.Operator.GTE, lo), (tql.Operator.LT, hi))
        if second is not None
    ]
    return "~AND~".join(filter(None, [query, *map(tql.render, bounds)]))


def is_narrowable(query: str) -> bool:
    """Tell whether bounds can be added to a query, as they cannot to raw text."""
    if not query:
        return True
    try:
        return tql.render(tql.parse(query)) == query
    except FilterError:
        return False
