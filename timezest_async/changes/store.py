"""What is remembered from look to look, and what a store of it has to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import attrs

from timezest_async.changes.change import ChangeKind, Wire


@attrs.frozen
class Event:
    """A change as it is stored.

    Attributes:
        kind: What happened.
        before: The request before, or None.
        after: The request after, or None.
        seen_at: When it was seen (UTC).
        seq: Its number; the store gives it.
    """

    kind: ChangeKind
    before: Wire | None
    after: Wire | None
    seen_at: datetime
    seq: int = 0


@attrs.frozen
class Memory:
    """What a store has before a look.

    Attributes:
        version: How many looks it has taken in; 0 before the first one.
        notes: What the engine noted, as JSON.
        watched: The requests that are followed, by id.
        count: How many requests it knows, those that are settled too.
    """

    version: int
    notes: Mapping[str, Any]
    watched: Mapping[str, Wire]
    count: int


@attrs.frozen
class Update:
    """What a look has found.

    Attributes:
        notes: What to note.
        watched: Requests that are followed and are new or differ, by id.
        settled: Those that are not followed, or no longer, and are new or differ.
        vanished: The ids of those that are there no longer.
        events: What to tell the consumers, in this order.
    """

    notes: Mapping[str, Any]
    watched: Mapping[str, Wire]
    settled: Mapping[str, Wire]
    vanished: Collection[str]
    events: Sequence[Event]


class ChangeStore(Protocol):
    """Keeps what was seen, the events, and how far each consumer has acknowledged them.

    ``SQLiteChangeStore`` is one; another kind of database needs these six methods. Nothing of what one
    ``commit`` is given may be kept without the rest of it. Two more, ``history(after, most)`` and
    ``newest()``, as ``Watch`` has them, are for those who listen without acknowledging, and may be missing.
    """

    async def recall(self, version: int) -> Memory | None:
        """Return what is remembered; None where its version still is this one."""
        ...

    async def known(self, ids: Collection[str] | None) -> Mapping[str, Wire]:
        """Return the requests of these ids, as far as there are any; None asks for all."""
        ...

    async def commit(self, version: int, update: Update) -> bool:
        """Take in a look, all of it in one transaction, and number its events.

        Args:
            version: The version that the look began with.
            update: What it found.

        Returns:
            False, with nothing done, where another look was taken in meanwhile.
        """
        ...

    async def pending(self, consumer: str, most: int) -> Sequence[Event]:
        """Return the oldest events that a consumer has not acknowledged; a new one has acknowledged none."""
        ...

    async def acknowledge(self, consumer: str, seq: int) -> None:
        """Note that a consumer is done with an event and all before it; never goes back."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
