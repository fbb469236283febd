"""A journal for one process, which is lost with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from timezest_async.closing import Closing
from timezest_async.idempotency.entries import Entry, EntryJournal, Table
from timezest_async.idempotency.journal import DEFAULT_KEEP, DEFAULT_LEASE

T = TypeVar("T")


class _Entries:
    """A table in memory."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self._entries: dict[str, Entry] = {}
        self._owners: dict[str, str] = {}

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def put(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry
        if entry.own and entry.request_id is not None:
            self._owners[entry.request_id] = name

    def delete(self, name: str) -> None:
        entry = self._entries.pop(name)
        if entry.own and entry.request_id is not None:
            del self._owners[entry.request_id]

    def owner(self, request_id: str) -> str | None:
        return self._owners.get(request_id)

    def prune(self, before: float) -> None:
        old = [
            name
            for name, entry in self._entries.items()
            if entry.changed_at < before and (entry.request_id is not None or entry.sent_at is None)
        ]
        for name in old:
            self.delete(name)


class MemoryJournal(EntryJournal, Closing):
    """Keeps intents in memory: for tests, and for tasks of one process that must not create twice.

    What it holds is lost with the process, and a create that is repeated afterwards happens again.

    Args:
        lease: Seconds for which a worker holds a key without renewing that.
        keep: Seconds for which it is remembered what is done.
        clock: Returns seconds that never go backwards.
    """

    def __init__(
        self,
        *,
        lease: float = DEFAULT_LEASE,
        keep: float = DEFAULT_KEEP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(lease, keep)
        self._table = _Entries(clock)

    async def close(self) -> None:
        """Do nothing: what it holds stays as long as the journal itself."""

    async def _apply(self, work: Callable[[Table], T]) -> T:
        return work(self._table)
