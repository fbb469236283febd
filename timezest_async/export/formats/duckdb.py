"""DuckDB: nested columns as lists of structs, timestamps as UTC.

A batch goes in as one JSON text, which DuckDB itself takes apart: fast, and it needs no other library.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from timezest_async.export.formats.base import at, require
from timezest_async.export.formats.cells import Getter, bounded_getter, extra_json, text
from timezest_async.export.formats.columns import Column, Kind, Table
from timezest_async.export.formats.database import DatabaseReader, DatabaseWriter
from timezest_async.export.job_state import Place
from timezest_async.models import Record
from timezest_async.serialization.json_text import json_bytes, well_formed

_TYPES: Final = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.BOOLEAN: "BOOLEAN",
    # Without a time zone, in UTC: what has one can be read in Python only where pytz is installed.
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TEXTS: "VARCHAR[]",
    Kind.EXTRA: "JSON",
}

_TABLES: Final = "SELECT table_name FROM duckdb_tables()"
_COUNTED: Final = "counted"
"""Stands where other formats note a checksum."""

Rows = list[dict[str, Any]]


class DuckDBWriter(DatabaseWriter[Rows]):
    """Writes a DuckDB database."""

    sidecars: ClassVar[tuple[str, ...]] = (".wal",)
    names_of_tables = _TABLES

    def __init__(self, output: Path, path: str, table: Table) -> None:
        super().__init__(output, table)
        self._duckdb: Any = require("duckdb", "duckdb")
        self.errors: type[Exception] = self._duckdb.Error
        columns = table.columns
        self._getters = [(column.name, bounded_getter(column, path), _shower(column)) for column in columns]
        shape = json.dumps([{column.name: _json_shape(column.kind) for column in columns}])
        values = ", ".join(_from_json(column) for column in columns)
        self._insert = (
            f"INSERT INTO {table.name} SELECT {values} FROM "  # noqa: S608 - constants
            f"(SELECT unnest(from_json_strict(?::JSON, '{shape}')) AS item)"
        )

    def connect(self, path: Path) -> Any:
        """Open the database; DuckDB makes a commit durable by itself."""
        return self._duckdb.connect(str(path))

    def declare(self) -> str:
        """Make the table."""
        columns = ", ".join(f"{column.name} {_sql_type(column.kind)}" for column in self.table.columns)
        return f"CREATE TABLE {self.table.name} ({columns})"

    def encode(self, records: Sequence[Record]) -> Rows:
        """Make rows."""
        getters = self._getters
        return [{name: show(get(record)) for name, get, show in getters} for record in records]

    def insert(self, connection: Any, chunks: Sequence[Rows]) -> None:
        """Insert rows."""
        rows = [row for chunk in chunks for row in chunk]
        connection.execute(self._insert, [json_bytes(rows, escapes=False).decode()])

    def add(self, connection: Any, chunks: Sequence[Rows], place: Place) -> Place:
        """Insert rows and count them; DuckDB has checksums of its own."""
        self.insert(connection, chunks)
        return at(place, place.committed_size + sum(map(len, chunks)), _COUNTED)

    def check(self, connection: Any, place: Place) -> Place:
        """Compare the table's columns, and read all that is in it, which DuckDB has checksums of."""
        name = self.table.name
        found = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall()  # noqa: S608 - a constant
        if [column for column, _ in found] != [column.name for column in self.table.columns]:
            raise ValueError("its table is not the export's")
        [[count, _]] = connection.execute(f"SELECT count(*), bit_xor(hash({name})) FROM {name}").fetchall()  # noqa: S608 - constants
        if place.digest and count != place.committed_size:
            raise ValueError(f"it has {count:,} rows where {place.committed_size:,} were durable")
        return at(place, count, _COUNTED)

    def forget(self, connection: Any, chunks: Sequence[Rows]) -> None:
        """Delete the rows of the same ids; a key would cost more than it gives."""
        ids = [well_formed(row["id"]) for chunk in chunks for row in chunk]
        connection.execute(f"DELETE FROM {self.table.name} WHERE id IN (SELECT unnest(?))", [ids])  # noqa: S608 - a constant


class DuckDBReader(DatabaseReader):
    """Reads a DuckDB database."""

    names_of_tables = _TABLES

    def __init__(self, source: Path) -> None:
        super().__init__(source)
        self._duckdb: Any = require("duckdb", "duckdb")
        self.damage = (*self.damage, self._duckdb.Error)

    @contextmanager
    def connected(self, *, writable: bool) -> Generator[Any]:
        """Open the database; there has to be one."""
        if not self.source.exists():
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(self.source))
        with self._duckdb.connect(str(self.source), read_only=not writable) as connection:
            yield connection

    def checksum(self, columns: Sequence[str], length: int) -> str:  # noqa: ARG002 - of other files
        """Let DuckDB hash all rows, in a way of each of its versions."""
        with self.opened(columns) as (connection, table):
            select = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - our names
            query = f"SELECT count(*), bit_xor(hash(item)) FROM ({select}) AS item"  # noqa: S608 - as above
            [[count, total]] = connection.execute(query).fetchall()
        return f"{self._duckdb.__version__}:{count}:{total or 0:x}"


def _sql_type(kind: Kind) -> str:
    if kind.members:
        members = ", ".join(f"{name} VARCHAR" for name in kind.members)
        return f"STRUCT({members}, extra JSON)[]"
    return _TYPES[kind]


def _json_shape(kind: Kind) -> Any:
    if kind.members:
        return [{**dict.fromkeys(kind.members, "VARCHAR"), "extra": "JSON"}]
    return {Kind.TIMESTAMP: "BIGINT", Kind.TEXTS: ["VARCHAR"]}.get(kind, _TYPES[kind])


def _from_json(column: Column) -> str:
    value = f"item.{column.name}"
    return f"epoch_ms({value} * 1000)" if column.kind is Kind.TIMESTAMP else value


def _shower(column: Column) -> Getter:
    if members := column.kind.members:
        return lambda values: [_item(value, members) for value in values]
    return {Kind.TEXT: text, Kind.TIMESTAMP: _epoch, Kind.EXTRA: _extra}.get(column.kind, _same)


def _item(value: Record, members: Sequence[str]) -> dict[str, Any]:
    item: dict[str, Any] = {name: text(getattr(value, name)) for name in members}
    return item | {"extra": _extra(value.extra)}


def _extra(value: Mapping[str, Any]) -> msgspec.Raw | None:
    # DuckDB refuses JSON text with the escape of a lone surrogate.
    return msgspec.Raw(extra_json(value, escapes=False)) if value else None


def _epoch(value: Any) -> int | None:
    return None if value is None else int(value.timestamp())


def _same(value: Any) -> Any:
    return value
