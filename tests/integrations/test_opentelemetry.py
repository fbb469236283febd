"""Spans and metrics, as an exporter of OpenTelemetry's own SDK has them."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests import support
from tests.secret_search import MARKER
from timezest_async import F, Hooks, NotFoundError, RateLimiter, TimeZestClient, TimeZestError
from timezest_async.sandbox import Delay, DropBeforeHeaders, Sandbox, Status

trace_sdk = support.needs("opentelemetry.sdk.trace", "otel-test")
metrics_sdk = support.needs("opentelemetry.sdk.metrics", "otel-test")
aiohttp_client = support.needs("opentelemetry.instrumentation.aiohttp_client", "otel-test")
from opentelemetry import context, trace  # noqa: E402 - needs opentelemetry-api
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402 - needs opentelemetry-sdk
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402 - likewise
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402 - likewise

from timezest_async.integrations.opentelemetry import TelemetryHooks, instrument  # noqa: E402 - likewise

pytestmark = pytest.mark.asyncio
EMAIL, FILTER = "ann.private@example.com", "Bartholomew"


class Telemetry:
    """What was exported."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.tracers = trace_sdk.TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        self.meters = metrics_sdk.MeterProvider([self._reader])

    def spans(self) -> list[Any]:
        return list(self._spans.get_finished_spans())

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans() if span.name == name]

    def metrics(self) -> dict[str, Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        (resource,) = data.resource_metrics
        return {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}

    def text(self) -> str:
        spans = "".join(span.to_json() for span in self.spans())
        return spans + self._reader.get_metrics_data().to_json()  # type: ignore[union-attr]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


def connected(sandbox: Sandbox, telemetry: Telemetry, **options: Any) -> TimeZestClient:
    limiter = RateLimiter(1_000_000, 1.0)
    client = TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=limiter, **options)
    instrument(client, tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    return client


def parent(span: Any) -> int | None:
    return None if span.parent is None else span.parent.span_id


async def test_calls_and_attempts_have_spans_below_the_callers(
    sandbox: Sandbox, telemetry: Telemetry
) -> None:
    name = sandbox.add(status="new")["id"]
    sandbox.faults.script("GET /scheduling_requests/{id}", [Status(503), DropBeforeHeaders()])
    tracer = telemetry.tracers.get_tracer("app")
    async with connected(sandbox, telemetry) as client:
        with tracer.start_as_current_span("work") as work:
            await client.scheduling_requests.get(name)
            assert trace.get_current_span() is work
    (call,) = telemetry.named("get /scheduling_requests/{id}")
    attempts = telemetry.named("GET /v1/scheduling_requests/{id}")
    assert parent(call) == work.get_span_context().span_id
    assert [parent(span) for span in attempts] == [call.context.span_id] * 3
    assert len(telemetry.spans()) == 5
    port = int(sandbox.base_url.split(":")[2].split("/")[0])
    common = {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.template": "/v1/scheduling_requests/{id}",
    }
    first, second, third = (dict(span.attributes) for span in attempts)
    assert first == {**common, "http.response.status_code": 503, "error.type": "503"}
    waits = [second.pop("timezest.wait.duration"), third.pop("timezest.wait.duration")]
    assert 0 < waits[0] < waits[1]
    assert second == {**common, "http.request.resend_count": 1, "error.type": "ConnectionFailedError"}
    assert third == {**common, "http.request.resend_count": 2, "http.response.status_code": 200}
    assert [span.kind for span in (call, *attempts)] == [trace.SpanKind.INTERNAL] + [
        trace.SpanKind.CLIENT
    ] * 3
    codes = [span.status.status_code for span in (call, *attempts)]
    error, unset = trace.StatusCode.ERROR, trace.StatusCode.UNSET
    assert codes == [unset, error, error, unset]
    assert dict(call.attributes) == {
        "timezest.operation": "get",
        "timezest.pages": 0,
        "timezest.records": 0,
        "timezest.attempts": 3,
        "timezest.wait.duration": pytest.approx(waits[1], abs=0.05),
    }


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_list_is_one_span_whoever_reads_it(
    sandbox: Sandbox, telemetry: Telemetry, concurrency: int
) -> None:
    sandbox.add_many([{"status": "new", "created_at": 1_700_000_000 + 60 * n} for n in range(200)])
    tracer = telemetry.tracers.get_tracer("app")
    async with connected(sandbox, telemetry) as client:
        wanted = (F.status == "new") | (F.status == "sent")
        async for _ in client.scheduling_requests.list(wanted, concurrency=concurrency):
            with tracer.start_as_current_span("mine"):
                await asyncio.sleep(0)
        async for _ in client.scheduling_requests.list(concurrency=concurrency):
            break
        gc.collect()
        sandbox.faults.script(None, [None, Delay(60)])
        sandbox.requests_seen.clear()
        reading = asyncio.create_task(client.scheduling_requests.list().to_list())
        while len(sandbox.requests_seen) < 2:
            await asyncio.sleep(0.001)
        reading.cancel()
        await asyncio.wait([reading])
    calls = telemetry.named("list /scheduling_requests")
    assert [span.attributes.get("error.type") for span in calls] == [None, None, "CancelledError"]
    assert calls[0].attributes["timezest.records"] >= 200
    attempts = telemetry.named("GET /v1/scheduling_requests")
    assert {parent(span) for span in attempts} <= {span.context.span_id for span in calls}
    for call in calls[:1]:
        below = [span for span in attempts if parent(span) == call.context.span_id]
        assert len(below) == call.attributes["timezest.attempts"] >= call.attributes["timezest.pages"] >= 10
    # What the caller does while it reads is no part of the reading.
    assert {parent(span) for span in telemetry.named("mine")} == {None}


async def test_metrics_are_as_the_conventions_say(sandbox: Sandbox, telemetry: Telemetry) -> None:
    sandbox.faults.script(None, [None, Status(503), None])
    limiter = RateLimiter(2, 0.2)
    client = TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=limiter)
    instrument(client, tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    async with client:
        for _ in range(3):
            await client.scheduling_requests.list().to_list()
    metrics = telemetry.metrics()
    assert set(metrics) == {
        "http.client.request.duration",
        "timezest.budget.wait.duration",
        "timezest.retries",
    }
    durations = metrics["http.client.request.duration"]
    assert durations.unit == "s"
    points = {point.attributes.get("error.type"): point for point in durations.data.data_points}
    assert {name: point.count for name, point in points.items()} == {None: 3, "503": 1}
    assert points[None].explicit_bounds[:3] == (0.005, 0.01, 0.025)
    assert points["503"].attributes["http.response.status_code"] == 503
    (waits,) = metrics["timezest.budget.wait.duration"].data.data_points
    assert waits.count >= 1
    assert 0 < waits.sum < 60
    (retries,) = metrics["timezest.retries"].data.data_points
    assert (retries.value, retries.attributes["error.type"]) == (1, "503")
    assert metrics["timezest.retries"].unit == "{retry}"


async def test_nothing_is_doubled_beside_the_instrumentation_of_aiohttp(
    sandbox: Sandbox, telemetry: Telemetry
) -> None:
    official = aiohttp_client.AioHttpClientInstrumentor()
    official.instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    try:
        async with connected(sandbox, telemetry) as client:
            await client.scheduling_requests.list(F.end_user_email == EMAIL).to_list()
            assert [span.name for span in telemetry.spans()] == [
                "GET /v1/scheduling_requests",
                "list /scheduling_requests",
            ]
        async with aiohttp.ClientSession() as session, session.get(sandbox.base_url):
            pass
        assert len(telemetry.spans()) == 3  # which is not ours, and has its span
    finally:
        official.uninstrument()
    assert EMAIL not in telemetry.text()


async def test_no_person_filter_or_key_is_in_it(sandbox: Sandbox, telemetry: Telemetry) -> None:
    sandbox.add(status="new", end_user_email=EMAIL, end_user_name=FILTER)
    echo = Status(422, body=json.dumps({"message": EMAIL, "errors": {EMAIL: [FILTER]}}))
    sandbox.faults.script(None, [None, echo, Status(500), DropBeforeHeaders(), Status(401), None])
    async with connected(sandbox, telemetry, max_attempts=1) as client:
        for _ in range(6):
            with suppress(TimeZestError):
                await client.scheduling_requests.list(
                    (F.end_user_email == EMAIL) & F.end_user_name.like(FILTER)
                ).to_list()
    text = telemetry.text()
    assert len(telemetry.spans()) == 12
    for hidden in (EMAIL, "ann.private", FILTER, MARKER, sandbox.api_key, "filter=", "Bearer"):
        assert hidden not in text, hidden
    assert not [event for span in telemetry.spans() for event in span.events]


async def test_other_hooks_go_on_hearing_and_twice_is_once(sandbox: Sandbox, telemetry: Telemetry) -> None:
    heard: list[str] = []

    class Mine(Hooks):
        include_query = True

        def on_request(self, event: Any) -> None:
            heard.append(event.query)
            raise ZeroDivisionError

        def on_response(self, event: Any) -> None:
            heard.append(str(event.status))

    async with connected(sandbox, telemetry, hooks=Mine()) as client:
        again = instrument(client)
        assert again is client.hooks
        await client.scheduling_requests.list(F.status == "new").to_list()
        with pytest.raises(NotFoundError):
            await client.scheduling_requests.get("sreq_none")
    assert heard == ["filter=scheduling_request.status~EQ~new", "200", "", "404"]
    assert len(telemetry.spans()) == 4
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert not again._calls


async def test_hooks_that_raise_leave_no_span_open_and_the_callers_context_as_it_was(
    sandbox: Sandbox, telemetry: Telemetry
) -> None:
    class Raising(Hooks):
        def on_response(self, event: Any) -> None:
            raise ZeroDivisionError

        on_call_start = on_call_end = on_request = on_response

    async with connected(sandbox, telemetry, hooks=Raising()) as client:
        before = context.get_current()
        for _ in range(2):
            with pytest.raises(NotFoundError):
                await client.scheduling_requests.get("sreq_none")
        assert context.get_current() == before  # the span and what leaves out aiohttp's
        assert isinstance(client.hooks, TelemetryHooks)
        assert not client.hooks._calls
    assert sorted(span.name.split()[0] for span in telemetry.spans()) == ["GET", "GET", "get", "get"]


async def test_without_a_client_it_makes_hooks(sandbox: Sandbox, telemetry: Telemetry) -> None:
    hooks = instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    assert isinstance(hooks, TelemetryHooks)
    for _ in range(2):
        async with TimeZestClient(sandbox.api_key, sandbox.base_url, hooks=hooks) as client:
            await client.agents.list().to_list()
    assert len(telemetry.named("GET /v1/agents")) == 2
    async with TimeZestClient(sandbox.api_key, sandbox.base_url, hooks=instrument()) as client:
        await client.agents.list().to_list()  # with the process's providers, which do nothing
