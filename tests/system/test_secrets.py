"""The API key, and a proxy's password, show in nothing that anything leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import pickle
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import stamina

from tests.secret_search import (
    MARKER,
    Search,
    watching_expected_errors,
    watching_logs,
    watching_warnings,
    watching_what_python_swallows,
)
from tests.servers.scripted import Step, drip, hang_up, raw, reset, respond, serving, silence
from timezest_async import (
    AssociatedEntity,
    AuthenticationError,
    BudgetExhaustedError,
    Checkpoint,
    ConfigurationError,
    ConnectionFailedError,
    F,
    OutcomeUnknownError,
    RateLimiter,
    TimeZestClient,
    TimeZestError,
    tql,
)
from timezest_async.sandbox import (
    HTML,
    AnswerLost,
    Delay,
    DropAfterHeaders,
    DropBeforeHeaders,
    DropMidBody,
    DuplicatePage,
    Fault,
    ForeignNextPage,
    Garbage,
    GzipBomb,
    LoopingNextPage,
    Sandbox,
    SlowDrip,
    StaleConnection,
    Status,
    TooManyRequests,
    TruncatedJSON,
)

PASSWORD = "pr0xy+password/not=shown"
PROXY_USERINFO = "user:pr0xy%2Bpassword%2Fnot%3Dshown"

FAULTS: dict[str, list[Fault | None]] = {
    "nothing": [],
    **{
        f"status {status}": [Status(status)] * 3
        for status in (200, 302, 400, 401, 403, 404, 408, 418, 422, 429, 500, 503, 599)
    },
    "the key repeated": [Status(401, f'{{"error": "no {MARKER}", "errors": ["Bearer {MARKER}"]}}')],
    "the key in HTML": [Status(403, f"<html><title>{MARKER}</title>{MARKER}</html>")],
    "the key for JSON": [Status(200, f"Bearer {MARKER}")] * 3,
    "the key in a redirect": [Status(307, MARKER, {"Location": f"https://a.example/{MARKER}?k={MARKER}"})],
    "drops": [DropBeforeHeaders(), DropAfterHeaders(), DropMidBody()],
    "lost": [AnswerLost()] * 3,
    "stale": [StaleConnection(), None],
    "late": [Delay(0.3)] * 3,
    "drip": [SlowDrip(10, 0.1)] * 3,
    "not JSON": [TruncatedJSON(0.3), Garbage(), HTML()],
    "bomb": [GzipBomb(17)],
    "loop": [DuplicatePage()],
    "late loop": [None, LoopingNextPage()],
    "elsewhere": [ForeignNextPage("https://timezest.example")],
    "limited": [TooManyRequests(0.01), TooManyRequests(1_000)],
}


class Listener:
    """Hooks that remember, and then fail: what they raise is logged."""

    include_query = True

    def __init__(self) -> None:
        self.heard: list[object] = []

    def hear(self, moment: object) -> None:
        self.heard.append(moment)
        raise LookupError(f"heard {moment}")

    on_request = on_response = on_retry = on_wait = hear


@pytest.fixture
def search() -> Iterator[Search]:
    search = Search(MARKER, PASSWORD)
    with (
        watching_logs(search),
        watching_warnings(search),
        watching_expected_errors(search),
        watching_what_python_swallows(search),
    ):
        yield search
        # What a test leaves is young; collecting the old as well would take longer than the test.
        gc.collect(1)
    assert search.looked
    search.check()


@pytest.fixture(autouse=True)
def _nothing_printed(search: Search, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    for stream in capfd.readouterr():
        search.look("what was printed", stream)


@contextlib.asynccontextmanager
async def service(search: Search, **settings: Any) -> AsyncIterator[tuple[Sandbox, TimeZestClient]]:
    async with Sandbox(api_key=MARKER) as sandbox:
        sandbox.add(object="agent", id="agnt_sam", name="Sam")
        sandbox.add_many({"id": f"sreq_{number:03}", "created_at": number} for number in range(65))
        settings.setdefault("timeout", 0.1)
        async with TimeZestClient(MARKER, sandbox.base_url, **settings) as client:
            yield sandbox, client
            search.thing("client", client)
        search.thing("client", client)
        search.thing("requests seen", sandbox.requests_seen)
        search.look("sandbox", repr(sandbox))


async def create(client: TimeZestClient, name: str = "Kim") -> Any:
    return await client.scheduling_requests.create(
        appointment_type_id="apty_a",
        trigger_mode="pod",
        resource_ids=["agnt_sam"],
        associated_entities=[AssociatedEntity.autotask_ticket(number="T1")],
        end_user_name=name,
        end_user_email="kim@example.com",
    )


async def stream(client: TimeZestClient, search: Search, **where: Any) -> None:
    paginator = client.scheduling_requests.list(**where)
    try:
        async for record in paginator:
            assert record.id
    finally:
        search.thing("paginator", paginator)
        search.thing("run", paginator._run)
        text = paginator.checkpoint.to_text()
        search.look("checkpoint", text)
        search.thing("checkpoint", Checkpoint.from_text(text))


CALLS: dict[str, Callable[[TimeZestClient, Search], Awaitable[Any]]] = {
    "get": lambda client, _: client.scheduling_requests.get("sreq_001"),
    "create": lambda client, _: create(client),
    "list": stream,
    "list by several readers": lambda client, search: stream(client, search, concurrency=3),
    "list with OR": lambda client, search: stream(
        client, search, filter=(F.status == "new") | F.end_user_email.like("x")
    ),
    "directory": lambda client, _: client.agents.get("agnt_nobody"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_service_does(fault: str, call: str, search: Search) -> None:
    listener = Listener()

    async def main() -> None:
        async with service(search, hooks=listener) as (sandbox, client):
            sandbox.faults.script(None, FAULTS[fault])
            try:
                await CALLS[call](client, search)
            except TimeZestError as error:
                search.error(error)
                search.error(copy.copy(error))
                if isinstance(error, OutcomeUnknownError):
                    sandbox.faults.clear()
                    search.thing("candidates", await error.find_candidates(client))

    with stamina.set_testing(True, attempts=3, cap=True):
        asyncio.run(main(), debug=True)
    assert listener.heard
    search.thing("hooks", listener.heard)


RAW: dict[str, Step] = {
    "hang up": hang_up,
    "reset": reset,
    "silence": silence,
    "drip": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
    "not HTTP": raw(f"SMTP {MARKER}\r\n\r\n".encode(), close=True),
    "a status line with the key": raw(f"HTTP/1.1 Bearer {MARKER}\r\n\r\n".encode(), close=True),
    "a header with the key": raw(
        f"HTTP/1.1 200 OK\r\nX-Echo: {MARKER}\r\nContent-Length: {MARKER}\r\n\r\n".encode(), close=True
    ),
    "a reason with the key": raw(f"HTTP/1.1 500 {MARKER}\r\nContent-Length: 0\r\n\r\n".encode()),
    "bad chunks": raw(
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MARKER}\r\n".encode(), close=True
    ),
    "bad gzip": respond(200, f"no gzip {MARKER}".encode(), Content_Encoding="gzip"),
    "a retry-after with the key": respond(429, {}, Retry_After=MARKER),
}


@pytest.mark.parametrize("step", RAW)
@pytest.mark.parametrize("call", ["get", "create", "list"])
def test_whatever_comes_over_the_wire(step: str, call: str, search: Search) -> None:
    timeout = 0.6 if step in {"silence", "drip"} else 10.0

    async def main() -> None:
        async with serving(RAW[step]) as script:
            async with TimeZestClient(MARKER, script.url, timeout=timeout) as client:
                try:
                    await CALLS[call](client, search)
                except TimeZestError as error:
                    search.error(error)
            assert script.requests

    with stamina.set_testing(True, attempts=2, cap=True):
        asyncio.run(main(), debug=True)


@pytest.mark.parametrize("call", ["get", "create", "list", "list by several readers", "list with OR"])
def test_cancelled_anywhere(call: str, search: Search) -> None:
    async def main() -> None:
        places: set[str] = set()
        async with service(search, rate_limiter=RateLimiter(1_000_000, 1.0)) as (sandbox, client):
            for turns in range(40):
                sandbox.faults.clear()
                sandbox.faults.script(None, [Delay(0.01)] * 3)
                task = asyncio.ensure_future(CALLS[call](client, search))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if turns > 30:
                    await asyncio.sleep((turns - 30) * 0.002)
                task.cancel()
                try:
                    await task
                except (asyncio.CancelledError, TimeZestError) as stopped:
                    search.error(stopped)
                    last = traceback.extract_tb(stopped.__traceback__)[-1]
                    places.add(f"{last.filename}:{last.name}")
        assert len(places) >= 2, places

    asyncio.run(main(), debug=True)


def test_cancelled_while_a_long_body_is_sent(search: Search) -> None:
    async def read_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(read_nothing, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with TimeZestClient(MARKER, url, timeout=0.2) as client:
                with pytest.raises(OutcomeUnknownError):
                    await create(client, "K" * 9_000_000)
                task = asyncio.create_task(create(client, "K" * 9_000_000))
                await asyncio.sleep(0.2)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(main())


def test_waiting_for_the_budget(search: Search) -> None:
    async def main() -> None:
        async with service(search, rate_limiter=RateLimiter(1, 60.0), deadline=0.05) as (_, client):
            search.thing("limiter", client.rate_limiter)
            await client.scheduling_requests.get("sreq_001")
            with pytest.raises(BudgetExhaustedError):
                await client.scheduling_requests.get("sreq_001")
            with pytest.raises(BudgetExhaustedError):
                await stream(client, search, concurrency=3)

    asyncio.run(main())


def test_in_a_group_of_tasks(search: Search) -> None:
    async def main() -> None:
        async with service(search) as (sandbox, client):
            sandbox.faults.script(None, [Status(404)] * 9)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(3):
                        group.create_task(stream(client, search))
            except* TimeZestError as errors:
                search.error(errors)

    asyncio.run(main())


def test_a_task_that_nobody_awaits(search: Search) -> None:
    async def main() -> None:
        async with service(search) as (sandbox, client):
            sandbox.faults.script(None, [Status(404)])
            task = asyncio.create_task(client.scheduling_requests.get("sreq_001"))
            await asyncio.wait([task])
            search.look("task", repr(task))
            del task
            gc.collect()

    asyncio.run(main(), debug=True)
    assert search.looked > 3


@pytest.mark.parametrize(
    "key",
    [f"{MARKER}\n", f" {MARKER}", f"Bearer {MARKER}", f"{MARKER}é", f"{MARKER}\x00", f"{MARKER}\ud800"],
)
def test_a_key_that_is_refused(key: str, search: Search) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TimeZestClient(key)
    search.error(caught.value)


@pytest.mark.parametrize("key", [MARKER.encode(), [MARKER], SimpleNamespace(key=MARKER)])
def test_a_key_that_is_no_text(key: Any) -> None:
    search = Search(MARKER)
    with pytest.raises(ConfigurationError) as caught:
        TimeZestClient(key)
    search.thing("error", caught.value)
    # The first frame is this test's own.
    for frame in traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]:
        search.thing("locals", frame.locals)
    assert search.looked > 1
    search.check()


def test_other_arguments_that_are_refused(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMEZEST_API_KEY", MARKER)
    unfit: list[dict[str, Any]] = [
        {"base_url": "ftp://x"},
        {"timeout": -1},
        {"deadline": "soon"},
        {"max_attempts": 0},
        {"session": "session"},
        {"rate_limiter": 7},
        {"ssl": "ca.pem"},
        {"trust_env": "yes"},
        {"proxy": f"socks5://user:{PASSWORD}@proxy"},
        {"proxy": f"http://{PROXY_USERINFO}@:0x"},
        {"proxy": f"{PROXY_USERINFO}@proxy:3128"},
    ]
    for arguments in unfit:
        for key in (None, MARKER):
            with pytest.raises(ConfigurationError) as caught:
                TimeZestClient(key, **arguments)
            search.error(caught.value)


def test_pickling_and_copying_a_client(search: Search) -> None:
    client = TimeZestClient(MARKER, proxy=f"http://{PROXY_USERINFO}@127.0.0.1:1")
    for attempt in (
        lambda: pickle.dumps(client),
        lambda: copy.copy(client),
        lambda: copy.deepcopy(client),
        lambda: pickle.dumps(client._transport),
        lambda: pickle.dumps(client.scheduling_requests),
        lambda: pickle.dumps(client.scheduling_requests.list()),
        lambda: pickle.dumps(vars(client._transport)),
    ):
        with pytest.raises(TypeError) as caught:
            attempt()
        search.error(caught.value)
    search.thing("client", client)


def test_a_client_that_nobody_closes(search: Search) -> None:
    async def main() -> None:
        async with Sandbox(api_key=MARKER) as sandbox:
            client = TimeZestClient(MARKER, sandbox.base_url)
            await client.agents.list().to_list()
            del client
            gc.collect()
            await asyncio.sleep(0.01)

    with watching_warnings(search) as caught:
        asyncio.run(main(), debug=True)
        gc.collect()
    assert any("never closed" in str(warning.message) for warning in caught)


def test_a_client_that_is_closed(search: Search) -> None:
    async def main() -> None:
        async with service(search) as (_, client):
            await client.close()
            for call in CALLS.values():
                with pytest.raises(ConfigurationError):
                    await call(client, search)

    asyncio.run(main())


def test_a_borrowed_session_with_curious_helpers(search: Search) -> None:
    """A tracer and a middleware that print all that they are shown."""
    tracing = aiohttp.TraceConfig()
    for name in [name for name in dir(tracing) if name.startswith("on_")]:

        async def look(_session: object, context: object, shown: Any, name: str = name) -> None:
            search.thing(name, shown)
            search.thing(f"{name}.headers", getattr(shown, "headers", None))

        getattr(tracing, name).append(look)

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        search.thing("request", [request, dict(request.headers), request.headers])
        response: aiohttp.ClientResponse = await handler(request)
        search.thing("response", [response, response.request_info])
        if request.url.path.endswith("agents"):
            raise ArithmeticError(f"{request} {response} {request.headers} {response.request_info}")
        return response

    async def main() -> None:
        async with (
            Sandbox(api_key=MARKER) as sandbox,
            aiohttp.ClientSession(trace_configs=[tracing], middlewares=(middleware,)) as session,
            TimeZestClient(MARKER, sandbox.base_url, session=session) as client,
        ):
            await stream(client, search)
            with pytest.raises(ArithmeticError) as caught:
                await client.agents.list().to_list()
            search.error(caught.value)

    asyncio.run(main(), debug=True)


def test_tls_that_fails(server_tls: ssl.SSLContext, search: Search) -> None:
    async def main() -> None:
        async with serving(respond(200, {}), tls=server_tls) as script:
            url = f"https://127.0.0.1:{script.port}"
            async with TimeZestClient(MARKER, url, max_attempts=1) as client:
                with pytest.raises(ConnectionFailedError, match="certificate") as caught:
                    await create(client)
                search.error(caught.value)
        async with (
            serving(raw(b"220 mail\r\n")) as script,
            TimeZestClient(MARKER, f"https://127.0.0.1:{script.port}", timeout=0.2) as client,
        ):
            with pytest.raises(TimeZestError) as caught_too:
                await create(client)
            search.error(caught_too.value)

    asyncio.run(main(), debug=True)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "step",
    [
        None,
        hang_up,
        reset,
        respond(407, b"<html>who is that</html>", Proxy_Authenticate="Basic"),
        respond(502, b""),
        silence,
    ],
)
def test_a_proxy_that_fails(scheme: str, step: Step | None, unused_tcp_port: int, search: Search) -> None:
    async def main() -> None:
        async with serving(step or hang_up) as script:
            port = unused_tcp_port if step is None else script.port
            async with TimeZestClient(
                MARKER,
                f"{scheme}://127.0.0.1:{unused_tcp_port}/v1",
                proxy=f"http://{PROXY_USERINFO}@127.0.0.1:{port}",
                timeout=0.1,
                max_attempts=1,
            ) as client:
                for call in ("get", "create"):
                    with pytest.raises(TimeZestError) as caught:
                        await CALLS[call](client, search)
                    search.error(caught.value)
                search.thing("client", client)

    asyncio.run(main(), debug=True)


def test_a_wrong_key(search: Search) -> None:
    async def main() -> None:
        async with Sandbox(api_key="another") as sandbox, TimeZestClient(MARKER, sandbox.base_url) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.agents.list().to_list()
            search.error(caught.value)

    asyncio.run(main(), debug=True)


def test_filters_know_nothing_of_it(search: Search) -> None:
    client = TimeZestClient(MARKER)
    with pytest.raises(TimeZestError) as caught:
        client.scheduling_requests.list("status = ")
    search.error(caught.value)
    with pytest.raises(TimeZestError) as caught:
        client.agents.list(F.status == "new")  # type: ignore[arg-type]  # unfit on purpose
    search.error(caught.value)
    search.thing("plan", tql.plan(F.status == "new"))
