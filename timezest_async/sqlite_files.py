"""SQLite files of ours: known by an application id, shared by the processes of a host, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from timezest_async.errors import ConfigurationError, ConnectionFailedError

T = TypeVar("T")

_PATIENCE: Final = 10.0
"""Seconds for which another process may write before it is asked in vain."""
_LASTING: Final = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""What SQLite says of a file that asking again will not mend."""


class SQLiteFile:
    """A database in a file, opened when it is first needed; one thread of its own waits for the disk.

    It may be used under several event loops, one after another.

    Args:
        path: The file; made where it is absent. It must lie on a disk of this host.
        purpose: What it is, for errors, such as ``"a journal"``.
        application_id: By which SQLite knows it from the files of others.
        tables: The statements that make its tables.
        is_private: Whether only its owner may read it.
    """

    def __init__(
        self, path: str, purpose: str, application_id: int, tables: Sequence[str], *, is_private: bool = False
    ) -> None:
        self.path = path
        self._database = _Database(path, purpose, application_id, tables, is_private=is_private)
        self._executor: ThreadPoolExecutor | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Do some work in a transaction, which is on the disk afterwards where it is to be durable.

        Raises:
            ConfigurationError: The file is something else, damaged or read-only, or cannot be opened.
            ConnectionFailedError: The file cannot be read or written now.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="timezest_async-sqlite")
            self._finalizer = weakref.finalize(self, _end, self._executor, self._database)
            self._finalizer.atexit = False  # the file needs no farewell
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: self._database.run(work, durable=durable))

    async def close(self) -> None:
        """Close the file and end the thread; asking again opens it again."""
        executor, self._executor = self._executor, None
        if executor is not None:
            if self._finalizer is not None:
                self._finalizer.detach()
            closing = asyncio.get_running_loop().run_in_executor(executor, self._database.close)
            executor.shutdown(wait=False)
            await closing


class _Database:
    """The connection; threads that follow one another take turns."""

    def __init__(
        self, path: str, purpose: str, application_id: int, tables: Sequence[str], *, is_private: bool
    ) -> None:
        self._path = path
        self._purpose = purpose
        self._application_id = application_id
        self._tables = tables
        self._is_private = is_private
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        try:
            with self._lock:
                connection = self._connection
                if connection is None:
                    connection = self._connection = self._open()
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    result = work(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
        except sqlite3.DatabaseError as error:
            reason = f"{self._path} cannot be read or written as {self._purpose}: {error}."
            is_lasting = getattr(error, "sqlite_errorcode", 0) & 0xFF in _LASTING
        else:
            return result
        if is_lasting:
            raise ConfigurationError(reason)
        raise ConnectionFailedError(reason, never_sent=True)

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            if not self._path:
                raise FileNotFoundError(
                    "its path is empty"
                )  # for SQLite, a file that is gone when it is closed
            if self._is_private:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False
            )
        except (OSError, ValueError, sqlite3.OperationalError) as error:
            name = self._path or "A file without a name"
            reason = f"{name} cannot be opened as {self._purpose}: {error}."
            raise ConfigurationError(reason) from None
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            if type(error) is sqlite3.DatabaseError:
                raise ConfigurationError(
                    f"{self._path} is not {self._purpose}: name a file that does not exist yet."
                ) from None
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        run = connection.execute
        self._has_tables(connection)
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
        run("BEGIN IMMEDIATE")
        if not self._has_tables(connection):
            run(f"PRAGMA application_id = {self._application_id}")
            for statement in self._tables:
                run(statement)
        run("COMMIT")

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        """Return whether the database has its tables; of something else nothing is to be changed.

        Raises:
            sqlite3.DatabaseError: It is something else.
        """
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and connection.execute("PRAGMA application_id").fetchone()[0] != self._application_id:
            raise sqlite3.DatabaseError
        return bool(tables)


def _end(executor: ThreadPoolExecutor, database: _Database) -> None:
    """Close the file and end the thread; for a file that nobody closed."""
    executor.submit(database.close)
    executor.shutdown(wait=False)
