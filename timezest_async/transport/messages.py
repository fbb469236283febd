"""One HTTP exchange without any I/O: build a request, decipher a response.

Both are pure functions. A response is classified by its status alone, never by its text: the vendor's
403 begins with "Unauthorized" too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, TypeVar

import attrs
import yarl

from timezest_async._version import __version__
from timezest_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InvalidRequestError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
    ValidationError,
)
from timezest_async.redaction import Secret, redact
from timezest_async.serialization.json_parsing import NotJSONError, parse_json
from timezest_async.transport.error_bodies import body_excerpt, error_details
from timezest_async.transport.service_clock import http_date

USER_AGENT = f"timezest-async/{__version__}"
_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: ValidationError,
    429: RateLimitedError,
}

P = TypeVar("P")


@attrs.frozen
class Request:
    """What is to be sent; its repr shows neither headers nor body.

    Attributes:
        method: ``"GET"`` or ``"POST"``.
        url: Where to, encoded as it is to be sent.
        route: The path's template, such as ``"/scheduling_requests/{id}"``.
        headers: All that the service needs, the API key included.
        body: The JSON to send, or None.
    """

    method: Literal["GET", "POST"]
    url: yarl.URL = attrs.field(repr=False)
    route: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False, default=None)


@attrs.frozen
class Response:
    """What came back, as far as it came.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; looked up without regard to case by the edge that made them.
        body: The body, decompressed.
        flaw: Why the body is not whole, or None: ``"truncated"``, or ``"too large"`` and given up.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    flaw: Literal["truncated", "too large"] | None = None


def build_request(
    method: Literal["GET", "POST"],
    base_url: yarl.URL,
    target: str | yarl.URL,
    *,
    route: str,
    authorization: Secret,
    params: Mapping[str, str] | None = None,
    payload: Mapping[str, Any] | None = None,
) -> Request:
    """Build a request.

    Args:
        method: The HTTP method.
        base_url: The service's address, without a trailing slash.
        target: A path below ``base_url``, already quoted; or an absolute URL, sent as it is.
        route: The path's template, for hooks and errors.
        authorization: The header's value.
        params: Query parameters, not yet quoted; for a path only.
        payload: What to send as JSON.

    Raises:
        PaginationError: The absolute URL lies at another origin, where the key must not go.
        InvalidRequestError: The payload is not JSON.
    """
    if isinstance(target, yarl.URL):
        if _authority(target) != _authority(base_url):
            raise PaginationError(
                f"{_origin(target)} is not the service's origin {base_url.origin()}: nothing was sent there."
            )
        url = target
    else:
        url = yarl.URL(f"{base_url}{target}", encoded=True)
        if params:
            url = url.update_query(params)
    headers: dict[str, str] = {
        "Accept": "application/json",
        "Authorization": authorization,
        "User-Agent": USER_AGENT,
    }
    if payload is None:
        return Request(method, url, route, headers)
    headers["Content-Type"] = "application/json"
    try:
        body = json.dumps(payload, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"The request cannot be written as JSON: {error}.") from None
    return Request(method, url, route, headers, body)


def decipher(
    request: Request,
    response: Response,
    *,
    key: str,
    now: Callable[[], datetime] | None = None,
    decode: Callable[[bytes], P] = parse_json,
) -> P:
    """Return what is made of a good response; raise what a bad one means.

    Args:
        request: What was asked.
        response: What came back.
        key: The API key, redacted should the response repeat it.
        now: Returns the time (UTC) that a date in Retry-After is measured from when the response has no Date.
        decode: Makes something of a good response's body; a ``NotJSONError`` is what it may raise.

    Raises:
        APIStatusError: Its class for the status, on 4xx and 5xx.
        UnexpectedResponseError: A redirect, a status out of range, or a 2xx without whole JSON.
    """
    status = response.status
    if 200 <= status < 300:
        return _payload(request, response, key, decode)
    if 400 <= status < 600:
        message, errors = error_details(response.body, key)
        cls = _CLASSES.get(status, ServerError if status >= 500 else APIStatusError)
        raise cls(
            message or _phrase(status),
            status=status,
            errors=errors,
            retry_after=retry_after(response.headers, now=now and now()),
            request_method=request.method,
            request_path=request.url.raw_path,
        )
    asked = f"{request.method} {request.route}"
    if 300 <= status < 400 and not response.headers.get("Location"):
        raise UnexpectedResponseError(
            f"{asked} was answered {status} ({_phrase(status)}), which says neither what it returns nor where"
            " to: check base_url, and any proxy or cache on the way.",
            status=status,
            body_start=body_excerpt(response.body, key),
        )
    if 300 <= status < 400:
        # Only the origin is shown: the rest may hold a token, or the key that was sent.
        elsewhere = redact(_redirect_origin(request.url, response.headers["Location"]), key)
        raise UnexpectedResponseError(
            f"{asked} was redirected ({status}) to {elsewhere}. Redirects are"
            " not followed, since the API key must not go elsewhere: check base_url.",
            status=status,
            body_start=body_excerpt(response.body, key),
        )
    raise UnexpectedResponseError(
        f"{asked} was answered with the unknown status {status}.",
        status=status,
        body_start=body_excerpt(response.body, key),
    )


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Read Retry-After: seconds, with or without a fraction, or an HTTP date.

    A date is measured from the response's own Date, so that a wrong clock here does no harm.

    Returns:
        Seconds to wait, 0 or more; None where the header is missing or makes no sense.
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        seconds = float(text)
        # 400 digits make infinity, which no caller could wait for or compare usefully.
        return min(seconds, 1e9)
    until = http_date(text)
    if until is None:
        return None
    since = http_date(headers.get("Date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - since).total_seconds())


def _payload(request: Request, response: Response, key: str, decode: Callable[[bytes], P]) -> P:
    reason = ""
    if response.flaw is None and response.body.strip():
        try:
            return decode(response.body)
        except NotJSONError as error:
            reason = str(error)
    asked = f"{request.method} {request.route} was answered {response.status}"
    start = body_excerpt(response.body, key)
    if response.flaw == "too large":
        raise UnexpectedResponseError(
            f"{asked} with a body of more than {len(response.body)} bytes; the rest was not read.",
            status=response.status,
            body_start=start,
        )
    if response.flaw == "truncated":
        problem = f"{asked}, but the body broke off after {len(response.body)} bytes."
    elif not reason:
        problem = f"{asked} with an empty body where JSON belongs."
    else:
        kind = redact(response.headers.get("Content-Type", "no Content-Type"), key)[:80]
        problem = f"{asked} with something other than JSON ({kind}; {reason}): {start[:100]!r}."
    raise UnexpectedResponseError(problem, status=response.status, body_start=start, retryable=True)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "the answer gives no reason"


def _authority(url: yarl.URL) -> tuple[object, ...]:
    """Return what must be the same for the key to go there; a URL's own credentials make it another."""
    return url.scheme.lower(), (url.raw_host or "").lower(), url.port, url.user, url.password


def _origin(url: yarl.URL) -> str:
    return str(url.origin()) if url.absolute and url.host and url.scheme else "what is no absolute URL"


def _redirect_origin(url: yarl.URL, location: str) -> str:
    try:
        return _origin(url.join(yarl.URL(location)))
    except ValueError:
        return "what is no URL"
