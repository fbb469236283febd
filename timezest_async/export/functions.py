"""An export in one call."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, BinaryIO, TypeVar, Unpack

from timezest_async.errors import ConfigurationError
from timezest_async.export.formats.columns import choose_columns
from timezest_async.export.formats.selection import Compression, Format, OutputOptions
from timezest_async.export.job import BATCH_SIZE, ExportJob, RunOptions
from timezest_async.export.job_state import Place
from timezest_async.export.progress import OnProgress, Summary, Tracker
from timezest_async.export.threads import in_thread
from timezest_async.pagination import Checkpoint, Paginator

F = TypeVar("F", bound=Callable[..., Any])


class Options(RunOptions, total=False):
    """What all exports take; see ``ExportJob``."""

    fields: Sequence[str] | None
    skip_unreadable: bool
    resume: bool
    overwrite: bool


def _of_job() -> str:
    """Return what ``ExportJob`` says of its arguments, but for the format."""
    said = inspect.cleandoc(ExportJob.__doc__ or "").partition("Args:\n")[2].partition("\n\n")[0]
    return "\n".join(line for line in said.splitlines() if not line.startswith("    format: "))


_OPTIONS_HELP = f"""

Args:
{_of_job()}

Returns:
    What was written: the path, the records, the bytes.

Raises:
    ConfigurationError: The arguments do not fit together, or a library is missing; nothing was sent.
    TimeZestError: The service or the network failed; ``resume=True`` goes on.
    OSError: The disk is full, or fails; as above.
"""


def _with_options(function: F) -> F:
    """Add what all of them take to what ``help()`` shows."""
    if function.__doc__:
        function.__doc__ = inspect.cleandoc(function.__doc__) + _OPTIONS_HELP
    return function


@_with_options
async def to_jsonl(
    paginator: Paginator[Any],
    path: str | os.PathLike[str],
    *,
    compress: Compression | str | None = None,
    **options: Unpack[Options],
) -> Summary:
    """Export a list as JSON lines, each record in the service's own shape; see ``ExportJob``."""
    return await ExportJob(paginator, path, format=Format.JSONL, compress=compress, **options).run()


@_with_options
async def to_csv(
    paginator: Paginator[Any],
    path: str | os.PathLike[str],
    *,
    compress: Compression | str | None = None,
    raw_csv: bool = False,
    **options: Unpack[Options],
) -> Summary:
    """Export a list as CSV (RFC 4180, UTF-8, with a header); see ``ExportJob``.

    Text that a spreadsheet would run as a formula, such as what begins with ``=``, ``+``, ``-`` or ``@``, is
    written with a ``'`` before it, unless ``raw_csv``.
    """
    job = ExportJob(paginator, path, format=Format.CSV, compress=compress, raw_csv=raw_csv, **options)
    return await job.run()


@_with_options
async def to_parquet(
    paginator: Paginator[Any], path: str | os.PathLike[str], **options: Unpack[Options]
) -> Summary:
    """Export a list as Parquet (extra ``parquet``); see ``ExportJob``."""
    return await ExportJob(paginator, path, format=Format.PARQUET, **options).run()


@_with_options
async def to_sqlite(
    paginator: Paginator[Any], path: str | os.PathLike[str], **options: Unpack[Options]
) -> Summary:
    """Export a list as a table of a new SQLite database; see ``ExportJob``."""
    return await ExportJob(paginator, path, format=Format.SQLITE, **options).run()


@_with_options
async def to_duckdb(
    paginator: Paginator[Any], path: str | os.PathLike[str], **options: Unpack[Options]
) -> Summary:
    """Export a list as a table of a new DuckDB database (extra ``duckdb``); see ``ExportJob``."""
    return await ExportJob(paginator, path, format=Format.DUCKDB, **options).run()


async def to_table(paginator: Paginator[Any], *, fields: Sequence[str] | None = None) -> Any:
    """Read a list into an Arrow table (extra ``parquet``); memory grows with it.

    Args:
        paginator: The list; it is copied, not touched.
        fields: Columns, in order; None for all.

    Returns:
        A ``pyarrow.Table``.

    Raises:
        ConfigurationError: A field is none of the list's, or pyarrow is not installed.
        TimeZestError: The service or the network failed.
    """
    from timezest_async.export.formats.parquet import ArrowColumns  # noqa: PLC0415 - needs pyarrow

    start = paginator.start
    arrow = ArrowColumns(start.path, choose_columns(start.path, fields))
    records: list[Any] = []
    batches: list[Any] = []

    def take() -> None:
        batches.append(arrow.batch(records))
        records.clear()

    try:
        async with aclosing(paginator.starting_at(start, paginator.limit).pages()) as pages:
            async for page in pages:
                records += page.data[::-1] if start.backwards else page.data
                if len(records) >= BATCH_SIZE:
                    take()
    except BaseException:
        # So that a traceback with locals does not show them.
        records.clear()
        batches.clear()
        raise
    take()
    # Many chunks would make every later step slow.
    return await in_thread(lambda: arrow.table(batches).combine_chunks())


def make_text_encoder(
    start: Checkpoint, format: Format | str, fields: Sequence[str] | None, *, raw_csv: bool
) -> tuple[bytes, Callable[[Sequence[Any]], bytes]]:
    """Make what turns the records of a list into text; see ``to_stream``.

    Args:
        start: Where the list starts.
        format: ``"jsonl"`` or ``"csv"``.
        fields: Columns, or top-level keys of JSON lines; None for all.
        raw_csv: Leave cells as they are that a spreadsheet would run as a formula.

    Returns:
        What the text begins with, and a function of records.

    Raises:
        ConfigurationError: Another format, or a field that is none of the list's.
    """
    from timezest_async.export.formats.text import make_encoder  # noqa: PLC0415 - needs msgspec

    if format not in {Format.JSONL, Format.CSV}:
        raise ConfigurationError(f"only jsonl and csv can be written to a stream, not {format}")
    options = OutputOptions(Format(format), fields=None if fields is None else tuple(fields), raw_csv=raw_csv)
    return make_encoder(start.path, choose_columns(start.path, fields), options)


async def to_stream(
    paginator: Paginator[Any],
    stream: BinaryIO,
    *,
    format: Format | str = Format.JSONL,
    fields: Sequence[str] | None = None,
    raw_csv: bool = False,
    on_progress: OnProgress | None = None,
) -> int:
    """Write a list to a stream, such as the standard output, page by page; nothing can be resumed.

    Args:
        paginator: The list; it is copied, not touched.
        stream: Takes bytes; flushed, not closed.
        format: ``"jsonl"`` or ``"csv"``.
        fields: Columns, or top-level keys of JSON lines, in order; None for all.
        raw_csv: Leave cells as they are that a spreadsheet would run as a formula.
        on_progress: Is told how it goes, in the event loop; must return soon.

    Returns:
        How many records were written.

    Raises:
        ConfigurationError: Another format, or a field that is none of the list's.
        TimeZestError: The service or the network failed.
    """
    start = paginator.start
    head, encode = make_text_encoder(start, format, fields, raw_csv=raw_csv)

    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    tracker, place = Tracker(paginator.limit, on_progress), Place(0, start)
    tracker.started(place)
    await in_thread(partial(write, head))
    async with aclosing(paginator.starting_at(start, paginator.limit).pages()) as pages:
        async for page in pages:
            records = page.data[::-1] if start.backwards else page.data
            await in_thread(partial(write, encode(records)))
            place = place.after(records)
            tracker.page_read(place)
            del records  # so that a traceback with locals does not show them
    return place.records
