"""JSON lines and CSV: files that a batch is appended to, plain or compressed.

A compressed batch is a gzip member or a zstd frame of its own. A file of several is a valid file by both
formats' documents (RFC 1952, 2.2; RFC 8878, 3.1), so that it can be cut after any batch.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

from timezest_async.export.checksums import Fingerprint
from timezest_async.export.formats.base import Reader, Wire, Writer, at, damaged, require
from timezest_async.export.formats.cells import FlatColumns, field_getter
from timezest_async.export.formats.columns import VANISHED_AT, Kind, Table, iso_text, to_wire
from timezest_async.export.formats.selection import Compression, Format, OutputOptions
from timezest_async.export.formats.spreadsheets import csv_rows, csv_text, escape_formula, unescape_formula
from timezest_async.export.job_state import Place
from timezest_async.export.output_files import AppendedFile
from timezest_async.models import Record, SchedulingRequest
from timezest_async.serialization.encoding import wire_lines
from timezest_async.serialization.json_text import json_bytes

Encoder = Callable[[Sequence[Record]], bytes]

_BOOLEANS: Final = {None: None, True: "true", False: "false"}
_GZIP_LEVEL: Final = 6
_MAGIC: Final = {Compression.GZIP: b"\x1f\x8b", Compression.ZSTD: b"\x28\xb5\x2f\xfd"}
"""What files begin with: RFC 1952, 2.3.1, and RFC 8878, 3.1.1."""
_CHUNK: Final = 1 << 16


def make_encoder(path: str, table: Table, options: OutputOptions) -> tuple[bytes, Encoder]:
    """Make what turns records into bytes.

    Returns:
        What the file begins with, and a function of records.
    """
    if options.format is Format.CSV:
        return _csv_encoder(path, table, raw=options.raw_csv)
    return b"", _jsonl_encoder(path, table, options)


def _jsonl_encoder(path: str, table: Table, options: OutputOptions) -> Encoder:
    if options.fields is None:
        return wire_lines
    columns = [column for column in table.columns if column != VANISHED_AT]
    names = [column.name for column in columns if column.kind is not Kind.EXTRA]
    derived = {column.name: field_getter(column, path) for column in columns if column.is_derived}
    with_extra = len(names) < len(columns)

    def select(record: Record) -> bytes:
        wire, extra = record.to_dict(), record.extra
        if derived:
            wire = {name: get(record) for name, get in derived.items()} | wire
        chosen = {name: wire[name] for name in names if name in wire and name not in extra}
        if with_extra:
            chosen |= {name: wire[name] for name in extra}
        return json_bytes(chosen) + b"\n"

    return lambda records: b"".join(map(select, records))


def _csv_encoder(path: str, table: Table, *, raw: bool) -> tuple[bytes, Encoder]:
    flat = FlatColumns(path, table, field_getter)
    kinds = [column.kind for column in table.columns]

    def encode(records: Sequence[Record]) -> bytes:
        columns: Iterable[Sequence[Any]] = flat.columns(records)
        columns = [_cells(values, kind, raw=raw) for values, kind in zip(columns, kinds, strict=True)]
        return csv_text(zip(*columns, strict=True)).encode()

    return csv_text([[column.name for column in table.columns]]).encode(), encode


def _cells(values: Sequence[Any], kind: Kind, *, raw: bool) -> Sequence[Any]:
    if kind is Kind.BOOLEAN:
        return [_BOOLEANS[value] for value in values]
    if kind is Kind.TEXT and not raw:
        return [escape_formula(value) if isinstance(value, str) else value for value in values]
    return values


def make_compressor(compression: Compression | None) -> Callable[[bytes], bytes] | None:
    """Make what compresses a batch by itself, if anything is to.

    Raises:
        ConfigurationError: zstandard is not installed.
    """
    if compression is Compression.ZSTD:
        zstandard = require("zstandard", "zstd")
        return lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data)
    if compression is Compression.GZIP:
        return lambda data: gzip.compress(data, _GZIP_LEVEL, mtime=0)
    return None


class TextWriter(Writer[bytes]):
    """Appends batches to a file."""

    encode_records: Encoder

    def __init__(self, output: Path, path: str, table: Table, options: OutputOptions) -> None:
        self._output = output
        self._head, self.encode_records = make_encoder(path, table, options)
        self._is_csv = options.format is Format.CSV
        self._compress = make_compressor(options.compression)
        self._file = AppendedFile(output)

    @property
    def whole(self) -> Path:
        """The file itself."""
        return self._output

    def create(self, place: Place) -> Place:
        """Start an empty file, with a CSV's header."""
        self._file.create()
        return self._append([self._head], place)

    def restore(self, place: Place) -> Place | None:
        """Cut the file to what is durable."""
        self._file.restore(Fingerprint(place.committed_size, place.digest))
        durable = self._file.fingerprint
        return at(place, durable.length, durable.digest)

    def encode(self, records: Sequence[Record]) -> bytes:
        """Make lines."""
        return self.encode_records(records)

    def commit(self, chunks: Sequence[bytes], place: Place) -> Place:
        """Append lines."""
        return self._append(chunks, place)

    def mark(self, records: Sequence[SchedulingRequest], moment: datetime, place: Place) -> Place:
        """Append what the file has of requests that are gone once more, and since when they are."""
        return self.commit([self._marked(records, moment)], place)

    def _marked(self, records: Sequence[SchedulingRequest], moment: datetime) -> bytes:
        spare = (self._head + self.encode(records)).decode()
        ids = {record.id for record in records}
        with self._output.open(encoding="utf-8", newline="") as file:
            sources = (io.StringIO(spare, newline=""), file)
            if self._is_csv:
                rows = {
                    str(row["id"]): {**row, VANISHED_AT.name: iso_text(moment)}
                    for row in chain.from_iterable(map(csv_rows, sources))
                    if unescape_formula(row["id"]) in ids
                }
                return csv_text([list(row.values()) for row in rows.values()]).encode()
            lines = {
                wire["id"]: line
                for line in chain.from_iterable(sources)
                if line.strip() and (wire := json.loads(line))["id"] in ids
            }
        # The line as it is, to the last digit of its numbers.
        mark = f',"{VANISHED_AT.name}":{int(moment.timestamp())}}}\n'
        return "".join(f"{line.rstrip()[:-1]}{mark}" for line in lines.values()).encode()

    def _append(self, chunks: Sequence[bytes], place: Place) -> Place:
        if self._compress is not None and any(chunks):
            chunks = [self._compress(b"".join(chunks))]
        durable = self._file.append(chunks)
        return at(place, durable.length, durable.digest)

    def finish(self, place: Place) -> Fingerprint:
        """Close the file, once it is seen to be what was written."""
        self.close()
        found = super().finish(place)
        if not Fingerprint(place.committed_size, place.digest).is_of(found):
            raise damaged(self._output, "another program changed it")
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _TextReader(Reader):
    """Reads a file of lines.

    Args:
        source: The file.
        compression: As its name tells; the first bytes know better.
    """

    damage = (*Reader.damage, csv.Error, zlib.error)

    def __init__(self, source: Path, compression: Compression | None = None) -> None:
        super().__init__(source)
        self._compression = compression


