"""The records of a sandbox, in SQLite.

One row is one record: the JSON text that lists send, and beside it the columns that filters ask. A
page is therefore an index scan and a join of texts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from os import PathLike, fspath
from typing import Any, Final

from attrs import frozen

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox.filter_columns import COLUMNS, Json, column_values, storable
from timezest_async.sandbox.history import History
from timezest_async.sandbox.query import Condition

_APPLICATION_ID: Final = 0x545A5331
_SCHEMA: Final = f"""
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE record (
    seq INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at NUMERIC NOT NULL,
    deleted INTEGER NOT NULL,
    body TEXT NOT NULL,
    {", ".join(COLUMNS)},
    UNIQUE (id, entity)
);
CREATE INDEX newest_first ON record (entity, created_at, seq);
CREATE TABLE contact (
    entity_type TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT,
    email TEXT,
    PRIMARY KEY (entity_type, key)
) WITHOUT ROWID;
"""
_INSERT: Final = (
    f"INSERT INTO record (entity, id, created_at, deleted, body, {', '.join(COLUMNS)})"  # noqa: S608 - constants
    f" VALUES ({', '.join('?' * (5 + len(COLUMNS)))})"
)
_MEMBERS: Final = {"resource": "entity IN ('agent', 'team') AND NOT deleted"}
_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_EVERYTHING: Final = Condition("1", ())


@frozen
class Slice:
    """One page of a list, newest first.

    Attributes:
        bodies: The records as JSON texts.
        newer: The cursor for ``ending_before`` that gives the page before, or None at the start.
        older: The cursor for ``starting_after`` that gives the page after, or None at the end.
    """

    bodies: Sequence[str]
    newer: str | None
    older: str | None


class UnknownCursorError(LookupError):
    """No record has the id that a cursor names."""


class Store:
    """Records and the contacts of the PSA systems, in memory or in a file.

    Args:
        database: The path of an SQLite file, made where it is absent; None keeps all in memory.

    Raises:
        ConfigurationError: The file cannot be opened, or is not a sandbox's.
    """

    def __init__(self, database: str | PathLike[str] | None = None) -> None:
        path = ":memory:" if database is None else fspath(database)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise ConfigurationError(f"{path} cannot be opened as a database: {error}") from None
        self._aliases: dict[str, tuple[float, int]] = {}
        try:
            self._prepare()
        except sqlite3.DatabaseError:
            self.close()
            raise ConfigurationError(
                f"{database} is not a database of the sandbox: name a file that does not exist yet"
            ) from None

    def _prepare(self) -> None:
        run = self._connection.execute
        tables = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            # A write-ahead log, and no waiting for the disk: what must survive is a killed process.
            run("PRAGMA journal_mode = WAL")
            self._connection.executescript(_SCHEMA)
        elif run("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise sqlite3.DatabaseError
        run("PRAGMA synchronous = OFF")
        self._history = History(self._connection)
        self._connection.create_function("contains", 2, _contains, deterministic=True)

    def close(self) -> None:
        """Close the database; a file keeps what was stored."""
        self._connection.close()

    def add(self, records: Iterable[tuple[str, Json]], *, deleted: bool = False) -> int:
        """Store records, all or none.

        Args:
            records: Pairs of entity and complete record.
            deleted: Whether ``/resources`` leaves them out.

        Returns:
            How many were stored.

        Raises:
            ValueError: An id is stored already.
        """
        run = self._connection
        before = run.total_changes
        records = list(records)
        run.execute("BEGIN")
        try:
            run.executemany(_INSERT, (_row(entity, record, deleted=deleted) for entity, record in records))
        except sqlite3.IntegrityError:
            run.execute("ROLLBACK")
            raise ValueError("a record with this id is stored already: use update() to change it") from None
        except BaseException:
            run.execute("ROLLBACK")
            raise
        run.execute("COMMIT")
        stored = run.total_changes - before
        self._history.stored(records)
        return stored

    def replace(self, entity: str, record: Json) -> None:
        """Put a record in the place of the one that has its id."""
        assignments = ", ".join(f"{name} = ?" for name in ("created_at", "body", *COLUMNS))
        _, _, created_at, _, body, *values = _row(entity, record, deleted=False)
        self._history.ends(entity, record["id"])
        self._connection.execute(
            f"UPDATE record SET {assignments} WHERE entity = ? AND id = ?",  # noqa: S608 - constants
            (created_at, body, *values, entity, record["id"]),
        )
        self._history.stored([(entity, record)])

    def remove(self, entity: str, id: str) -> bool:
        """Take a record away; False where there was none."""
        position = self._position(entity, id)
        if position is None:
            return False
        # The real service goes on serving a reader whose cursor has gone; so does this one.
        self._aliases[id] = position
        self._history.ends(entity, id)
        self._connection.execute("DELETE FROM record WHERE entity = ? AND id = ?", (entity, id))
        return True

    def get(self, entity: str, id: str) -> str | None:
        """Return a record's JSON text, or None."""
        row = self._connection.execute(
            f"SELECT body FROM record WHERE id = ? AND {_members(entity)}",  # noqa: S608 - constants
            (storable(id),),
        ).fetchone()
        return None if row is None else str(row[0])

    def find_request(self, page: str) -> str | None:
        """Return the scheduling request whose ``scheduling_url`` ends so, as JSON text, or None.

        Args:
            page: The URL's path: letters, digits and ``/`` only.
        """
        row = self._connection.execute(
            "SELECT body FROM record WHERE entity = 'scheduling_request' AND instr(body, ?)"
            " AND json_extract(body, '$.scheduling_url') GLOB ?",
            (page, f"*{page}"),
        ).fetchone()
        return None if row is None else str(row[0])

    def count(self, entity: str) -> int:
        """Count the records of an entity."""
        query = f"SELECT count(*) FROM record WHERE {_members(entity)}"  # noqa: S608 - constants
        return int(self._connection.execute(query).fetchone()[0])

    def records(self, entity: str) -> Iterator[Json]:
        """Read all records of an entity, newest first."""
        query = (
            f"SELECT body FROM record WHERE {_members(entity)}"  # noqa: S608 - constants
            " ORDER BY created_at DESC, seq DESC"
        )
        with closing(self._connection.execute(query)) as rows:
            for (body,) in rows:
                yield json.loads(body)

    def page(
        self,
        entity: str,
        condition: Condition | None = None,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        size: int = 20,
        seconds_ago: float = 0.0,
    ) -> Slice:
        """Read one page.

        Args:
            entity: What to list; ``"resource"`` lists agents and the teams that are not deleted.
            condition: What the records must satisfy.
            starting_after: The id after which the page starts, towards older records.
            ending_before: The id before which the page ends; not together with ``starting_after``.
            size: How many records at most; a page of none still says where the next one starts.
            seconds_ago: How many seconds ago what is read was true.

        Raises:
            UnknownCursorError: No record has the id given.
        """
        condition = condition or _EVERYTHING
        cursor = starting_after if starting_after is not None else ending_before
        backwards = ending_before is not None
        position = (float("-inf"), 0) if cursor is None and backwards else (float("inf"), 0)
        if cursor is not None:
            found = self._position(entity, cursor)
            if found is None:
                raise UnknownCursorError(cursor)
            position = found
        table = self._history.table(seconds_ago)
        rows = self._rows(table, entity, condition, position, backwards=backwards, limit=size + 1)
        more = len(rows) > size
        del rows[size:]
        # Where nothing is shown, the way on is through an id that stands for the place reached.
        ahead = (rows[-1][1] if rows else self._alias(position)) if more else None
        behind = None
        if cursor is not None and rows:
            at = (rows[0][0], rows[0][3])
            if self._rows(table, entity, condition, at, backwards=not backwards, limit=1):
                behind = rows[0][1]
        bodies = [row[2] for row in rows]
        return Slice(bodies[::-1], ahead, behind) if backwards else Slice(bodies, behind, ahead)

    def _rows(
        self,
        table: str,
        entity: str,
        condition: Condition,
        position: tuple[float, int],
        *,
        backwards: bool,
        limit: int,
    ) -> list[tuple[float, str, str, int]]:
        sign, direction = (">", "ASC") if backwards else ("<", "DESC")
        query = (
            f"SELECT created_at, id, body, seq FROM {table}"  # noqa: S608 - the condition holds no values
            f" WHERE {_members(entity)} AND (created_at, seq) {sign} (?, ?) AND ({condition.sql})"
            f" ORDER BY created_at {direction}, seq {direction} LIMIT ?"
        )
        return self._connection.execute(query, (*position, *condition.parameters, limit)).fetchall()

    def _position(self, entity: str, id: str) -> tuple[float, int] | None:
        query = f"SELECT created_at, seq FROM record WHERE id = ? AND {_members(entity)}"  # noqa: S608 - constants
        row = self._connection.execute(query, (storable(id),)).fetchone()
        return self._aliases.get(id) if row is None else (row[0], row[1])

    def _alias(self, position: tuple[float, int]) -> str:
        alias = f"sreq_gone{len(self._aliases):018d}"
        self._aliases[alias] = position
        return alias

    def add_contact(self, entity_type: str, key: str, name: str | None, email: str | None) -> None:
        """Remember who stands behind an entity of a PSA system; see ``contact_key`` for the key."""
        self._connection.execute(
            "INSERT OR REPLACE INTO contact VALUES (?, ?, ?, ?)", (entity_type, key, name, email)
        )

    def add_contacts(self, contacts: Iterable[tuple[str, str, str | None, str | None]]) -> None:
        """Remember many contacts at once."""
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO contact VALUES (?, ?, ?, ?)", contacts)
        self._connection.execute("COMMIT")

    def contact(self, entity_type: str, key: str) -> tuple[str | None, str | None] | None:
        """Return name and e-mail of who stands behind an entity, or None where that is unknown."""
        row: tuple[str | None, str | None] | None = self._connection.execute(
            "SELECT name, email FROM contact WHERE entity_type = ? AND key = ?", (entity_type, storable(key))
        ).fetchone()
        return row


def contact_key(*, id: object = None, number: object = None) -> str:
    """Name an entity by its id or, for tickets, by its number, whose ``#`` is overlooked."""
    return f"id:{id}" if id is not None else f"number:{str(number).removeprefix('#')}"


def _members(entity: str) -> str:
    return _MEMBERS.get(entity, f"entity = '{entity}'")


def _row(entity: str, record: Json, *, deleted: bool) -> tuple[Any, ...]:
    created_at = record["created_at"]
    if isinstance(created_at, bool) or not isinstance(created_at, int | float):
        raise ValueError(f"created_at orders the lists: give epoch seconds, not {created_at!r}")  # noqa: TRY004 - a value out of JSON
    return (entity, record["id"], created_at, deleted, _encode(record), *column_values(entity, record))


def _contains(text: str | None, folded: str) -> bool | None:
    return None if text is None else folded in text.casefold()
