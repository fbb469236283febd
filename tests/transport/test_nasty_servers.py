from __future__ import annotations

import asyncio
import gzip
import time
from typing import Any

import pytest
import stamina

from tests.servers.scripted import (
    Step,
    drip,
    endless,
    hang_up,
    raw,
    reset,
    respond,
    serving,
    silence,
)
from timezest_async import errors
from timezest_async.transport import Transport

GOOD = respond(200, {"fine": True})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture(autouse=True)
def _without_back_off() -> Any:
    with stamina.set_testing(True, attempts=3):
        yield


async def ask(script: Any, method: str = "GET", **settings: Any) -> Any:
    transport = Transport(api_key="key", base_url=script.url, **settings)
    try:
        if method == "GET":
            return await transport.get("/x", route="/x")
        return await transport.post("/x", {"a": 1}, route="/x")
    finally:
        await transport.close()


PASSING: dict[str, Step] = {
    "hangs up": hang_up,
    "resets": reset,
    "hangs up within the headers": raw(b"HTTP/1.1 200 OK\r\nContent-", close=True),
    "hangs up within the body": respond(200, b'{"a": ', length=100, close=True),
    "sends a chunk that is none": raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nxx\r\n", close=True
    ),
    "ends the chunks early": raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2\r\n", close=True
    ),
    "speaks something else": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True),
    "sends a header that is none": raw(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", close=True),
    "promises gzip and lies": respond(200, b"{}", Content_Encoding="gzip"),
    "cuts gzip short": respond(200, gzip.compress(bytes(range(32, 127)) * 9)[:60], Content_Encoding="gzip"),
    "sends HTML": respond(200, b"<html>Be right back</html>", Content_Type="text/html"),
    "sends nothing": respond(200, b""),
    "has a 503": respond(503, b"<title>Busy</title>"),
    "has a 503 and hangs up within its body": respond(503, b'{"error": "b', length=100, close=True),
    "is silent": silence,
    "stalls within the headers": drip(b"HTTP/1.1 200 OK\r\nX: "),
    "stalls within the body": drip(HEAD),
    "stalls within the body of a 503": drip(b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PASSING)
async def test_a_get_survives_a_server_that_once(name: str) -> None:
    async with serving(PASSING[name], GOOD) as script:
        # Time enough for a busy machine, but where it is the time-out that is to come.
        stalls = "stalls" in name or "silent" in name
        exchange = await ask(script, timeout=1.0 if stalls else 30)
        assert exchange.payload == {"fine": True}
        assert exchange.retries_taken == 1
        assert len(script.requests) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PASSING)
async def test_a_get_gives_up_on_a_server_that_always(name: str) -> None:
    async with serving(PASSING[name]) as script:
        with pytest.raises(errors.TimeZestError) as caught:
            await ask(script, timeout=0.1)
        # Not one more than the attempts: aiohttp's own resend of GETs is off.
        assert len(script.requests) == 3
        assert caught.value.retries_taken == 2
        assert caught.value.retryable
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PASSING)
async def test_a_post_is_sent_once_to_a_server_that(name: str) -> None:
    async with serving(PASSING[name], GOOD) as script:
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await ask(script, "POST", timeout=1.0)
        assert len(script.requests) == 1
        assert caught.value.parameters == {"a": 1}
        assert caught.value.retries_taken == 0
        assert caught.value.status in {None, 200, 503}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("step", "cls", "status"),
    [
        (respond(408, {"error": "late"}), errors.OutcomeUnknownError, 408),
        (respond(500, {}), errors.OutcomeUnknownError, 500),
        (respond(501, {}), errors.OutcomeUnknownError, 501),
        (respond(302, b"", Location="/elsewhere"), errors.OutcomeUnknownError, 302),
        (respond(201, b"<html>"), errors.OutcomeUnknownError, 201),
        (respond(201, b""), errors.OutcomeUnknownError, 201),
        (respond(400, {}), errors.BadRequestError, 400),
        (respond(401, {}), errors.AuthenticationError, 401),
        (respond(403, {}), errors.PermissionDeniedError, 403),
        (respond(404, {}), errors.NotFoundError, 404),
        (respond(409, {}), errors.APIStatusError, 409),
        (respond(422, {"error": "bad"}), errors.ValidationError, 422),
        (respond(422, b'{"er', length=100, close=True), errors.ValidationError, 422),
        (drip(b"HTTP/1.1 422 No\r\nContent-Length: 1000\r\n\r\n"), errors.ValidationError, 422),
    ],
)
async def test_what_an_answer_to_a_post_means(
    step: Step, cls: type[errors.TimeZestError], status: int
) -> None:
    async with serving(step, GOOD) as script:
        with pytest.raises(cls) as caught:
            await ask(script, "POST", timeout=1.0)
        assert type(caught.value) is cls
        assert caught.value.status == status  # type: ignore[attr-defined]  # all of these have one
        assert len(script.requests) == 1


@pytest.mark.asyncio
async def test_a_post_goes_again_after_a_429() -> None:
    async with serving(respond(429, {}, Retry_After="1"), respond(201, {"id": "1"})) as script:
        exchange = await ask(script, "POST")
        assert exchange.payload == {"id": "1"}
        assert exchange.retries_taken == 1
        assert len(script.requests) == 2


