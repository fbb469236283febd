"""The life of a whole client: several loops, closing, forgetting to close, proxies, private CAs."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import inspect
import pickle
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from tests.servers.proxy import CREDENTIALS, proxying
from tests.system.leaks import leaks, sockets
from timezest_async import (
    AssociatedEntity,
    Checkpoint,
    ConfigurationError,
    ConnectionFailedError,
    F,
    RateLimiter,
    SchedulingRequest,
    TimeZestClient,
)
from timezest_async.sandbox import Delay, Sandbox, StaleConnection
from timezest_async.transport import sessions

KEY = "s3cret"


@contextlib.asynccontextmanager
async def service(port: int = 0, **settings: Any) -> AsyncIterator[Sandbox]:
    async with Sandbox(port=port, api_key=KEY, **settings) as sandbox:
        sandbox.add(object="agent", id="agnt_sam", name="Sam")
        sandbox.add_many({"id": f"sreq_{number:03}", "created_at": number} for number in range(65))
        yield sandbox


async def count(client: TimeZestClient, **where: Any) -> int:
    return len(await client.scheduling_requests.list(**where).to_list())


async def create(client: TimeZestClient) -> SchedulingRequest:
    return await client.scheduling_requests.create(
        appointment_type_id="apty_a",
        trigger_mode="generate_url",
        resource_ids=["agnt_sam"],
        associated_entities=[AssociatedEntity.autotask_ticket(number="T1")],
        end_user_name="Kim",
        end_user_email="kim@example.com",
    )


# Loops


@pytest.mark.parametrize("concurrency", [1, 3])
def test_one_client_serves_one_loop_after_another(concurrency: int, unused_tcp_port: int) -> None:
    client = TimeZestClient(KEY, f"http://127.0.0.1:{unused_tcp_port}/v1")
    paginator = client.scheduling_requests.list(concurrency=concurrency)

    async def use(*, close: bool) -> None:
        async with service(unused_tcp_port), leaks():
            assert len(await paginator.to_list()) == 65
            assert await count(client, filter=(F.status == "new") | (F.created_at < 10)) == 65
            assert (await create(client)).status == "new"
            if close:
                await client.close()
            else:
                # What the loop's end would do; the sandbox's own end waits for the connections.
                await client._transport._sessions._discard()

    asyncio.run(use(close=False))
    gc.collect()
    asyncio.run(use(close=True))
    gc.collect()
    assert client.closed


def test_a_loop_may_end_while_the_client_is_open(unused_tcp_port: int) -> None:
    client = TimeZestClient(KEY, f"http://127.0.0.1:{unused_tcp_port}/v1")

    async def use() -> None:
        async with service(unused_tcp_port):
            assert await count(client) == 65

    for _ in range(3):
        asyncio.run(use())
        gc.collect()
    asyncio.run(client.close())


def test_a_stream_left_in_one_loop_goes_on_in_another(unused_tcp_port: int) -> None:
    client = TimeZestClient(KEY, f"http://127.0.0.1:{unused_tcp_port}/v1")
    paginator = client.scheduling_requests.list()

    async def begin() -> list[str]:
        got = []
        async with service(unused_tcp_port):
            async for record in paginator:
                got.append(record.id)
                if len(got) == 30:
                    break
        return got

    async def go_on() -> list[str]:
        async with service(unused_tcp_port), client:
            rest = client.scheduling_requests.list(checkpoint=paginator.checkpoint)
            return [record.id async for record in rest]

    assert asyncio.run(begin()) + asyncio.run(go_on()) == [f"sreq_{n:03}" for n in reversed(range(65))]


# Closing


@pytest.mark.asyncio
async def test_closing_twice_is_fine_and_using_it_afterwards_says_so() -> None:
    async with service() as sandbox, leaks():
        client = TimeZestClient(KEY, sandbox.base_url)
        async with client:
            assert await count(client) == 65
        await asyncio.gather(client.close(), client.close())
        await client.close()
        assert client.closed
        assert "closed=True" in repr(client)
        seen = len(sandbox.requests_seen)
        for use in (
            lambda: client.scheduling_requests.get("sreq_001"),
            lambda: create(client),
            lambda: count(client),
            lambda: count(client, concurrency=3),
            lambda: count(client, filter=(F.status == "new") | (F.created_at < 3)),
            lambda: client.agents.list().to_list(),
            lambda: client.teams.get("team_a"),
        ):
            with pytest.raises(ConfigurationError, match="closed"):
                await use()
        assert len(sandbox.requests_seen) == seen


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_closing_under_a_running_stream_ends_it_with_a_checkpoint(concurrency: int) -> None:
    async with service() as sandbox, leaks():
        client = TimeZestClient(KEY, sandbox.base_url)
        got = []
        with pytest.raises(ConfigurationError, match="closed") as caught:
            async for record in client.scheduling_requests.list(concurrency=concurrency):
                got.append(record.id)
                sandbox.faults.script(None, [Delay(5)])
                await client.close()
        assert isinstance(caught.value.checkpoint, Checkpoint)
        sandbox.faults.clear()
        async with TimeZestClient(KEY, sandbox.base_url) as another:
            rest = await another.scheduling_requests.list(checkpoint=caught.value.checkpoint).to_list()
        assert got + [one.id for one in rest] == [f"sreq_{n:03}" for n in reversed(range(65))]


@pytest.mark.asyncio
async def test_forgetting_to_close_warns_once_with_the_place() -> None:
    async with service() as sandbox:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame = inspect.currentframe()
            assert frame is not None
            client, line = TimeZestClient(KEY, sandbox.base_url), frame.f_lineno
            assert await count(client) == 65
            del client
            gc.collect()
            await asyncio.sleep(0.05)
            gc.collect()
        assert [warning.category for warning in caught] == [ResourceWarning]
        assert f"{__file__}:{line}" in str(caught[0].message)


def test_a_client_that_was_never_used_need_not_be_closed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TimeZestClient(KEY)
        gc.collect()


@pytest.mark.asyncio
async def test_a_borrowed_session_stays_open() -> None:
    async with service() as sandbox, leaks(), aiohttp.ClientSession() as session:
        async with TimeZestClient(KEY, sandbox.base_url, session=session) as client:
            assert await count(client) == 65
        assert client.closed
        assert not session.closed
        async with session.get(f"{sandbox.base_url}/agents") as response:
            assert response.status == 401


@pytest.mark.parametrize(
    "copying",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        lambda client: pickle.dumps(client.scheduling_requests),
        lambda client: pickle.dumps(client.scheduling_requests.list()),
    ],
)
def test_pickling_and_copying_raise(copying: Callable[[TimeZestClient], object]) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        copying(TimeZestClient(KEY))


# Connections


@pytest.mark.asyncio
async def test_a_create_never_meets_a_stale_connection() -> None:
    async with service() as sandbox, leaks(), TimeZestClient(KEY, sandbox.base_url) as client:
        sandbox.faults.script(None, [StaleConnection()] * 20)
        for number in range(20):
            await client.scheduling_requests.get("sreq_001")
            assert (await create(client)).id
            assert len(sandbox.records()) == 66 + number


@pytest.mark.asyncio
async def test_reading_on_a_stale_connection_is_tried_again() -> None:
    async with service() as sandbox, leaks(), TimeZestClient(KEY, sandbox.base_url) as client:
        sandbox.faults.script(None, [StaleConnection()] * 2)
        assert await count(client) == 65


@pytest.mark.asyncio
async def test_idle_connections_are_given_up_before_the_service_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Services and load balancers commonly keep idle connections for 60 s and more.
    assert sessions.KEEP_ALIVE <= 30
    monkeypatch.setattr(sessions, "KEEP_ALIVE", 0.05)
    async with service() as sandbox, leaks(), TimeZestClient(KEY, sandbox.base_url) as client:
        sandbox.faults.script(None, [StaleConnection()])
        await client.scheduling_requests.get("sreq_001")
        await asyncio.sleep(0.15)
        assert (await create(client)).id


@pytest.mark.asyncio
async def test_connections_are_bounded() -> None:
    async with service(latency=0.05) as sandbox, leaks() as watch:
        before = watch.sockets
        async with TimeZestClient(KEY, sandbox.base_url, rate_limiter=RateLimiter(1_000_000, 1.0)) as client:
            asking = asyncio.gather(*(client.scheduling_requests.get("sreq_001") for _ in range(150)))
            await asyncio.sleep(0.1)
            # Both ends are in this process.
            assert 0 < sockets() - before <= 2 * sessions.MAX_CONNECTIONS
            assert len(await asking) == 150


# Ways through


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    # As a user would: from the file that the company hands out.
    authority.cert_pem.write_to_path(tmp_path / "company-ca.pem")
    return ssl.create_default_context(cafile=str(tmp_path / "company-ca.pem"))


async def use_all(client: TimeZestClient) -> None:
    assert await count(client) == 65
    assert await count(client, concurrency=3) == 65
    created = await create(client)
    assert await client.scheduling_requests.get(created.id) == created
    assert (await client.agents.get("agnt_sam")).name == "Sam"


@pytest.mark.asyncio
async def test_a_private_ca(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with service(ssl_context=server_tls) as sandbox, leaks():
        async with TimeZestClient(KEY, sandbox.base_url, ssl=trusting) as client:
            await use_all(client)
        seen = len(sandbox.requests_seen)
        async with TimeZestClient(KEY, sandbox.base_url, max_attempts=1) as client:
            with pytest.raises(ConnectionFailedError, match="certificate is not trusted") as caught:
                await create(client)
        assert caught.value.never_sent
        assert len(sandbox.requests_seen) == seen


@pytest.mark.asyncio
@pytest.mark.parametrize("tls", [False, True])
async def test_a_proxy_with_a_password(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext, *, tls: bool
) -> None:
    async with service(ssl_context=server_tls if tls else None) as sandbox, proxying(CREDENTIALS) as proxy:
        through = proxy.url_with_password
        async with TimeZestClient(KEY, sandbox.base_url, proxy=through, ssl=trusting) as client:
            await use_all(client)
        assert proxy.heads
        assert all(head.startswith("CONNECT ") == tls for head in proxy.heads)
        # Through a tunnel the proxy sees nothing of the key.
        assert any(KEY in head for head in proxy.heads) is not tls


@pytest.mark.asyncio
@pytest.mark.parametrize("trust_env", [True, False])
async def test_the_environments_proxy_is_heeded_only_when_trusted(
    monkeypatch: pytest.MonkeyPatch, *, trust_env: bool
) -> None:
    async with service() as sandbox, proxying() as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with TimeZestClient(KEY, sandbox.base_url, trust_env=trust_env) as client:
            await use_all(client)
        assert bool(proxy.heads) is trust_env


@pytest.mark.asyncio
async def test_no_proxy_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as sandbox, proxying() as proxy:
        for name, value in (("HTTP_PROXY", proxy.url), ("NO_PROXY", "127.0.0.1")):
            monkeypatch.setenv(name, value)
            monkeypatch.setenv(name.lower(), value)
        async with TimeZestClient(KEY, sandbox.base_url, trust_env=True) as client:
            await use_all(client)
        assert proxy.heads == []
