"""A request up to its first byte: the wait for a connection, and which connections will do.

aiohttp tells of none of this to whoever borrows a session, so two things of it are used here that it does
not document: that ``ClientRequest.send`` is where a request meets its connection, and that the list of
traces which a request holds is the one that its connector notifies.
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.tracing import Trace
from multidict import CIMultiDict

from timezest_async._version import __version__

_numbers = itertools.count(1)


class StaleConnectionError(Exception):
    """A kept connection will not do; nothing was sent, and another one may be tried at once."""


class SendTracker:
    """What is known of a request's way to its first byte.

    Attributes:
        on_queue: Called with True when it begins to wait for one of a limited number of connections, with
            False when it has done so.
        before_send: Awaited when its connection is there, right before its first byte; nothing leaves where
            it raises.
        connecting: Whether it came as far as to look for a connection.
        sent: Whether any byte of it may have left.
        is_kept: Whether its connection has served another request before.
    """

    def __init__(self) -> None:
        self.on_queue: Callable[[bool], None] = lambda _waits: None
        self.before_send: Callable[[], Awaitable[None]] | None = None
        self.connecting: bool = False
        self.sent = False
        self.is_kept: bool = False
        self._trace: Trace | None = None

    @property
    def never_sent(self) -> bool:
        """Whether it is certain that nothing left; not so where a mock stands in for aiohttp."""
        return self.connecting and not self.sent

    async def watch(
        self, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Be the innermost middleware of the request."""
        is_create = request.method == "POST"
        traces: list[Any] = getattr(request, "_traces", [])
        if "send" not in vars(request):  # somebody's middleware may come here twice
            self._trace = Trace(request.session, _TRACING, SimpleNamespace(tracker=self))
            self._follow(request, traces, is_create=is_create)
        if self._trace not in traces:
            traces.append(self._trace)
        while True:
            self.connecting, self.is_kept = True, False
            if is_create and not getattr(request.session.connector, "limit_per_host", 1):
                # A server may be closing a kept connection at this very moment, and then nobody could tell
                # whether a create on it has happened: so it gets a fresh one. Connections are kept apart by,
                # among others, these headers: under some of its own it need not throw the kept ones away,
                # as it otherwise does. Limits per host are also kept apart by them.
                agent = {"User-Agent": f"timezest-async/{__version__} (create {next(_numbers)})"}
                request.proxy_headers = CIMultiDict({**(request.proxy_headers or {}), **agent})
            try:
                return await handler(request)
            except StaleConnectionError:
                # It is closed by now, so that there is an end to them.
                continue

    def _follow(self, request: aiohttp.ClientRequest, traces: list[Any], *, is_create: bool) -> None:
        send = request.send

        async def send_on(connection: Any) -> aiohttp.ClientResponse:
            if self.is_kept and (is_create or not _is_quiet(connection.protocol)):
                raise StaleConnectionError
            if is_create:
                connection.protocol.force_close()
            if self.before_send is not None:
                await self.before_send()
            self.sent = True
            # All is known now, and every further step costs aiohttp more where there is a trace. Nothing may
            # hold itself by way of the request either: the page that it brings would wait for the collector.
            traces.remove(self._trace)
            self._trace = None
            del vars(request)["send"]
            return await send(connection)

        vars(request)["send"] = send_on


def _is_quiet(protocol: Any) -> bool:
    """Return whether a kept connection is silent: what came unasked would answer the next request.

    Of a part of an answer aiohttp forgets what came before the next request, so that nothing is made of it.
    """
    # True too where a whole answer has been read.
    if protocol.should_close:
        return False
    socket = protocol.transport.get_extra_info("socket")
    if socket is None or not hasattr(select, "poll"):
        return True
    # Bytes, or the end, that the event loop has not read yet.
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return not poll.poll(0)


async def _queue(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    context.tracker.on_queue(True)


async def _leave_queue(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    context.tracker.on_queue(False)


async def _keep(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    context.tracker.is_kept = True


_TRACING: Final = aiohttp.TraceConfig()
_TRACING.on_connection_queued_start.append(_queue)
_TRACING.on_connection_queued_end.append(_leave_queue)
_TRACING.on_connection_reuseconn.append(_keep)
_TRACING.freeze()
