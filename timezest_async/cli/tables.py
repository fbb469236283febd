"""Records as tables that fit a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich import box
from rich.table import Table

from timezest_async.cli.terminal import printable
from timezest_async.models import SchedulingRequest

_COLUMNS: Final = (
    ("Customer's time", 21),
    ("Customer", 14),
    ("Technician", 14),
    ("Ticket", 14),
    ("Status", 9),
)


def scheduling_requests_table(requests: Iterable[SchedulingRequest]) -> Table:
    """Make a table of scheduling requests, with each appointment on its customer's own clock."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name, width in _COLUMNS:
        table.add_column(name, no_wrap=True, max_width=width)
    for request in requests:
        table.add_row(*(printable(cell) for cell in _cells(request)))
    return table


def _cells(request: SchedulingRequest) -> tuple[str, ...]:
    start = request.local_start_time or request.selected_start_time
    return (
        f"{start:%a %d %b %H:%M %Z}" if start else "",
        request.end_user_name or request.end_user_email or "",
        ", ".join(agent.name or agent.id for agent in request.scheduled_agents),
        ", ".join(entity.number for entity in request.associated_entities if entity.number),
        request.status,
    )
