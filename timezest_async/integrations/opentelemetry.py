"""Spans and metrics of what a client does, by OpenTelemetry's API.

::

    hooks = instrument(client)                      # or TimeZestClient(hooks=instrument())

A call has a span, such as ``list /scheduling_requests``, and each attempt of its requests one of its own
below it, such as ``GET /v1/scheduling_requests``. Names and units are those of the semantic conventions for
HTTP clients (opentelemetry.io/docs/specs/semconv/http). No filter, query, address of a person, key or text of
the service is in any of them, and no header is added to requests.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final

import attrs

from timezest_async._version import __version__
from timezest_async.client import TimeZestClient
from timezest_async.export.formats.base import require
from timezest_async.serialization.readers import UnreadableRecord
from timezest_async.transport import CallEvent, Hooks, RequestEvent

require("opentelemetry.trace", "otel")

from opentelemetry import context, metrics, trace  # noqa: E402 - needs opentelemetry-api
from opentelemetry.context import Context  # noqa: E402 - likewise
from opentelemetry.trace import Span, SpanKind, StatusCode  # noqa: E402 - likewise

_URL_TEMPLATE: Final = "url.template"
"""Not yet stable in the conventions of November 2026."""
_SUPPRESSED: Final[str | None] = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", None)
"""By this the instrumentation of aiohttp knows that a request has its span already."""
_BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Seconds; those that the conventions advise for durations of requests."""
_WAITS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
_NOTICEABLE: Final = 0.001

Attributes = dict[str, str | int | float]


@attrs.frozen
class _Attempt:
    """What is to be ended with an attempt."""

    span: Span
    attached: Token[Context]
    before: Token[_Attempt | None]


_attempt: Final[ContextVar[_Attempt | None]] = ContextVar("timezest_attempt", default=None)


