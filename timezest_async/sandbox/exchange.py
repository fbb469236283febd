"""What passes between the wire, the service and the faults: requests and responses, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen


@frozen
class Request:
    """A request, as far as the service looks at it.

    Attributes:
        method: ``"GET"`` or another.
        route: Method and path template, such as ``"GET /scheduling_requests/{id}"``; what faults are
            addressed to.
        origin: Scheme, host and port that the request was sent to.
        path: The path as sent, such as ``"/v1/agents"``.
        query_string: The query as sent, still encoded.
        query: The query decoded; of a name given twice, the last.
        body: The body's bytes.
        now: The sandbox's time, in epoch seconds.
        accept: What the caller would like to be answered with, as its header says.
        content_type: What the body is, without parameters, such as ``"application/json"``.
    """

    method: str
    route: str
    origin: str
    path: str
    query_string: str
    query: Mapping[str, str]
    body: bytes = b""
    now: float = 0.0
    accept: str = ""
    content_type: str = ""

    @property
    def url(self) -> str:
        """The absolute URL, encoded as it was sent."""
        return f"{self.origin}{self.path}" + (f"?{self.query_string}" if self.query_string else "")


class Delivery(Enum):
    """How a response is put on the wire."""

    WHOLE = "whole"
    NOTHING = "the connection is closed before any byte"
    HEADERS_ONLY = "the connection is closed after the headers"
    HALF = "the connection is closed in the middle of the body"
    DRIP = "the body comes in small pieces"


@frozen
class Response:
    """A response, and how it is delivered.

    Attributes:
        status: The HTTP status.
        body: The body's bytes.
        headers: Headers, the content type among them.
        delay: Seconds to wait before anything is sent.
        delivery: How the response is put on the wire.
        drip: For ``Delivery.DRIP``: bytes a piece, and seconds between two.
        leaves_stale: Whether the connection stays open but takes no further request.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=lambda: {"Content-Type": "application/json; charset=utf-8"})
    delay: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    drip: tuple[int, float] = (1, 0.0)
    leaves_stale: bool = False


@frozen
class RecordedRequest:
    """A request that arrived, without its secret headers.

    Attributes:
        method: Such as ``"GET"``.
        route: Method and path template, such as ``"GET /scheduling_requests/{id}"``.
        path: The path as sent, such as ``"/v1/scheduling_requests"``.
        query_string: The query as sent, still encoded.
        query: The query decoded.
        headers: The headers, without the secret ones; names in lower case.
        authorized: Whether a valid API key came with it.
        body: The body's bytes.
        status: The status answered; None where the connection was closed without one.
        time: When it arrived, in seconds of the monotonic clock.
        limited: Whether it was refused because the account's budget was used up.
    """

    method: str
    route: str
    path: str
    query_string: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    authorized: bool
    body: bytes
    status: int | None
    time: float
    limited: bool = False

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


def json_response(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """Make a response with a JSON body, and ``headers`` beside its content type."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make an error in the service's shape, ``{"error": …}``."""
    return json_response(status, {"error": message}, headers)


def html_response(status: int, title: str) -> Response:
    """Make a small HTML page, as web frameworks send for what they do not know."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
