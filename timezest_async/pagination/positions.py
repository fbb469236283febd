"""Where reading stands: typed in memory, and JSON only inside a checkpoint.

The service's cursors are record ids, and records vanish. A list that is sorted by time can then be asked for
from the last record's second on, less what of that second was handed over; one that is not sorted, from its
beginning, less all that was. So a position knows more than its last record's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from operator import ge, le
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from timezest_async.errors import InvalidRequestError
from timezest_async.pagination.queries import Query
from timezest_async.pagination.unreadable import has_id

_Value = TypeVar("_Value", bool, int, str, list[Any], dict[str, Any])

_MAX_OF_SECOND: Final = 1_000
_MAX_OF_LIST: Final = 10_000
"""Ids beyond which a position is not known well enough to go on without a cursor."""


@attrs.frozen
class Cursor:
    """Where one reader stands in a query.

    Attributes:
        after: The id of the last record; None at the beginning.
        second: The ``created_at`` (epoch seconds, UTC) of the last record; None at the beginning, and in a
            list that is not sorted.
        seen: The ids handed over of that second, or of a list that is not sorted; None where they are too
            many to remember.
        since: The id that reading began after, as long as ``seen`` holds only what was handed over since.
        is_sorted: Whether the list is sorted, as far as it was read.
    """

    after: str | None = None
    second: int | None = None
    seen: frozenset[str] | None = frozenset()
    since: str | None = None
    is_sorted: bool = True

    def to_json(self) -> dict[str, Any]:
        """Write it, as far as it helps to go on."""
        known = {"second": self.second, "since": self.since, "seen": sorted(self.seen)} if self.seen else {}
        members = {"after": self.after, **known}
        return {name: value for name, value in members.items() if value is not None}

    @property
    def is_known(self) -> bool:
        """Whether reading can go on from here without the last record's cursor."""
        return bool(self.seen)

    @property
    def moment(self) -> datetime | None:
        """The ``second`` as a datetime."""
        return None if self.second is None else datetime.fromtimestamp(self.second, UTC)

    def advanced(self, records: Sequence[Any], *, backwards: bool = False) -> Cursor:
        """Return the position after some more records, in the order of the stream."""
        if not records:
            return self
        after = next((one.id for one in reversed(records) if has_id(one)), self.after)
        times: list[Any] = [one.created_at for one in records if one.created_at is not None]
        if not self.is_sorted or not times:
            return attrs.evolve(self, after=after, seen=_joined(self.seen, records, _MAX_OF_LIST))
        last = times[-1]
        if not isinstance(last, datetime) or not self._leads_to(times, backwards=backwards):
            # Out of order, or read by a converter that makes something else of times.
            return Cursor(after, seen=None, is_sorted=False)
        start = len(records)
        while start and records[start - 1].created_at in {last, None}:
            start -= 1
        second = int(last.timestamp())
        continues = start == 0 and self.second in {second, None}
        seen = self.seen if continues else frozenset[str]()
        since = self.since if continues else None
        return Cursor(after, second, _joined(seen, records[start:], _MAX_OF_SECOND), since)

    def precedes(self, records: Sequence[Any], *, backwards: bool = False) -> bool:
        """Return whether the first record, in the order of the stream, lies behind no other that was seen."""
        time = next((one.created_at for one in records if one.created_at is not None), None)
        return not isinstance(time, datetime) or self._leads_to([time], backwards=backwards)

    def _leads_to(self, times: Sequence[datetime], *, backwards: bool) -> bool:
        """Return whether these times follow, in order."""
        in_order = le if backwards else ge
        follows = self.moment is None or in_order(self.moment, times[0])
        return follows and all(map(in_order, times, times[1:]))

    def onward(
        self, query: Query, lo: int | None = None, hi: int | None = None
    ) -> tuple[Query, str | None] | None:
        """Choose what to ask for to go on, newest first; some of it is to be left out, since it was seen.

        Args:
            query: The list's.
            lo: A bound that it has besides, as for ``Query.narrowed``.
            hi: The other one.

        Returns:
            A query, and the id to start after, if any; None where neither is known.
        """
        if not self.is_known:
            return None
        if self.since is not None:
            return query.narrowed(lo, hi), self.since
        if self.second is None:
            return query, None
        if not query.is_narrowable:
            return None
        # The service may keep times finer than the whole seconds that it shows.
        after = self.second + 1
        return query.narrowed(lo, after if hi is None else min(hi, after)), None


