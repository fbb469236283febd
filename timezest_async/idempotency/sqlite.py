"""A journal for the processes of one host: an SQLite file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

from timezest_async.errors import ConfigurationError, ConnectionFailedError
from timezest_async.idempotency.entries import Entry, EntryJournal, Table
from timezest_async.idempotency.journal import DEFAULT_KEEP, DEFAULT_LEASE

T = TypeVar("T")

_APPLICATION_ID: Final = 0x545A4931
_PATIENCE: Final = 10.0
"""Seconds for which another process may write before it is asked in vain."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS intent (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    token TEXT NOT NULL,
    held_until REAL NOT NULL,
    sent_at REAL,
    settles_at REAL NOT NULL,
    request_id TEXT,
    own INTEGER NOT NULL,
    changed_at REAL NOT NULL
) WITHOUT ROWID
"""
_OWNERS: Final = "CREATE UNIQUE INDEX IF NOT EXISTS owner ON intent (request_id) WHERE own"
_AGES: Final = "CREATE INDEX IF NOT EXISTS age ON intent (changed_at)"
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


class _Database:
    """The file at ``path``, opened when it is first needed; to be used from one thread."""

    def __init__(self, path: str, clock: Callable[[], float] | None) -> None:
        self.path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def run(self, work: Callable[[Table], T]) -> T:
        """Do some work in a transaction.

        Raises:
            ConfigurationError: The file is no journal, or cannot be opened.
            ConnectionFailedError: The file cannot be written now.
        """
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(_Rows(connection, self._clock))
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            reason = f"The journal {self.path!r} cannot be written: {error}."
        else:
            return result
        raise ConnectionFailedError(reason, never_sent=True)

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False
            )
        except sqlite3.OperationalError as error:
            raise ConfigurationError(f"{self.path} cannot be opened as a journal: {error}.") from None
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            if type(error) is sqlite3.DatabaseError:
                raise ConfigurationError(
                    f"{self.path} is not a journal of intents: name a file that does not exist yet."
                ) from None
            raise
        return connection

    @staticmethod
    def _prepare(connection: sqlite3.Connection) -> None:
        run = connection.execute
        _check(connection)
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                run("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                # SQLite does not wait here for another process that does the same.
                if time.monotonic() > patience:
                    raise
                time.sleep(0.005)
        # A power cut must not lose the mark of a create that was sent.
        run("PRAGMA synchronous = FULL")
        run("BEGIN IMMEDIATE")
        if not _check(connection):
            run(f"PRAGMA application_id = {_APPLICATION_ID}")
            for statement in (_SCHEMA, _OWNERS, _AGES):
                run(statement)
        run("COMMIT")


def _check(connection: sqlite3.Connection) -> bool:
    """Return whether the database has its tables; of something else nothing is to be changed.

    Raises:
        sqlite3.DatabaseError: It is something else.
    """
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise sqlite3.DatabaseError
    return bool(tables)


def _end(executor: ThreadPoolExecutor, database: _Database) -> None:
    """Close the file and end the thread; for the end of a journal that nobody closed."""
    executor.submit(database.close)
    executor.shutdown(wait=False)


class SQLiteJournal(EntryJournal):
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
        self._database = _Database(os.fspath(path), clock)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="timezest_async-journal")
        self._finalizer = weakref.finalize(self, _end, self._executor, self._database)
        self._finalizer.atexit = False  # the file needs no farewell

    def __repr__(self) -> str:
        return f"SQLiteJournal({self._database.path!r})"

    async def close(self) -> None:
        """Close the file; asking again opens it again."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._database.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _apply(self, work: Callable[[Table], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._database.run, work)
