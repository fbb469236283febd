"""A client in a FastAPI app, under a real uvicorn."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import itertools
import json
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import pytest
from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware

from tests import support
from tests.servers.web_app import serving
from tests.system.leaks import leaks
from tests.test_public_api import ARGUMENTS, every_class
from timezest_async import (
    ConfigurationError,
    NotFoundError,
    RateLimiter,
    SchedulingRequest,
    TimeZestClient,
    TimeZestError,
    export,
)
from timezest_async.integrations import fastapi as timezest
from timezest_async.sandbox import Delay, DropBeforeHeaders, Sandbox, Status, TruncatedJSON

pytestmark = pytest.mark.asyncio
LIST = "GET /scheduling_requests"


def options(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    limiter = RateLimiter(1_000_000, 1.0)
    return {"api_key": sandbox.api_key, "base_url": sandbox.base_url, "rate_limiter": limiter, **more}


def made(sandbox: Sandbox, **more: Any) -> FastAPI:
    app = FastAPI(lifespan=timezest.lifespan(**options(sandbox, **more)))
    timezest.install_problems(app)
    return app


# The client


async def test_an_app_has_one_client_which_ends_with_it(sandbox: Sandbox) -> None:
    seen: list[TimeZestClient] = []
    app, inner = made(sandbox), FastAPI()

    @app.get("/")
    @inner.get("/")
    async def read(client: timezest.Client) -> int:
        seen.append(client)
        return len(await client.scheduling_requests.list().to_list())

    app.mount("/inner", inner)
    sandbox.add(status="new")
    async with serving(app) as session:
        for path in ("", "", "inner/"):
            async with session.get(path) as response:
                assert await response.json() == 1
        assert not seen[0].closed
    assert len(set(map(id, seen))) == 1
    assert seen[0].closed


async def test_a_lifespan_of_ones_own_may_open_it(sandbox: Sandbox) -> None:
    done: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with timezest.opened(app, **options(sandbox)) as client:
            done.append(f"opened {client.closed}")
            with pytest.raises(ConfigurationError, match="has a client already"):
                async with timezest.opened(app, **options(sandbox)):
                    pass
            yield
        done.append(f"closed {client.closed}")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def read(client: timezest.Client) -> bool:
        return client.closed

    for _ in range(2):  # an app may be started again
        async with serving(app) as session, session.get("") as response:
            assert await response.json() is False
    assert done == ["opened False", "closed True"] * 2


async def test_without_a_lifespan_it_is_said_what_to_write(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    @app.get("/")
    async def read(client: timezest.Client) -> None:
        raise AssertionError

    async with serving(app) as session, session.get("") as response:
        assert response.status == 500
    assert "FastAPI(lifespan=timezest.lifespan())" in caplog.text


async def test_tests_may_give_another_client(sandbox: Sandbox) -> None:
    app = FastAPI()

    @app.get("/")
    async def read(client: timezest.Client) -> int:
        return len(await client.scheduling_requests.list().to_list())

    async with TimeZestClient(**options(sandbox)) as client:
        app.dependency_overrides[timezest.get_client] = lambda: client
        async with serving(app) as session, session.get("") as response:
            assert await response.json() == 0


async def test_what_is_wrong_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMEZEST_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="TIMEZEST_API_KEY"):
        async with timezest.lifespan()(FastAPI()):
            pass


# Problems

OWN_WORDS = {"invalid_filter", "invalid_request", "key_reused"}


TABLE = {
    "FilterError": (422, None),
    "InvalidRequestError": (422, None),
    "KeyReusedError": (422, None),
    "ValidationError": (422, None),
    "NotFoundError": (404, None),
    "MultipleFoundError": (409, None),
    "IntentBusyError": (409, "13"),
    "BudgetExhaustedError": (503, "43"),
    "RateLimitedError": (503, "3"),
    "RequestTimeoutError": (504, None),
    "ConfigurationError": (500, None),
}


async def test_every_error_has_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    timezest.install_problems(app)
    classes: dict[str, Any] = {cls.__name__: cls for cls in every_class(TimeZestError)}

    @app.get("/{name}")
    async def fail(name: str) -> None:
        raise classes[name]("told by the service", **ARGUMENTS.get(name, {}))

    async with serving(app) as session:
        for name, cls in classes.items():
            async with session.get(name) as response:
                text = await response.text()
                problem = await response.json(content_type="application/problem+json")
                wait = response.headers.get("Retry-After")
            names = {base.__name__ for base in cls.__mro__}
            expected = next((answer for name, answer in TABLE.items() if name in names), (502, None))
            assert (response.status, wait) == expected, name
            assert problem["status"] == response.status
            assert set(problem) == {"type", "title", "status", "detail", "code"} | (
                {"sent_at"} if "OutcomeUnknownError" in names else set()
            )
            assert ("told by the service" in text) == (problem["code"] in OWN_WORDS), name
            assert "end_user_email" not in text
            documented: Any = timezest.PROBLEM_RESPONSES[response.status]["content"]
            schema = documented["application/problem+json"]["schema"]
            assert problem["code"] in schema["properties"]["code"]["enum"]
    assert "told by the service" not in caplog.text
    assert (
        "GET /AuthenticationError: AuthenticationError (503 from TimeZest), answered with 502" in caplog.text
    )


async def test_other_handlers_stay(sandbox: Sandbox) -> None:
    app = FastAPI(lifespan=timezest.lifespan(**options(sandbox)), responses=timezest.PROBLEM_RESPONSES)

    @app.exception_handler(NotFoundError)
    async def gone(_: Request, error: Exception) -> Response:
        return PlainTextResponse("nothing here", 410)

    timezest.install_problems(app)

    @app.get("/requests/{id}")
    async def read(id: str, client: timezest.Client) -> SchedulingRequest:
        return await client.scheduling_requests.get(id)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    async with serving(app) as session:
        async with session.get("requests/sreq_none") as response:
            assert (response.status, await response.text()) == (410, "nothing here")
        async with session.get("requests/sreq_a b") as response:
            assert response.status == 422
        async with session.get("teapot") as response:
            assert await response.json() == {"detail": "short and stout"}
        async with session.get("openapi.json") as response:
            assert "application/problem+json" in await response.text()


async def test_the_callers_filter_is_the_callers_error(sandbox: Sandbox) -> None:
    app = made(sandbox)

    @app.get("/")
    async def find(client: timezest.Client, filter: str) -> list[SchedulingRequest]:
        return await client.scheduling_requests.list(filter).to_list()

    async with serving(app) as session:
        async with session.get("", params={"filter": "created_at LIKE 5"}) as response:
            assert response.status == 422
            assert "LIKE is for String" in (await response.json())["detail"]
        sandbox.faults.script(LIST, [Status(401)])
        async with session.get("", params={"filter": "status = new"}) as response:
            assert response.status == 502
            assert sandbox.api_key not in await response.text()


# Records


async def test_records_go_through_as_they_are(sandbox: Sandbox) -> None:
    app = made(sandbox)

    @app.get("/requests")
    async def requests(client: timezest.Client) -> list[SchedulingRequest]:
        return await client.scheduling_requests.list().to_list()

    @app.post("/requests")
    async def echo(request: Annotated[SchedulingRequest, Body()]) -> SchedulingRequest:
        return request

    sandbox.add(status="paused", favourite={"colours": ["red"]}, end_user_name=None)
    for _ in range(20):
        sandbox.add(status="new", duration_mins=30)
    async with serving(app) as session:
        async with session.get("requests") as response:
            found = await response.json()
        assert found == list(sandbox.records())
        for one in found:
            async with session.post("requests", json=one) as response:
                assert await response.json() == one
        async with session.post("requests", json={"id": "sreq_1", "status": "new"}) as response:
            assert response.status == 422
            assert "created_at" in await response.text()
        async with session.post("requests", json=[]) as response:
            assert "is a JSON object" in await response.text()
        async with session.get("openapi.json") as response:
            schema = (await response.json())["components"]["schemas"]["SchedulingRequest"]
    assert schema["required"] == ["id", "status", "created_at"]
    assert schema["properties"]["created_at"]["type"] == "integer"
    assert schema["additionalProperties"] is True
    assert set(schema["properties"]) == set(SchedulingRequest.field_names)


# Callers who leave


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_work_for_nobody_is_stopped(sandbox: Sandbox, method: str) -> None:
    app = made(sandbox)
    begun, stopped = asyncio.Event(), asyncio.Event()
    bodies: list[bytes] = []

    @app.api_route("/", methods=[method])
    async def work(request: Request, client: timezest.Client) -> None:
        async with timezest.while_connected(request):
            bodies.append(await request.body())
            try:
                while True:
                    await client.scheduling_requests.list().first()
                    begun.set()
            except asyncio.CancelledError:
                stopped.set()
                raise

    async with leaks(), serving(app) as session:
        asking = asyncio.create_task(session.request(method, "", data=b"x" * 70_000))
        await begun.wait()
        asking.cancel()
        await stopped.wait()
        await asyncio.wait([asking])
        count = len(sandbox.requests_seen)
        async with session.get("nothing"):  # and the server has had its turns
            pass
        assert len(sandbox.requests_seen) <= count + 1
    assert bodies == [b"x" * 70_000]


async def test_work_goes_on_while_the_caller_is_there(sandbox: Sandbox) -> None:
    app = made(sandbox)

    @app.get("/")
    async def work(request: Request, kind: str) -> str:
        async with timezest.while_connected(request):
            await asyncio.sleep(0)
            if kind == "error":
                raise NotFoundError("none", status=404)
            if kind == "timeout":
                raise TimeoutError
            return "done"

    async with serving(app) as session:
        for kind, status in (("fine", 200), ("error", 404), ("timeout", 500)):
            async with session.get("", params={"kind": kind}) as response:
                assert response.status == status


# Lists as streams


async def streaming(sandbox: Sandbox) -> FastAPI:
    app = made(sandbox, max_attempts=1)

    @app.get("/{form}")
    async def records(client: timezest.Client, form: str, filter: str | None = None) -> Response:
        found = client.scheduling_requests.list(filter)
        if form == "csv":
            return timezest.stream_csv(found, filename="requests of März.csv")
        return timezest.stream_jsonl(found, fields=["id", "status"] if form == "ids" else None)

    return app


async def test_a_stream_is_what_an_export_is(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    for number in range(45):
        sandbox.add(status="new", end_user_name=f'=1+"{number}"\r\nof us', extra_field=number)
    async with serving(await streaming(sandbox)) as session:
        for form in ("jsonl", "csv"):
            path = tmp_path / f"all.{form}"
            await getattr(export, f"to_{form}")(client.scheduling_requests.list(), path)
            async with session.get(form) as response:
                assert response.status == 200
                assert await response.read() == path.read_bytes()
        assert response.content_type == "text/csv"
        assert response.headers["Content-Disposition"].endswith("''requests%20of%20M%C3%A4rz.csv")
        async with session.get("ids") as response:
            assert (await response.text()).count('"status"') == 45
        async with session.get("jsonl", params={"filter": "status = closed"}) as response:
            assert (response.status, await response.read()) == (200, b"")
        async with session.get("csv", params={"filter": "status = closed"}) as response:
            assert (await response.text()).startswith("id,")


async def test_what_is_wrong_at_once_is_answered_as_such(sandbox: Sandbox) -> None:
    async with serving(await streaming(sandbox)) as session:
        for fault, status in ((Status(401), 502), (DropBeforeHeaders(), 502), (Status(429), 503)):
            sandbox.faults.script(LIST, [fault])
            async with session.get("jsonl") as response:
                assert (response.status, response.content_type) == (status, "application/problem+json")


class PassedOn(BaseHTTPMiddleware):
    """As ``@app.middleware("http")`` makes them: it reads the body, and sends it again."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        return await call_next(request)


