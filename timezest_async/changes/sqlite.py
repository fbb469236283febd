"""The state of a watch in an SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from timezest_async.changes.change import ChangeKind, Wire
from timezest_async.changes.store import Event, Memory, Update
from timezest_async.errors import ConfigurationError
from timezest_async.sqlite_files import SQLiteFile

KEEP: Final = timedelta(days=30)
"""How long events are kept that every consumer has acknowledged."""
_APPLICATION_ID: Final = 0x545A5731
_TABLES: Final = (
    "CREATE TABLE look (version INTEGER NOT NULL, notes TEXT NOT NULL)",
    "INSERT INTO look VALUES (0, '{}')",
    "CREATE TABLE request (id TEXT PRIMARY KEY, watched INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX watched ON request (id) WHERE watched",
    """CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, before TEXT, after TEXT,
        seen_at REAL NOT NULL
    )""",
    "CREATE TABLE cursor (consumer TEXT PRIMARY KEY, acknowledged INTEGER NOT NULL) WITHOUT ROWID",
)
_PENDING: Final = (
    "SELECT seq, kind, before, after, seen_at FROM event"
    " WHERE seq > coalesce((SELECT acknowledged FROM cursor WHERE consumer = ?), 0) ORDER BY seq LIMIT ?"
)
_HISTORY: Final = "SELECT seq, kind, before, after, seen_at FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
_NEWEST: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)"
_ACKNOWLEDGE: Final = (
    "INSERT INTO cursor VALUES (?, ?)"
    " ON CONFLICT (consumer) DO UPDATE SET acknowledged = max(acknowledged, excluded.acknowledged)"
)
_PRUNE: Final = "DELETE FROM event WHERE seen_at < ? AND seq <= (SELECT min(acknowledged) FROM cursor)"
_KEEP: Final = "INSERT OR REPLACE INTO request VALUES (?, ?, ?)"
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class SQLiteChangeStore:
    """Keeps the state of a watch in an SQLite file, for any number of processes of one host.

    One thread of its own does the work, so that no wait for the disk is the event loop's.

    Args:
        path: The file, readable by its owner alone; made where it is absent.

    Raises:
        ConfigurationError: ``path`` is not a path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]  # for users without a checker
            raise ConfigurationError(f"state is {path!r:.60}: give the path of a file, or a ChangeStore.")
        # Customers' names and booking links are nobody else's.
        self._file = SQLiteFile(
            os.fspath(path), "the state of a watch", _APPLICATION_ID, _TABLES, is_private=True
        )

    def __repr__(self) -> str:
        return f"SQLiteChangeStore({self._file.path!r})"

    async def recall(self, version: int) -> Memory | None:
        """Return what is remembered; None where its version still is this one."""

        def read(connection: sqlite3.Connection) -> Memory | None:
            run = connection.execute
            now, notes = run("SELECT version, notes FROM look").fetchone()
            if now == version:
                return None
            rows = run("SELECT id, body FROM request WHERE watched")
            watched = {name: json.loads(body) for name, body in rows}
            count = run("SELECT count(*) FROM request").fetchone()[0]
            return Memory(now, json.loads(notes), watched, count)

        return await self._file.run(read, durable=False)

    async def known(self, ids: Collection[str] | None) -> Mapping[str, Wire]:
        """Return the requests of these ids, as far as there are any; None asks for all."""

        def read(connection: sqlite3.Connection) -> dict[str, Wire]:
            run = connection.execute
            if ids is None:
                rows = run("SELECT id, body FROM request").fetchall()
            else:
                wanted = json.dumps(list(ids))
                query = "SELECT id, body FROM request WHERE id IN (SELECT value FROM json_each(?))"
                rows = run(query, (wanted,)).fetchall()
            return {name: json.loads(body) for name, body in rows}

        return await self._file.run(read, durable=False)

    async def commit(self, version: int, update: Update) -> bool:
        """Take in a look, all of it in one transaction, and number its events; see ``ChangeStore``."""

        def write(connection: sqlite3.Connection) -> bool:
            run = connection.execute
            if run("SELECT version FROM look").fetchone()[0] != version:
                return False
            run("UPDATE look SET version = version + 1, notes = ?", (_encode(update.notes),))
            for is_watched, requests in ((1, update.watched), (0, update.settled)):
                rows = ((name, is_watched, _encode(body)) for name, body in requests.items())
                connection.executemany(_KEEP, rows)
            connection.executemany("DELETE FROM request WHERE id = ?", ((name,) for name in update.vanished))
            connection.executemany(
                "INSERT INTO event (kind, before, after, seen_at) VALUES (?, ?, ?, ?)",
                map(_row, update.events),
            )
            if update.events:
                run(_PRUNE, ((update.events[-1].seen_at - KEEP).timestamp(),))
            return True

        return await self._file.run(write)

    async def pending(self, consumer: str, most: int) -> Sequence[Event]:
        """Return the oldest events that a consumer has not acknowledged; a new one has acknowledged none."""

        def read(connection: sqlite3.Connection) -> list[Event]:
            return [_event(*row) for row in connection.execute(_PENDING, (consumer, most))]

        return await self._file.run(read, durable=False)

    async def history(self, after: int, most: int) -> Sequence[Event] | None:
        """Return the oldest events after a number, acknowledged or not; see ``Watch.history``."""

        def read(connection: sqlite3.Connection) -> list[Event] | None:
            rows = connection.execute(_HISTORY, (after, most)).fetchall()
            # A commit that fails takes its numbers back, so none is left out.
            is_whole = rows[0][0] == after + 1 if rows else _newest(connection) == after
            return [_event(*row) for row in rows] if is_whole else None

        return await self._file.run(read, durable=False)

    async def newest(self) -> int:
        """Return the number of the newest event there has been."""
        return await self._file.run(_newest, durable=False)

    async def acknowledge(self, consumer: str, seq: int) -> None:
        """Note that a consumer is done with an event and all before it; never goes back.

        A power cut may undo it, and the event is told again.
        """
        await self._file.run(
            lambda connection: connection.execute(_ACKNOWLEDGE, (consumer, seq)), durable=False
        )

    async def close(self) -> None:
        """Close the file and end the thread; asking again opens it again."""
        await self._file.close()


def _newest(connection: sqlite3.Connection) -> int:
    newest: int = connection.execute(_NEWEST).fetchone()[0]
    return newest


def _row(event: Event) -> tuple[Any, ...]:
    before, after = (None if one is None else _encode(one) for one in (event.before, event.after))
    return event.kind.value, before, after, event.seen_at.timestamp()


def _event(seq: int, kind: str, before: str | None, after: str | None, seen_at: float) -> Event:
    was, now = (None if text is None else cast("Wire", json.loads(text)) for text in (before, after))
    return Event(ChangeKind(kind), was, now, datetime.fromtimestamp(seen_at, UTC), seq)
