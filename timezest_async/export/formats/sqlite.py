"""SQLite: flat columns, lists as JSON text, timestamps as ISO 8601 text in UTC."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Final

from timezest_async.export.formats.base import at
from timezest_async.export.formats.cells import FlatColumns, bounded_getter, fits
from timezest_async.export.formats.columns import Kind, Table
from timezest_async.export.formats.database import DatabaseReader, DatabaseWriter
from timezest_async.export.job_state import Place
from timezest_async.models import Record
from timezest_async.serialization.json_text import well_formed

_INTEGERS: Final = {Kind.INTEGER, Kind.BOOLEAN}

_TABLES: Final = "SELECT name FROM sqlite_master"
_MODULUS: Final = 1 << 128
_MANY: Final = 2_000

Rows = list[tuple[Any, ...]]


class SQLiteWriter(DatabaseWriter[Rows]):
    """Writes an SQLite database."""

    sidecars: ClassVar[tuple[str, ...]] = ("-journal", "-wal", "-shm")
    names_of_tables = _TABLES
    errors: type[Exception] = sqlite3.Error

    def __init__(self, output: Path, path: str, table: Table) -> None:
        super().__init__(output, table)
        names = [column.name for column in table.columns]
        self._id = names.index("id") if "id" in names else None
        self._select = f"SELECT {', '.join(names)} FROM {table.name}"  # noqa: S608 - constants
        self._flat = FlatColumns(path, table, bounded_getter)
        self._insert = f"INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"

    def connect(self, path: Path) -> Any:
        """Open the database with a rollback journal, so that it is one file once it is closed."""
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:  # such as of a file that is damaged
            connection.close()
            raise
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
        self._put(connection, "INSERT OR REPLACE", [row for rows in chunks for row in rows])

    def _put(self, connection: Any, verb: str, rows: Rows) -> None:
        try:
            connection.executemany(f"{verb} {self._insert}", rows)
        except (UnicodeEncodeError, OverflowError):
            connection.executemany(f"{verb} {self._insert}", [tuple(map(_storable, row)) for row in rows])

    def add(self, connection: Any, chunks: Sequence[Rows], place: Place) -> Place:
        """Insert rows; a record that the list gives twice stands in the place of the earlier one."""
        rows = [row for rows in chunks for row in rows]
        gone: list[Any] = []
        connection.execute("SAVEPOINT batch")
        try:
            last = self._last(connection)
            self._put(connection, "INSERT", rows)
        except (sqlite3.IntegrityError, UnicodeEncodeError, OverflowError):
            connection.execute("ROLLBACK TO batch")
            for one in {_storable(row[self._id]) for row in rows} if self._id is not None else ():
                gone += connection.execute(f"{self._select} WHERE id = ?", [one]).fetchall()
                connection.execute(f"DELETE FROM {self.table.name} WHERE id = ?", [one])  # noqa: S608 - a constant
            last = self._last(connection)
            self._put(connection, "INSERT OR REPLACE", rows)
        connection.execute("RELEASE batch")
        added = connection.execute(f"{self._select} WHERE rowid > ?", [last]).fetchall()
        total = (int(place.digest or "0", 16) + _sum(added) - _sum(gone)) % _MODULUS
        return at(place, place.committed_size + len(added) - len(gone), f"{total:x}")

    def _last(self, connection: Any) -> int:
        [[last]] = connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {self.table.name}").fetchall()  # noqa: S608 - a constant
        return int(last)

    def check(self, connection: Any, place: Place) -> Place:
        """Compare the table's declaration, and each row by the sum of their checksums."""
        [[verdict]] = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if verdict != "ok":
            raise ValueError(verdict)
        query = "SELECT sql FROM sqlite_master WHERE name = ?"
        declared = connection.execute(query, [self.table.name]).fetchall()
        if declared != [(self.declare(),)]:
            raise ValueError("its table is not the export's")
        count, total = _count(connection.execute(self._select))
        if place.digest and (count, f"{total:x}") != (place.committed_size, place.digest):
            raise ValueError("its rows are not what was written")
        return at(place, count, f"{total:x}")


class SQLiteReader(DatabaseReader):
    """Reads an SQLite database."""

    names_of_tables = _TABLES
    damage: tuple[type[Exception], ...] = (*DatabaseReader.damage, sqlite3.Error)

    @contextmanager
    def connected(self, *, writable: bool) -> Generator[Any]:
        """Open the database, whole to its last page if it is to be written."""
        uri = f"{self.source.absolute().as_uri()}?mode={'rw' if writable else 'ro'}"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            if writable:
                [(page_size,)] = connection.execute("PRAGMA page_size")
                [(verdict,)] = connection.execute("PRAGMA quick_check(1)")
                if verdict != "ok" or self.source.stat().st_size % page_size:
                    raise ValueError("it is damaged" if verdict == "ok" else verdict)
            yield connection

    def checksum(self, columns: Sequence[str], length: int) -> str:  # noqa: ARG002 - of other files
        """Add up the checksums of all rows."""
        with self.opened(columns) as (connection, table):
            count, total = _count(connection.execute(f"SELECT {', '.join(columns)} FROM {table}"))  # noqa: S608 - our names
        return f"1:{count}:{total:x}"


def _count(cursor: sqlite3.Cursor) -> tuple[int, int]:
    """Count the rows that are left, and add up their checksums."""
    count = total = 0
    while rows := cursor.fetchmany(_MANY):
        count += len(rows)
        total = (total + _sum(rows)) % _MODULUS
    return count, total


def _sum(rows: Iterable[tuple[Any, ...]]) -> int:
    """Add up the checksums of rows as they were read, in whatever order."""
    return sum(
        int.from_bytes(blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=16).digest())
        for row in rows
    )


def _storable(value: Any) -> Any:
    """Make of a cell's value what SQLite takes: text in UTF-8, and a number of 64 bits."""
    if isinstance(value, str):
        return well_formed(value)
    return value if fits(value) else str(value)
