"""Exported files as records again: JSON lines, CSV, Parquet, SQLite and DuckDB, one record at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO, cast

from timezest_async.errors import ConfigurationError
from timezest_async.export.formats.columns import TABLES, Kind
from timezest_async.export.formats.selection import Compression, Format, choose_format
from timezest_async.export.formats.spreadsheets import csv_rows, restored
from timezest_async.models import SchedulingRequest
from timezest_async.serialization.converter import StructureError, structure

Wire = dict[str, Any]

_KINDS: Final[Mapping[str, Kind]] = {
    column.name: column.kind for table in TABLES.values() for column in table.columns if not column.is_derived
}
_ARRAYS: Final = ("associated_entities", "resources", "scheduled_agents")
_MAGIC: Final = {Compression.GZIP: b"\x1f\x8b", Compression.ZSTD: b"\x28\xb5\x2f\xfd"}
"""What files begin with: RFC 1952, 2.3.1, and RFC 8878, 3.1.1."""
_BATCH: Final = 1_000
_CHUNK: Final = 1 << 16


def read_requests(path: Path) -> Iterator[SchedulingRequest]:
    """Read the scheduling requests of an exported file.

    Args:
        path: The file; its ending tells its format, as in ``timezest export``. Fields that were left out of
            the export are absent, but ``id``, ``status`` and ``created_at`` are needed.

    Raises:
        ConfigurationError: It cannot be read, or holds something else; says where.
    """
    for number, wire in enumerate(read_wire(path), 1):
        for name in _ARRAYS:
            if wire.get(name) is None:
                wire[name] = []
        try:
            yield structure(wire, SchedulingRequest)
        except StructureError as error:
            found = wire.get("object", "scheduling_request")
            if found == "scheduling_request":
                reason = f"is no scheduling request: {error} (id, status and created_at are needed)"
            else:
                reason = f"is of kind {found!r:.50}: such files are given by --names"
            raise ConfigurationError(f"{path}: record {number} {reason}") from None


def read_names(path: Path) -> dict[str, str]:
    """Read the names of an exported file of agents, teams, resources or appointment types, by id.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    names: dict[str, str] = {}
    for wire in read_wire(path):
        name = wire.get("external_name") or wire.get("internal_name") or wire.get("name")
        if isinstance(name, str) and isinstance(key := wire.get("id"), str):
            names[key] = name
    return names


def read_wire(path: Path) -> Iterator[Wire]:
    """Read the records of an exported file, in the shape that the service sends.

    Raises:
        ConfigurationError: The file cannot be read; says where.
    """
    try:
        kind, compression = choose_format(path)
    except ConfigurationError:
        raise ConfigurationError(
            f"the format cannot be told from the name {path.name!r}: rename the file to end in .jsonl, .csv, "
            ".parquet, .sqlite or .duckdb"
        ) from None
    with _explained(path):
        if kind in _READERS:
            yield from _READERS[kind](path)
            return
        with _open_text(path, compression) as file:
            yield from _read_lines(file, path) if kind is Format.JSONL else _read_csv(file)


@contextmanager
def _explained(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from None
    except (EOFError, UnicodeDecodeError, ValueError, csv.Error, sqlite3.Error, zlib.error) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{path} is damaged, or no export of this format: {error}") from None


@contextmanager
def _open_text(path: Path, compression: Compression | None) -> Generator[TextIO]:
    with path.open("rb") as raw:
        # A compressed file may have any name (`timezest export --compress`), but it begins like no text.
        head = raw.peek(4)
        compression = next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), compression)
        stream: Any = raw
        if compression is Compression.GZIP:
            stream = gzip.GzipFile(fileobj=raw)
        elif compression is Compression.ZSTD:
            stream = io.BufferedReader(_ZstdFile(raw))
        with io.TextIOWrapper(stream, encoding="utf-8", newline="") as file:
            yield file


