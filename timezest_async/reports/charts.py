"""The page's charts: inline SVG for shapes, with the words in HTML so that they keep their size."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from timezest_async.models import Status
from timezest_async.reports.figures import WEEKDAYS
from timezest_async.reports.markup import Markup, element, value
from timezest_async.reports.report import Report
from timezest_async.reports.tables import written

_WIDTH: Final = 1000
_HEIGHT: Final = 300
_DOCUMENTED: Final = frozenset(status.value for status in Status)


def status_class(status: str) -> str:
    """Name the colour of a status; all that are not documented share one."""
    return f"s-{status}" if status in _DOCUMENTED else "s-other"


def legend(statuses: list[str]) -> Markup:
    """Say which colour is which status."""
    return element(
        "ul",
        [
            element("li", element("i", class_=f"dot {status_class(name)}", aria_hidden="true"), value(name))
            for name in statuses
        ],
        class_="legend",
    )


def status_strip(report: Report) -> Markup:
    """Draw one bar, split by status."""
    counts = list(report.statuses.items())
    ends = list(accumulate(count for _, count in counts))
    rects = [
        element(
            "rect",
            x=round(_WIDTH * (end - count) / report.total, 2),
            y=0,
            width=round(_WIDTH * count / report.total, 2),
            height=10,
            class_=status_class(name),
        )
        for (name, count), end in zip(counts, ends, strict=True)
    ]
    said = "; ".join(f"{name}: {written('count', count)}" for name, count in counts)
    return _svg("status", "Requests by status", said, rects, height=10, class_="strip")


def weeks(report: Report) -> Markup:
    """Draw a column for each week, stacked by status."""
    names = report.week_statuses
    top = nice_ceiling(max((week.total for week in report.weeks), default=0))
    slot = _WIDTH / max(1, len(report.weeks))
    rects: list[Markup] = [
        element("rect", x=0, y=_HEIGHT * step / 4, width=_WIDTH, height=1, class_="grid") for step in range(4)
    ]
    for index, week in enumerate(report.weeks):
        y = float(_HEIGHT)
        for name in names:
            height = _HEIGHT * week.counts.get(name, 0) / top
            y -= height
            if height:
                rects.append(
                    element(
                        "rect",
                        x=round(slot * (index + 0.14), 2),
                        y=round(y, 2),
                        width=round(slot * 0.72, 2),
                        height=round(height, 2),
                        class_=status_class(name),
                    )
                )
    said = "; ".join(f"week of {written('date', week.start)}: {week.total:,}" for week in report.weeks)
    axis = element(
        "div",
        [element("span", written("count", top * step // 4)) for step in (4, 3, 2, 1, 0)],
        class_="y",
        aria_hidden="true",
    )
    every = -(-len(report.weeks) // 4)
    labels = element(
        "div",
        [
            element(
                "span",
                written("date", week.start),
                class_=None if (len(report.weeks) - 1 - index) % every == 0 else "minor",
            )
            for index, week in enumerate(report.weeks)
        ],
        class_="x" if len(report.weeks) <= 13 else "x crowded",
        aria_hidden="true",
    )
    picture = _svg("weeks", "Requests created each week, by status", said, rects, height=_HEIGHT)
    return element("div", axis, picture, labels, class_="columns")


def heat_map(report: Report) -> Markup:
    """Draw the busiest hours: a table whose cells are the deeper coloured the busier they are."""
    table = report.tables.hours
    most = max(max(day) for day in report.hours)
    busy = report.busy_hours
    rows = [
        element(
            "tr",
            element("th", str(hour), scope="row"),
            [
                element(
                    "td",
                    written("count", count) if count else "",
                    class_=f"h{heat(count, most)}",
                )
                for count in counts
            ],
        )
        for hour, *counts in table.rows[busy.start : busy.stop]
    ]
    head = element("tr", [element("th", name, scope="col") for name in ("Hour", *WEEKDAYS)])
    caption = element("caption", "Appointments by weekday and hour", class_="hidden")
    return element("table", caption, element("thead", head), element("tbody", rows), class_="heat")


def heat(count: int, most: int) -> int:
    """Place a count on the scale of a heat map: 0 for none, then 1 to 5."""
    return -(-5 * count // most) if count else 0


def nice_ceiling(largest: int) -> int:
    """Find a round number from ``largest`` up that splits into four: where an axis ends."""
    magnitude = 1
    while True:
        for factor in (4, 8, 12, 20, 28):
            if factor * magnitude >= largest:
                return factor * magnitude
        magnitude *= 10


def _svg(
    id: str, title: str, description: str, shapes: list[Markup], *, height: int, class_: str = "plot"
) -> Markup:
    return element(
        "svg",
        element("title", title, id=f"{id}-title"),
        element("desc", description, id=f"{id}-desc"),
        [*shapes],
        viewBox=f"0 0 {_WIDTH} {height}",
        preserveAspectRatio="none",
        role="img",
        aria_labelledby=f"{id}-title {id}-desc",
        class_=class_,
    )
