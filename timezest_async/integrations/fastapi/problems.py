"""What an app answers where the package raises: problem details (RFC 9457), which tell nobody's secrets."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import attrs
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from timezest_async.errors import (
    APIStatusError,
    AuthenticationError,
    BudgetExhaustedError,
    ConfigurationError,
    ConnectionFailedError,
    FilterError,
    IntentBusyError,
    InvalidRequestError,
    KeyReusedError,
    MultipleFoundError,
    NotFoundError,
    OutcomeUnknownError,
    PaginationError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    TimeZestError,
    UnexpectedResponseError,
    ValidationError,
)

_logger = logging.getLogger("timezest_async")

_WINDOW: Final = 60
"""Seconds after which a request certainly fits where the service did not say when."""


@attrs.frozen
class _Answer:
    """What is answered to an error.

    Attributes:
        status: The HTTP status.
        code: What programs tell it by.
        detail: For people; None for the error's own words, which only those have that the caller caused.
    """

    status: int
    code: str
    detail: str | None = None


_ANSWERS: Final[Mapping[type[TimeZestError], _Answer]] = {
    FilterError: _Answer(422, "invalid_filter"),
    InvalidRequestError: _Answer(422, "invalid_request"),
    KeyReusedError: _Answer(422, "key_reused"),
    ValidationError: _Answer(422, "refused_values", "TimeZest refuses these values."),
    NotFoundError: _Answer(404, "not_found", "TimeZest has no such record."),
    MultipleFoundError: _Answer(409, "multiple_found", "There are several records where one was looked for."),
    IntentBusyError: _Answer(409, "busy", "This is being created: ask again later."),
    BudgetExhaustedError: _Answer(
        503, "budget_exhausted", "No request to TimeZest is free: ask again later."
    ),
    RateLimitedError: _Answer(503, "rate_limited", "TimeZest takes no more requests: ask again later."),
    OutcomeUnknownError: _Answer(
        502, "outcome_unknown", "It may have been created, or not: look before it is created again."
    ),
    RequestTimeoutError: _Answer(504, "timeout", "TimeZest did not answer in time."),
    ConnectionFailedError: _Answer(502, "connection_failed", "TimeZest cannot be reached."),
    AuthenticationError: _Answer(502, "key_refused", "TimeZest refuses this server's API key."),
    PermissionDeniedError: _Answer(502, "key_refused", "TimeZest refuses this to this server's API key."),
    UnexpectedResponseError: _Answer(502, "unexpected_response", "TimeZest answered with something else."),
    PaginationError: _Answer(502, "unexpected_response", "TimeZest's list does not go on as it should."),
    APIStatusError: _Answer(502, "refused", "TimeZest did not do what it was asked for."),
    ConfigurationError: _Answer(500, "misconfigured", "This server is set up wrongly."),
    TimeZestError: _Answer(502, "failed", "TimeZest could not be used."),
}
"""By the nearest class of an error."""

PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {
            "application/problem+json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail", "code"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "code": {
                            "type": "string",
                            "enum": sorted({one.code for one in _ANSWERS.values() if one.status == status}),
                        },
                    },
                }
            }
        },
    }
    for status in sorted({answer.status for answer in _ANSWERS.values()})
}
"""For ``responses=`` of an app, a router or an endpoint, so that its OpenAPI tells of problems."""


def install_problems(app: Starlette) -> None:
    """Answer with problem details where an endpoint raises a ``TimeZestError``; other errors are left alone.

    ======================================================  ======  =====================================
    error                                                   status  beside type, title, status, detail
    ======================================================  ======  =====================================
    ``FilterError``, ``InvalidRequestError``,               422     the error's own words as detail
    ``KeyReusedError``
    ``ValidationError``                                     422
    ``NotFoundError``                                       404
    ``MultipleFoundError``                                  409
    ``IntentBusyError``                                     409     ``Retry-After``
    ``BudgetExhaustedError``, ``RateLimitedError``          503     ``Retry-After``
    ``RequestTimeoutError``                                 504
    ``OutcomeUnknownError``                                 502     ``sent_at``
    ``AuthenticationError``, ``PermissionDeniedError``      502     it is the server's key, not the caller's
    ``ConfigurationError``                                  500
    any other                                               502
    ======================================================  ======  =====================================

    ``code`` tells programs which it is. What the service said, and the key, are told to nobody; the logger
    ``timezest_async`` is told the class of an error that is not the caller's.

    Args:
        app: The app. Its own handlers, also of single classes of errors, stay.
    """
    app.add_exception_handler(TimeZestError, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    answer = next(_ANSWERS[cls] for cls in type(error).__mro__ if cls in _ANSWERS)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(answer.status).phrase,
        "status": answer.status,
        "detail": str(error) if answer.detail is None else answer.detail,
        "code": answer.code,
    }
    headers: dict[str, str] = {}
    if isinstance(error, BudgetExhaustedError | IntentBusyError | RateLimitedError):
        wait = _WINDOW if error.retry_after is None else error.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if isinstance(error, OutcomeUnknownError):
        body["sent_at"] = error.sent_at.isoformat()
    if answer.status >= 500:
        status = getattr(error, "status", None)
        _logger.warning(
            "%s %s: %s%s, answered with %d",
            request.method,
            request.url.path,
            type(error).__name__,
            "" if status is None else f" ({status} from TimeZest)",
            answer.status,
        )
    return JSONResponse(body, answer.status, headers, "application/problem+json")