@pytest.mark.parametrize(
    "middlewares",
    [(), (PassedOn,), (GZipMiddleware,), (PassedOn, GZipMiddleware), (GZipMiddleware, PassedOn, PassedOn)],
    ids=lambda middlewares: "-".join(one.__name__ for one in middlewares) or "none",
)
async def test_what_goes_wrong_later_is_seen_to_be_incomplete(
    sandbox: Sandbox, middlewares: tuple[Any, ...]
) -> None:
    for number in range(70):
        sandbox.add(status="new", end_user_name=f"{number}" * 500)
    app = await streaming(sandbox)
    for middleware in middlewares:
        app.add_middleware(middleware)
    async with (
        leaks(),
        serving(app) as decompressing,
        aiohttp.ClientSession(decompressing._base_url, auto_decompress=False) as session,
    ):
        for form, encoding in itertools.product(("jsonl", "csv"), ("identity", "gzip")):
            sandbox.faults.script(LIST, [None, None, TruncatedJSON()])
            received, is_broken_off = b"", False
            try:
                async with session.get(form, headers={"Accept-Encoding": encoding}) as response:
                    assert response.status == 200
                    async for chunk in response.content.iter_any():
                        received += chunk
            except aiohttp.ClientPayloadError:
                is_broken_off = True
            assert is_broken_off or middlewares.count(PassedOn) > 1
            if not is_broken_off:
                with pytest.raises((EOFError, ValueError, csv.Error)):
                    read(form, received)
            async with session.get(form) as response:  # and whole ones are whole
                assert len(read(form, await response.read())) == 70


