from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import stamina
import trustme

from tests.servers.proxy import CREDENTIALS, proxying
from tests.servers.scripted import respond, serving
from timezest_async import errors
from timezest_async.transport import Transport

GOOD = respond(200, {"fine": True})


@pytest.fixture(autouse=True)
def _without_back_off() -> Any:
    with stamina.set_testing(True, attempts=2):
        yield


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def ask(url: str, method: str = "GET", **settings: Any) -> Any:
    transport = Transport(api_key="s3cret", base_url=url, **settings)
    try:
        if method == "GET":
            return (await transport.get("/x", route="/x")).payload
        return (await transport.post("/x", {"a": 1}, route="/x")).payload
    finally:
        await transport.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_private_ca_is_trusted_when_given(
    method: str, server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with serving(GOOD, tls=server_tls) as script:
        url = f"https://127.0.0.1:{script.port}"
        assert await ask(url, method, ssl=trusting) == {"fine": True}
        assert await ask(url, method, ssl=False) == {"fine": True}


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_wrong_ca_means_never_sent(method: str, server_tls: ssl.SSLContext) -> None:
    async with serving(GOOD, tls=server_tls) as script:
        with pytest.raises(errors.ConnectionFailedError, match="certificate is not trusted") as caught:
            await ask(f"https://127.0.0.1:{script.port}", method)
        assert caught.value.never_sent
        assert caught.value.retries_taken == 1
        assert script.requests == []


@pytest.mark.asyncio
async def test_a_server_without_tls_means_never_sent() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        with pytest.raises(errors.ConnectionFailedError) as caught:
            await ask(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", "POST")
    assert caught.value.never_sent


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("tls", [False, True])
async def test_a_proxy_is_used_with_its_credentials(
    method: str, *, tls: bool, server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with (
        serving(GOOD, tls=server_tls if tls else None) as script,
        proxying(CREDENTIALS) as proxy,
    ):
        url = f"{'https' if tls else 'http'}://127.0.0.1:{script.port}"
        assert await ask(url, method, ssl=trusting, proxy=proxy.url_with_password) == {"fine": True}
        assert len(proxy.heads) == 1
        assert proxy.heads[0].startswith("CONNECT " if tls else f"{method} http://127.0.0.1")
        # The key goes to the service, and who keeps a tunnel does not see it.
        assert ("s3cret" in proxy.heads[0]) is not tls
        assert b"Bearer s3cret" in script.requests[0]
        if tls:
            assert b"Proxy-Authorization" not in script.requests[0]


@pytest.mark.asyncio
async def test_a_proxy_that_refuses_means_never_sent(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with serving(GOOD, tls=server_tls) as script, proxying("other") as proxy:
        with pytest.raises(
            errors.ConnectionFailedError, match=r"proxy refused to connect \(status 407\)"
        ) as caught:
            await ask(f"https://127.0.0.1:{script.port}", "POST", ssl=trusting, proxy=proxy.url)
        assert caught.value.never_sent
        assert script.requests == []


@pytest.mark.asyncio
async def test_a_proxy_that_is_not_there_means_never_sent(unused_tcp_port: int) -> None:
    async with serving(GOOD) as script:
        with pytest.raises(errors.ConnectionFailedError, match="proxy cannot be reached") as caught:
            await ask(script.url, "POST", proxy=f"http://user:hunter2@127.0.0.1:{unused_tcp_port}")
        assert caught.value.never_sent
        assert "hunter2" not in str(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("trust_env", [True, False])
async def test_the_environment_is_heeded_only_when_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, trust_env: bool
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    async with serving(GOOD) as script, proxying() as proxy:
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert await ask(script.url, trust_env=trust_env) == {"fine": True}
        assert len(proxy.heads) == (1 if trust_env else 0)
        # .netrc does not displace the key, nor make aiohttp refuse the request.
        assert b"Authorization: Bearer s3cret\r\n" in script.requests[0]
        assert script.requests[0].count(b"\r\nAuthorization") == 1
