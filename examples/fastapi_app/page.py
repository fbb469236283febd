"""The live page: HTML that is made here, for the whole page and for each row that changes."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from timezest_async import Change, SchedulingRequest

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Appointments</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/live.css">
<script src="/static/live.js" defer></script>
</head>
<body data-newest="{newest}">
<main>
<h1>Appointments</h1>
<p id="said" role="status">Waiting for changes.</p>
<div class="table" role="region" aria-label="Appointments" tabindex="0">
<table>
<thead><tr><th scope="col">Who</th><th scope="col">Ticket</th><th scope="col">Status</th>
<th scope="col">When</th><th scope="col">With</th></tr></thead>
<tbody>{rows}</tbody>
</table>
</div>
</main>
</body>
</html>
"""


def render(requests: Iterable[SchedulingRequest], newest: int) -> str:
    """Make the page.

    Args:
        requests: What it shows at first.
        newest: The number of the last change that these have in them.
    """
    return _PAGE.format(rows="".join(map(row, requests)), newest=newest)


def row(request: SchedulingRequest) -> str:
    """Make the row of a request."""
    cells = (
        request.end_user_name or request.end_user_email or "-",
        ", ".join(entity.number for entity in request.associated_entities if entity.number) or "-",
        str(request.status),
        when(request),
        ", ".join(agent.name or agent.id for agent in request.scheduled_agents) or "-",
    )
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr id="{escape(request.id)}" class="{escape(str(request.status))}">{shown}</tr>'


def when(request: SchedulingRequest) -> str:
    """Say when the appointment starts, on the end user's clock."""
    start = request.local_start_time or request.selected_start_time
    return "-" if start is None else f"{start:%a %d %b %Y, %H:%M} ({start.tzinfo})"


def sentence(change: Change) -> str:
    """Say what happened, for those who look and those who listen."""
    who = change.request.end_user_name or change.request.end_user_email or change.request.id
    return f"{who}: {change.kind.value}"
