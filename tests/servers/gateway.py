"""A gateway before a service that refuses URLs of more than so many bytes, in the words of several makes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.servers.scripted import listening

_REFUSAL = (
    b"HTTP/1.1 %d No\r\nContent-Type: text/html\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<p>No</p>"
)


class Gateway:
    """Forwards, one request a connection.

    Attributes:
        longest: The bytes of a request's target that it takes.
        status: With what it refuses others.
        forwarded: The sizes of those that it took.
        refused: Of those that it did not.
    """

    def __init__(self, service: str, longest: int, status: int) -> None:
        self._service = urlsplit(service)
        self.longest, self.status = longest, status
        self.forwarded: list[int] = []
        self.refused: list[int] = []
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self._service.path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = len(head.split(b" ")[1])
        if size > self.longest:
            self.refused.append(size)
            writer.write(_REFUSAL % self.status)
            await writer.drain()
            return
        self.forwarded.append(size)
        there, back = await asyncio.open_connection(self._service.hostname, self._service.port)
        try:
            back.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            writer.write((await there.read()).replace(b"keep-alive", b"close", 1))
            await writer.drain()
        finally:
            back.close()


@contextlib.asynccontextmanager
async def refusing(service: str, longest: int, status: int = 414) -> AsyncIterator[Gateway]:
    """Stand before the service at this base URL."""
    gateway = Gateway(service, longest, status)
    async with listening(gateway.serve) as gateway.port:
        yield gateway
