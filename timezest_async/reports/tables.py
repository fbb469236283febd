"""What tables are made of, and how their values are written for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final, Literal

import attrs

Kind = Literal["text", "code", "status", "count", "share", "duration", "date", "moment"]

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


@attrs.frozen
class Column:
    """A column of a table.

    Attributes:
        name: Its heading for people.
        key: Its heading in CSV.
        kind: What its values are: text, a code that is not broken over
            lines, a status, a count, a share from 0 to 1, a duration in seconds, a ``date`` or
            a ``datetime``; any may be None.
        only_csv: Whether it is for programs rather than people.
        of: The key of the column that holds what a share is of, to be written beside it.
    """

    name: str
    key: str
    kind: Kind = "text"
    only_csv: bool = False
    of: str | None = None


@attrs.frozen
class Table:
    """A table of the report.

    Attributes:
        key: Its file's name in CSV, without the ending.
        title: Its heading.
        note: What its figures mean exactly.
        columns: Its columns.
        rows: A value for each column.
    """

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    def shown(self, row: tuple[Any, ...], index: int) -> str:
        """Write a cell for people, such as ``43% of 1,204``."""
        column = self.columns[index]
        text = written(column.kind, row[index])
        if column.of is None or row[index] is None:
            return text
        [whole] = (value for other, value in zip(self.columns, row, strict=True) if other.key == column.of)
        return f"{text} of {whole:,}"


@attrs.frozen
class Tables:
    """A report as tables, by their keys and in the order of the report."""

    figures: Table
    statuses: Table
    weeks: Table
    lead_times: Table
    appointment_types: Table
    technicians: Table
    technician_statuses: Table
    teams: Table
    hours: Table
    oldest_unbooked: Table

    def __iter__(self) -> Iterator[Table]:
        """Iterate over all of them."""
        return iter(attrs.astuple(self, recurse=False))


def written(kind: Kind, value: Any) -> str:
    """Write a value for people."""
    if value in {None, ""}:
        return "—"
    if kind == "count":
        return f"{value:,}"
    if kind == "share":
        return f"{value:.0%}"
    if kind == "duration":
        return duration(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return f"{value.day} {value:%b}"
    return str(value)


def duration(length: float, *, seconds: bool = False) -> str:
    """Return a duration in words, in the two units that matter.

    Args:
        length: In seconds.
        seconds: Whether seconds matter beside minutes.
    """
    whole = round(length)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        minutes, rest = divmod(whole, _MINUTE)
        return f"{minutes} min {rest} s" if seconds else f"{minutes} min"
    if whole < _DAY:
        hours, minutes = divmod(whole // _MINUTE, 60)
        return f"{hours} h {minutes} min"
    days, hours = divmod(whole // _HOUR, 24)
    return f"{days} d {hours} h" if days < 10 else f"{days:,} days"
