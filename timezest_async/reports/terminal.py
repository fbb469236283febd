"""A report in a terminal of 80 columns; needs rich."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from timezest_async.reports import charts
from timezest_async.reports.figures import WEEKDAYS
from timezest_async.reports.report import Report
from timezest_async.reports.tables import Column, Table, written

_STYLES: Final = {
    "new": "yellow",
    "sent": "blue",
    "scheduled": "green",
    "cancelled": "red",
    "closed": "bright_black",
}
_SHADES: Final = ("··", "░░", "▒▒", "▓▓", "██", "██")
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_BAR_WIDTH: Final = 20
_WEEK_WIDTH: Final = 44
_LONGEST_TABLE: Final = 15
_WIDEST: Final[Mapping[str, int]] = {"text": 15, "code": 14}
"""Characters that a column takes at most in a table of many."""


def show(report: Report, console: Console) -> None:
    """Write a report to a terminal.

    Args:
        report: What to show.
        console: Where; it colours if it can, and nothing is said by colour alone.
    """
    console.print(Group(*_parts(report)))


def printable(value: str) -> str:
    """Replace what a terminal might obey, such as escape sequences in a customer's name."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)


def _parts(report: Report) -> Iterator[RenderableType]:
    yield _summary(report)
    if not report.total:
        return
    yield from _section(report.tables.weeks, _weeks(report))
    yield from _section(report.tables.statuses)
    yield from _section(report.tables.lead_times)
    for table in (
        report.tables.appointment_types,
        report.tables.technicians,
        report.tables.technician_statuses,
        report.tables.teams,
    ):
        if table.rows:
            yield from _section(table)
    if report.busy_hours:
        yield from _section(report.tables.hours, _hours(report))
    if report.waiting:
        yield from _section(report.tables.oldest_unbooked)


def _summary(report: Report) -> Text:
    lead_time = report.lead_time
    text = Text()
    if report.source:
        text.append(f"{printable(report.source)}\n", "bright_black")
    text.append(f"{report.total:,}", "bold").append(" requests")
    if report.total:
        text.append(", ").append(f"{report.booked / report.total:.0%}", "bold").append(" booked")
        text.append(f" ({report.booked:,} of {report.total:,})")
        text.append(", ").append(f"{report.waiting:,}", "bold").append(" waiting")
    if lead_time.bookings:
        text.append("\nBooked within ").append(written("duration", lead_time.median), "bold")
        text.append(f" (median), 90% within {written('duration', lead_time.p90)}")
    return text


def _section(table: Table, chart: RenderableType | None = None) -> Iterator[RenderableType]:
    yield Text(f"\n{table.title}", "bold")
    yield Text(table.note, "bright_black")
    yield _grid(table) if chart is None else chart


def _grid(table: Table) -> RenderableType:
    columns = [(index, column) for index, column in enumerate(table.columns) if not column.only_csv]
    crowded = len(columns) > 5
    texts = sum(column.kind in _WIDEST for _, column in columns)
    widths = {
        index: max(len(table.shown(row, index)) for row in table.rows[:_LONGEST_TABLE])
        for index, column in columns
        if column.kind == "share" and table.rows
    }
    padding = (0, 0 if crowded else 1, 0, 0)
    grid = Grid(box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False)
    for _, column in columns:
        grid.add_column(
            Text(printable(column.name)),
            # A name that stands alone may take two lines, so that an id at its end can be read.
            no_wrap=column.kind != "text" or texts > 1,
            overflow="ellipsis" if texts > 1 else "fold",
            max_width=_WIDEST.get(column.kind) if crowded and texts > 1 else None,
            justify="right" if column.kind == "count" else "left",
        )
    for row in table.rows[:_LONGEST_TABLE]:
        cells = ((index, column, table.shown(row, index)) for index, column in columns)
        grid.add_row(
            *(_cell(column, row[index], text, widths.get(index, 0)) for index, column, text in cells)
        )
    more = len(table.rows) - _LONGEST_TABLE
    return Group(grid, Text(f"and {more:,} more", "bright_black")) if more > 0 else grid


def _cell(column: Column, value: Any, text: str, width: int) -> Text:
    shown = printable(text)
    if column.kind == "share" and value is not None:
        return Text(f"{shown:>{width}} ").append(bar(value, _BAR_WIDTH), "cyan")
    return Text(shown, _STYLES.get(str(value), "") if column.kind == "status" else "")


def bar(share: float, width: int) -> str:
    """Draw a bar that fills a share, from 0 to 1, of so many characters, to an eighth of one."""
    eighths = round(share * width * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _weeks(report: Report) -> RenderableType:
    """Draw a line for each week; each status has a letter, so that it reads without colour."""
    top = max((week.total for week in report.weeks), default=0) or 1
    names = report.week_statuses
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for is_number in (True, False, True):
        grid.add_column(justify="right" if is_number else "left", no_wrap=True)
    for week in report.weeks:
        line = Text()
        done = drawn = 0
        for name in names:
            done += week.counts.get(name, 0)
            end = round(_WEEK_WIDTH * done / top)
            line.append(_letter(name) * (end - drawn), _STYLES.get(name, "magenta"))
            drawn = end
        grid.add_row(Text(written("date", week.start)), line, Text(written("count", week.total)))
    legend = Text()
    for name in names:
        legend.append(_letter(name), _STYLES.get(name, "magenta")).append(f" {printable(name)}  ")
    return Group(grid, legend)


def _letter(status: str) -> str:
    return {"new": "N", "sent": "s", "scheduled": "█", "cancelled": "x", "closed": "▒"}.get(status, "?")


def _hours(report: Report) -> RenderableType:
    most = max(max(day) for day in report.hours)
    busy = report.busy_hours
    text = Text("    ").append("".join(f"{hour:02} " for hour in busy), "bright_black")
    for name, day in zip(WEEKDAYS, report.hours, strict=True):
        text.append(f"\n{name} ")
        for hour in busy:
            level = charts.heat(day[hour], most)
            text.append(
                _SHADES[level], "bright_black" if not level else "bold cyan" if level == 5 else "cyan"
            )
            text.append(" ")
    text.append(f"\n    {_SHADES[1]} 1 or more … {_SHADES[4]} up to {most:,} an hour", "bright_black")
    return text
