"""The control address: what a sandbox does, and what goes wrong with it, while it runs by itself.

It listens on the loopback interface only, whatever address the service has, and so needs no key. It takes
nothing but JSON, sent to a name of this machine: pages of other sites in a browser here cannot use it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Final, Literal, cast, get_args, get_origin, get_type_hints
from urllib.parse import unquote, urlsplit

from attrs import fields, frozen

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox import faults, late_faults, page_faults
from timezest_async.sandbox.acts import Acts
from timezest_async.sandbox.arguments import check_arguments
from timezest_async.sandbox.exchange import Request, Response, error_response, json_response
from timezest_async.sandbox.faults import Fault
from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.http_handler import HttpHandler
from timezest_async.sandbox.moving_clock import MovingClock

LOOPBACK: Final = "127.0.0.1"
_HERE: Final = frozenset({LOOPBACK, "localhost"})
_LATEST: Final = 253_402_300_799  # 9999-12-31
_FAULTS: Final[Mapping[str, type[Fault]]] = {
    kind.__name__: kind
    for kind in (
        *(faults.Status, faults.TooManyRequests, faults.Delay, faults.DropBeforeHeaders, faults.AnswerLost),
        *(faults.DropAfterHeaders, faults.DropMidBody, faults.SlowDrip, faults.StaleConnection),
        *(faults.TruncatedJSON, faults.ContentType, faults.HTML, faults.Garbage, faults.GzipBomb),
        *(faults.PageSize, late_faults.ActsLate, late_faults.ListLag, page_faults.DuplicatePage),
        *(page_faults.LoopingNextPage, page_faults.ForeignNextPage, page_faults.NextPageShape),
    )
}


@frozen
class Control:
    """Answers at the control address.

    Attributes:
        acts: What end users and the team do.
        clock: The sandbox's time.
        handler: What has the latency and the faults.
    """

    acts: Acts
    clock: MovingClock
    handler: HttpHandler

    def answer(self, request: Request) -> Response:
        """Do what is asked for; errors are ``{"error": …}``, as the service's are."""
        if urlsplit(request.origin).hostname not in _HERE:
            return error_response(403, "The control address is for this machine: write http://127.0.0.1:PORT")
        if request.method != "GET" and request.content_type != "application/json":
            return error_response(415, "Send the header Content-Type: application/json")
        try:
            content: Any = json.loads(request.body or b"{}")
            if not isinstance(content, dict):
                return error_response(422, "The body is a JSON object")
            return self._do(request, cast("Json", content))
        except KeyError as error:
            return error_response(404, f"There is no scheduling request {error}")
        except ConfigurationError as error:
            return error_response(422, str(error))
        except (ValueError, RecursionError) as error:
            return error_response(409 if "/requests/" in request.path else 422, str(error))

    def _do(self, request: Request, content: Json) -> Response:
        match [request.method, *request.path.strip("/").split("/")]:
            case ["GET", ""]:
                return self._state()
            case ["POST", "requests", id, "book"]:
                return json_response(200, self._book(unquote(id), content))
            case ["POST", "requests", id, "cancel"]:
                return json_response(200, self.acts.cancel(unquote(id)))
            case ["POST", "requests", id, "close"]:
                return json_response(200, self.acts.close(unquote(id)))
            case ["PUT", "latency"]:
                check_arguments(latency=content.get("seconds"))
                self.handler.latency = content["seconds"]
            case ["PUT", "time"]:
                self.clock.set(_moment("now", content.get("now")))
            case ["POST", "faults"]:
                self._add_faults(content)
            case ["DELETE", "faults"]:
                self.handler.faults.clear()
            case _:
                return error_response(404, f"There is nothing at {request.method} {request.path}")
        return self._state()

    def _state(self) -> Response:
        pending = self.handler.faults.pending
        told = {"now": self.clock(), "latency": self.handler.latency, "faults_pending": pending}
        return json_response(200, told)

    def _book(self, id: str, content: Json) -> Json:
        zone = content.get("time_zone")
        if zone is not None and not (isinstance(zone, str) and zone):
            raise ConfigurationError("time_zone takes a name such as 'Arizona' or 'Europe/Amsterdam'")
        if content.get("start_time") is not None:
            return self.acts.book(id, int(_moment("start_time", content["start_time"])), zone)
        tomorrow = int(self.clock() // 3600 + 24) * 3600
        return self.acts.book(id, tomorrow, zone)

    def _add_faults(self, content: Json) -> None:
        route = content.get("route")
        match content:
            case {"script": [*script]}:
                self.handler.faults.script(route, [None if one is None else _fault(one) for one in script])
            case {"probability": probability, "faults": [*some]}:
                self.handler.faults.randomly(probability, [_fault(one) for one in some], route)
            case _:
                raise ConfigurationError(
                    'faults are given as {"route": …, "script": [{"fault": "Status", "status": 503}, null]}'
                    ' or {"route": …, "probability": 0.1, "faults": [{"fault": "Delay", "seconds": 2}]}'
                )


def _moment(name: str, value: object) -> float:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.utcoffset() is not None:
            value = moment.timestamp()
    if _fits(value, float) and cast("float", value) <= _LATEST:
        return cast("float", value)
    raise ConfigurationError(
        f"{name} takes epoch seconds, or a time with its offset such as 2026-03-08T06:30:00-07:00; not"
        f" {value!r:.60}"
    )


def _fault(content: object) -> Fault:
    """Make a fault of its name and its attributes, as ``{"fault": "Status", "status": 503}`` has them.

    Raises:
        ConfigurationError: There is no such fault, or it does not take these.
    """
    given: Json = dict(cast("Json", content)) if isinstance(content, dict) else {}
    name = given.pop("fault", None)
    kind = _FAULTS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ConfigurationError(f"a fault names one of {', '.join(_FAULTS)}; not {content!r:.60}")
    hints = get_type_hints(kind)
    takes = {attribute.name: hints[attribute.name] for attribute in fields(cast("Any", kind))}
    for attribute, value in given.items():
        if attribute not in takes or not _fits(value, takes[attribute]):
            raise ConfigurationError(
                f"{name} takes {', '.join(takes) or 'nothing'}; not {attribute}={value!r:.60}"
            )
    try:
        return kind(**given)
    except TypeError:
        raise ConfigurationError(f"{name} needs {', '.join(takes)}") from None


def _fits(value: object, kind: Any) -> bool:
    """Return whether a JSON value is of the type that a fault's attribute has."""
    if kind is float:
        return isinstance(value, int | float) and type(value) is not bool and 0 <= value < math.inf
    if kind is int:
        return type(value) is int and value >= 0
    if isinstance(kind, UnionType):
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is Mapping:
        return isinstance(value, dict) and all(isinstance(text, str) for text in cast("Json", value).values())
    return kind in (str, NoneType) and isinstance(value, kind)
