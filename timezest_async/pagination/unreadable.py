"""Records that cannot be read: where they stand in a list, and what is done when their turn comes."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Final, Literal, cast

import attrs

from timezest_async.errors import InvalidRequestError, UnexpectedResponseError
from timezest_async.serialization.converter import structure
from timezest_async.serialization.readers import StructureError, UnreadableRecord

OnUnreadable = Literal["raise", "skip"] | Callable[[UnreadableRecord], object]
"""What to do with a record that cannot be read: raise, pass over it and log it, or pass over it and tell."""

_REMEMBERED: Final = 10_000
_CURSOR: Final = re.compile(r"[\x21-\x7e]+")
_numbers: Final = count()
_logger = logging.getLogger("timezest_async")


@attrs.frozen
class Placeholder:
    """What stands in a list where a record cannot be read.

    Attributes:
        record: What is there instead.
        error: What to raise for it.
        id: The record's own, else a text that no record has.
        has_id: Whether it is the record's own, and so a cursor.
        created_at: As the record says, where it does.
    """

    record: UnreadableRecord
    error: UnexpectedResponseError
    id: str
    has_id: bool
    created_at: datetime | None

    @classmethod
    def of(cls, record: UnreadableRecord, error: UnexpectedResponseError) -> Placeholder:
        """Make the placeholder that a record leaves."""
        found: Any = record.raw
        own = record.id or ""
        has_id = _CURSOR.fullmatch(own) is not None
        raw = cast("dict[str, Any]", found) if isinstance(found, dict) else dict[str, Any]()
        try:
            created_at = structure(raw.get("created_at"), datetime)
        except StructureError:
            created_at = None
        return cls(record, error, own if has_id else f"\0{next(_numbers)}", has_id, created_at)


def has_id(record: Any) -> bool:
    """Return whether a record has an id to go on after, as a placeholder may not."""
    return type(record) is not Placeholder or record.has_id


def next_placeholder(records: Sequence[Any], start: int = 0) -> int:
    """Find the first placeholder from ``start`` on; the number of records where there is none."""
    for place in range(start, len(records)):
        if type(records[place]) is Placeholder:
            return place
    return len(records)


class UnreadablePolicy:
    """What is done about the unreadable records of one reading of a list.

    Args:
        on_unreadable: What the user wants done.
        tell: Tells the hooks.
    """

    def __init__(self, on_unreadable: OnUnreadable, tell: Callable[[UnreadableRecord], None]) -> None:
        self._on_unreadable = on_unreadable
        self._tell = tell
        # The same record may come by several queries.
        self._passed: set[str] = set()

    @property
    def passes_over(self) -> bool:
        """Whether reading goes on after a placeholder."""
        return self._on_unreadable != "raise"

    def handle(self, placeholder: Placeholder) -> None:
        """Do what is wanted about a placeholder whose turn has come.

        Raises:
            UnexpectedResponseError: That is wanted.
        """
        if placeholder.id in self._passed:
            return
        self._tell(placeholder.record)
        if self._on_unreadable == "raise":
            raise placeholder.error
        if callable(self._on_unreadable):
            self._on_unreadable(placeholder.record)
        else:
            _logger.warning("A record that cannot be read was skipped: %s", placeholder.record.reason)
        if placeholder.has_id:
            if len(self._passed) >= _REMEMBERED:
                self._passed.clear()
            self._passed.add(placeholder.id)


def check_on_unreadable(choice: object) -> None:
    """Check what is to be done about records that cannot be read.

    Raises:
        InvalidRequestError: It is none of the choices.
    """
    if inspect.iscoroutinefunction(choice):
        raise InvalidRequestError("on_unreadable is a coroutine, which nobody would await: write 'def'")
    if choice not in {"raise", "skip"} if isinstance(choice, str) else not callable(choice):
        raise InvalidRequestError(
            f'on_unreadable takes "raise", "skip", or a function of an UnreadableRecord, not {choice!r:.100}'
        )
