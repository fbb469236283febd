from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import aiohttp
import pytest

from tests.servers.scripted import hang_up, respond, serving
from timezest_async.errors import ConfigurationError
from timezest_async.transport import Transport
from timezest_async.transport.sessions import MAX_CONNECTIONS

GOOD = respond(200, {"fine": True})


async def get(transport: Transport) -> Any:
    return (await transport.get("/x", route="/x")).payload


def test_one_transport_serves_one_loop_after_another() -> None:
    transport = Transport(api_key="key", base_url="http://127.0.0.1:1")

    async def use(*, close: bool) -> None:
        async with serving(GOOD) as script:
            # The port is another in every loop, the transport the same.
            transport._settings = moved_to(transport._settings, script.url)
            await asyncio.gather(*(get(transport) for _ in range(5)))
            if close:
                await transport.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            asyncio.run(use(close=False))
            gc.collect()
        asyncio.run(use(close=True))
        gc.collect()


def moved_to(settings: Any, url: str) -> Any:
    import attrs
    import yarl

    return attrs.evolve(settings, base_url=yarl.URL(url))


def test_a_loop_that_ends_without_its_generators_is_survived() -> None:
    transport = Transport(api_key="key", base_url="http://127.0.0.1:1")
    loop = asyncio.new_event_loop()
    session = loop.run_until_complete(transport._sessions.current())
    loop.close()

    async def go_on() -> None:
        async with serving(GOOD) as script:
            transport._settings = moved_to(transport._settings, script.url)
            await get(transport)
            await transport.close()

    asyncio.run(go_on())
    assert session.closed


@pytest.mark.asyncio
async def test_closing_twice_is_fine_and_using_it_afterwards_says_so() -> None:
    async with serving(GOOD) as script:
        transport = Transport(api_key="key", base_url=script.url)
        await get(transport)
        await asyncio.gather(transport.close(), transport.close())
        await transport.close()
        assert transport.closed
        for use in (get(transport), transport.post("/x", {}, route="/x"), transport.reserve()):
            with pytest.raises(ConfigurationError, match="closed"):
                await use
        assert len(script.requests) == 1


@pytest.mark.asyncio
async def test_closing_while_a_request_is_in_flight_ends_it_with_a_clear_error() -> None:
    async with serving(hang_up) as script:
        transport = Transport(api_key="key", base_url=script.url)
        task = asyncio.create_task(get(transport))
        await script.arrived.wait()
        await transport.close()
        with pytest.raises(ConfigurationError, match="closed"):
            await task


@pytest.mark.asyncio
async def test_forgetting_to_close_warns_once_with_the_place() -> None:
    async with serving(GOOD) as script:
        transport = Transport(api_key="key", base_url=script.url)
        await get(transport)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del transport
            gc.collect()
            await asyncio.sleep(0.05)
            gc.collect()
        assert [warning.category for warning in caught] == [ResourceWarning]
        assert "test_sessions.py:" in str(caught[0].message)
        assert "never closed" in str(caught[0].message)


@pytest.mark.asyncio
async def test_what_was_never_used_need_not_be_closed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Transport(api_key="key", base_url="http://127.0.0.1:1")
        gc.collect()


@pytest.mark.asyncio
async def test_connections_are_kept_and_bounded() -> None:
    async with serving(GOOD) as script:
        transport = Transport(api_key="key", base_url=script.url)
        for _ in range(5):
            await get(transport)
        assert script.connections == 1
        await asyncio.gather(*(get(transport) for _ in range(150)))
        assert script.connections <= MAX_CONNECTIONS
        await transport.close()


# Borrowed sessions


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 404])
async def test_a_borrowed_session_is_used_as_it_is_and_left_open(status: int) -> None:
    passed: list[str] = []

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        passed.append(request.method)
        response: aiohttp.ClientResponse = await handler(request)
        return response

    async with serving(respond(status, {"fine": True})) as script:
        async with aiohttp.ClientSession(
            base_url="http://elsewhere.invalid/api/",
            raise_for_status=True,
            headers={
                "Accept": "text/html",
                "Authorization": "Basic other",
                "User-Agent": "theirs",
                "X-Theirs": "kept",
            },
            timeout=aiohttp.ClientTimeout(total=0.000001),
            middlewares=(middleware,),
            auto_decompress=False,
        ) as session:
            transport = Transport(api_key="key", base_url=script.url, session=session)
            if status == 200:
                assert await get(transport) == {"fine": True}
            else:
                with pytest.raises(Exception, match="404"):
                    await get(transport)
            await transport.close()
            assert not session.closed
        sent = script.requests[0].decode()
        assert "Authorization: Bearer key\r\n" in sent
        assert "Accept: application/json\r\n" in sent
        assert "User-Agent: timezest-async/" in sent
        assert "X-Theirs: kept\r\n" in sent
        assert "other" not in sent
        assert passed == ["GET"]


@pytest.mark.asyncio
async def test_a_borrowed_sessions_own_basic_auth_gives_way() -> None:
    async with serving(GOOD) as script:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("user", "password"))
        async with session:
            await get(Transport(api_key="key", base_url=script.url, session=session))
        assert b"Authorization: Bearer key\r\n" in script.requests[0]
        assert script.requests[0].count(b"Authorization") == 1


@pytest.mark.asyncio
async def test_a_borrowed_session_is_not_resent_either() -> None:
    async with serving(hang_up) as script, aiohttp.ClientSession() as session:
        with pytest.raises(Exception, match="without an answer"):
            await get(Transport(api_key="key", base_url=script.url, session=session, max_attempts=1))
        assert len(script.requests) == 1


@pytest.mark.asyncio
async def test_a_borrowed_session_that_was_closed_is_named() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(ConfigurationError, match="borrowed is closed"):
        await get(Transport(api_key="key", base_url="http://127.0.0.1:1", session=session))


def test_a_borrowed_session_of_another_loop_is_named() -> None:
    sessions: list[aiohttp.ClientSession] = []

    async def make() -> None:
        sessions.append(aiohttp.ClientSession())

    async def use() -> None:
        transport = Transport(api_key="key", base_url="http://127.0.0.1:1", session=sessions[0])
        with pytest.raises(ConfigurationError, match="belongs to another event loop"):
            await get(transport)
        assert transport.limiter.available == 180

    with asyncio.Runner() as first:
        first.run(make())
        with asyncio.Runner() as second:
            second.run(use())
        first.run(sessions[0].close())


# Threads


@pytest.mark.parametrize("act", ["get", "post", "reserve", "close"])
def test_a_transport_in_use_in_another_thread_says_so(act: str) -> None:
    result: list[BaseException] = []

    def elsewhere(transport: Transport) -> None:
        acts = {
            "get": lambda: get(transport),
            "post": lambda: transport.post("/x", {}, route="/x"),
            "reserve": transport.reserve,
            "close": transport.close,
        }
        try:
            asyncio.run(acts[act]())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            result.append(error)

    async def main() -> None:
        async with serving(GOOD) as script:
            transport = Transport(api_key="key", base_url=script.url)
            await get(transport)
            await asyncio.to_thread(elsewhere, transport)
            # Here it is as good as before.
            await get(transport)
            assert script.connections == 1
            await transport.close()

    asyncio.run(main())
    [error] = result
    assert isinstance(error, ConfigurationError)
    assert "another thread" in str(error)
