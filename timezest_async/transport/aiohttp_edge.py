"""The thin edge: aiohttp sends one request once, and what it raises becomes ours.

No exception of aiohttp leaves this module, not even as a context: some of them hold the request's
headers. Ours are therefore raised outside the ``except`` blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import aiohttp
import attrs
from aiohttp.client_middlewares import ClientHandlerType
from multidict import CIMultiDict

from timezest_async.errors import ConnectionFailedError
from timezest_async.transport.messages import Request, Response
from timezest_async.transport.send_tracking import SendTracker
from timezest_async.transport.settings import Settings

MAX_ERROR_BYTES = 65_536
"""Bytes that are read of the body of an error: what explains it stands at its beginning."""
MAX_HEADER_BYTES = 66_560
"""Bytes of one response header that are read, 64 KB and its name: security policies fill 8 KB easily."""
MAX_HEADERS = 1_024
"""Response headers that are read."""
_NOT_CONNECTED: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientProxyConnectionError, "The proxy cannot be reached"),
    (aiohttp.ClientConnectorDNSError, "The host's name cannot be resolved"),
    (aiohttp.ClientConnectorCertificateError, "The server's certificate is not trusted"),
    (aiohttp.ClientConnectorSSLError, "The TLS handshake failed"),
)
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class _LostError(Exception):
    """Stands for a lost connection on its way through aiohttp, which would answer it by sending again."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


@attrs.define(eq=False)
class PartialResponse:
    """An answer while it arrives; what is here survives the time-out that ends the arrival.

    Attributes:
        status: The HTTP status, once it is there.
        headers: The answer's.
        chunks: The body, as far as it has come.
        raw: aiohttp's response, whose repr shows its headers.
        tracker: How far the request came.
        queued: Seconds that it waited for a connection.
    """

    status: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    chunks: list[bytes] = attrs.field(factory=list[bytes], repr=False)
    raw: aiohttp.ClientResponse | None = attrs.field(default=None, repr=False)
    tracker: SendTracker = attrs.field(factory=SendTracker, repr=False)
    queued: float = 0.0

    def as_response(self, flaw: Literal["truncated", "too large"] | None) -> Response:
        """Return what has arrived."""
        return Response(self.status or 0, self.headers, b"".join(self.chunks), flaw)


async def exchange(
    session: aiohttp.ClientSession,
    request: Request,
    settings: Settings,
    partial: PartialResponse,
    on_headers: Callable[[], None],
) -> Response:
    """Send a request once and receive its answer into ``partial``.

    Args:
        session: Whose connections to use. What else it is set to (raise_for_status, auth, time-outs,
            redirects) has no say; its own headers are sent unless they clash, its middlewares run.
        request: What to send.
        settings: Proxy, TLS and the limit of the body's size.
        partial: Where the answer is put as it comes.
        on_headers: Called once, when status and headers are there.

    Raises:
        ConnectionFailedError: No answer came, or the connection was lost before its headers.
    """
    with _silent_at_the_end():
        return await _exchange(session, request, settings, partial, on_headers)


