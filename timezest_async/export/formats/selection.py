"""What is written: the format and compression, by name or by the ending of the file's name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import attrs

from timezest_async.errors import ConfigurationError

_Word = TypeVar("_Word", bound=StrEnum)


class Format(StrEnum):
    """The format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    SQLITE = "sqlite"
    DUCKDB = "duckdb"


class Compression(StrEnum):
    """How JSON lines or CSV are compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"


_FORMATS: Final = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".sqlite": Format.SQLITE,
    ".sqlite3": Format.SQLITE,
    ".db": Format.SQLITE,
    ".duckdb": Format.DUCKDB,
}
_COMPRESSIONS: Final = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}
_TEXT: Final = {Format.JSONL, Format.CSV}


@attrs.frozen
class OutputOptions:
    """How records are to be written.

    Attributes:
        format: The format.
        compression: For JSON lines and CSV; Parquet has its own, and the databases none.
        fields: The columns, or the top-level keys of JSON lines, in order; None for all.
        raw_csv: Whether CSV cells that a spreadsheet would run as a formula stay as they are.
    """

    format: Format
    compression: Compression | None = None
    fields: tuple[str, ...] | None = None
    raw_csv: bool = False


def choose_format(
    path: Path, format: Format | str | None = None, compress: Compression | str | None = None
) -> tuple[Format, Compression | None]:
    """Return format and compression by what was said, else from the ending of the file's name.

    Args:
        path: The file, such as ``out.jsonl``, ``out.csv.zst`` or ``out.duckdb``.
        format: The format, whatever the file's name.
        compress: ``"gzip"`` or ``"zstd"``, whatever the file's name.

    Raises:
        ConfigurationError: There is no such format, none can be told, or it cannot be compressed.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    ending = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    compression = ending if compress is None else _member(Compression, compress, "compress")
    if ending is not None:
        suffixes.pop()
    if format is None:
        chosen = _FORMATS.get(suffixes[-1]) if suffixes else None
        if chosen is None:
            raise ConfigurationError(
                f"the format cannot be told from the name {path.name!r}: end it in one of "
                f"{', '.join(_FORMATS)} (the first three with .gz or .zst if you like), or give format=..."
            )
    else:
        chosen = _member(Format, format, "format")
    if compression is not None and chosen not in _TEXT:
        raise ConfigurationError(
            f"{chosen} is not compressed from outside (Parquet compresses its own columns): compress only "
            "jsonl and csv"
        )
    return chosen, compression


def _member(kind: type[_Word], value: str, name: str) -> _Word:
    try:
        return kind(value)
    except ValueError:
        raise ConfigurationError(f"{name} is one of {', '.join(kind)}, not {value!r}") from None
