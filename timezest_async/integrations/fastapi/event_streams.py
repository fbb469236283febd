"""Changes as server-sent events: one watch looks, and any number of listeners hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final, Self

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from timezest_async.changes.broadcasts import Broadcast, broadcasts
from timezest_async.changes.change import Change
from timezest_async.changes.watching import Watch
from timezest_async.integrations.fastapi.callers import until_gone
from timezest_async.serialization.json_text import json_bytes

_GRACE: Final = 0.3
"""Seconds that a listener has to be let go in when the server stops."""
_LARGEST: Final = 2**63 - 1

Data = Callable[[Change], Any]


class EventStream(EventSourceResponse):
    """An answer that goes on until the listener leaves. Made by ``event_stream``.

    Args:
        request: The listener's request.
        watch: Tells the changes.
        data: What is sent of a change, as JSON; a change of which it returns None is not sent.
        ping: Seconds between the comments that keep the connection open.
    """

    def __init__(self, request: Request, watch: Watch, data: Data, ping: float) -> None:
        self._watch, self._data = watch, data
        self._last = _last_event(request)
        self._broadcast: Broadcast | None = None
        self._shutdown = anyio.Event()
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # its `dict`
            self._events(), ping=ping, shutdown_event=self._shutdown, shutdown_grace_period=_GRACE
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the first look, then answer."""
        with broadcasts().joined(self._watch) as broadcast:
            async with until_gone(receive):
                await broadcast.started()
            self._broadcast = broadcast
            ending = asyncio.create_task(self._end(broadcast), name="TimeZest: does the server stop?")
            try:
                await super().__call__(scope, receive, send)
            finally:
                ending.cancel()

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait for the first look, so that ``await event_stream(...)`` raises what is wrong with it."""
        return self._looked().__await__()

    async def _looked(self) -> Self:
        with broadcasts().joined(self._watch) as broadcast:
            await broadcast.started()
        return self

    async def _end(self, broadcast: Broadcast) -> None:
        """Let all listeners go when the server stops, with answers that are complete."""
        await self._shutdown.wait()
        broadcast.end()

    async def _events(self) -> AsyncGenerator[ServerSentEvent]:
        assert self._broadcast is not None  # noqa: S101 - events are asked for when there is one
        async for change in self._broadcast.changes(self._last):
            if change is None:
                yield ServerSentEvent("{}", event="reset")
            elif (data := self._data(change)) is not None:
                yield ServerSentEvent(json_bytes(data).decode(), id=str(change.seq))


def _last_event(request: Request) -> int | None:
    """Return the number of the change that the listener heard last; -1 for one that is none."""
    # A browser sends the header when it comes back; a page that was made at some moment can say by the query.
    said = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
    text = said.strip()
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    return number if number <= _LARGEST else -1


def event_stream(
    request: Request, watch: Watch, *, data: Data = Change.to_dict, ping: float = 15.0
) -> EventStream:
    """Answer with the changes of a watch as server-sent events, for an ``EventSource`` of a page.

    ::

        @app.get("/changes")
        async def changes(request: Request, client: timezest.Client) -> Response:
            return timezest.event_stream(request, client.scheduling_requests.watch("changes.state"))

    All listeners of a process share one watch of those that have the same state and filter, and several
    processes share the looks. It looks while anybody listens; a listener who reads slowly holds up nobody.
    Each event is a ``message`` with the change's ``seq`` as its id, so that a browser that comes back is told
    what it missed; where that is not known any more (30 days), a ``reset`` event says so: read lists anew.
    A page says by ``?last_event_id=`` which changes it has in it: ``await watch.newest()``.
    A first look that fails is answered as an error, before any header.

    Args:
        request: The listener's request.
        watch: The watch, of which nobody else asks for changes. It need not be closed, unless the state is to
            be let go of while somebody listens.
        data: What is sent of a change; by default all of it, with customers' names and ``scheduling_url``,
            with which anybody can book. A change of which it returns None is not sent.
        ping: Seconds between the comments that keep the connection open.
    """
    return EventStream(request, watch, data, ping)
