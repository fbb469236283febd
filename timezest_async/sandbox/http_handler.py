"""The sandbox's side of a connection: keys, the budget and the faults, around the service."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import formatdate
from typing import Any, Final

from aiohttp import web
from attrs import define, evolve, field

from timezest_async.sandbox.exchange import Delivery, RecordedRequest, Request, Response, error_response
from timezest_async.sandbox.faults import Faults
from timezest_async.sandbox.rate_window import RateWindow, RetryAfter
from timezest_async.sandbox.routes import PAGES, route_of
from timezest_async.sandbox.scheduling_pages import SchedulingPages
from timezest_async.sandbox.service import Service

_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_PATIENCE: Final = 0.5


@define(eq=False)
class HttpHandler:
    """Receive requests and send responses.

    Attributes:
        service: What answers.
        pages: What answers at scheduling URLs.
        keys: The valid keys; True for those that may create.
        window: The account's budget, or None for no limit.
        retry_after: What a 429 for the budget says.
        faults: What is to go wrong.
        recorded: Where requests are recorded, or None.
        latency: Seconds before every answer.
        clock: Epoch seconds; every answer's ``Date``.
    """

    service: Service
    pages: SchedulingPages
    keys: Mapping[str, bool] = field(repr=False)
    window: RateWindow | None
    retry_after: RetryAfter
    faults: Faults
    recorded: list[RecordedRequest] | None
    latency: float
    clock: Callable[[], float]
    _stale: set[object] = field(factory=set[object], init=False)
    _in_flight: set[asyncio.Task[Any]] = field(factory=set[asyncio.Task[Any]], init=False)
    _late: set[asyncio.TimerHandle] = field(factory=set[asyncio.TimerHandle], init=False)
    _ending: asyncio.Event = field(factory=asyncio.Event, init=False)

    async def close(self) -> None:
        """End every request that is in flight, without an answer."""
        self._ending.set()
        for timer in self._late:
            timer.cancel()
        self._late.clear()
        # A handler that is still busy while its connection is closed makes aiohttp log an error.
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=_PATIENCE)
        self._stale.clear()

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or close its connection."""
        task = asyncio.current_task()
        if task is not None:
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
        arrived = time.monotonic()
        if incoming.protocol in self._stale:
            self._stale.discard(incoming.protocol)
            return _abort(incoming)
        if incoming.raw_path.startswith(PAGES):
            # Who has a scheduling URL needs no key, uses none of the budget, and meets no faults.
            return whole(self.pages.answer(await received(incoming, self.clock())))
        may_write = self._authenticate(incoming.headers.get("Authorization", ""))
        limited = may_write is not None and self.window is not None and not self.window.admit()
        request = await received(incoming, self.clock())
        response = self._respond(request, may_write, limited=limited)
        if self.recorded is not None:
            self.recorded.append(
                RecordedRequest(
                    method=request.method,
                    route=request.route,
                    path=request.path,
                    query_string=request.query_string,
                    query=request.query,
                    headers={
                        name.lower(): value
                        for name, value in incoming.headers.items()
                        if name.lower() not in _SECRET_HEADERS
                    },
                    authorized=may_write is not None,
                    body=request.body,
                    status=None if response.delivery is Delivery.NOTHING else response.status,
                    time=arrived,
                    limited=limited,
                )
            )
        if delay := self.latency + response.delay:
            await self._pause(delay)
        return _abort(incoming) if self._ending.is_set() else await self._deliver(incoming, response)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the sandbox ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    def _authenticate(self, header: str) -> bool | None:
        """Return whether the key may create; None for no valid key."""
        scheme, _, sent = header.partition(" ")
        found = None
        for key, may_write in self.keys.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(key.encode(), sent.strip().encode()):
                found = may_write
        return found

    def _respond(self, request: Request, may_write: bool | None, *, limited: bool) -> Response:  # noqa: FBT001 - three-valued
        if may_write is None:
            return error_response(401, "Unauthorized. No valid API key provided")
        if limited and self.window is not None:
            return error_response(429, "Too many requests", self.window.headers(self.retry_after))
        faults = self.faults.draw(request.route)
        sizes = [size for fault in faults if (size := fault.records_on_page()) is not None]
        response = Response(200)
        if all(fault.acts for fault in faults):
            response = self.service.answer(
                request,
                may_write=may_write,
                page_size=sizes[-1] if sizes else None,
                behind=max((fault.behind() for fault in faults), default=0.0),
            )
        elif delays := [delay for fault in faults if (delay := fault.acts_after()) is not None]:
            self._act_later(request, max(delays), may_write=may_write)
        for fault in faults:
            response = fault.apply(response, request)
        return response

    def _act_later(self, request: Request, seconds: float, *, may_write: bool) -> None:
        """Act on a request after a while, if the sandbox still runs then; nobody hears of it."""

        def act() -> None:
            self._late.discard(timer)
            self.service.answer(request, may_write=may_write)

        timer = asyncio.get_running_loop().call_later(seconds, act)
        self._late.add(timer)

    async def _deliver(self, request: web.BaseRequest, response: Response) -> web.StreamResponse:
        if response.delivery is Delivery.NOTHING:
            return _abort(request)
        headers = {"Date": formatdate(self.clock(), usegmt=True), **response.headers}
        if response.leaves_stale:
            self._stale.add(request.protocol)
        if response.delivery is Delivery.WHOLE:
            return whole(evolve(response, headers=headers))
        stream = web.StreamResponse(status=response.status, headers=headers)
        stream.content_length = len(response.body)
        try:
            await stream.prepare(request)
            if response.delivery is Delivery.DRIP:
                piece, seconds = response.drip
                for start in range(0, len(response.body), piece):
                    await stream.write(response.body[start : start + piece])
                    await self._pause(seconds)
                    if self._ending.is_set():
                        return _abort(request)
                await stream.write_eof()
            else:
                if response.delivery is Delivery.HALF:
                    await stream.write(response.body[: len(response.body) // 2])
                _abort(request)
        except ConnectionError:
            # The client went away first, which is its right.
            pass
        return stream


async def received(incoming: web.BaseRequest, now: float) -> Request:
    """Read a request off the wire.

    Args:
        incoming: What came.
        now: The sandbox's time, in epoch seconds.
    """
    path, _, query_string = incoming.raw_path.partition("?")
    return Request(
        method=incoming.method,
        route=route_of(incoming.method, path),
        origin=f"{incoming.scheme}://{incoming.host}",
        path=path,
        query_string=query_string,
        query=dict(incoming.query),
        body=await incoming.read(),
        now=now,
        accept=incoming.headers.get("Accept", ""),
        content_type=incoming.content_type,
    )


def whole(response: Response) -> web.Response:
    """Send a response as it is."""
    return web.Response(status=response.status, body=response.body, headers=response.headers)


def _abort(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    response = web.Response()
    response.force_close()
    return response
