"""What an incremental export remembers between its runs: the STATE file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.durable import write_text
from timezest_async.export.formats import Format
from timezest_async.export.writers.base import require
from timezest_async.models import SchedulingRequest

_VERSION: Final = 1

FINAL_STATUSES: Final = ("cancelled", "closed")
"""The statuses in which a request is taken to stay; any other, unknown ones too, is open."""

NEEDED: Final = ("id", "status", "created_at", "updated_at")
"""The columns without which an incremental export cannot tell what it has."""


@attrs.frozen
class Seen:
    """A request as it was read last.

    Attributes:
        status: Its status.
        created_at: Epoch seconds, UTC.
        updated_at: Epoch seconds, UTC, or None.
        exported: Whether the file has it: what does not match the filter is watched, too.
    """

    status: str
    created_at: int
    updated_at: int | None
    exported: bool = True

    @classmethod
    def of(cls, record: SchedulingRequest, *, exported: bool) -> Self:
        """Note a record."""
        updated_at = None if record.updated_at is None else int(record.updated_at.timestamp())
        return cls(str(record.status), int(record.created_at.timestamp()), updated_at, exported)

    @property
    def is_open(self) -> bool:
        """Whether it may still change."""
        return self.status not in FINAL_STATUSES

    def is_same(self, other: Seen) -> bool:
        """Tell whether nothing has changed between two readings."""
        return (self.updated_at, self.status) == (other.updated_at, other.status)


@attrs.frozen
class State:
    """The STATE file.

    Attributes:
        key: What is exported, and how; a run with another is refused.
        high_water: The latest ``created_at`` (epoch seconds, UTC) read, or None before the first run's end.
        length: The bytes of the file, where it is appended to.
        appending: Whether a run was adding to it, so that what is beyond ``length`` is that run's.
        seen: The requests that may change unnoticed by their time of creation, by id.
    """

    key: Mapping[str, Any]
    high_water: int | None = None
    length: int = 0
    appending: bool = False
    seen: Mapping[str, Seen] = attrs.field(factory=dict[str, Seen], repr=False)

    def save(self, path: Path) -> None:
        """Write it to its file, durably."""
        value = {
            "timezest_incremental": _VERSION,
            "key": self.key,
            "high_water": self.high_water,
            "length": self.length,
            "appending": self.appending,
            "seen": {name: attrs.astuple(one) for name, one in self.seen.items()},
        }
        write_text(path, json.dumps(value, separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read it from its file; None where there is no such file.

        Raises:
            ConfigurationError: The file is something else.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value.pop("timezest_incremental") == _VERSION:
                seen = {name: Seen(*one) for name, one in value.pop("seen").items()}
                return cls(**value, seen=seen)
        except FileNotFoundError:
            return None
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        raise ConfigurationError(
            f"{path} is not the state of an incremental export by this version: name another file, and "
            "the export begins anew"
        )


def read_back(path: Path, format: Format, table: str) -> Iterator[tuple[str, Seen]]:
    """Read from a finished file which requests it has, by id.

    Args:
        path: The file.
        format: Its format.
        table: The name of the table in a database.
    """
    query = f"SELECT {', '.join(NEEDED)} FROM {table}"  # noqa: S608 - constants
    match format:
        case Format.SQLITE:
            sqlite3 = require("sqlite3", "cli")
            with closing(sqlite3.connect(path)) as connection:
                yield from map(_from_row, connection.execute(query))
        case Format.DUCKDB:
            with closing(require("duckdb", "duckdb").connect(str(path), read_only=True)) as connection:
                cursor = connection.execute(query)
                while rows := cursor.fetchmany(10_000):
                    yield from map(_from_row, rows)
        case Format.CSV:
            with path.open(encoding="utf-8", newline="") as file:
                for cells in csv.DictReader(file):
                    yield _from_row([cells[name] for name in NEEDED])
        case _:
            with path.open("rb") as lines:
                for line in lines:
                    wire = json.loads(line)
                    yield wire["id"], Seen(wire["status"], wire["created_at"], wire.get("updated_at"))


def _from_row(row: Any) -> tuple[str, Seen]:
    request_id, status, created_at, updated_at = row
    return request_id, Seen(status, _epoch(created_at) or 0, _epoch(updated_at))


def _epoch(value: str | datetime | None) -> int | None:
    if not value:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value.replace(tzinfo=UTC)
    return int(moment.timestamp())
