"""Asking for many requests at once, of which only those come back that are not as they were.

A request cannot be asked for by its id in a filter. But by the number of its ticket, else by the end user's
e-mail address; some 330 numbers go into one URL. What is asked is which of these are over by now.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import attrs

from timezest_async import tql
from timezest_async.changes.change import Wire
from timezest_async.models import EntityType, Status
from timezest_async.tql import scheduling_request as F

Query: TypeAlias = tql.Expression[Any]

MOST_BYTES: Final = 3_600
"""How long a list of names may be in a URL, for 4 kB altogether."""
_USUAL: Final = (Status.NEW, Status.SENT, Status.SCHEDULED)
_SHARED: Final = 20
"""How many of those are asked for at once that share their names with others."""
_SPAN: Final = 30 * 86_400
"""Seconds between the oldest and newest request that are asked for by one list of e-mail addresses: people
have other requests, too, and those of other times need not come with them."""
_SECOND: Final = timedelta(seconds=1)

_NUMBERS: Final[Mapping[str, Any]] = {
    EntityType.AUTOTASK_TICKET: F.autotask_ticket_number,
    EntityType.CONNECTWISE_PSA_PROJECT_TICKET: F.connectwise_psa_ticket_number,
    EntityType.CONNECTWISE_PSA_SERVICE_TICKET: F.connectwise_psa_ticket_number,
    EntityType.HALO_PSA_TICKET: F.halo_psa_ticket_number,
    EntityType.SERVICE_NOW_TASK: F.service_now_task_number,
}


@attrs.frozen
class ByName:
    """How to find out about some requests.

    Attributes:
        queries: What to list.
        nameless: The ids of those that have to be got one by one.
    """

    queries: Sequence[Query]
    nameless: Sequence[str]

    @property
    def cost(self) -> int:
        """The requests that it takes at least."""
        return len(self.queries) + len(self.nameless)


def ask_for_transitions(requests: Iterable[Wire], turn: int = 0) -> ByName:
    """Ask which of some requests were cancelled, closed, or sent to the end user; bookings the ticks see.

    Args:
        requests: As they were.
        turn: Which of those that are new have their turn: one question is asked about them each time.
    """
    known = list(requests)
    usual = [request for request in known if _is_fit(request["status"])]
    statuses = sorted({*_USUAL, *(request["status"] for request in usual)})
    found = ask_for(usual)
    queries = [query & F.status.not_in(statuses) for query in found.queries]
    sent = {_key(request) for request in usual if request["status"] == Status.SENT}
    new = [request for request in usual if request["status"] == Status.NEW]
    # Of a ticket with several requests those that were sent long ago would come back each time.
    shared = [request for request in new if _key(request) in sent]
    alone = [request for request in new if _key(request) not in sent]
    groups = [alone, *(shared[start : start + _SHARED] for start in range(0, len(shared), _SHARED))]
    sendings = [query & (F.status == Status.SENT) for group in groups for query in ask_for(group).queries]
    if sendings:
        queries.append(sendings[turn % len(sendings)])
    unusual = [request["id"] for request in known if not _is_fit(request["status"])]
    return ByName(queries, [*found.nameless, *unusual])


def ask_for(requests: Iterable[Wire]) -> ByName:
    """Ask for some requests by their names; others of the same names may come with them."""
    groups: dict[str, tuple[Any, list[tuple[int, str]]]] = {}
    nameless: list[str] = []
    for request in requests:
        attribute, name = _name(request)
        if attribute is None:
            nameless.append(request["id"])
        else:
            groups.setdefault(attribute.name, (attribute, []))[1].append((request["created_at"], name))
    queries: list[Query] = []
    for attribute, named in groups.values():
        for chunk in _chunks(sorted(named), _SPAN if attribute.name == F.end_user_email.name else math.inf):
            oldest, newest = (datetime.fromtimestamp(chunk[end][0], UTC) for end in (0, -1))
            names = list(dict.fromkeys(name for _, name in chunk))
            queries.append(attribute.in_(names) & F.created_at.between(oldest, newest + _SECOND))
    return ByName(queries, nameless)


def _name(request: Wire) -> tuple[Any, str]:
    for entity in request.get("associated_entities") or ():
        attribute, number = _NUMBERS.get(entity.get("type")), entity.get("number")
        if attribute is not None and _is_fit(number):
            return attribute, str(number)
    email = request.get("end_user_email")
    return (F.end_user_email, str(email)) if _is_fit(email) else (None, "")


def _key(request: Wire) -> tuple[str, str]:
    attribute, name = _name(request)
    return ("", request["id"]) if attribute is None else (attribute.name, name)


def _is_fit(text: object) -> bool:
    """Return whether a text can stand in a filter, and finds what has it."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MOST_BYTES // 20
        and text == text.strip()
        and not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)
    )


def _chunks(named: Sequence[tuple[int, str]], span: float) -> Iterator[list[tuple[int, str]]]:
    """Divide names so that each part fits into a URL, and is of requests made within so many seconds."""
    chunk: list[tuple[int, str]] = []
    length = 0
    for created_at, name in named:
        size = len(quote(name)) + 1
        if chunk and (length + size > MOST_BYTES or created_at - chunk[0][0] > span):
            yield chunk
            chunk, length = [], 0
        chunk.append((created_at, name))
        length += size
    if chunk:
        yield chunk
