"""The steps of an intent over entries in a table, whether that lies in memory or in SQLite."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import attrs

from timezest_async.checks import check_seconds
from timezest_async.idempotency.journal import Intent

T = TypeVar("T")


@attrs.frozen
class Entry:
    """What is kept of a key; moments are seconds of the journal's clock.

    Attributes:
        digest: That of the arguments.
        token: Who holds the key; empty where nobody does.
        held_until: Until when.
        sent_at: When a create was first sent whose fate is unknown.
        settles_at: From when on none that was sent can happen.
        request_id: What was made, once that is known.
        own: Whether that was made for this key.
        changed_at: When the entry was last written.
    """

    digest: str
    token: str = ""
    held_until: float = -math.inf
    sent_at: float | None = None
    settles_at: float = -math.inf
    request_id: str | None = None
    own: bool = False
    changed_at: float = 0.0

    def is_held(self, now: float) -> bool:
        """Return whether anybody holds the key."""
        return bool(self.token) and now < self.held_until


class Table(Protocol):
    """Entries by the names of their keys, within one transaction."""

    def now(self) -> float:
        """Return the time, in seconds of the clock that all who share the journal go by."""
        ...

    def get(self, name: str) -> Entry | None:
        """Return a key's entry."""
        ...

    def put(self, name: str, entry: Entry) -> None:
        """Write a key's entry."""
        ...

    def delete(self, name: str) -> None:
        """Delete a key's entry."""
        ...

    def owner(self, request_id: str) -> str | None:
        """Return the name of the key that a request was made for."""
        ...

    def prune(self, before: float) -> None:
        """Delete what was last written before a moment and is done, or was never sent."""
        ...


class EntryJournal(abc.ABC):
    """A journal of entries in a table.

    Args:
        lease: Seconds for which a worker holds a key without renewing that.
        keep: Seconds for which it is remembered what is done.

    Attributes:
        lease: As given.

    Raises:
        ConfigurationError: An argument is unfit.
    """

    def __init__(self, lease: float, keep: float) -> None:
        self.lease: float = check_seconds("lease", lease)
        self._keep = check_seconds("keep", keep)
        self._prune_at = -math.inf

    @abc.abstractmethod
    async def _apply(self, work: Callable[[Table], T]) -> T:
        """Do some work on the table, all of it or nothing, with nobody else's in between."""

    async def claim(self, name: str, *, digest: str, token: str) -> Intent:
        """Hold a key; see ``IntentJournal``."""

        def work(table: Table) -> Intent:
            now = table.now()
            if now >= self._prune_at:
                table.prune(now - self._keep)
                self._prune_at = now + min(self._keep, 3600.0) / 10
            entry = table.get(name)
            if entry is None:
                entry = Entry(digest)
            elif entry.request_id is not None:
                return Intent(entry.digest, request_id=entry.request_id)
            elif entry.is_held(now) and entry.token != token:
                return Intent(entry.digest, retry_after=entry.held_until - now)
            elif entry.sent_at is None:
                entry = Entry(digest)
            elif entry.digest != digest:
                return Intent(entry.digest)
            entry = attrs.evolve(entry, token=token, held_until=now + self.lease, changed_at=now)
            table.put(name, entry)
            return Intent(
                entry.digest,
                held=True,
                sent_ago=None if entry.sent_at is None else max(0.0, now - entry.sent_at),
                settles_in=max(0.0, entry.settles_at - now),
            )

        return await self._apply(work)

    async def renew(self, name: str, token: str) -> bool:
        """Hold on; see ``IntentJournal``."""

        def work(table: Table) -> bool:
            entry, now = self._held(table, name, token), table.now()
            if entry is not None:
                table.put(
                    name,
                    attrs.evolve(entry, held_until=max(entry.held_until, now + self.lease), changed_at=now),
                )
            return entry is not None

        return await self._apply(work)

    async def mark_sending(self, name: str, token: str, *, answer_within: float, settle: float) -> bool:
        """Note that a create is about to be sent; see ``IntentJournal``."""

        def work(table: Table) -> bool:
            entry, now = self._held(table, name, token), table.now()
            if entry is None:
                return False
            is_first = entry.sent_at is None or entry.settles_at <= now
            table.put(
                name,
                attrs.evolve(
                    entry,
                    held_until=max(entry.held_until, now + answer_within + self.lease),
                    sent_at=now if is_first else entry.sent_at,
                    settles_at=max(entry.settles_at, now + answer_within + settle),
                    changed_at=now,
                ),
            )
            return True

        return await self._apply(work)

    async def finish(self, name: str, request_id: str, *, digest: str, own: bool) -> str | None:
        """Note what was made; see ``IntentJournal``."""

        def work(table: Table) -> str | None:
            entry = table.get(name) or Entry(digest)
            if entry.request_id is not None:
                return entry.request_id
            if own and table.owner(request_id) is not None:
                return None
            done = Entry(entry.digest, request_id=request_id, own=own, changed_at=table.now())
            table.put(name, done)
            return request_id

        return await self._apply(work)

    async def release(self, name: str, token: str, *, forget: bool) -> None:
        """Let go of a key; see ``IntentJournal``."""

        def work(table: Table) -> None:
            entry = self._held(table, name, token)
            if entry is None:
                return
            if forget:
                table.delete(name)
            else:
                table.put(name, attrs.evolve(entry, token="", changed_at=table.now()))

        await self._apply(work)

    async def taken(self, name: str, request_ids: Collection[str]) -> Collection[str]:
        """Return which requests belong to other keys; see ``IntentJournal``."""

        def work(table: Table) -> frozenset[str]:
            return frozenset(one for one in request_ids if table.owner(one) not in {None, name})

        return await self._apply(work)

    @staticmethod
    def _held(table: Table, name: str, token: str) -> Entry | None:
        """Return the entry that a token holds, be its lease over, as long as nobody else has claimed it."""
        entry = table.get(name)
        return entry if entry is not None and entry.token == token and entry.request_id is None else None
