"""Ways in which the real service may differ from what is taken for granted of it.

Nobody here has seen the real service. What clients of it assume beyond the vendor's pages can each be made
untrue by one of these, to see whether a program notices, and still works or fails clearly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve, frozen

from timezest_async.sandbox.exchange import Request, Response, error_response, html_response
from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.query import UnreadableFilterError, read
from timezest_async.sandbox.record_store import Store
from timezest_async.sandbox.service import Service

_LONGEST: Final = 2_000
_TIMES: Final = ("created_at", "updated_at", "scheduled_at", "selected_start_time")
_UNBOOKED: Final[Json] = {
    "scheduled_at": None,
    "selected_start_time": None,
    "selected_time_zone": None,
    "scheduled_agents": [],
}


def _same(request: Request) -> Request:
    return request


def _unchanged(response: Response, request: Request) -> Response:  # noqa: ARG001 - as the others
    return response


@frozen
class Quirk:
    """One difference.

    Attributes:
        ask: Makes another request of what arrived, or the answer itself.
        answer: Makes another response of what the service would say.
        page_size: Records a page; None for the usual number.
    """

    ask: Callable[[Request], Request | Response] = _same
    answer: Callable[[Response, Request], Response] = _unchanged
    page_size: int | None = None


def _rewriting(pattern: str, replacement: str) -> Quirk:
    """Read filters otherwise: as if they were written so."""

    def ask(request: Request) -> Request:
        text = re.sub(pattern, replacement, request.query.get("filter", ""))
        return evolve(request, query={**request.query, "filter": text}) if text else request

    return Quirk(ask=ask)


def _refusing(pattern: str) -> Quirk:
    """Refuse the filters that a pattern is found in."""

    def ask(request: Request) -> Request | Response:
        found = re.search(pattern, request.query.get("filter", ""))
        return error_response(400, "Unable to parse filter URL parameter") if found else request

    return Quirk(ask=ask)


def _refuse_long(request: Request) -> Request | Response:
    return html_response(414, "Request-URI Too Large") if len(request.query_string) > _LONGEST else request


def _records(change: Callable[[Json], Json]) -> Quirk:
    """Show scheduling requests otherwise, in lists and by id."""

    def shown(content: Json, request: Request) -> Json:
        if "/scheduling_requests" not in request.path:
            return content
        if isinstance(content.get("data"), list):
            return {**content, "data": [change(record) for record in content["data"]]}
        return change(content)

    return _contents(shown)


def _lists(change: Callable[[Json, Request], Json]) -> Quirk:
    """Show lists otherwise."""
    return _contents(lambda content, request: change(content, request) if "data" in content else content)


def _contents(change: Callable[[Json, Request], Json]) -> Quirk:
    def answer(response: Response, request: Request) -> Response:
        if response.status not in {200, 201}:
            return response
        return evolve(response, body=json.dumps(change(json.loads(response.body), request)).encode())

    return Quirk(answer=answer)


def _iso(record: Json) -> Json:
    times = {name: record[name] for name in _TIMES if isinstance(record.get(name), int)}
    return record | {name: datetime.fromtimestamp(value, UTC).isoformat() for name, value in times.items()}


def _without_filter(page: Json, request: Request) -> Json:  # noqa: ARG001 - as the others
    link: str | None = page["next_page"]
    return page | {"next_page": link and re.sub(r"filter=[^&]*&?", "", link)}


def _relative(page: Json, request: Request) -> Json:
    link: str | None = page["next_page"]
    return page | {"next_page": link and f"{request.path}?{urlsplit(link).query}"}


def _minding_case(page: Json, request: Request) -> Json:
    entity = page["data"][0]["object"] if page["data"] else "scheduling_request"
    try:
        predicates = read(entity, request.query["filter"])
    except (KeyError, UnreadableFilterError):
        return page
    parts = [(one.attribute, one.values[0]) for one in predicates if one.operator == "LIKE"]
    data = [one for one in page["data"] if all(text in str(one.get(name)) for name, text in parts)]
    return page | {"data": data}


_TICKET: Final = r"(_number)~{}~([^~,]+)(?=~|$)"

QUIRKS: Final[Mapping[str, Quirk]] = {
    "page_of_50": Quirk(page_size=50),
    "oldest_first": _lists(lambda page, _: page | {"data": page["data"][::-1]}),
    "iso_timestamps": _records(_iso),
    "unknown_field": _records(lambda record: record | {"priority": "high"}),
    "unknown_status": _records(
        lambda record: record | ({"status": "reminded"} if record["status"] == "sent" else {})
    ),
    "unknown_time_zone": _records(
        lambda record: (
            record
            | ({"selected_time_zone": "Sea of Tranquility"} if record.get("selected_time_zone") else {})
        )
    ),
    "relative_links": _lists(_relative),
    "links_lose_the_filter": _lists(_without_filter),
    "takes_or": _rewriting(r"~OR~.*", ""),
    "updated_at_filterable": _rewriting(r"\.updated_at~", ".created_at~"),
    "plural_prefix_refused": _refusing(r"\bscheduling_requests\."),
    "escapes_refused": _refusing(r"\\"),
    "quotes_belong_to_the_value": _rewriting(r'"([^"\\]*)"', r'"\\"\1\\""'),
    "like_minds_case": _lists(_minding_case),
    "ticket_eq_is_exact": _rewriting(_TICKET.format("EQ"), r"\1~IN~\2"),
    "ticket_in_overlooks_the_hash": _rewriting(_TICKET.format("IN"), r"\1~EQ~\2"),
    "long_filters_refused": Quirk(ask=_refuse_long),
    "null_satisfies_not_eq": _rewriting(r"~AND~scheduling_request\.scheduled_at~NOT_EQ~[0-9]+", ""),
    "cancelling_clears_times": _records(
        lambda record: record | (_UNBOOKED if record["status"] == "cancelled" else {})
    ),
    "agent_is_refused": _refusing(r"scheduling_request\.agent~"),
    "agents_by_id": Quirk(),
    "gone_cursors_restart": Quirk(),
    "times_are_finer": _rewriting(r"created_at~EQ~[0-9]+", "created_at~LT~0"),
}
"""By name; what the two do that change nothing here is in ``QuirkyService``."""


class QuirkyService(Service):
    """A service that differs.

    Args:
        store: The records.
        clock: Epoch seconds, for ``created_at``.
        page_size: Records a page.
        quirks: The names of its differences.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], page_size: int, quirks: Collection[str]
    ) -> None:
        super().__init__(store, clock, page_size)
        self._quirks = frozenset(quirks)

    def answer(
        self, request: Request, *, may_write: bool, page_size: int | None = None, behind: float = 0.0
    ) -> Response:
        """Do what a request asks; see ``Service.answer``."""
        chosen = [QUIRKS[name] for name in QUIRKS if name in self._quirks]
        asked = request
        for quirk in chosen:
            changed = quirk.ask(asked)
            if isinstance(changed, Response):
                return changed
            asked = changed
            page_size = quirk.page_size if page_size is None else page_size
        response = self._special(asked)
        if response is None:
            response = super().answer(asked, may_write=may_write, page_size=page_size, behind=behind)
            if response.status == 400 and "gone_cursors_restart" in self._quirks:
                query = {name: value for name, value in asked.query.items() if name != "starting_after"}
                again = evolve(asked, query=query)
                response = super().answer(again, may_write=may_write, page_size=page_size, behind=behind)
        for quirk in chosen:
            response = quirk.answer(response, asked)
        return response

    def _special(self, request: Request) -> Response | None:
        if "agents_by_id" not in self._quirks or request.route != "GET /agents/{id}":
            return None
        body = self.store.get("agent", request.path.rpartition("/")[2])
        return error_response(404, "Not found") if body is None else Response(200, body.encode())
