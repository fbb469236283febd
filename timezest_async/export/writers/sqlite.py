"""SQLite: flat columns, lists as JSON text, timestamps as ISO 8601 text in UTC."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from timezest_async.export.cells import FlatColumns, bounded_getter, fits
from timezest_async.export.columns import Kind, Table
from timezest_async.export.json_text import well_formed
from timezest_async.export.writers.database import DatabaseWriter
from timezest_async.models import Record

_INTEGERS: Final = {Kind.INTEGER, Kind.BOOLEAN}

Rows = list[tuple[Any, ...]]


class SQLiteWriter(DatabaseWriter[Rows]):
    """Writes an SQLite database."""

    sidecars: ClassVar[tuple[str, ...]] = ("-journal", "-wal", "-shm")
    names_of_tables = "SELECT name FROM sqlite_master"
    errors: type[Exception] = sqlite3.Error

    def __init__(self, output: Path, path: str, table: Table) -> None:
        super().__init__(output, table)
        self._flat = FlatColumns(path, table, bounded_getter)
        self._insert = f"INSERT OR REPLACE INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608 - constants

    def connect(self, path: Path) -> Any:
        """Open the database with a rollback journal, so that it is one file once it is closed."""
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def declare(self) -> str:
        """Make the table, its key the id."""
        columns = ", ".join(
            f"{column.name} {'INTEGER' if column.kind in _INTEGERS else 'TEXT'}"
            f"{' PRIMARY KEY' if column.name == 'id' else ''}"
            for column in self.table.columns
        )
        return f"CREATE TABLE {self.table.name} ({columns})"

    def encode(self, records: Sequence[Record]) -> Rows:
        """Make rows."""
        return list(zip(*self._flat.columns(records), strict=True))

    def insert(self, connection: Any, chunks: Sequence[Rows]) -> None:
        """Insert rows, each in the place of one with its id."""
        try:
            connection.executemany(self._insert, (row for rows in chunks for row in rows))
        except (UnicodeEncodeError, OverflowError):
            connection.executemany(
                self._insert, (tuple(map(_storable, row)) for rows in chunks for row in rows)
            )


def _storable(value: Any) -> Any:
    """Make of a cell's value what SQLite takes: text in UTF-8, and a number of 64 bits."""
    if isinstance(value, str):
        return well_formed(value)
    return value if fits(value) else str(value)
