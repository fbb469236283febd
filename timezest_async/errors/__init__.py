"""Every error that this package raises on purpose.

::

    TimeZestError
    ├── FilterError (ValueError)                a filter that cannot be built or sent
    │   ├── UnknownAttributeError (AttributeError)
    │   ├── UnsupportedOperatorError (AttributeError, TypeError)
    │   ├── InvalidValueError
    │   ├── UnsupportedFilterError
    │   └── FilterSyntaxError
    ├── ConfigurationError (ValueError)         the client cannot be made or used like this
    ├── InvalidRequestError (ValueError)        arguments that the service would refuse
    ├── ConnectionFailedError                   no answer: refused, reset, DNS, TLS
    ├── RequestTimeoutError                     no answer in time
    ├── BudgetExhaustedError                    the request budget cannot meet the deadline
    ├── MultipleFoundError                      several records where one() was to find one
    ├── OutcomeUnknownError                     a create that may or may not have happened
    ├── IntentBusyError                         another worker holds this key of create_once()
    ├── KeyReusedError (ValueError)             the same key of create_once() with other arguments
    ├── UnexpectedResponseError                 an answer, but not the documented one
    ├── PaginationError                         a next page that loops or leaves the origin
    └── APIStatusError                          the service said no
        ├── BadRequestError                     400
        ├── AuthenticationError                 401
        ├── PermissionDeniedError               403
        ├── NotFoundError                       404
        ├── ValidationError                     422
        ├── RateLimitedError                    429
        └── ServerError                         5xx

Knows what went wrong and what would be right; knows nothing of the rest of the package.

All of them pickle and copy, and none carries the API key: they hold only what is named in
their signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from timezest_async.errors.filter_errors import (
    FilterError,
    FilterSyntaxError,
    InvalidValueError,
    UnknownAttributeError,
    UnsupportedFilterError,
    UnsupportedOperatorError,
)
from timezest_async.errors.roots import TimeZestError

__all__ = [
    "APIStatusError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExhaustedError",
    "ConfigurationError",
    "ConnectionFailedError",
    "FilterError",
    "FilterSyntaxError",
    "IntentBusyError",
    "InvalidRequestError",
    "InvalidValueError",
    "KeyReusedError",
    "MultipleFoundError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitedError",
    "RequestTimeoutError",
    "ServerError",
    "TimeZestError",
    "UnexpectedResponseError",
    "UnknownAttributeError",
    "UnsupportedFilterError",
    "UnsupportedOperatorError",
    "ValidationError",
]

PASSING_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530})
"""Statuses after which the same request may succeed; those from 520 on are gateways' own."""


class ConfigurationError(TimeZestError, ValueError):
    """The client cannot be made, or used, like this."""


class InvalidRequestError(TimeZestError, ValueError):
    """Arguments that the service would refuse; nothing was sent."""


class ConnectionFailedError(TimeZestError):
    """No answer came: the connection was refused or lost, or DNS or TLS failed.

    Attributes:
        never_sent: Whether it is certain that the service saw nothing of the request.
    """

    retryable = True

    def __init__(self, message: str, *, never_sent: bool = False) -> None:
        super().__init__(message)
        self.never_sent = never_sent


class RequestTimeoutError(TimeZestError):
    """No answer came in time: ``timeout`` for one attempt, or ``deadline`` for the whole call.

    Attributes:
        seconds: The limit that passed, in seconds.
        never_sent: Whether it is certain that the service saw nothing of the request: it still waited
            for the budget or a connection, or was connecting.
    """

    retryable = True

    def __init__(self, message: str, *, seconds: float | None = None, never_sent: bool = False) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.never_sent = never_sent


