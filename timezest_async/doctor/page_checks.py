"""What pages, links and records are taken to look like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import attrs

from timezest_async.doctor.patient import LIST, PREFIX, CannotTellError, Json, Patient
from timezest_async.models import SchedulingRequest, Status
from timezest_async.models.time_zones import find_zone

_PAGE = 20
_ENOUGH = 5
_TIMES = ("created_at", "updated_at", "scheduled_at", "selected_start_time")


@attrs.frozen
class Check:
    """One assumption, and how it is decided.

    Attributes:
        name: What it is called.
        assumption: What is taken for granted.
        depends: What of this package depends on it.
        decide: Returns whether it is so, and what was seen; raises ``CannotTellError``.
    """

    name: str
    assumption: str
    depends: str
    decide: Callable[[Patient], Awaitable[tuple[bool, str]]]


async def _page_size(patient: Patient) -> tuple[bool, str]:
    count = len(patient.first.records)
    if count < _PAGE and patient.first.next_page is None:
        raise CannotTellError(f"the whole list has {count} records")
    return count == _PAGE, f"{count} records"


async def _order(patient: Patient) -> tuple[bool, str]:
    times = [record.get("created_at") for record in _some(patient)]
    if len(set(map(str, times))) < 2:
        raise CannotTellError("all records are of one moment")
    in_order = all(
        isinstance(newer, type(older)) and newer >= older
        for newer, older in cast("list[tuple[Any, Any]]", list(pairwise(times)))
    )
    return in_order, "created_at descends" if in_order else "created_at does not descend"


async def _epoch(patient: Patient) -> tuple[bool, str]:
    odd = {
        name
        for record in _some(patient)
        for name in _TIMES
        if record.get(name) is not None and type(record[name]) is not int
    }
    return not odd, f"other than integers: {', '.join(sorted(odd))}" if odd else "integers"


async def _fields(patient: Patient) -> tuple[bool, str]:
    known = set(SchedulingRequest.field_names)
    more = {name for record in _some(patient) for name in record} - known
    shown = [name for name in sorted(more) if name.isidentifier() and name.isascii() and len(name) <= 40]
    return not more, f"{len(more)} more: {', '.join(shown)}" if more else "none but these"


async def _statuses(patient: Patient) -> tuple[bool, str]:
    words = {record.get("status") for record in _some(patient)}
    unknown = sum(word not in list(Status) for word in words)
    return not unknown, f"{unknown} of {len(words)} are unknown"


async def _zones(patient: Patient) -> tuple[bool, str]:
    names = {name for _, name in patient.texts("selected_time_zone")}
    if not names:
        raise CannotTellError("nobody has chosen a time among the newest")
    unknown = sum(find_zone(name) is None for name in names)
    return not unknown, f"{unknown} of {len(names)} are unknown"


async def _link(patient: Patient) -> tuple[bool, str]:
    link = patient.first.next_page
    if link is None:
        raise CannotTellError("the whole list is one page")
    parts = urlsplit(link)
    cursor = parse_qs(parts.query).get("starting_after")
    if not parts.scheme:
        return False, "the link is relative"
    is_last = cursor == [str(_some(patient)[-1].get("id"))]
    return is_last, "starting_after the last record" if is_last else "another cursor"


async def _filtered_link(patient: Patient) -> tuple[bool, str]:
    answer = await patient.ask(filter=f"{PREFIX}created_at~GTE~1")
    if answer.is_refused:
        raise CannotTellError("a filter on created_at is refused")
    if answer.next_page is None:
        raise CannotTellError("the whole list is one page")
    kept = "filter" in parse_qs(urlsplit(answer.next_page).query)
    return kept, "the link has the filter" if kept else "the link has no filter"


async def _gone_cursor(patient: Patient) -> tuple[bool, str]:
    answer = await patient.ask(starting_after=f"sreq_{'0' * 22}")
    return answer.is_refused, f"answered {answer.status}"


async def _agents_by_id(patient: Patient) -> tuple[bool, str]:
    for _, entry in patient.entries("scheduled_agents", "resources"):
        if "agent" in {entry.get("type"), entry.get("object")} and isinstance(entry.get("id"), str):
            path = f"/agents/{quote(entry['id'], safe='')}"
            answer = await patient.ask(path, route="/agents/{id}")
            return answer.is_refused, f"answered {answer.status}"
    raise CannotTellError("no agent among the newest")


async def _cancelled(patient: Patient) -> tuple[bool, str]:
    answer = await patient.ask(LIST, filter=f"{PREFIX}status~EQ~cancelled")
    if answer.is_refused:
        raise CannotTellError("a filter on status is refused")
    kept = sum(record.get("selected_start_time") is not None for record in answer.records)
    count = len(answer.records)
    if not kept and count < _ENOUGH:
        raise CannotTellError(f"none of the {count} cancelled has a time: it may never have had one")
    return bool(kept), f"{kept} of {count} cancelled have a time"


def _some(patient: Patient) -> list[Json]:
    if not patient.first.records:
        raise CannotTellError("the account has no scheduling requests")
    return list(patient.first.records)


PAGE_CHECKS = (
    Check(
        "page size",
        "a page has 20 records",
        "nothing breaks: it only sets the pace of lists",
        _page_size,
    ),
    Check(
        "order",
        "lists are newest first",
        "lists come in the service's order; limits and first() give others; merged queries are out of order",
        _order,
    ),
    Check(
        "times",
        "times are whole epoch seconds",
        "records cannot be read otherwise: an UnexpectedResponseError names the field",
        _epoch,
    ),
    Check("fields", "the fields are those we know", "nothing breaks: others are kept in .extra", _fields),
    Check(
        "statuses", "the statuses are the five we know", "nothing breaks: others stay plain text", _statuses
    ),
    Check(
        "time zones",
        "time zones have a Rails or IANA name",
        "local_start_time and time_zone are None for others",
        _zones,
    ),
    Check(
        "next page",
        "next_page is an absolute URL after the last record's id",
        "nothing breaks: other forms are followed too",
        _link,
    ),
    Check(
        "filtered next page",
        "next_page carries the filter",
        "nothing breaks: filtered lists put it back",
        _filtered_link,
    ),
    Check(
        "gone cursor",
        "a cursor whose record is gone is refused",
        "lists notice a restart as well, and go on by time",
        _gone_cursor,
    ),
    Check(
        "agents by id",
        "there is no GET of one agent",
        "client.agents.get() reads the list instead, which one request could replace",
        _agents_by_id,
    ),
    Check(
        "cancelled times",
        "a cancelled request keeps its times",
        "watch() bears both; reports count a cancelled appointment's start only where it is kept",
        _cancelled,
    ),
)
