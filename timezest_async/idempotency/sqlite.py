"""A journal for the processes of one host: an SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

from timezest_async.closing import Closing
from timezest_async.errors import ConfigurationError
from timezest_async.idempotency.entries import Entry, EntryJournal, Table
from timezest_async.idempotency.journal import DEFAULT_KEEP, DEFAULT_LEASE
from timezest_async.sqlite_files import SQLiteFile

T = TypeVar("T")

_APPLICATION_ID: Final = 0x545A4931
_TABLES: Final = (
    """CREATE TABLE intent (
        name TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        token TEXT NOT NULL,
        held_until REAL NOT NULL,
        sent_at REAL,
        settles_at REAL NOT NULL,
        request_id TEXT,
        own INTEGER NOT NULL,
        changed_at REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX owner ON intent (request_id) WHERE own",
    "CREATE INDEX age ON intent (changed_at)",
)
_NOW: Final = "SELECT (julianday('now') - 2440587.5) * 86400.0"
"""Epoch seconds, to the millisecond."""
_READ: Final = (
    "SELECT digest, token, held_until, sent_at, settles_at, request_id, own, changed_at FROM intent"
    " WHERE name = ?"
)
_WRITE: Final = "INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PRUNE: Final = "DELETE FROM intent WHERE changed_at < ? AND (request_id IS NOT NULL OR sent_at IS NULL)"


class _Rows:
    """The table of a database, within a transaction."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] | None) -> None:
        self._run = connection.execute
        self._clock = clock

    def now(self) -> float:
        return float(self._run(_NOW).fetchone()[0]) if self._clock is None else self._clock()

    def get(self, name: str) -> Entry | None:
        row = self._run(_READ, (name,)).fetchone()
        if row is None:
            return None
        digest, token, held_until, sent_at, settles_at, request_id, own, changed_at = row
        return Entry(digest, token, held_until, sent_at, settles_at, request_id, bool(own), changed_at)

    def put(self, name: str, entry: Entry) -> None:
        self._run(
            _WRITE,
            (
                name,
                entry.digest,
                entry.token,
                entry.held_until,
                entry.sent_at,
                entry.settles_at,
                entry.request_id,
                entry.own,
                entry.changed_at,
            ),
        )

    def delete(self, name: str) -> None:
        self._run("DELETE FROM intent WHERE name = ?", (name,))

    def owner(self, request_id: str) -> str | None:
        row = self._run("SELECT name FROM intent WHERE request_id = ? AND own", (request_id,)).fetchone()
        return None if row is None else str(row[0])

    def prune(self, before: float) -> None:
        self._run(_PRUNE, (before,))


class SQLiteJournal(EntryJournal, Closing):
    """Keeps intents in an SQLite file, for any number of processes of one host.

    What it has noted survives a kill of the process and a power cut. It may be used under several event
    loops, one after another; its one thread keeps the waiting for the disk off them.

    Args:
        path: The file; made where it is absent. It must lie on a disk of this host.
        lease: Seconds for which a worker holds a key without renewing that.
        keep: Seconds for which it is remembered what is done.
        clock: Returns seconds, the same for all processes; None for SQLite's own clock, which is the host's.

    Raises:
        ConfigurationError: An argument is unfit.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lease: float = DEFAULT_LEASE,
        keep: float = DEFAULT_KEEP,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(lease, keep)
        if not isinstance(path, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]  # for users without a checker
            raise ConfigurationError(f"path is {path!r:.60}: give the path of a file.")
        self._clock = clock
        self._file = SQLiteFile(os.fspath(path), "a journal", _APPLICATION_ID, _TABLES)

    def __repr__(self) -> str:
        return f"SQLiteJournal({self._file.path!r})"

    async def close(self) -> None:
        """Close the file; asking again opens it again."""
        await self._file.close()

    async def _apply(self, work: Callable[[Table], T]) -> T:
        # A power cut must not lose the mark of a create that was sent.
        return await self._file.run(lambda connection: work(_Rows(connection, self._clock)))
