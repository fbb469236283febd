"""What others may watch of an exchange: the one place that calls user code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

from timezest_async.errors import TimeZestError
from timezest_async.redaction import Secret, redact
from timezest_async.transport.messages import Request

if TYPE_CHECKING:
    from timezest_async.serialization.readers import UnreadableRecord


EVENTS: Final = ("on_request", "on_response", "on_retry", "on_wait")
"""The methods of ``Hooks`` that it has to have."""

_logger = logging.getLogger("timezest_async")
# Where nobody has configured logging, Python would write warnings to stderr as bare words.
_logger.addHandler(logging.NullHandler())


@attrs.frozen
class RequestEvent:
    """One step of a request, without the API key, and without query values unless asked for.

    Attributes:
        method: ``"GET"`` or ``"POST"``.
        route: The path's template, such as ``"/scheduling_requests/{id}"``.
        attempt: Which sending of this request it is, counted from 1.
        status: The HTTP status; None where none was read.
        error: The name of the exception's class; None where all is well.
        seconds: How long the attempt took, from sending to the end of the body.
        waited: Seconds waited before it: for the budget (``on_wait``), as a back-off (``on_retry``),
            or both, of all attempts together (``on_request``, ``on_response``).
        query: The query string as sent, if ``include_query`` of the hooks is true; else None.
    """

    method: str
    route: str
    attempt: int
    status: int | None = None
    error: str | None = None
    seconds: float | None = None
    waited: float = 0.0
    query: str | None = None


class Hooks(Protocol):
    """Derive from it and override what you want to hear.

    The methods are called in the task of the request, so a context variable set in ``on_request`` is
    seen by the ``on_response`` of the same attempt; the two always come in pairs. They must return
    soon and must not be coroutines. One that raises is logged to ``timezest_async``, and the exchange
    goes on: watching must not change what is watched.

    Attributes:
        include_query: Whether ``RequestEvent.query`` is filled. Filters name customers: think of your logs.
    """

    include_query: bool = False

    def on_request(self, event: RequestEvent) -> None:
        """Hear that an attempt is about to be sent."""
        del event  # mypy takes a method without a body for abstract

    def on_response(self, event: RequestEvent) -> None:
        """Hear how an attempt ended: with an answer, an error or a cancellation."""
        del event  # mypy takes a method without a body for abstract

    def on_retry(self, event: RequestEvent) -> None:
        """Hear that the back-off after a failed attempt is over; ``status`` and ``error`` are its."""
        del event  # mypy takes a method without a body for abstract

    def on_wait(self, event: RequestEvent) -> None:
        """Hear that an attempt had to wait for the budget, and how long."""
        del event  # mypy takes a method without a body for abstract

    def on_unreadable(self, record: UnreadableRecord) -> None:
        """Hear of a record of a list that cannot be read, when its turn comes: before it is passed or raised.

        It may be missing from an object that does not derive from this class.
        """
        del record  # mypy takes a method without a body for abstract


def emit(
    hooks: Hooks | None,
    event: Literal["on_request", "on_response", "on_retry", "on_wait", "on_unreadable"],
    what: RequestEvent | UnreadableRecord,
) -> None:
    """Call one hook, if there is any; what it raises is logged and goes no further."""
    hear = getattr(hooks, event, None)
    if hear is None:
        return
    try:
        hear(what)
    except Exception:
        _logger.exception("The hook %s of %s raised; the request goes on.", event, type(hooks).__qualname__)


class Emitter:
    """Tells hooks of the steps of one request.

    Args:
        hooks: They, or None.
        request: The request.
        key: The API key, redacted from its query.
    """

    def __init__(self, hooks: Hooks | None, request: Request, key: Secret) -> None:
        self._hooks = hooks
        self._request = request
        wants_query = hooks is not None and getattr(hooks, "include_query", False)
        self._query = redact(request.url.raw_query_string, key) if wants_query else None

    def emit(
        self,
        step: Literal["on_request", "on_response", "on_retry", "on_wait"],
        attempt: int,
        error: BaseException | None = None,
        *,
        waited: float,
        status: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Tell of one step; see ``RequestEvent``."""
        if self._hooks is None:
            return
        if status is None and isinstance(error, TimeZestError):
            status = getattr(error, "status", None)
        event = RequestEvent(
            method=self._request.method,
            route=self._request.route,
            attempt=attempt,
            status=status,
            error=None if error is None else type(error).__name__,
            seconds=seconds,
            waited=waited,
            query=self._query,
        )
        emit(self._hooks, step, event)
