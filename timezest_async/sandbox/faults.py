"""Things that go wrong, on order: per route, by script or by chance.

::

    async with Sandbox(records=200) as sandbox:
        # The first request of the list fails, the second is answered rightly, the third breaks off.
        sandbox.faults.script("GET /scheduling_requests", [Status(503), None, DropMidBody()])
        # Every second create, by chance, happens without an answer.
        sandbox.faults.randomly(0.5, [AnswerLost()], route="POST /scheduling_requests")
        # One request in ten, on any route, meets one of these.
        sandbox.faults.randomly(0.1, [Status(500), Delay(0.2), TooManyRequests(timedelta(seconds=1))])
        # The list's pages have 20, none and 3 records; no record is lost.
        sandbox.faults.page_sizes([20, 0, 3])

With a fault whose ``acts`` is False the service does not act, so that a create it hits did not happen;
with the others it acts first, and the fault is applied to its response. A fault of your own derives
from ``Fault``.
"""

from __future__ import annotations

import gzip
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import ClassVar, cast

from attrs import evolve, field, frozen

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox.arguments import check_arguments
from timezest_async.sandbox.exchange import Delivery, Request, Response, error_response, html_response
from timezest_async.sandbox.routes import check_route


class Fault:
    """Something that goes wrong with one request; subclasses say what."""

    __slots__ = ()

    acts: ClassVar[bool] = True

    def records_on_page(self) -> int | None:
        """How many records a list's page is to have; None for the usual number."""
        return None

    def acts_after(self) -> float | None:
        """How many seconds after its answer the service acts, where ``acts`` is False; None for never."""
        return None

    def behind(self) -> float:
        """How many seconds ago what a list shows was true."""
        return 0.0

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002 - for subclasses
        """Turn the service's response to ``request`` into what is sent instead."""
        return response


@frozen
class Status(Fault):
    """Answer with another status, without acting.

    Attributes:
        status: The status, such as 503 or 302.
        body: Text or bytes; by default the service's JSON error shape.
        headers: Headers beside, or instead of, the JSON content type.
    """

    acts = False

    status: int
    body: str | bytes | None = None
    headers: Mapping[str, str] = field(factory=dict[str, str])

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        known = self.status in HTTPStatus._value2member_map_
        made = error_response(self.status, HTTPStatus(self.status).phrase if known else "Error", self.headers)
        if self.body is None:
            return made
        return evolve(made, body=self.body.encode() if isinstance(self.body, str) else self.body)


@frozen
class TooManyRequests(Fault):
    """Answer 429, without acting.

    Attributes:
        retry_after: Seconds, whole or with a fraction; a moment (an aware datetime) or a timedelta from
            now, sent as an HTTP date; any text, sent as it is; None for no such header.
    """

    acts = False

    retry_after: float | datetime | timedelta | str | None = None

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        value = self.retry_after
        if isinstance(value, timedelta):
            value = formatdate(request.now + value.total_seconds(), usegmt=True)
        elif isinstance(value, datetime):
            value = formatdate(value.timestamp(), usegmt=True)
        return error_response(429, "Too many requests", {} if value is None else {"Retry-After": str(value)})


@frozen
class Delay(Fault):
    """Act at once and answer rightly, but late.

    Attributes:
        seconds: How late.
    """

    seconds: float

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, delay=response.delay + self.seconds)


@frozen
class DropBeforeHeaders(Fault):
    """Close the connection without acting and without a byte of answer."""

    acts = False

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, delivery=Delivery.NOTHING)


@frozen
class AnswerLost(Fault):
    """Act, then close the connection without a byte of answer: a create has happened."""

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, delivery=Delivery.NOTHING)


@frozen
class DropAfterHeaders(Fault):
    """Act, send the headers, then close the connection."""

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, delivery=Delivery.HEADERS_ONLY)


@frozen
class DropMidBody(Fault):
    """Act, send the headers and half of the body, then close the connection."""

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, delivery=Delivery.HALF)


@frozen
class SlowDrip(Fault):
    """Act, and send the right answer in small pieces.

    Attributes:
        piece: Bytes a piece.
        seconds: How long between two pieces.
    """

    piece: int = 64
    seconds: float = 0.01

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, delivery=Delivery.DRIP, drip=(self.piece, self.seconds))


@frozen
class StaleConnection(Fault):
    """Act and answer rightly, then take no further request on this connection.

    The connection looks alive to the client; the next request on it is closed without an answer,
    without acting, and uses no budget.
    """

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, leaves_stale=True)