class _ZstdFile(io.RawIOBase):
    """Decompresses frame after frame; zstandard's own reader takes a frame that was cut short for whole."""

    def __init__(self, raw: BinaryIO) -> None:
        zstandard = _require("zstandard", "zstd")
        self._new_frame: Callable[[], Any] = zstandard.ZstdDecompressor().decompressobj
        self._error: type[Exception] = zstandard.ZstdError
        self._raw = raw
        self._frame: Any = None
        self._input = b""
        self._output = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._output:
            self._input = self._input or self._raw.read(_CHUNK)
            if not self._input:
                if self._frame is not None:
                    raise EOFError("it ends within a zstd frame")
                return 0
            self._frame = self._frame or self._new_frame()
            try:
                self._output = self._frame.decompress(self._input)
            except self._error as error:
                raise ValueError(str(error)) from None
            self._input = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        size = min(len(buffer), len(self._output))
        buffer[:size], self._output = self._output[:size], self._output[size:]
        return size


def _read_lines(file: TextIO, path: Path) -> Iterator[Wire]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            wire = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{path}: line {number} is not JSON: {error}") from None
        if not isinstance(wire, dict):
            raise ConfigurationError(f"{path}: line {number} is no JSON object: {line:.50}")
        yield wire


def _read_csv(file: TextIO) -> Iterator[Wire]:
    for row in csv_rows(file):
        yield _to_wire({name: restored(cell) for name, cell in row.items() if name and cell})


def _read_parquet(path: Path) -> Iterator[Wire]:
    parquet = _require("pyarrow.parquet", "parquet")
    for part in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        with parquet.ParquetFile(part) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from map(_to_wire, batch.to_pylist())


def _read_sqlite(path: Path) -> Iterator[Wire]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        yield from _read_table(connection, path, {name for (name,) in names})


def _read_duckdb(path: Path) -> Iterator[Wire]:
    duckdb = _require("duckdb", "duckdb")
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file", str(path))
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            names = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
            yield from _read_table(connection, path, {name for (name,) in names})
    except duckdb.Error as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


def _read_table(connection: Any, path: Path, names: set[str]) -> Iterator[Wire]:
    known = [table.name for table in TABLES.values() if table.name in names]
    if not known:
        raise ConfigurationError(f"{path} has no table of an export, such as scheduling_requests")
    cursor = connection.execute(f"SELECT * FROM {known[0]}")  # noqa: S608 - a constant of ours
    columns = [description[0] for description in cursor.description]
    while rows := cursor.fetchmany(_BATCH):
        for row in rows:
            yield _to_wire(dict(zip(columns, row, strict=True)))


_READERS: Final[Mapping[Format, Callable[[Path], Iterator[Wire]]]] = {
    Format.PARQUET: _read_parquet,
    Format.SQLITE: _read_sqlite,
    Format.DUCKDB: _read_duckdb,
}


def _to_wire(row: Mapping[str, Any]) -> Wire:
    """Bring columns back to the service's shape; a null is left out, since columns cannot tell the two."""
    wire: Wire = {}
    for name, value in row.items():
        kind = _KINDS.get(name)
        if value is None or kind is None:
            continue
        if kind is Kind.EXTRA:
            wire |= _object(value)
        elif kind.members:
            wire[name] = [_item(item) for item in _parsed(value)]
        elif kind is Kind.TEXTS:
            wire[name] = _parsed(value)
        elif kind is Kind.TIMESTAMP:
            wire[name] = _epoch(value)
        elif kind is Kind.INTEGER:
            wire[name] = int(value)
        else:
            wire[name] = value
    return wire


def _item(item: Mapping[str, Any]) -> Wire:
    members = {name: value for name, value in item.items() if value is not None and name != "extra"}
    return members | _object(item.get("extra") or {})


def _object(value: Any) -> Wire:
    parsed = _parsed(value)
    if not isinstance(parsed, dict):
        raise ValueError(f"a JSON object was expected, not {value!r:.50}")  # noqa: TRY004 - bad data, not a bug
    return cast("Wire", parsed)


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _epoch(value: Any) -> int:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _require(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        name = module.partition(".")[0]
        raise ConfigurationError(
            f"reading this file needs {name}: pip install 'timezest-async[{extra}]'"
        ) from None