def read(form: str, body: bytes) -> list[Any]:
    """Read as strictly as readers are."""
    text = (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).decode()
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    return [json.loads(line) for line in text.splitlines()]


async def test_reading_stops_when_the_caller_goes(sandbox: Sandbox) -> None:
    sandbox.add_many([{"status": "new", "end_user_name": "x" * 5_000}] * 3_000)
    async with serving(await streaming(sandbox)) as session:
        async with session.get("jsonl") as response:
            await response.content.readany()
            response.close()
        seen = -1
        while seen != len(sandbox.requests_seen):
            seen = len(sandbox.requests_seen)
            async with session.get("jsonl", params={"filter": "status = closed"}):
                pass
            seen += 1  # that one
        assert seen < 100


async def test_who_goes_before_the_first_page_is_read_is_not_read_for(sandbox: Sandbox) -> None:
    sandbox.add(status="new")
    async with leaks(), serving(await streaming(sandbox)) as session:
        sandbox.faults.script(LIST, [Delay(60)])
        asking = asyncio.create_task(session.get("jsonl"))
        while not sandbox.requests_seen:
            await asyncio.sleep(0.001)
        asking.cancel()
        await asyncio.wait([asking])


# All of it at once


async def test_a_storm_of_callers_gets_what_the_table_says(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "timezest_async")
    chance = random.Random(14)
    ids = [sandbox.add(status="new")["id"] for _ in range(60)]
    app = made(sandbox, max_attempts=2, deadline=20.0)

    @app.get("/one/{id}")
    async def one(request: Request, id: str, client: timezest.Client) -> SchedulingRequest:
        async with timezest.while_connected(request):
            return await client.scheduling_requests.get(id)

    @app.get("/all")
    async def all_of_them(client: timezest.Client, filter: str | None = None) -> Response:
        return timezest.stream_jsonl(client.scheduling_requests.list(filter))

    faults = [None, None, None, None, Status(500), Status(429), DropBeforeHeaders(), TruncatedJSON()]
    answers: Counter[int | str] = Counter()

    async def caller(session: aiohttp.ClientSession) -> None:
        path = chance.choice(
            [*(f"one/{id}" for id in ids[:10]), "all", "one/sreq_none", "one/x", "all?filter=x"]
        )
        try:
            async with asyncio.timeout(chance.choice([0.02, 60, 60, 60])), session.get(path) as response:
                await response.read()
                answers[response.status] += 1
        except TimeoutError:
            answers["left"] += 1
        except aiohttp.ClientPayloadError:
            answers["broken off"] += 1

    async with leaks(), serving(app) as session:
        sandbox.faults.script(None, [chance.choice(faults) for _ in range(20_000)])
        connector = aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(session._base_url, connector=connector) as many:
            for _ in range(support.examples(10)):
                await asyncio.gather(*(caller(many) for _ in range(200)))
        assert set(answers) <= {200, 404, 422, 502, 503, "left", "broken off"}, answers
        assert {200, 422} <= set(answers)
