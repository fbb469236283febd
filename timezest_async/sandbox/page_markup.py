"""The end user's page as HTML: one document that loads nothing, runs no script, and works on a telephone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import groupby
from typing import Final

from attrs import frozen

_STYLE: Final = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --ink: #16202c; --soft: #4b5869;
  --line: #7b8794; --accent: #1d4fc4; --on-accent: #fff; --alert: #a1123c; }
@media (prefers-color-scheme: dark) { :root { --page: #10151b; --card: #19212a; --ink: #e8edf2;
  --soft: #a9b5c2; --line: #7b8794; --accent: #8db4ff; --on-accent: #0b1a33; --alert: #ff9fb4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main, footer { max-width: 40rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
section { background: var(--card); border-radius: .75rem; padding: 1rem; margin: 1rem 0; }
h1 { margin: .5rem 0 0; line-height: 1.2; }
h2 { margin: 0 0 .5rem; font-size: 1.2rem; }
p { margin: 0; }
.soft, footer { color: var(--soft); }
[role=alert] { color: var(--alert); font-weight: 600; }
label, summary { cursor: pointer; padding: .5rem 0; }
fieldset { border: 0; margin: 0; padding: 0 0 1rem; }
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.times { display: flex; flex-wrap: wrap; gap: .25rem 1rem; }
.times label { min-width: 5rem; min-height: 2.75rem; }
select, button { font: inherit; max-width: 100%; min-height: 2.75rem; padding: .25rem 1rem;
  border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: var(--ink); }
button { cursor: pointer; }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""What a page is sent with: whoever has its address books and cancels, so that nobody is to be told of it."""


@frozen
class View:
    """What a page shows.

    Attributes:
        title: What the appointment is.
        minutes: How long it takes.
        end_user: Who it is for.
        team: With whom it is.
        status: The request's.
        booked: When the appointment starts, on the clock of ``zone``; None where there is none.
        zone: The name of the time zone.
        zones: Those that can be chosen.
        offers: When it could start, on the same clock, ascending.
    """

    title: str
    minutes: int
    end_user: str
    team: Sequence[str]
    status: str
    booked: datetime | None
    zone: str
    zones: Sequence[str]
    offers: Sequence[datetime]


def render(view: View, problem: str | None = None) -> bytes:
    """Write the page.

    Args:
        view: What it shows.
        problem: What went wrong with the form that was sent.
    """
    whom = f" with {', '.join(view.team)}" if view.team else ""
    parts = [
        f"<h1>{escape(view.title)}</h1>",
        f'<p class="soft">{view.minutes} minutes{escape(whom)}, for {escape(view.end_user)}</p>',
        f'<p role="alert">{escape(problem)}</p>' if problem else "",
        f'<section aria-labelledby="state"><h2 id="state">{_state(view)}</h2>{_state_detail(view)}</section>',
    ]
    if view.status != "closed":
        parts += [_choice(view), _cancellation() if view.status != "cancelled" else ""]
    return document(view.title, "".join(parts))


def document(title: str, body: str) -> bytes:
    """Write a whole page around markup."""
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body><main>{body}</main><footer>A sandbox: no e-mail is sent, and no calendar is asked."
        "</footer></body></html>\n"
    )
    return page.encode("utf-8", "replace")


def _state(view: View) -> str:
    if view.status == "closed":
        return "This request is closed"
    if view.status == "cancelled":
        return "This appointment is cancelled"
    return "No time is chosen yet" if view.booked is None else "Your appointment"


def _state_detail(view: View) -> str:
    if view.status == "scheduled" and view.booked is not None:
        return f"<p>{_moment(view.booked)}, {escape(view.zone)}</p>"
    return "<p>It can no longer be booked.</p>" if view.status == "closed" else ""


def _choice(view: View) -> str:
    heading = "Choose another time" if view.status == "scheduled" else "Choose a time"
    zones = "".join(
        f'<option value="{escape(name)}"{" selected" if name == view.zone else ""}>{escape(name)}</option>'
        for name in view.zones
    )
    days = "".join(
        f"<details{'' if number else ' open'}><summary>{_day(times[0])}</summary>{_times(times)}</details>"
        for number, times in enumerate(_by_day(view.offers))
    )
    form = (
        f'<form method="post"><input type="hidden" name="time_zone" value="{escape(view.zone)}">{days}'
        '<button class="main" name="action" value="book">Book this time</button></form>'
    )
    return (
        f'<section aria-labelledby="choice"><h2 id="choice">{heading}</h2>'
        f'<form method="get"><label for="zone">Time zone</label> <select id="zone" name="time_zone">{zones}'
        f"</select> <button>Show its times</button></form>"
        f"{form if days else '<p>No times are offered.</p>'}</section>"
    )


def _cancellation() -> str:
    return (
        '<section aria-labelledby="off"><h2 id="off">Cancel</h2><details><summary>I cannot come</summary>'
        '<form method="post"><button name="action" value="cancel">Cancel the appointment</button></form>'
        "</details></section>"
    )


def _by_day(offers: Iterable[datetime]) -> list[list[datetime]]:
    return [list(times) for _, times in groupby(offers, key=datetime.date)]


def _times(times: Iterable[datetime]) -> str:
    listed = list(times)
    choices = "".join(
        f'<label><input type="radio" name="start_time" value="{int(time.timestamp())}"> {time:%H:%M}</label>'
        for time in listed
    )
    return f'<fieldset><legend>{_day(listed[0])}</legend><div class="times">{choices}</div></fieldset>'


def _moment(moment: datetime) -> str:
    return f'<time datetime="{moment.isoformat()}">{_day(moment)}, {moment:%H:%M}</time>'


def _day(moment: datetime) -> str:
    return f"{moment:%A} {moment.day} {moment:%B %Y}"
