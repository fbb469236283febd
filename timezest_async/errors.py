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
    ├── OutcomeUnknownError                     a create that may or may not have happened
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

All of them pickle and copy, and none carries the API key: they hold only what is named in
their signatures.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar


def _restore(cls: type[TimeZestError], args: tuple[Any, ...], state: dict[str, Any]) -> TimeZestError:
    """Rebuild a pickled error without calling its keyword-only ``__init__``."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class TimeZestError(Exception):
    """The root of all errors of this package.

    Attributes:
        retryable: Whether the same call may succeed when it is made again later.
        retries_taken: How many times the request was sent again before this error was given up to.
        checkpoint: Where to resume (``list(checkpoint=...)``) when the error came out of a running
            ``Paginator``; otherwise None.
    """

    retryable: bool = False
    retries_taken: int = 0
    checkpoint: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


class FilterError(TimeZestError, ValueError):
    """A filter cannot be built, read or sent; nothing was sent.

    Attributes:
        text: The line of TQL text that was read, where the filter came as text.
        column: Where in it the trouble starts, counted from 1, in characters.
    """

    text: str | None = None
    column: int | None = None


class UnknownAttributeError(FilterError, AttributeError):
    """The entity has no filterable attribute of this name.

    Attributes:
        entity: The entity asked, such as ``"scheduling_request"``.
        attribute: The name that was not found.
        suggestion: The nearest attribute that exists, or None.
    """

    def __init__(self, message: str, *, entity: str, attribute: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.entity = entity
        self.attribute = attribute
        self.suggestion = suggestion


class UnsupportedOperatorError(FilterError, AttributeError, TypeError):
    """The attribute's kind does not take this operator.

    It is an ``AttributeError`` and a ``TypeError`` as well, since ``F.created_at.like`` and
    ``F.status < "x"`` are what leads to it.

    Attributes:
        attribute: The full name, such as ``"scheduling_request.created_at"``.
        operator: The operator refused, in TQL's spelling.
    """

    def __init__(self, message: str, *, attribute: str, operator: str) -> None:
        super().__init__(message)
        self.attribute = attribute
        self.operator = operator


class InvalidValueError(FilterError):
    """The value does not fit the attribute.

    Attributes:
        attribute: The full name, such as ``"scheduling_request.status"``.
        value: The value refused.
    """

    def __init__(self, message: str, *, attribute: str, value: object) -> None:
        super().__init__(message)
        self.attribute = attribute
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        # A refused value may be anything, unpicklable things included; its repr says enough elsewhere.
        state = self.__dict__.copy()
        if not isinstance(self.value, str | int | float | bytes | datetime | None):
            state["value"] = repr(self.value)
        return _restore, (type(self), self.args, state)


class UnsupportedFilterError(FilterError):
    """The filter is meaningful but cannot be said to the service as asked."""


class FilterSyntaxError(FilterError):
    """Filter text that cannot be read.

    Attributes:
        text: The line of text that was read.
        column: Where the trouble starts, counted from 1, in characters.
        reason: What is wrong.
        hint: What would be right, or None.
    """

    _MARGIN: ClassVar[int] = 60

    def __init__(self, reason: str, *, text: str, column: int, hint: str | None = None) -> None:
        super().__init__(reason)
        self.text = text
        self.column = column
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text, place = self.text or "", (self.column or 1) - 1
        start = max(0, place - self._MARGIN)
        shown = text[start : place + self._MARGIN]
        before, after = "…" if start else "", "…" if start + len(shown) < len(text) else ""
        caret = " " * (len(before) + sum(map(_columns, text[start:place]))) + "^"
        lines = [f"{self.reason} (column {place + 1})", f"  {before}{shown}{after}", f"  {caret}"]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


def _columns(character: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


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
    """

    retryable = True

    def __init__(self, message: str, *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class UnexpectedResponseError(TimeZestError):
    """The service answered with something other than what it documents.

    Attributes:
        status: The HTTP status.
        body_start: The first 500 characters of the body.
    """

    def __init__(self, message: str, *, status: int, body_start: str = "", retryable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.body_start = body_start[:500]
        self.retryable = retryable


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
    """404: there is no such record."""


class ValidationError(APIStatusError):
    """422: the service refuses the values of a create."""


class RateLimitedError(APIStatusError):
    """429: the account's requests of the last minute are used up."""

    retryable = True


class ServerError(APIStatusError):
    """5xx: the service failed."""

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """Whether the status is one that passes: 500, 502, 503 or 504."""
        return self.status in {500, 502, 503, 504}


class OutcomeUnknownError(TimeZestError):
    """A create that may or may not have happened; it is never sent again by itself.

    Look before you create again: ``await error.find_candidates(client)`` lists what may be it.

    Attributes:
        parameters: What was to be created, as it was sent.
        sent_at: When it was first sent (UTC).
        status: The HTTP status of the answer, or None where none was read.
    """

    def __init__(
        self,
        message: str,
        *,
        parameters: Mapping[str, Any],
        sent_at: datetime,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.parameters = dict(parameters)
        self.sent_at = sent_at
        self.status = status

    async def find_candidates(self, client: Any) -> list[Any]:
        """List the scheduling requests that may be the one this create was for.

        Reads the requests created from 120 s before the sending on, and of the same ticket, else
        contact, else end user's e-mail, else appointment type: whichever the create named first.

        Args:
            client: A ``TimeZestClient`` of the same account.

        Returns:
            The candidates, newest first; empty where the create surely did not happen, or not yet.
        """
        candidates: list[Any] = await client.scheduling_requests.find_candidates(
            self.parameters, self.sent_at
        )
        return candidates
