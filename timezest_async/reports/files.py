"""A report in files: the page, and a folder of CSV tables; each is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import check_name, write_text
from timezest_async.export.formats.spreadsheets import csv_text, escape_formula
from timezest_async.reports.page import render_page
from timezest_async.reports.report import Report
from timezest_async.reports.tables import Table, Tables

_FILE_NAMES: Final = tuple(f"{table.name}.csv" for table in attrs.fields(Tables))


def check_targets(html: Path | None, folder: Path | None, *, overwrite: bool) -> None:
    """See to it, before anything is read, that a report can be written.

    Args:
        html: The page's file, if one is wanted.
        folder: The folder of CSV files, if one is wanted; it is made when it is written.
        overwrite: Whether files that are there may be replaced.

    Raises:
        ConfigurationError: A file is there already, or the place for it is not.
    """
    targets = [] if html is None else [html]
    if folder is not None:
        if folder.exists() and not folder.is_dir():
            raise ConfigurationError(f"{folder} is a file: --csv takes a folder")
        targets += [folder / name for name in _FILE_NAMES]
    for target in targets:
        check_name(target)
        if os.path.lexists(target) and not overwrite:
            raise ConfigurationError(f"{target} exists already: give --overwrite to replace it")
    for parent in (path.absolute().parent for path in (html, folder) if path is not None):
        if not parent.is_dir():
            raise ConfigurationError(f"there is no folder {parent}")
        if not os.access(parent, os.W_OK):
            raise ConfigurationError(f"nothing can be written into the folder {parent}: name another")


def write_page(report: Report, path: Path) -> None:
    """Write the page; whoever looks meanwhile sees the old one or the new one, never a part.

    Raises:
        OSError: The disk is full, or fails.
    """
    write_text(path, render_page(report))


def write_csv(report: Report, folder: Path, *, raw: bool = False) -> tuple[Path, ...]:
    """Write the report's tables as CSV files into a folder, which is made if need be.

    Values are for programs: shares from 0 to 1, durations in seconds, ISO 8601 times. Other files in the
    folder are left alone.

    Args:
        report: What to write.
        folder: Where.
        raw: Leave cells as they are. Otherwise text that a spreadsheet would run as a formula gets an
            apostrophe before it.

    Returns:
        The files written.

    Raises:
        OSError: The disk is full, or fails.
    """
    # All are made before any is written, so that a failure here leaves the old ones as they were.
    texts: Mapping[Path, str] = {
        folder / f"{table.key}.csv": _text(table, raw=raw) for table in report.tables
    }
    folder.mkdir(exist_ok=True)
    for path, text in texts.items():
        write_text(path, text)
    return tuple(texts)


def _text(table: Table, *, raw: bool) -> str:
    rows = [[column.key for column in table.columns], *table.rows]
    return csv_text([_cell(value, raw=raw) for value in row] for row in rows)


def _cell(value: Any, *, raw: bool) -> Any:
    if isinstance(value, str):
        return value if raw else escape_formula(value)
    if isinstance(value, date):
        return value.isoformat()
    return round(value, 6) if isinstance(value, float) else value
