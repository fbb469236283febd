"""What others may watch of an exchange: the one place that calls user code."""

from __future__ import annotations

import itertools
import logging
import time
from contextlib import nullcontext, suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs
import yarl

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
        call: The ``id`` of the ``CallEvent`` that it belongs to; None where the hooks do not hear of calls.
        server_address: The host that it goes to.
        server_port: The port there.
        base_path: The path of ``base_url``, such as ``"/v1"``, which comes before ``route``.
    """

    method: str
    route: str
    attempt: int
    status: int | None = None
    error: str | None = None
    seconds: float | None = None
    waited: float = 0.0
    query: str | None = None
    call: int | None = None
    server_address: str = ""
    server_port: int | None = None
    base_path: str = ""


@attrs.frozen
class CallEvent:
    """The beginning or the end of a call, of one request or many: of a method, or of one reading of a list.

    Attributes:
        id: The same at its beginning and its end, and of no other call of this process.
        operation: ``"get"``, ``"create"``, ``"create_once"`` or ``"list"``.
        route: The path's template, such as ``"/scheduling_requests/{id}"``.
        parent: The ``id`` of the call that it is part of, as a list may be of ``create_once``; else None.
        pages: How many pages were read.
        records: How many records these had, whether or not they were handed over.
        attempts: How many requests were sent.
        waited: Seconds waited for the budget and as back-offs, by all of its requests together.
        seconds: How long it took; for a list until it was read, or left, by whoever iterates over it.
        error: The name of the exception's class; None where all is well.
    """

    id: int
    operation: str
    route: str
    parent: int | None = None
    pages: int = 0
    records: int = 0
    attempts: int = 0
    waited: float = 0.0
    seconds: float | None = None
    error: str | None = None


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

    def on_call_start(self, event: CallEvent) -> None:
        """Hear that a call begins: what it will send are the requests whose ``call`` is its ``id``.

        It may be missing from an object that does not derive from this class, as may ``on_call_end``.
        """
        del event  # mypy takes a method without a body for abstract

    def on_call_end(self, event: CallEvent) -> None:
        """Hear that it has ended, and how; each beginning has its end.

        That of a list that was left without ``aclose`` may come late, and out of any task.
        """
        del event  # mypy takes a method without a body for abstract

    def on_unreadable(self, record: UnreadableRecord) -> None:
        """Hear of a record of a list that cannot be read, when its turn comes: before it is passed or raised.

        It may be missing from an object that does not derive from this class.
        """
        del record  # mypy takes a method without a body for abstract


def emit(
    hooks: Hooks | None,
    event: Literal[
        "on_request", "on_response", "on_retry", "on_wait", "on_call_start", "on_call_end", "on_unreadable"
    ],
    what: RequestEvent | CallEvent | UnreadableRecord,
) -> None:
    """Call one hook, if there is any; what it raises is logged and goes no further."""
    hear = getattr(hooks, event, None)
    if hear is None:
        return
    try:
        hear(what)
    except Exception:
        _logger.exception("The hook %s of %s raised; the request goes on.", event, type(hooks).__qualname__)


class CallReport:
    """Tells hooks of one call, and counts what belongs to it; a context manager where that is one ``await``.

    Args:
        hooks: They.
        operation: What the call is, as ``CallEvent`` has it.
        route: Likewise.
    """

    def __init__(self, hooks: Hooks, operation: str, route: str) -> None:
        self._hooks = hooks
        self._operation, self._route = operation, route
        self.id: int = next(_ids)
        self.pages = self.records = self.attempts = 0
        self.waited: float = 0.0
        self._parent: int | None = None
        self._began: float | None = None
        self._token: Token[CallReport | None] | None = None

    def start(self) -> None:
        """Tell of its beginning, unless that was done."""
        if self._began is None:
            self._began = time.monotonic()
            outer = current_report.get()
            self._parent = None if outer is None else outer.id
            emit(self._hooks, "on_call_start", CallEvent(self.id, self._operation, self._route, self._parent))

    def end(self, error: BaseException | None = None) -> None:
        """Tell of its end, if there was a beginning, and no end yet."""
        if self._began is None or self._began < 0:
            return
        seconds, self._began = time.monotonic() - self._began, -1.0
        event = CallEvent(
            id=self.id,
            operation=self._operation,
            route=self._route,
            parent=self._parent,
            pages=self.pages,
            records=self.records,
            attempts=self.attempts,
            waited=self.waited,
            seconds=seconds,
            error=None if error is None else type(error).__name__,
        )
        emit(self._hooks, "on_call_end", event)

    def __enter__(self) -> None:
        self.start()
        self._token = current_report.set(self)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._token is not None:
            # What waited in a loop that was closed is thrown away in whatever context that happens.
            with suppress(ValueError):
                current_report.reset(self._token)
        self.end(error)


NOBODY: Final = nullcontext()
"""What stands for the report of a call that nobody hears of."""
_ids = itertools.count(1)
current_report: Final[ContextVar[CallReport | None]] = ContextVar("timezest_call", default=None)
"""The call that the running task makes, for requests that are not told theirs."""


def report_to(hooks: Hooks | None, operation: str, route: str) -> CallReport | None:
    """Make what tells of a call; None where nobody would hear it."""
    if hooks is None or getattr(hooks, "on_call_end", None) is None:
        return None
    return CallReport(hooks, operation, route)


class Emitter:
    """Tells hooks of the steps of one request.

    Args:
        hooks: They, or None.
        request: The request.
        key: The API key, redacted from its query.
        base_url: The service's address.
        report: Of the call that it belongs to; None for that of the running task, if there is one.
    """

    def __init__(
        self,
        hooks: Hooks | None,
        request: Request,
        key: Secret,
        base_url: yarl.URL,
        report: CallReport | None = None,
    ) -> None:
        self._hooks = hooks
        self._request = request
        self._base_url = base_url
        self._report = current_report.get() if report is None else report
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
        if self._report is not None:
            if step == "on_request":
                self._report.attempts += 1
            elif step != "on_response":
                self._report.waited += waited
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
            call=None if self._report is None else self._report.id,
            server_address=self._base_url.host or "",
            server_port=self._base_url.port,
            base_path=self._base_url.path.rstrip("/"),
        )
        emit(self._hooks, step, event)
