"""Reads every format back with a library that is not ours, as the service's records flattened."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import zoneinfo
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it has no type hints
import zstandard

from timezest_async.models import time_zones

TIMES = {"scheduled_at", "selected_start_time", "created_at", "updated_at"}
NESTED = {"associated_entities", "resources", "scheduled_agents"}
FIELDS = [
    "id",
    "object",
    "appointment_type_id",
    "end_user_email",
    "end_user_name",
    "associated_entities",
    "resources",
    "scheduled_agents",
    "scheduled_at",
    "scheduling_url",
    "selected_start_time",
    "selected_time_zone",
    "status",
    "created_at",
    "updated_at",
    "duration_mins",
    "earliest_date",
    "earliest_time",
    "latest_date",
    "latest_time",
    "guests_list",
    "time_zone",
    "local_start_time",
]
ZONES = zoneinfo.available_timezones()
ENDINGS = ["jsonl", "jsonl.gz", "ndjson.zst", "csv", "csv.gz", "csv.zst", "parquet", "sqlite", "duckdb"]


def read(path: Path) -> list[dict[str, Any]]:
    """Read a file by its ending; nested JSON text is parsed, since its members may stand in any order."""
    rows = _read(path)
    for row in rows:
        for name in (NESTED | {"guests_list"}) & row.keys():
            if isinstance(row[name], str) and row[name]:
                row[name] = json.loads(row[name])
    return rows


def _read(path: Path) -> list[dict[str, Any]]:
    endings = path.name.split(".")[1:]
    if endings[0] in {"jsonl", "ndjson"}:
        return [json.loads(line) for line in text_of(path).splitlines()]
    if endings[0] == "csv":
        return list(csv.DictReader(io.StringIO(text_of(path), newline="")))
    if endings[0] == "parquet":
        table: list[Any] = pq.read_table(path).to_pylist()
        return table
    return _database(path)


def names_in(folder: Path) -> list[str]:
    """List what a folder holds, so that a test can see that nothing was left behind."""
    return sorted(one.name for one in folder.iterdir())


def text_of(path: Path) -> str:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode()
    if path.suffix == ".zst":
        with zstandard.open(path, "rb") as file:
            return bytes(file.read()).decode()
    return path.read_bytes().decode()


def _database(path: Path) -> list[dict[str, Any]]:
    connect: Any = sqlite3.connect if path.suffix == ".sqlite" else duckdb.connect
    with closing(connect(str(path))) as connection:
        cursor = connection.execute("SELECT * FROM scheduling_requests ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def expected(records: Iterable[dict[str, Any]], path: Path) -> list[Any]:
    """Say what a file should hold of the service's records."""
    endings = path.name.split(".")[1:]
    if endings[0] in {"jsonl", "ndjson"}:
        return list(records)
    make = {"csv": _csv_row, "parquet": _parquet_row, "sqlite": _sqlite_row, "duckdb": _duckdb_row}[
        endings[0]
    ]
    return [make(record) for record in records]


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def _derived(record: dict[str, Any]) -> dict[str, Any]:
    name = record.get("selected_time_zone")
    zone = time_zones.RAILS_ZONES.get(name or "", name)
    start = record.get("selected_start_time")
    if zone is None or zone not in ZONES:
        return {"time_zone": None, "local_start_time": None}
    local = None if start is None else datetime.fromtimestamp(start, zoneinfo.ZoneInfo(zone)).isoformat()
    return {"time_zone": zone, "local_start_time": local}


def _extra(record: dict[str, Any], known: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in known}


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _items(values: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    known = ("type", "id", "number") if name == "associated_entities" else ("id", "type", "object", "name")
    return [
        {member: None if value.get(member) is None else str(value[member]) for member in known}
        | {"extra": compact(extra) if (extra := _extra(value, known)) else None}
        for value in values
    ]


def _typed_row(record: dict[str, Any], *, time: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    shown = {name: [] for name in (*NESTED, "guests_list")} | _shown(record) | _derived(record)
    for name in FIELDS:
        value = shown.get(name)
        if name in TIMES:
            value = None if value is None else time(value)
        elif name in NESTED:
            value = _items(value, name)
        row[name] = str(value) if name == "earliest_date" and value is not None else value
    extra = _extra(record, FIELDS)
    return row | {"extra": compact(extra) if extra else None}


def _parquet_row(record: dict[str, Any]) -> dict[str, Any]:
    return _typed_row(record, time=lambda seconds: datetime.fromtimestamp(seconds, UTC))


def _duckdb_row(record: dict[str, Any]) -> dict[str, Any]:
    return _typed_row(record, time=lambda seconds: datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None))


def _sqlite_row(record: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    shown = {name: [] for name in (*NESTED, "guests_list")} | _shown(record) | _derived(record)
    for name in FIELDS:
        value = shown.get(name)
        if name in TIMES and value is not None:
            value = datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # SQLite takes a number for a text column, and gives its digits.
        row[name] = str(value) if name == "earliest_date" and value is not None else value
    extra = _extra(record, FIELDS)
    return row | {"extra": compact(extra) if extra else None}


def _csv_row(record: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in _sqlite_row(record).items():
        text = "" if value is None else str(value)
        safe = f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
        row[name] = value if isinstance(value, list) else safe
    return row
