"""Records as tables that fit the terminal, written as the records come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs
from rich.cells import cell_len, set_cell_size

from timezest_async.cli.terminal import printable_lines
from timezest_async.models import TICKET_TYPES, SchedulingRequest

_GAP: Final = "  "


@attrs.frozen
class Column:
    """A column of a table.

    Attributes:
        name: Its head.
        cell: Returns the text for a record.
        min_width: The narrowest that it is cut to; None for what is never cut: it is copied or compared.
        optional: Whether it is left out where there is no room for it.
        usual_width: How wide it is at least where there is room, for rows that are yet to come.
    """

    name: str
    cell: Callable[[Any], str]
    min_width: int | None = None
    optional: bool = False
    usual_width: int = 0


class Table:
    """Lays out the columns by the first records, and then writes a line for each record.

    Args:
        columns: What it may show; those that are ``optional`` go first, from the last one on.
        width: The characters in a line of the terminal; None for as many as there are.
    """

    def __init__(self, columns: Sequence[Column], width: int | None = None) -> None:
        self._columns, self._width = columns, width
        self._layout: list[tuple[Column, int]] = []

    def lines(self, records: Sequence[Any]) -> Iterator[str]:
        """Yield the lines of some records, and of the head before the first of them."""
        rows = [
            {column: printable_lines(column.cell(record)) for column in self._columns} for record in records
        ]
        if not self._layout:
            self._layout = self._fit(rows)
            yield self._line({column: column.name for column in self._columns})
            yield _GAP.join("-" * width for _, width in self._layout)
        for row in rows:
            yield self._line(row)

    def _fit(self, rows: Sequence[Mapping[Column, str]]) -> list[tuple[Column, int]]:
        widths = {
            column: max(cell_len(column.name), column.usual_width, *(cell_len(row[column]) for row in rows))
            for column in self._columns
        }
        if self._width is None:
            return list(widths.items())
        kept = list(self._columns)
        for column in [None, *(column for column in self._columns[::-1] if column.optional)]:
            if column is not None:
                kept.remove(column)
            needed = sum(_min_width(one, widths[one]) for one in kept) + len(_GAP) * (len(kept) - 1)
            if needed <= self._width:
                break
        # Whoever can give gives, one character at a time, the widest first.
        spare = sum(widths[one] for one in kept) + len(_GAP) * (len(kept) - 1) - self._width
        for _ in range(spare):
            giving = [one for one in kept if widths[one] > _min_width(one, widths[one])]
            if not giving:
                break
            widths[max(giving, key=lambda one: widths[one])] -= 1
        return [(column, widths[column]) for column in kept]

    def _line(self, row: Mapping[Column, str]) -> str:
        cells: list[str] = []
        for column, width in self._layout:
            text = row[column]
            if cell_len(text) > width and column.min_width is not None and self._width is not None:
                text = set_cell_size(text, width - 1) + "…"
            cells.append(text + " " * (width - cell_len(text)))
        return _GAP.join(cells).rstrip()


def _min_width(column: Column, width: int) -> int:
    return width if column.min_width is None else min(width, max(column.min_width, cell_len(column.name)))


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was, as ``--since`` takes it: ``5m``, ``12h``, ``90d``."""
    if moment is None:
        return ""
    minutes = max(0, int((now - moment).total_seconds() // 60))
    if minutes < 120:
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1440}d"


def customer(request: SchedulingRequest) -> str:
    """Name the end user."""
    return request.end_user_name or request.end_user_email or ""


def technicians(request: SchedulingRequest) -> str:
    """Name who took the appointment."""
    return ", ".join(agent.name or agent.id for agent in request.scheduled_agents)


def tickets(request: SchedulingRequest) -> str:
    """Return the numbers of the tickets."""
    found = [entity for entity in request.associated_entities if entity.type in TICKET_TYPES]
    return ", ".join(f"{entity.number or entity.id}" for entity in found)


def starts(request: SchedulingRequest) -> str:
    """Return when the appointment starts, on the end user's clock."""
    if start := request.local_start_time:
        return f"{start:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} UTC" if (start := request.selected_start_time) else ""


def _zone(request: SchedulingRequest) -> str:
    return request.time_zone.key if request.time_zone else request.selected_time_zone or ""


def _demo_starts(request: SchedulingRequest) -> str:
    start = request.local_start_time or request.selected_start_time
    return f"{start:%a %d %b %H:%M %Z}" if start else ""


def _yes(value: bool | None) -> str:  # noqa: FBT001 - a cell's value
    return "" if value is None else "yes" if value else "no"


DEMO: Final = (
    Column("Customer's time", _demo_starts),
    Column("Customer", customer, 8),
    Column("Technician", technicians, 8),
    Column("Ticket", tickets),
    Column("Status", lambda request: request.status),
)


def columns(entity: str, now: datetime | None = None) -> tuple[Column, ...]:
    """Return the columns for the records of an entity, with ages as they are at a moment."""
    moment = now or datetime.now(UTC)

    def created(record: Any) -> str:
        return age(record.created_at, moment)

    return {
        "scheduling_request": (
            Column("Ticket", tickets),
            Column("Status", lambda request: request.status),
            Column("Age", created),
            Column("Starts", starts),
            Column("Zone", _zone),
            Column("Customer", customer, 8),
            Column("Technician", technicians, 10, optional=True),
            Column("Id", lambda request: request.id, optional=True),
        ),
        "agent": (
            Column("Id", lambda agent: agent.id),
            Column("Name", lambda agent: agent.name or "", 8),
            Column("E-mail", lambda agent: agent.email or "", 8),
            Column("Role", lambda agent: agent.role or ""),
            Column("Schedulable", lambda agent: _yes(agent.schedulable), optional=True),
            Column("Age", created, optional=True),
        ),
        "team": (
            Column("Id", lambda team: team.id),
            Column("Name", lambda team: team.name or "", 8),
            Column("Internal name", lambda team: team.internal_name or "", optional=True),
            Column("Type", lambda team: team.team_type or ""),
            Column("Age", created, optional=True),
        ),
        "resource": (
            Column("Id", lambda resource: resource.id),
            Column("Kind", lambda resource: resource.object or ""),
            Column("Name", lambda resource: resource.name or "", 8),
            Column("Age", created, optional=True),
        ),
        "appointment_type": (
            Column("Id", lambda kind: kind.id),
            Column("Name", lambda kind: kind.name or "", 8),
            Column("Internal name", lambda kind: kind.internal_name or "", optional=True),
            Column("Minutes", lambda kind: "" if kind.duration_mins is None else str(kind.duration_mins)),
            Column("Age", created, optional=True),
        ),
    }[entity]
