"""A proxy that forwards plain requests, tunnels CONNECT, and may want credentials."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator

from tests.servers.scripted import listening

CREDENTIALS = base64.b64encode(b"user:p@ss").decode()


class Proxy:
    def __init__(self, credentials: str | None) -> None:
        self._credentials = credentials
        self.heads: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_with_password(self) -> str:
        return f"http://user:p%40ss@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if (
            self._credentials is not None
            and f"Proxy-Authorization: Basic {self._credentials}\r\n" not in head
        ):
            writer.write(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")
            return
        verb, target, rest = head.split(" ", 2)
        authority, _, path = target.removeprefix("http://").partition("/")
        host, _, port = authority.rpartition(":")
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Unreachable\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            if verb == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                # One request a connection, so that the next one shows its own target.
                rest = rest.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
                back.write(f"{verb} /{path} {rest}".encode())
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def proxying(credentials: str | None = None) -> AsyncIterator[Proxy]:
    proxy = Proxy(credentials)
    async with listening(proxy.serve) as proxy.port:
        yield proxy