@pytest.mark.asyncio
async def test_each_429_uses_an_attempt() -> None:
    async with serving(respond(429, {"error": "slow"})) as script:
        for method in ("GET", "POST"):
            with pytest.raises(errors.RateLimitedError) as caught:
                await ask(script, method)
            assert caught.value.retries_taken == 2
        assert len(script.requests) == 6


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_connection_was_never_sent(method: str, unused_tcp_port: int) -> None:
    transport = Transport(api_key="key", base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(errors.ConnectionFailedError) as caught:
        await (transport.get("/x", route="/x") if method == "GET" else transport.post("/x", {}, route="/x"))
    assert caught.value.never_sent
    assert caught.value.retries_taken == 2
    assert f"127.0.0.1:{unused_tcp_port}" in str(caught.value)
    assert transport.limiter.available == 180
    await transport.close()


@pytest.mark.asyncio
async def test_a_name_that_does_not_resolve_was_never_sent() -> None:
    transport = Transport(api_key="key", base_url="http://name.invalid")
    with pytest.raises(errors.ConnectionFailedError, match="name") as caught:
        await transport.post("/x", {}, route="/x")
    assert caught.value.never_sent
    await transport.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_gone_stale_is_classified_rightly(method: str) -> None:
    async with serving(GOOD, hang_up, GOOD) as script:
        transport = Transport(api_key="key", base_url=script.url)
        await transport.get("/x", route="/x")
        if method == "GET":
            assert (await transport.get("/x", route="/x")).retries_taken == 1
        else:
            with pytest.raises(errors.OutcomeUnknownError):
                await transport.post("/x", {}, route="/x")
        # A create takes a connection of its own to begin with.
        assert script.connections == 2
        await transport.close()


@pytest.mark.asyncio
async def test_a_redirect_is_refused() -> None:
    async with serving(respond(302, b"", Location="http://evil.example/take?key=1")) as script:
        with pytest.raises(errors.UnexpectedResponseError, match=r"http://evil\.example\.") as caught:
            await ask(script)
        assert "take" not in str(caught.value)
        assert len(script.requests) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
async def test_a_body_beyond_the_limit_is_refused_while_it_is_read(encoding: str) -> None:
    async with serving(endless(encoding)) as script:
        with pytest.raises(errors.UnexpectedResponseError, match="more than 1000000 bytes") as caught:
            await ask(script, max_body_bytes=1_000_000)
        assert not caught.value.retryable
        assert len(script.requests) == 1


@pytest.mark.asyncio
async def test_a_body_just_within_the_limit_is_read() -> None:
    body = b"[" + b" " * 998 + b"]"
    async with serving(respond(200, gzip.compress(body), Content_Encoding="gzip")) as script:
        assert (await ask(script, max_body_bytes=1000)).payload == []
        with pytest.raises(errors.UnexpectedResponseError):
            await ask(script, max_body_bytes=999)


@pytest.mark.asyncio
async def test_a_huge_body_of_an_error_is_not_read_to_its_end() -> None:
    async with serving(respond(400, b'{"error": "x' + b" " * 5_000_000 + b'"}')) as script:
        with pytest.raises(errors.BadRequestError) as caught:
            await ask(script)
        assert len(caught.value.message) <= 500


@pytest.mark.asyncio
async def test_the_timeout_is_for_one_attempt() -> None:
    async with serving(silence) as script:
        before = time.perf_counter()
        with pytest.raises(errors.RequestTimeoutError, match=r"within 0\.1 s") as caught:
            await ask(script, timeout=0.1)
        assert caught.value.seconds == 0.1
        assert 0.3 <= time.perf_counter() - before < 10.0
        assert len(script.requests) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cancellation_comes_through_untouched(method: str) -> None:
    async with serving(silence) as script:
        transport = Transport(api_key="key", base_url=script.url, deadline=20)
        call = transport.get("/x", route="/x") if method == "GET" else transport.post("/x", {}, route="/x")
        task: asyncio.Task[Any] = asyncio.create_task(call)
        await script.arrived.wait()
        task.cancel("by me")
        with pytest.raises(asyncio.CancelledError, match="by me"):
            await task
        # It may have been counted: the slot is not given back.
        assert transport.limiter.available == 179
        await transport.close()
        assert len(script.requests) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["is silent", "stalls within the body", "has a 503"])
@pytest.mark.parametrize("deadline", [0.15, 0.4])
async def test_a_deadline_is_kept_within_50_milliseconds(name: str, deadline: float) -> None:
    async with serving(PASSING[name]) as script:
        transport = Transport(api_key="key", base_url=script.url, deadline=deadline, max_attempts=99)
        await transport._sessions.current()
        with stamina.set_testing(False):
            for chance in range(10):
                before = time.perf_counter()
                with pytest.raises(errors.TimeZestError):
                    await transport.get("/x", route="/x")
                if time.perf_counter() - before <= deadline + 0.05:
                    break
                assert chance < 9  # a busy machine adds to it now and then
        await transport.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "steps", "hinted"),
    [
        ("", [respond(404)], [True, False]),
        ("/gateway", [respond(404)], [True, False]),
        ("", [GOOD, respond(404)], [False, False]),
        ("", [respond(401), respond(404)], [False, True]),
        ("/v1", [respond(404)], [False, False]),
        ("/gateway/v1/", [respond(404)], [False, False]),
    ],
)
async def test_a_base_url_without_its_version_is_told_so_on_the_first_404(
    path: str, steps: list[Any], hinted: list[bool]
) -> None:
    async with serving(*steps) as script:
        transport = Transport(api_key="key", base_url=script.url + path)
        told = []
        for _ in hinted:
            try:
                await transport.get("/x", route="/x")
            except errors.TimeZestError as error:
                told.append("without '/v1'" in str(error))
            else:
                told.append(False)
        assert told == hinted
        await transport.close()