class TelemetryHooks(Hooks):
    """Hooks that make spans and metrics. Made by ``instrument``.

    Args:
        inner: Other hooks, which hear all as before.
        tracer_provider: Where spans go; by default the process's.
        meter_provider: Where metrics go; likewise.
    """

    def __init__(
        self,
        inner: Hooks | None = None,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self.inner = inner
        self.include_query: bool = bool(getattr(inner, "include_query", False))
        self._tracer = trace.get_tracer("timezest_async", __version__, tracer_provider)
        meter = metrics.get_meter("timezest_async", __version__, meter_provider)
        self._durations = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._waits = meter.create_histogram(
            "timezest.budget.wait.duration",
            "s",
            "How long requests waited for the request budget, where they had to.",
            explicit_bucket_boundaries_advisory=_WAITS,
        )
        self._retries = meter.create_counter(
            "timezest.retries", "{retry}", "Requests that were sent again, by what had failed."
        )
        self._calls: dict[int, tuple[Span, Context]] = {}

    def on_call_start(self, event: CallEvent) -> None:
        """Begin the span of a call."""
        parent = None if event.parent is None else self._calls.get(event.parent)
        outer = context.get_current() if parent is None else parent[1]
        attributes: Attributes = {"timezest.operation": event.operation}
        span = self._tracer.start_span(f"{event.operation} {event.route}", outer, attributes=attributes)
        self._calls[event.id] = span, trace.set_span_in_context(span, outer)
        self._tell("on_call_start", event)

    def on_call_end(self, event: CallEvent) -> None:
        """End it."""
        found = self._calls.pop(event.id, None)
        try:
            self._tell("on_call_end", event)
        finally:
            if found is not None:
                self._end_call(found[0], event)

    def _end_call(self, span: Span, event: CallEvent) -> None:
        span.set_attributes(
            {
                "timezest.pages": event.pages,
                "timezest.records": event.records,
                "timezest.attempts": event.attempts,
                "timezest.wait.duration": event.waited,
            }
        )
        if event.error is not None:
            span.set_attribute("error.type", event.error)
            span.set_status(StatusCode.ERROR)
        span.end()

    def on_request(self, event: RequestEvent) -> None:
        """Begin the span of an attempt, in which it is sent."""
        call = None if event.call is None else self._calls.get(event.call)
        outer = context.get_current() if call is None else call[1]
        attributes = _attributes(event)
        if event.attempt > 1:
            attributes["http.request.resend_count"] = event.attempt - 1
        if event.waited >= _NOTICEABLE:
            attributes["timezest.wait.duration"] = event.waited
        span = self._tracer.start_span(
            f"{event.method} {attributes[_URL_TEMPLATE]}", outer, SpanKind.CLIENT, attributes
        )
        inside = trace.set_span_in_context(span, outer)
        if _SUPPRESSED is not None:
            inside = context.set_value(_SUPPRESSED, value=True, context=inside)
        attempt = _Attempt(span, context.attach(inside), _attempt.set(None))
        _attempt.set(attempt)
        self._tell("on_request", event)

    def on_response(self, event: RequestEvent) -> None:
        """End it, and count how long it took."""
        attempt = _attempt.get()
        try:
            self._tell("on_response", event)
        finally:
            if attempt is not None:
                self._end_attempt(attempt, event)

    def _end_attempt(self, attempt: _Attempt, event: RequestEvent) -> None:
        _attempt.reset(attempt.before)
        context.detach(attempt.attached)
        attributes = _attributes(event) | _outcome(event)
        attempt.span.set_attributes(_outcome(event))
        if "error.type" in attributes:
            attempt.span.set_status(StatusCode.ERROR)
        if event.seconds is not None:
            inside = trace.set_span_in_context(attempt.span)
            self._durations.record(event.seconds, attributes, inside)
        attempt.span.end()

    def on_retry(self, event: RequestEvent) -> None:
        """Count that a request is sent again."""
        self._retries.add(1, _attributes(event) | _outcome(event))
        self._tell("on_retry", event)

    def on_wait(self, event: RequestEvent) -> None:
        """Count how long it waited for the budget."""
        self._waits.record(event.waited, _attributes(event))
        self._tell("on_wait", event)

    def on_unreadable(self, record: UnreadableRecord) -> None:
        """Leave it to others."""
        self._tell("on_unreadable", record)

    def _tell(self, hook: str, event: object) -> None:
        """Let the other hooks hear it; what they raise is logged by whoever called."""
        if (hear := getattr(self.inner, hook, None)) is not None:
            hear(event)


def _attributes(event: RequestEvent) -> Attributes:
    attributes: Attributes = {
        "http.request.method": event.method,
        "server.address": event.server_address,
        _URL_TEMPLATE: f"{event.base_path}{event.route}",
    }
    if event.server_port is not None:
        attributes["server.port"] = event.server_port
    return attributes


def _outcome(event: RequestEvent) -> Attributes:
    """Say how it ended; by the conventions an error is named by its status, where there was one."""
    if event.status is None:
        return {} if event.error is None else {"error.type": event.error}
    status: Attributes = {"http.response.status_code": event.status}
    if event.status >= 400:
        return status | {"error.type": str(event.status)}
    return status if event.error is None else status | {"error.type": event.error}


def instrument(
    client: TimeZestClient | None = None,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> TelemetryHooks:
    """Make spans and metrics of what a client does; other hooks that it has go on hearing all.

    Args:
        client: The client; None to give what is returned to clients as ``hooks=``. Instrumenting a client
            again changes nothing.
        tracer_provider: Where spans go; by default the process's.
        meter_provider: Where metrics go; by default the process's.

    Returns:
        The hooks.
    """
    hooks = None if client is None else client.hooks
    if isinstance(hooks, TelemetryHooks):
        return hooks
    made = TelemetryHooks(hooks, tracer_provider=tracer_provider, meter_provider=meter_provider)
    if client is not None:
        client.hooks = made
    return made