def _joined(seen: frozenset[str] | None, records: Sequence[Any], most: int) -> frozenset[str] | None:
    if seen is None:
        return None
    seen = seen.union(one.id for one in records if has_id(one))
    return None if len(seen) > most else seen


BEGINNING: Final = Cursor()


@attrs.frozen
class WindowPosition:
    """Where reading stands in a window of ``created_at``, the records with ``lo <= created_at < hi``.

    Attributes:
        lo: In epoch seconds (UTC), as ``hi``; None: the user's own bound.
        cursor: Where its reader stands.
    """

    lo: int | None
    hi: int | None
    cursor: Cursor = BEGINNING

    def to_json(self) -> dict[str, Any]:
        """Write it."""
        bounds = {"lo": self.lo, "hi": self.hi, "disordered": not self.cursor.is_sorted}
        return {**bounds, **self.cursor.to_json()}


@attrs.frozen
class ConcurrentPosition:
    """Where several readers stand in a query: what remains of it, in windows, newest first."""

    windows: tuple[WindowPosition, ...]

    def to_json(self) -> dict[str, Any]:
        """Write it."""
        return {"pieces": [window.to_json() for window in self.windows]}


QueryPosition: TypeAlias = Cursor | ConcurrentPosition


@attrs.frozen
class MergedPosition:
    """Where reading stands in several queries that are merged.

    Attributes:
        parts: Where it stands in each.
        second: The ``created_at`` (epoch seconds, UTC) of the last record.
        seen: The ids handed over of that second, or of lists that are not sorted.
    """

    parts: tuple[QueryPosition, ...]
    second: int | None = None
    seen: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Write it."""
        parts = [part.to_json() for part in self.parts]
        return {"parts": parts, "second": self.second, "seen": sorted(self.seen)}


Position: TypeAlias = QueryPosition | MergedPosition


def start_position(after: str | None, queries: int) -> dict[str, Any]:
    """Write the position where each query starts after a record, or at its beginning."""
    cursor = Cursor(after).to_json()
    return cursor if queries == 1 else {"parts": [cursor] * queries}


def read_position(value: object, queries: int = 1) -> Position:
    """Read what ``to_json`` wrote, in this version or an earlier one; nothing is the beginning.

    Args:
        value: JSON.
        queries: How many queries it is of.

    Raises:
        InvalidRequestError: It is damaged.
    """
    if queries == 1:
        return _read_query(value)
    members = _checked(value, dict)
    parts = _checked(members.get("parts", [{}] * queries), list)
    if len(parts) != queries:
        raise damaged()
    seen = _texts(members.get("seen", []))
    return MergedPosition(tuple(map(_read_query, parts)), _optional(members, "second", int), seen)


def _read_query(value: object) -> QueryPosition:
    members = _checked(value, dict)
    if "pieces" in members:
        return ConcurrentPosition(tuple(map(_read_window, _checked(members["pieces"], list))))
    if members.keys() - {"after", "second", "seen", "since"}:
        raise damaged()
    return _read_cursor(members)


def _read_window(value: object) -> WindowPosition:
    members = _checked(value, dict)
    if not {"lo", "hi", "disordered"} <= members.keys():
        raise damaged()
    # Earlier versions had two cursors, one of them for what was handed over in part.
    after = _optional(members, "after", str) or _optional(members, "cursor", str) or None
    cursor = _read_cursor({**members, "after": after}, is_sorted=not _optional(members, "disordered", bool))
    return WindowPosition(_optional(members, "lo", int), _optional(members, "hi", int), cursor)


def _read_cursor(members: dict[str, Any], *, is_sorted: bool = True) -> Cursor:
    after, since = _optional(members, "after", str), _optional(members, "since", str)
    second, seen = _optional(members, "second", int), members.get("seen")
    if seen is None:  # as in earlier versions
        return Cursor(after, since=after, is_sorted=is_sorted)
    cursor = Cursor(after, second, _texts(seen), since, is_sorted)
    try:
        _ = cursor.moment
    except (ValueError, OverflowError, OSError):
        raise damaged() from None
    return cursor


def _checked(value: object, kind: type[_Value]) -> _Value:
    if type(value) is not kind:
        raise damaged()
    return value


def _optional(members: dict[str, Any], name: str, kind: type[_Value]) -> _Value | None:
    member = members.get(name)
    return None if member is None else _checked(member, kind)


def _texts(value: object) -> frozenset[str]:
    return frozenset([_checked(text, str) for text in _checked(value, list)])


def damaged() -> InvalidRequestError:
    """Make the error for a checkpoint whose position does not fit its list."""
    return InvalidRequestError("this checkpoint's position is damaged: start the list anew without it")
