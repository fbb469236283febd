"""The service itself, apart from HTTP: a request in, a response out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn, cast
from urllib.parse import quote, unquote

from timezest_async.sandbox.exchange import Request, Response, error_response, html_response, json_response
from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.new_records import RefusedError, new_request
from timezest_async.sandbox.query import Condition, UnreadableFilterError, compile_filter
from timezest_async.sandbox.record_store import Store, UnknownCursorError
from timezest_async.sandbox.routes import LISTS, PREFIX


class Service:
    """Answer requests from a store.

    Args:
        store: The records.
        clock: Epoch seconds, for ``created_at``.
        page_size: Records a page; the real service's is 20.
    """

    def __init__(self, store: Store, clock: Callable[[], float], page_size: int) -> None:
        self.store = store
        self._clock = clock
        self._page_size = page_size

    def answer(
        self, request: Request, *, may_write: bool, page_size: int | None = None, behind: float = 0.0
    ) -> Response:
        """Do what a request asks.

        Args:
            request: The request, with a valid key.
            may_write: Whether the key may create.
            page_size: Records on this page, where it is not to be the usual one.
            behind: How many seconds ago what a list shows was true.
        """
        name, *rest = request.path.removeprefix(f"{PREFIX}/").removesuffix("/").split("/")
        is_requests = name == "scheduling_requests"
        if name not in LISTS or not request.path.startswith(f"{PREFIX}/") or len(rest) > 1:
            return html_response(404, "The page you were looking for doesn't exist")
        if request.method == "GET" and not rest:
            size = self._page_size if page_size is None else page_size
            return self._list(request, LISTS[name], size, behind)
        if request.method == "GET" and is_requests:
            body = self.store.get("scheduling_request", unquote(rest[0]))
            return error_response(404, "Not found") if body is None else Response(200, body.encode())
        if request.method == "POST" and is_requests and not rest:
            return self._create(request, may_write=may_write)
        return html_response(404, "The page you were looking for doesn't exist")

    def _list(self, request: Request, entity: str, page_size: int, behind: float) -> Response:
        after, before = request.query.get("starting_after"), request.query.get("ending_before")
        if after is not None and before is not None:
            return error_response(400, "Only one of starting_after and ending_before can be given")
        text = request.query.get("filter", "")
        try:
            condition: Condition | None = compile_filter(entity, text) if text else None
            page = self.store.page(
                entity,
                condition,
                starting_after=after,
                ending_before=before,
                size=page_size,
                seconds_ago=behind,
            )
        except UnreadableFilterError:
            return error_response(400, "Unable to parse filter URL parameter")
        except UnknownCursorError as error:
            return error_response(400, f"There is no record with the ID {error}")
        base = f"{request.origin}{PREFIX}/{request.path.removeprefix(PREFIX).strip('/')}?"
        if text:
            # Everything is escaped, also what need not be: who re-quotes this URL gets another one.
            base += f"filter={quote(text, safe='').replace('~', '%7E')}&"
        older = "null" if page.older is None else json.dumps(f"{base}starting_after={page.older}")
        newer = "null" if page.newer is None else json.dumps(f"{base}ending_before={page.newer}")
        data = ",".join(page.bodies)
        envelope = f'{{"object":"list","next_page":{older},"previous_page":{newer},"data":[{data}]}}'
        return Response(200, envelope.encode())

    def _create(self, request: Request, *, may_write: bool) -> Response:
        if not may_write:
            return error_response(
                403,
                "Unauthorized. The provided API key does not have sufficient permission"
                " to perform this action.",
            )
        try:
            parameters: Any = json.loads(request.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            parameters = None
        if not isinstance(parameters, dict):
            return error_response(400, "The request body must be a JSON object")
        try:
            record = new_request(self.store, cast("Json", parameters), int(self._clock()), request.origin)
        except RefusedError as error:
            return error_response(422, str(error))
        self.store.add([("scheduling_request", record)])
        return json_response(201, record)


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON has not."""
    raise ValueError(name)
