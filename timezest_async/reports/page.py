"""A report as one page that asks for nothing else: no script, font, image or link leaves it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

from timezest_async.reports import charts
from timezest_async.reports.markup import Content, Markup, element, value
from timezest_async.reports.report import Report
from timezest_async.reports.tables import Column, Table, written

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page lets a browser load: its own style sheet."""

_LONGEST_TABLE: Final = 100


def render_page(report: Report, *, title: str = "Scheduling requests") -> str:
    """Write a report as one HTML page.

    Every value from outside is escaped and kept from turning the direction of the text around it.

    Args:
        report: What to show.
        title: The page's title.
    """
    sections = _sections(report) if report.total else []
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="referrer", content="no-referrer"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", title),
            element("style", Markup(_style())),
        ),
        element(
            "body", _header(report, title), element("main", _key_figures(report), sections), _footer(report)
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


@cache
def _style() -> str:
    return files("timezest_async.reports").joinpath("report.css").read_text(encoding="utf-8")


def _sections(report: Report) -> list[Content]:
    groups = [table for table in (report.tables.technicians, report.tables.teams) if table.rows]
    standings = report.tables.technician_statuses
    return [
        _weeks(report),
        _section(report.tables.statuses, charts.status_strip(report)),
        _hours(report),
        _section(report.tables.lead_times),
        _section(report.tables.appointment_types),
        *(_section(table, wide=len(groups) == 1) for table in groups),
        _section(standings, wide=True) if standings.rows else None,
        _section(report.tables.oldest_unbooked, wide=True) if report.waiting else None,
    ]


def _header(report: Report, title: str) -> Markup:
    first, last = report.first_created_at, report.last_created_at
    zone = report.made_at.tzinfo
    if first is None or last is None:
        span = "No requests"
    else:
        span = f"Created {_day(first.astimezone(zone))} to {_day(last.astimezone(zone))}"
    source = element("p", value(report.source), class_="soft source") if report.source else None
    return element("header", element("h1", title), element("p", span), source)


def _footer(report: Report) -> Markup:
    return element("footer", element("p", f"Made {report.made_at:%Y-%m-%d %H:%M %Z} by timezest report."))


def _day(moment: Any) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _key_figures(report: Report) -> Markup:
    lead_time = report.lead_time
    rate = report.booked / report.total if report.total else None
    figures = (
        ("Requests", written("count", report.total), "in this report"),
        ("Booked", written("share", rate), f"{report.booked:,} of {report.total:,}"),
        (
            "Time to book",
            written("duration", lead_time.median),
            f"median; 90% within {written('duration', lead_time.p90)}"
            if lead_time.bookings
            else "no bookings",
        ),
        ("Waiting", written("count", report.waiting), "new or sent, not booked"),
    )
    return element(
        "dl",
        [
            element(
                "div",
                element("dt", name),
                element("dd", element("b", figure), element("span", note, class_="soft")),
            )
            for name, figure, note in figures
        ],
        class_="wide",
    )


def _weeks(report: Report) -> Markup:
    table = report.tables.weeks
    legend = charts.legend(report.week_statuses)
    details = element("details", element("summary", "Show the figures"), _table(table))
    return _section(table, charts.weeks(report), legend, details, wide=True, show_table=False)


def _hours(report: Report) -> Markup:
    none = element("p", "There are no appointments.")
    chart = charts.heat_map(report) if report.busy_hours else none
    return _section(report.tables.hours, chart, show_table=False)


def _section(table: Table, *charts: Content, wide: bool = False, show_table: bool = True) -> Markup:
    return element(
        "section",
        element("h2", table.title, id=table.key),
        element("p", table.note, class_="soft"),
        *charts,
        _table(table) if show_table else None,
        aria_labelledby=table.key,
        class_="wide" if wide else None,
    )


def _table(table: Table) -> Markup:
    """Write a table; its first column names the rows.

    On a narrow screen the table of requests is shown as a list, by way of CSS. The roles keep it a table
    for those who hear the page.
    """
    shown = [index for index, column in enumerate(table.columns) if not column.only_csv]
    columns = [table.columns[index] for index in shown]
    head = element(
        "tr",
        [
            element("th", value(column.name), scope="col", role="columnheader", class_=_class(column))
            for column in columns
        ],
        role="row",
    )
    body = [
        element(
            "tr",
            [
                _cell(column, row[index], table.shown(row, index), index == shown[0])
                for index, column in zip(shown, columns, strict=True)
            ],
            role="row",
        )
        for row in table.rows[:_LONGEST_TABLE]
    ]
    left_out = len(table.rows) - _LONGEST_TABLE
    return element(
        "div",
        element(
            "table",
            element("caption", table.title),
            element("thead", head, role="rowgroup"),
            element("tbody", body, role="rowgroup"),
            role="table",
            class_=_table_class(table, len(columns)),
        ),
        element("p", f"{left_out:,} more are left out here; --csv writes all.") if left_out > 0 else None,
        class_="scroll",
        role="region",
        tabindex=0,
        aria_label=f"{table.title}: table",
    )


def _table_class(table: Table, columns: int) -> str | None:
    if table.key == "oldest_unbooked":
        return "requests"
    return "few" if columns <= 3 else None


def _cell(column: Column, content: Any, text: str, names_row: bool) -> Markup:  # noqa: FBT001 - private
    shown: list[Content] = [value(text)]
    if column.kind == "share" and content is not None:
        filled = element("i", style=f"width:{100 * content:.1f}%")
        shown.insert(0, element("span", filled, class_="bar", aria_hidden="true"))
    if column.kind == "status":
        shown.insert(0, element("i", class_=f"dot {charts.status_class(str(content))}", aria_hidden="true"))
    if names_row:
        return element("th", shown, scope="row", role="rowheader", class_=_class(column))
    return element("td", shown, role="cell", class_=_class(column), data_label=column.name)


def _class(column: Column) -> str:
    if column.of is not None:
        return f"{column.kind} of"
    return "number" if column.kind == "count" else column.kind
