"""The formats: one module for each kind, with its Writer and its Reader, imported when needed.

Knows one format at a time, its bytes and its tables; knows nothing of lists, of states, and of when an
export is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from timezest_async.export.formats.base import Reader, Writer
from timezest_async.export.formats.columns import Table
from timezest_async.export.formats.selection import Compression, Format, OutputOptions

__all__ = ["Reader", "Writer", "make_reader", "make_writer"]


def make_writer(output: Path, path: str, table: Table, options: OutputOptions) -> Writer[Any]:
    """Make the writer for a format.

    Args:
        output: The file or folder that it writes.
        path: The list whose records are written.
        table: The columns.
        options: How they are written.

    Raises:
        ConfigurationError: The format needs a library that is not installed.
    """
    match options.format:
        case Format.PARQUET:
            from timezest_async.export.formats.parquet import ParquetWriter  # noqa: PLC0415 - needs pyarrow

            return ParquetWriter(output, path, table)
        case Format.SQLITE:
            from timezest_async.export.formats.sqlite import SQLiteWriter  # noqa: PLC0415 - seldom needed

            return SQLiteWriter(output, path, table)
        case Format.DUCKDB:
            from timezest_async.export.formats.duckdb import DuckDBWriter  # noqa: PLC0415 - needs duckdb

            return DuckDBWriter(output, path, table)
        case Format.JSONL | Format.CSV:
            from timezest_async.export.formats.text import TextWriter  # noqa: PLC0415 - needs msgspec

            return TextWriter(output, path, table, options)


def make_reader(source: Path, format: Format, compression: Compression | None = None) -> Reader:
    """Make the reader for a format.

    Args:
        source: The file; a Parquet one may be a folder of them.
        format: Its format.
        compression: That of JSON lines or CSV, if the file does not begin like what is compressed.

    Raises:
        ConfigurationError: The format needs a library that is not installed.
    """
    match format:
        case Format.PARQUET:
            from timezest_async.export.formats.parquet import ParquetReader  # noqa: PLC0415 - needs pyarrow

            return ParquetReader(source)
        case Format.SQLITE:
            from timezest_async.export.formats.sqlite import SQLiteReader  # noqa: PLC0415 - seldom needed

            return SQLiteReader(source)
        case Format.DUCKDB:
            from timezest_async.export.formats.duckdb import DuckDBReader  # noqa: PLC0415 - needs duckdb

            return DuckDBReader(source)
        case Format.JSONL | Format.CSV:
            from timezest_async.export.formats.text import CSVReader, JSONLinesReader  # noqa: PLC0415 - as above

            return (CSVReader if format is Format.CSV else JSONLinesReader)(source, compression)
