"""JSON lines and CSV: files that a batch is appended to, plain or compressed.

A compressed batch is a gzip member or a zstd frame of its own. A file of several is a valid file by both
formats' documents (RFC 1952, 2.2; RFC 8878, 3.1), so that it can be cut after any batch.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from timezest_async.export.checksums import Fingerprint
from timezest_async.export.formats.base import Writer, at, damaged, require
from timezest_async.export.formats.cells import FlatColumns, field_getter
from timezest_async.export.formats.columns import Kind, Table
from timezest_async.export.formats.selection import Compression, Format, OutputOptions
from timezest_async.export.formats.spreadsheets import csv_text, escape_formula
from timezest_async.export.job_state import Place
from timezest_async.export.output_files import AppendedFile
from timezest_async.models import Record
from timezest_async.serialization.encoding import wire_lines
from timezest_async.serialization.json_text import json_bytes

Encoder = Callable[[Sequence[Record]], bytes]

_BOOLEANS: Final = {None: None, True: "true", False: "false"}
_GZIP_LEVEL: Final = 6


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
    names = [column.name for column in table.columns if column.kind is not Kind.EXTRA]
    derived = {column.name: field_getter(column, path) for column in table.columns if column.is_derived}
    with_extra = len(names) < len(table.columns)

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
