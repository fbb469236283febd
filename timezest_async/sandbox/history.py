"""What the records were a while ago, for lists that are behind: kept beside the database, in memory."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Final

from timezest_async.sandbox.filter_columns import Json

_SCHEMA: Final = """
CREATE TEMP TABLE since (entity TEXT, id TEXT, at REAL, PRIMARY KEY (entity, id)) WITHOUT ROWID;
CREATE TEMP TABLE past AS SELECT *, 0.0 AS since, 0.0 AS until FROM record LIMIT 0;
"""
_REPLACED: Final = """
INSERT INTO past SELECT record.*, coalesce(since.at, 0), ? FROM record LEFT JOIN since USING (entity, id)
WHERE record.entity = ? AND record.id = ?
"""


class History:
    """Remembers when records were stored, and what they were before, as long as the sandbox runs.

    Args:
        connection: The store's, with its table of records.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_SCHEMA)
        self._columns = ", ".join(row[1] for row in connection.execute("PRAGMA table_info(record)"))

    def stored(self, records: Iterable[tuple[str, Json]]) -> None:
        """Note that records are new, or newly changed."""
        at = time.monotonic()
        self._connection.executemany(
            "INSERT OR REPLACE INTO since VALUES (?, ?, ?)",
            ((entity, record["id"], at) for entity, record in records),
        )

    def ends(self, entity: str, id: str) -> None:
        """Note that a record is about to be changed or removed."""
        self._connection.execute(_REPLACED, (time.monotonic(), entity, id))

    def table(self, behind: float) -> str:
        """Return what to select from, in SQL, for the records as they were so many seconds ago."""
        if not behind:
            return "record"
        at = time.monotonic() - behind
        return (
            f"(SELECT {self._columns} FROM record WHERE NOT EXISTS (SELECT 1 FROM since"  # noqa: S608 - numbers
            f" WHERE since.entity = record.entity AND since.id = record.id AND since.at > {at!r})"
            f" UNION ALL SELECT {self._columns} FROM past WHERE since <= {at!r} AND until > {at!r}) AS record"
        )
