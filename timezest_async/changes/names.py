"""Asking for many requests at once, of which only those come back that are not as they were.

A request cannot be asked for by its id in a filter. But by the number of its ticket, else by the end user's
e-mail address; some 330 numbers go into one URL. What is asked is which of these are over by now.
"""

from __future__ import annotations

import math
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import attrs

from timezest_async import tql
from timezest_async.changes.change import Wire
from timezest_async.errors import APIStatusError, ConfigurationError
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
_TOO_LONG: Final = {400, 413, 414, 431}
"""With what gateways refuse a URL that is too long for them."""
_SECOND: Final = timedelta(seconds=1)

_NUMBERS: Final[Mapping[str, Any]] = {
    EntityType.AUTOTASK_TICKET: F.autotask_ticket_number,
    EntityType.CONNECTWISE_PSA_PROJECT_TICKET: F.connectwise_psa_ticket_number,
    EntityType.CONNECTWISE_PSA_SERVICE_TICKET: F.connectwise_psa_ticket_number,
    EntityType.HALO_PSA_TICKET: F.halo_psa_ticket_number,
    EntityType.SERVICE_NOW_TASK: F.service_now_task_number,
}


@attrs.define
class Room:
    """How long a list of names may be in a URL; what asks by name makes it smaller where that is refused.

    Attributes:
        most: Bytes.
    """

    most: int = MOST_BYTES


@attrs.frozen
class Part:
    """Requests that are asked for at once.

    Attributes:
        attribute: What they are named by.
        named: When each was created (epoch seconds), and its name; the oldest first.
        status: What is asked of their status; None for nothing.
    """

    attribute: Any
    named: Sequence[tuple[int, str]]
    status: Query | None = None

    @property
    def query(self) -> Query:
        """What to list."""
        oldest, newest = (datetime.fromtimestamp(self.named[end][0], UTC) for end in (0, -1))
        query: Query = self.attribute.in_(self._names) & F.created_at.between(oldest, newest + _SECOND)
        return query if self.status is None else query & self.status

    @property
    def size(self) -> int:
        """How many bytes of a URL the names are."""
        return sum(map(_size, self._names))

    @property
    def is_single(self) -> bool:
        """Whether there is but one name."""
        return len(self._names) == 1

    def halves(self) -> Iterator[Part]:
        """Divide it, between two names."""
        first = set(self._names[: len(self._names) // 2])
        for is_first in (True, False):
            yield attrs.evolve(self, named=[one for one in self.named if (one[1] in first) is is_first])

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for _, name in self.named))


@attrs.frozen
class ByName:
    """How to find out about some requests.

    Attributes:
        parts: What to list.
        nameless: The ids of those that have to be got one by one.
    """

    parts: Sequence[Part]
    nameless: Sequence[str]

    @property
    def cost(self) -> int:
        """The requests that it takes at least."""
        return len(self.parts) + len(self.nameless)

    def asking(self, room: Room) -> Asking:
        """Ask for the parts, in smaller ones where those are refused."""
        return Asking(self.parts, room)


class Asking:
    """What to list, one query after another; of one that is refused as too long, the halves come next.

    Args:
        parts: All of it.
        room: How long a list of names may be: learnt from what is refused.
    """

    def __init__(self, parts: Sequence[Part], room: Room) -> None:
        self._parts, self._room = deque(parts), room
        self._asked: Part | None = None

    def __iter__(self) -> Iterator[Query]:
        while self._parts:
            part = self._parts.popleft()
            if part.size > self._room.most and not part.is_single:
                self._parts.extendleft(reversed(list(part.halves())))
                continue
            self._asked = part
            yield part.query

    def refused(self, error: APIStatusError) -> None:
        """Ask in smaller parts for what the last query was to list.

        Args:
            error: What came of it.

        Raises:
            APIStatusError: That one, which has nothing to do with the length.
            ConfigurationError: There is nothing shorter.
        """
        part = self._asked
        # Errors that are listed are the service's own, which has read the filter.
        if error.status not in _TOO_LONG or error.errors is not None or part is None:
            raise error
        if part.is_single:
            raise ConfigurationError(
                f"a single ticket number or e-mail address in a filter is refused as a whole list of them is "
                f"({error}): let the gateway before the service take URLs of 4 kB"
            ) from error
        self._room.most = min(self._room.most, part.size // 2)
        self._parts.appendleft(part)


def ask_for_transitions(requests: Iterable[Wire], turn: int = 0, *, most_bytes: int = MOST_BYTES) -> ByName:
    """Ask which of some requests were cancelled, closed, or sent to the end user; bookings the ticks see.

    Args:
        requests: As they were.
        turn: Which of those that are new have their turn: one question is asked about them each time.
        most_bytes: How long a list of names may be in a URL.
    """
    known = list(requests)
    usual = [request for request in known if _is_fit(request["status"])]
    statuses = sorted({*_USUAL, *(request["status"] for request in usual)})
    found = ask_for(usual, most_bytes)
    parts = [attrs.evolve(part, status=F.status.not_in(statuses)) for part in found.parts]
    sent = {_key(request) for request in usual if request["status"] == Status.SENT}
    new = [request for request in usual if request["status"] == Status.NEW]
    # Of a ticket with several requests those that were sent long ago would come back each time.
    shared = [request for request in new if _key(request) in sent]
    alone = [request for request in new if _key(request) not in sent]
    groups = [alone, *(shared[start : start + _SHARED] for start in range(0, len(shared), _SHARED))]
    sendings = [part for group in groups for part in ask_for(group, most_bytes).parts]
    if sendings:
        parts.append(attrs.evolve(sendings[turn % len(sendings)], status=F.status == Status.SENT))
    unusual = [request["id"] for request in known if not _is_fit(request["status"])]
    return ByName(parts, [*found.nameless, *unusual])


def ask_for(requests: Iterable[Wire], most_bytes: int = MOST_BYTES) -> ByName:
    """Ask for some requests by their names; others of the same names may come with them."""
    groups: dict[str, tuple[Any, list[tuple[int, str]]]] = {}
    nameless: list[str] = []
    for request in requests:
        attribute, name = _name(request)
        if attribute is None:
            nameless.append(request["id"])
        else:
            groups.setdefault(attribute.name, (attribute, []))[1].append((request["created_at"], name))
    parts: list[Part] = []
    for attribute, named in groups.values():
        span = _SPAN if attribute.name == F.end_user_email.name else math.inf
        parts += (Part(attribute, chunk) for chunk in _chunks(sorted(named), span, most_bytes))
    return ByName(parts, nameless)


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


def _chunks(
    named: Sequence[tuple[int, str]], span: float, most_bytes: int
) -> Iterator[list[tuple[int, str]]]:
    """Divide names so that each part fits into a URL, and is of requests made within so many seconds."""
    chunk: list[tuple[int, str]] = []
    length = 0
    for created_at, name in named:
        size = _size(name)
        if chunk and (length + size > most_bytes or created_at - chunk[0][0] > span):
            yield chunk
            chunk, length = [], 0
        chunk.append((created_at, name))
        length += size
    if chunk:
        yield chunk


def _size(name: str) -> int:
    return len(quote(name)) + 1
