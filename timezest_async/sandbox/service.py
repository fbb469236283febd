"""The service itself, apart from HTTP: a call in, an answer out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast
from urllib.parse import quote, unquote

from timezest_async.sandbox.attributes import Json
from timezest_async.sandbox.creating import RefusedError, new_request
from timezest_async.sandbox.exchange import PREFIX, Answer, Call, error_answer, html_answer, json_answer
from timezest_async.sandbox.query import Condition, UnreadableFilterError, compile_filter
from timezest_async.sandbox.store import Store, UnknownCursorError

_LISTS: Final = {
    "scheduling_requests": "scheduling_request",
    "agents": "agent",
    "teams": "team",
    "resources": "resource",
    "appointment_types": "appointment_type",
}


def route_of(method: str, path: str) -> str:
    """Name the route of a request, such as ``"GET /scheduling_requests/{id}"``.

    Paths outside the API keep their own name.
    """
    head, *rest = path.removeprefix(PREFIX).strip("/").split("/")
    return f"{method} /{head}" + (
        "/{id}" if rest and head in _LISTS else "".join(f"/{part}" for part in rest)
    )


class Service:
    """Answer calls from a store.

    Args:
        store: The records.
        clock: Epoch seconds, for ``created_at``.
        page_size: Records a page; the real service's is 20.
    """

    def __init__(self, store: Store, clock: Callable[[], float], page_size: int) -> None:
        self._store = store
        self._clock = clock
        self._page_size = page_size

    def answer(
        self, call: Call, *, may_write: bool, page_size: int | None = None, behind: float = 0.0
    ) -> Answer:
        """Do what a call asks.

        Args:
            call: The request, of a valid key.
            may_write: Whether the key may create.
            page_size: Records on this page, where it is not to be the usual one.
            behind: How many seconds ago what a list shows was true.
        """
        name, *rest = call.path.removeprefix(f"{PREFIX}/").removesuffix("/").split("/")
        is_requests = name == "scheduling_requests"
        if name not in _LISTS or not call.path.startswith(f"{PREFIX}/") or len(rest) > 1:
            return html_answer(404, "The page you were looking for doesn't exist")
        if call.method == "GET" and not rest:
            return self._list(call, _LISTS[name], self._page_size if page_size is None else page_size, behind)
        if call.method == "GET" and is_requests:
            body = self._store.get("scheduling_request", unquote(rest[0]))
            return error_answer(404, "Not found") if body is None else Answer(200, body.encode())
        if call.method == "POST" and is_requests and not rest:
            return self._create(call, may_write=may_write)
        return html_answer(404, "The page you were looking for doesn't exist")

    def _list(self, call: Call, entity: str, page_size: int, behind: float) -> Answer:
        after, before = call.query.get("starting_after"), call.query.get("ending_before")
        if after is not None and before is not None:
            return error_answer(400, "Only one of starting_after and ending_before can be given")
        text = call.query.get("filter", "")
        try:
            condition: Condition | None = compile_filter(entity, text) if text else None
            page = self._store.page(
                entity,
                condition,
                starting_after=after,
                ending_before=before,
                size=page_size,
                seconds_ago=behind,
            )
        except UnreadableFilterError:
            return error_answer(400, "Unable to parse filter URL parameter")
        except UnknownCursorError as error:
            return error_answer(400, f"There is no record with the ID {error}")
        base = f"{call.origin}{PREFIX}/{call.path.removeprefix(PREFIX).strip('/')}?"
        if text:
            # Everything is escaped, also what need not be: who re-quotes this URL gets another one.
            base += f"filter={quote(text, safe='').replace('~', '%7E')}&"
        older = "null" if page.older is None else json.dumps(f"{base}starting_after={page.older}")
        newer = "null" if page.newer is None else json.dumps(f"{base}ending_before={page.newer}")
        data = ",".join(page.bodies)
        envelope = f'{{"object":"list","next_page":{older},"previous_page":{newer},"data":[{data}]}}'
        return Answer(200, envelope.encode())

    def _create(self, call: Call, *, may_write: bool) -> Answer:
        if not may_write:
            return error_answer(
                403,
                "Unauthorized. The provided API key does not have sufficient permission"
                " to perform this action.",
            )
        try:
            parameters: Any = json.loads(call.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            parameters = None
        if not isinstance(parameters, dict):
            return error_answer(400, "The request body must be a JSON object")
        try:
            record = new_request(self._store, cast("Json", parameters), int(self._clock()), call.origin)
        except RefusedError as error:
            return error_answer(422, str(error))
        self._store.add([("scheduling_request", record)])
        return json_answer(201, record)


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON has not."""
    raise ValueError(name)