class BudgetExhaustedError(TimeZestError):
    """The request budget has no room before the call's deadline; nothing was sent.

    Attributes:
        retry_after: Seconds after which there may be room, at the earliest.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnexpectedResponseError(TimeZestError):
    """The service answered with something other than what it documents.

    Attributes:
        status: The HTTP status.
        body_start: The first 500 characters of the body.
    """

    def __init__(self, message: str, *, status: int, body_start: str = "", retryable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.body_start: str = body_start[:500]
        self.retryable = retryable


class MultipleFoundError(TimeZestError):
    """There are several records where ``one()``, or ``create_once()``, was to find a single one."""


class IntentBusyError(TimeZestError):
    """What ``create_once()`` is to make is being made, or may yet turn up: nothing was sent for it now.

    Attributes:
        retry_after: Seconds after which to call again with the same key and arguments.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KeyReusedError(TimeZestError, ValueError):
    """The key of ``create_once()`` was used before with other arguments; nothing was sent."""


class PaginationError(TimeZestError):
    """The next page of a list loops, or lies at another origin, so the stream cannot go on."""


class APIStatusError(TimeZestError):
    """The service answered with an error status.

    Attributes:
        status: The HTTP status.
        message: What the service said.
        errors: The ``errors`` member of the answer's body as it came, or None.
        retry_after: Seconds the service asked to wait, or None.
        request_method: ``"GET"`` or ``"POST"``.
        request_path: The path, without the query.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        errors: Any = None,
        retry_after: float | None = None,
        request_method: str = "",
        request_path: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.retry_after = retry_after
        self.request_method = request_method
        self.request_path = request_path

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """Whether the status is one that passes, of the service or of a gateway before it."""
        return self.status in PASSING_STATUSES

    def __str__(self) -> str:
        details = "" if self.errors is None else f" ({self.errors!r})"
        return f"{self.status} for {self.request_method} {self.request_path}: {self.message}{details}"


class BadRequestError(APIStatusError):
    """400: the service cannot read the request, such as its filter."""


class AuthenticationError(APIStatusError):
    """401: there is no valid API key."""


class PermissionDeniedError(APIStatusError):
    """403: the API key may not do this, such as a read-only key creating."""


class NotFoundError(APIStatusError):
    """404: there is no such record.

    Attributes:
        hint: What may be the matter otherwise, such as a ``base_url`` without its ``/v1``; or None.
    """

    hint: str | None = None

    def __str__(self) -> str:
        return super().__str__() if self.hint is None else f"{super().__str__()} ({self.hint})"


class ValidationError(APIStatusError):
    """422: the service refuses the values of a create."""


class RateLimitedError(APIStatusError):
    """429: the account's requests of the last minute are used up."""


class ServerError(APIStatusError):
    """5xx: the service failed, or a gateway before it."""


class OutcomeUnknownError(TimeZestError):
    """A create that may or may not have happened; it is never sent again by itself.

    Look before you create again: ``await error.find_candidates(client)`` lists what may be it.

    Attributes:
        parameters: What was to be created, as it was sent.
        sent_at: When it was first sent (UTC), by our clock.
        status: The HTTP status of the answer, or None where none was read.
        clock_offset: How far the service's clock was ahead of ours then, by the ``Date`` of its answers;
            None where it had not answered anything yet.
    """

    def __init__(
        self,
        message: str,
        *,
        parameters: Mapping[str, Any],
        sent_at: datetime,
        status: int | None = None,
        clock_offset: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.parameters: dict[str, Any] = dict(parameters)
        self.sent_at = sent_at
        self.status = status
        self.clock_offset = clock_offset

    async def find_candidates(self, client: Any) -> list[Any]:
        """List the scheduling requests that may be the one this create was for.

        Reads the requests created from 120 s before the sending on (by the service's clock, as the
        ``Date`` of its answers tells it; ours may be wrong), of the same appointment type and resources,
        and of the same ticket, else contact, else end user's e-mail: whichever the create named first.

        Args:
            client: A ``TimeZestClient`` of the same account.

        Returns:
            The candidates, newest first. None found is no proof: a service that is slow may create it
            yet. Look again after a minute or two before you create again.
        """
        candidates: list[Any] = await client.scheduling_requests.find_candidates(
            self.parameters, self.sent_at, clock_offset=self.clock_offset
        )
        return candidates