async def _exchange(
    session: aiohttp.ClientSession,
    request: Request,
    settings: Settings,
    partial: PartialResponse,
    on_headers: Callable[[], None],
) -> Response:
    failure: ConnectionFailedError | None = None
    tracker = partial.tracker
    try:
        partial.raw = await _send(session, request, settings, tracker)
    except (aiohttp.ClientError, OSError, _LostError) as error:
        failure = _connection_failed(error.cause if isinstance(error, _LostError) else error, tracker)
    except (RuntimeError, asyncio.CancelledError) as error:
        # aiohttp's ways to say that somebody closed the session after it was lent out: it cancels what
        # waits for a connection then, though nobody has cancelled the task.
        task = asyncio.current_task()
        if not session.closed or (isinstance(error, asyncio.CancelledError) and task and task.cancelling()):
            raise
        tracker.connecting = True
        failure = _connection_failed(error, tracker)
    if partial.raw is None:
        raise failure or AssertionError("a request without a response has failed")
    partial.status = status = partial.raw.status
    partial.headers = partial.raw.headers
    on_headers()
    limit = settings.max_body_bytes if status < 300 else min(MAX_ERROR_BYTES, settings.max_body_bytes)
    flaw: Literal["truncated", "too large"] | None = None
    size = 0
    try:
        # Decompression happens here, piece by piece, so the limit holds for what comes out of it.
        async for chunk in partial.raw.content.iter_any():
            size += len(chunk)
            if size > limit:
                partial.chunks.append(chunk[: limit - size])
                flaw = "too large"
                break
            partial.chunks.append(chunk)
            # A traceback with locals, of a cancellation, is not to show it.
            del chunk
    except (aiohttp.ClientError, OSError):
        flaw = "truncated"
    finally:
        # A whole body has given its connection back; of anything else the rest is not wanted.
        partial.raw.close()
    return partial.as_response(flaw)


@contextmanager
def _silent_at_the_end() -> Generator[None]:
    """Say nothing where the loop was closed under a request, and the request is being thrown away."""
    loop = asyncio.get_running_loop()
    try:
        yield
    except Exception:
        if loop.is_closed():
            # aiohttp cannot give the connection back any more; the coroutine that it ends ends as it should.
            raise GeneratorExit from None
        raise


async def _send(
    session: aiohttp.ClientSession, request: Request, settings: Settings, tracker: SendTracker
) -> aiohttp.ClientResponse:
    headers: dict[str, str] = dict(request.headers)
    extra: dict[str, Any] = {}
    if settings.proxy is not None:
        extra["proxy"] = settings.proxy
        if settings.proxy_authorization is not None:
            proxy_headers = {"Proxy-Authorization": settings.proxy_authorization}
            if request.url.scheme == "https":
                extra["proxy_headers"] = CIMultiDict(proxy_headers)
            else:
                headers |= proxy_headers

    async def once(outgoing: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        outgoing.headers["Authorization"] = settings.authorization
        cause: BaseException
        try:
            return await handler(outgoing)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            cause = error
        raise _LostError(cause)

    if session.auth is not None or session.trust_env:
        # aiohttp refuses the header beside basic auth, be it the session's or .netrc's; ``once`` has
        # the last word anyway.
        del headers["Authorization"]
    # aiohttp offers no public way to keep a session's own middlewares beside one request's.
    own: tuple[Any, ...] = tuple(getattr(session, "_middlewares", ()))
    return await session.request(
        request.method,
        request.url,
        headers=headers,
        data=request.body,
        ssl=settings.ssl,
        timeout=_NO_TIMEOUT,
        allow_redirects=False,
        raise_for_status=False,
        auto_decompress=True,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        middlewares=(once, *own, tracker.watch),
        **extra,
    )


def _connection_failed(error: BaseException, tracker: SendTracker) -> ConnectionFailedError:
    """Describe why no answer came, by what is safe to show."""
    never_sent = tracker.never_sent
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectionFailedError(
            f"The proxy refused to connect (status {error.status}).", never_sent=True
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        # Connecting, DNS or the TLS handshake failed: aiohttp sends nothing before these are done.
        what = next((words for cls, words in _NOT_CONNECTED if isinstance(error, cls)), "No connection")
        why = error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__
        return ConnectionFailedError(f"{what} ({error.host}:{error.port}): {why}.", never_sent=True)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        why = "the server closed it without an answer"
    elif isinstance(error, aiohttp.ClientResponseError):
        why = "what came is not HTTP"
    elif isinstance(error, OSError) and error.strerror:
        why = error.strerror
    else:
        why = type(error).__name__
    if never_sent:
        return ConnectionFailedError(f"No connection could be made: {why}.", never_sent=True)
    return ConnectionFailedError(f"The connection was lost before an answer came: {why}.")
