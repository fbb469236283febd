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
from attrs import define, field

from timezest_async.sandbox.exchange import Answer, Call, Delivery, RequestSeen, error_answer
from timezest_async.sandbox.faults import Faults
from timezest_async.sandbox.rate_window import RateWindow, RetryAfter
from timezest_async.sandbox.service import Service, route_of

_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_PATIENCE: Final = 0.5


@define(eq=False)
class FrontDoor:
    """Receive requests and send answers.

    Attributes:
        service: What answers.
        keys: The valid keys; True for those that may create.
        window: The account's budget, or None for no limit.
        retry_after: What a 429 for the budget says.
        faults: What is to go wrong.
        seen: Where requests are recorded, or None.
        latency: Seconds before every answer.
        clock: Epoch seconds; every answer's ``Date``.
    """

    service: Service
    keys: Mapping[str, bool] = field(repr=False)
    window: RateWindow | None
    retry_after: RetryAfter
    faults: Faults
    seen: list[RequestSeen] | None
    latency: float
    clock: Callable[[], float]
    _stale: set[object] = field(factory=set[object], init=False)
    _under_way: set[asyncio.Task[Any]] = field(factory=set[asyncio.Task[Any]], init=False)
    _late: set[asyncio.TimerHandle] = field(factory=set[asyncio.TimerHandle], init=False)
    _ending: asyncio.Event = field(factory=asyncio.Event, init=False)

    async def close(self) -> None:
        """End every request that is under way, without an answer."""
        self._ending.set()
        for timer in self._late:
            timer.cancel()
        self._late.clear()
        # A handler that is still busy while its connection is closed makes aiohttp log an error.
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_PATIENCE)
        self._stale.clear()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or close its connection."""
        task = asyncio.current_task()
        if task is not None:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        time_seen = time.monotonic()
        if request.protocol in self._stale:
            self._stale.discard(request.protocol)
            return _hang_up(request)
        may_write = self._authenticate(request.headers.get("Authorization", ""))
        limited = may_write is not None and self.window is not None and not self.window.admit()
        path, _, query_string = request.raw_path.partition("?")
        call = Call(
            method=request.method,
            route=route_of(request.method, path),
            origin=f"{request.scheme}://{request.host}",
            path=path,
            query_string=query_string,
            query=dict(request.query),
            body=await request.read(),
            now=self.clock(),
        )
        answer = self._answer(call, may_write, limited=limited)
        if self.seen is not None:
            self.seen.append(
                RequestSeen(
                    method=call.method,
                    route=call.route,
                    path=path,
                    query_string=query_string,
                    query=call.query,
                    headers={
                        name.lower(): value
                        for name, value in request.headers.items()
                        if name.lower() not in _SECRET_HEADERS
                    },
                    authorized=may_write is not None,
                    body=call.body,
                    status=None if answer.delivery is Delivery.NOTHING else answer.status,
                    time=time_seen,
                    limited=limited,
                )
            )
        if delay := self.latency + answer.delay:
            await self._pause(delay)
        return _hang_up(request) if self._ending.is_set() else await self._deliver(request, answer)

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

    def _answer(self, call: Call, may_write: bool | None, *, limited: bool) -> Answer:  # noqa: FBT001 - three-valued
        if may_write is None:
            return error_answer(401, "Unauthorized. No valid API key provided")
        if limited and self.window is not None:
            return error_answer(429, "Too many requests", self.window.headers(self.retry_after))
        faults = self.faults.draw(call.route)
        sizes = [size for fault in faults if (size := fault.records_on_page()) is not None]
        answer = Answer(200)
        if all(fault.acts for fault in faults):
            answer = self.service.answer(
                call,
                may_write=may_write,
                page_size=sizes[-1] if sizes else None,
                behind=max((fault.behind() for fault in faults), default=0.0),
            )
        elif delays := [delay for fault in faults if (delay := fault.acts_after()) is not None]:
            self._act_later(call, max(delays), may_write=may_write)
        for fault in faults:
            answer = fault.spoil(answer, call)
        return answer

    def _act_later(self, call: Call, seconds: float, *, may_write: bool) -> None:
        """Do what a call asks after a while, if the sandbox still runs then; nobody hears of it."""

        def act() -> None:
            self._late.discard(timer)
            self.service.answer(call, may_write=may_write)

        timer = asyncio.get_running_loop().call_later(seconds, act)
        self._late.add(timer)

    async def _deliver(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        if answer.delivery is Delivery.NOTHING:
            return _hang_up(request)
        headers = {"Date": formatdate(self.clock(), usegmt=True), **answer.headers}
        if answer.leaves_stale:
            self._stale.add(request.protocol)
        if answer.delivery is Delivery.WHOLE:
            return web.Response(status=answer.status, body=answer.body, headers=headers)
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = len(answer.body)
        try:
            await response.prepare(request)
            if answer.delivery is Delivery.DRIP:
                piece, seconds = answer.drip
                for start in range(0, len(answer.body), piece):
                    await response.write(answer.body[start : start + piece])
                    await self._pause(seconds)
                    if self._ending.is_set():
                        return _hang_up(request)
                await response.write_eof()
            else:
                if answer.delivery is Delivery.HALF:
                    await response.write(answer.body[: len(answer.body) // 2])
                _hang_up(request)
        except ConnectionError:
            # The client went away first, which is its right.
            pass
        return response


def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    response = web.Response()
    response.force_close()
    return response