@frozen
class TruncatedJSON(Fault):
    """Act, and answer with the beginning of the body only, its length rightly announced.

    Attributes:
        keep: The share of the body that is sent, from 0 to 1.
    """

    keep: float = 0.5

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, body=response.body[: int(len(response.body) * self.keep)])


@frozen
class ContentType(Fault):
    """Act, and call the right body something else.

    Attributes:
        value: The content type.
    """

    value: str = "text/html"

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, headers={**response.headers, "Content-Type": self.value})


@frozen
class HTML(Fault):
    """Act, and answer with a page for people, as proxies do.

    Attributes:
        status: The status; the default claims success.
    """

    status: int = 200

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return html_response(self.status, "Down for maintenance")


@frozen
class Garbage(Fault):
    """Act, and answer with bytes that are neither JSON nor UTF-8, announced as JSON.

    Attributes:
        size: How many bytes.
    """

    size: int = 512

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        noise = random.Random(self.size).randbytes(self.size)  # noqa: S311 - noise, not a secret
        return evolve(response, body=b"\xff" + noise[1:])


@frozen
class GzipBomb(Fault):
    """Act, and answer with a small compressed body that unpacks to a huge one.

    Attributes:
        megabytes: Its size unpacked.
    """

    megabytes: int = 64

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        headers = {**response.headers, "Content-Encoding": "gzip"}
        return evolve(response, body=_bomb(self.megabytes), headers=headers)


@frozen
class PageSize(Fault):
    """Answer a list with so many records on the page; the list goes on after them.

    Attributes:
        records: How many; 0 gives an empty page.
    """

    records: int

    def records_on_page(self) -> int | None:  # noqa: D102 - as in Fault
        return self.records


class Faults:
    """What is to go wrong in one sandbox.

    A request is hit by the next fault of every script of its route and by whatever chance adds, all
    of them together, in this order. Requests refused for their key or for the budget use up none.

    Args:
        seed: What chance depends on.
    """

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._scripts: list[tuple[str | None, deque[Fault | None]]] = []
        self._risks: list[tuple[str | None, float, Sequence[Fault]]] = []

    def script(self, route: str | None, faults: Iterable[Fault | None]) -> None:
        """Apply faults to the next requests of a route, one each, in order.

        Args:
            route: Such as ``"GET /scheduling_requests"`` or ``"GET /scheduling_requests/{id}"``; None
                for every route.
            faults: One for each request; None lets one pass.

        Raises:
            ConfigurationError: No request has such a route, or something is not a fault.
        """
        check_route(route)
        self._scripts.append((route, deque(None if fault is None else _checked(fault) for fault in faults)))

    def randomly(self, probability: float, faults: Sequence[Fault], route: str | None = None) -> None:
        """Apply faults to requests by chance.

        Args:
            probability: How likely a request is hit, from 0 to 1.
            faults: One of these hits, each as likely as the others.
            route: As for ``script``.

        Raises:
            ConfigurationError: An argument is invalid.
        """
        check_route(route)
        check_arguments(probability=probability)
        if not faults:
            raise ConfigurationError("faults takes one fault at least")
        self._risks.append((route, probability, tuple(map(_checked, faults))))

    def page_sizes(self, sizes: Iterable[int], route: str | None = "GET /scheduling_requests") -> None:
        """Put so many records on the next pages of a list; afterwards pages are full again."""
        self.script(route, map(PageSize, sizes))

    def clear(self) -> None:
        """Let everything go right again."""
        self._scripts.clear()
        self._risks.clear()

    @property
    def pending(self) -> int:
        """How many scripted faults have not happened yet."""
        return sum(fault is not None for _, script in self._scripts for fault in script)

    def draw(self, route: str) -> list[Fault]:
        """Take what goes wrong with a request of this route that arrives now."""
        drawn = [script.popleft() for wanted, script in self._scripts if script and wanted in {None, route}]
        for wanted, probability, faults in self._risks:
            # Chance is asked for every request of the route, so that a seed means the same faults.
            if wanted in {None, route} and self._chance.random() < probability:
                drawn.append(self._chance.choice(faults))
        return [fault for fault in drawn if fault is not None]


def _checked(fault: Fault) -> Fault:
    if not isinstance(cast("object", fault), Fault):
        raise ConfigurationError(f"a fault is an object such as Status(503) or Delay(1.0), not {fault!r:.60}")
    return fault


@lru_cache(maxsize=4)
def _bomb(megabytes: int) -> bytes:
    return gzip.compress(b" " * (megabytes * 1_048_576), compresslevel=6, mtime=0)