class JSONLinesReader(_TextReader):
    """Reads JSON lines."""

    def read(
        self,
        names: Sequence[str] | None = None,  # noqa: ARG002 - a line is parsed as a whole
        *,
        columns: Sequence[str] | None = None,  # noqa: ARG002 - there are none
    ) -> Iterator[Wire]:
        """Read line by line; blank ones are left out."""
        with _open_text(self.source, self._compression) as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    wire = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"line {number} is not JSON: {error}") from None
                if not isinstance(wire, dict):
                    raise ValueError(f"line {number} is not a JSON object: {line:.50}")  # noqa: TRY004 - bad data
                yield wire


class CSVReader(_TextReader):
    """Reads CSV with a heading."""

    def read(
        self, names: Sequence[str] | None = None, *, columns: Sequence[str] | None = None
    ) -> Iterator[Wire]:
        """Read row by row; an empty cell is a field that was absent."""
        with _open_text(self.source, self._compression) as file:
            for row in csv_rows(file):
                if columns is not None and list(row) != list(columns):
                    raise ValueError(f"its columns are {', '.join(map(str, row))}")
                cells = row.items() if names is None else ((name, row[name]) for name in names)
                yield to_wire({name: unescape_formula(cell) for name, cell in cells if name and cell})


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
        zstandard = require("zstandard", "zstd")
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
