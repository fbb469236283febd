"""The API key is looked for in all that an exchange leaves behind, on every path that it can take."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import stamina

from tests.servers.scripted import Step, drip, hang_up, raw, reset, respond, serving, silence
from timezest_async import errors
from timezest_async.transport import RequestEvent, Transport

KEY = "k3y-that-must-not-show"
ECHO = f"HTTP/1.1 Bearer {KEY}\r\n\r\n".encode()

FATES: dict[str, Step] = {
    "good": respond(200, {}),
    "hang up": hang_up,
    "reset": reset,
    "silence": silence,
    "drip": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
    "truncated": respond(200, b"{", length=100, close=True),
    "html": respond(200, b"<html>"),
    "401": respond(401, {"error": f"Bearer {KEY} is no valid key", "errors": [KEY]}),
    "503": respond(503, f"<title>{KEY}</title>".encode()),
    "429": respond(429, {}),
    "redirect": respond(302, b"", Location=f"http://x.example/{KEY}"),
    "an echo in the status line": raw(ECHO, close=True),
    "an echo in place of JSON": respond(200, f"Bearer {KEY}".encode()),
}


def texts(error: BaseException) -> Iterator[str]:
    """Everything that an error shows, its chain and its frames' locals included."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)))
        trace = traceback.TracebackException.from_exception(one, capture_locals=True)
        for frame in trace.stack:
            # Frames of tests hold the key on purpose.
            if "/tests/" not in frame.filename:
                yield f"{frame.filename}:{frame.lineno} {frame.locals}"
        todo += [one.__cause__, one.__context__]


class Listener:
    include_query = True

    def __init__(self) -> None:
        self.heard: list[RequestEvent] = []

    def hear(self, event: RequestEvent) -> None:
        self.heard.append(event)

    on_request = on_response = on_retry = on_wait = hear


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fate", FATES)
def test_the_key_shows_nowhere(method: str, fate: str, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    listener = Listener()

    async def main() -> BaseException | None:
        async with serving(FATES[fate]) as script:
            transport = Transport(api_key=KEY, base_url=script.url, timeout=0.5, hooks=listener)
            call = transport.get("/x", route="/x", params={"filter": "a"})
            if method == "POST":
                call.close()
                call = transport.post("/x", {"a": 1}, route="/x")
            try:
                await call
            except errors.TimeZestError as error:
                return error
            finally:
                await transport.close()
                assert script.requests
                assert KEY.encode() in script.requests[0]
                assert KEY not in repr(transport) + repr(vars(transport)) + repr(transport._sessions.__dict__)
            return None

    with caplog.at_level(logging.DEBUG), stamina.set_testing(True, attempts=2):
        error = asyncio.run(main(), debug=True)
    shown = [record.getMessage() + repr(vars(record)) for record in caplog.records]
    shown += [repr(event) for event in listener.heard]
    shown += capfd.readouterr()
    if fate == "good":
        assert error is None
    else:
        assert error is not None
        assert error.__cause__ is None
        assert error.__context__ is None
        shown += texts(error)
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert str(twin) == str(error)
            shown += texts(twin)
        assert KEY.encode() not in pickle.dumps(error)
    assert listener.heard
    assert [text for text in shown if KEY in text] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("after", [None, 0.0, 0.05])
def test_a_cancellation_does_not_show_it_either(method: str, after: float | None) -> None:
    async def main() -> BaseException:
        async with serving(silence) as script:
            transport = Transport(api_key=KEY, base_url=script.url)
            call = (
                transport.get("/x", route="/x") if method == "GET" else transport.post("/x", {}, route="/x")
            )
            task: asyncio.Task[Any] = asyncio.create_task(call)
            await asyncio.sleep(0) if after is None else await asyncio.sleep(after)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as cancelled:
                return cancelled
            finally:
                await transport.close()
        raise AssertionError

    shown = list(texts(asyncio.run(main())))
    assert any("aiohttp" in text for text in shown) or after is None
    assert [text for text in shown if KEY in text] == []


def test_a_request_that_cannot_connect_does_not_show_it(unused_tcp_port: int) -> None:
    async def main() -> BaseException:
        transport = Transport(api_key=KEY, base_url=f"http://127.0.0.1:{unused_tcp_port}", max_attempts=1)
        with pytest.raises(errors.ConnectionFailedError) as caught:
            await transport.get("/x", route="/x")
        await transport.close()
        return caught.value

    assert [text for text in texts(asyncio.run(main())) if KEY in text] == []
