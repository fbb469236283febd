"""Work that stops when the caller has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

_GONE: Final = 499
"""What servers write into their logs where the caller did not wait for the answer; nobody receives it."""


@asynccontextmanager
async def while_connected(request: Request) -> AsyncGenerator[None]:
    """Cancel what is done inside as soon as the caller has closed the connection.

    ::

        @app.get("/report")
        async def report(request: Request, client: timezest.Client) -> Report:
            async with timezest.while_connected(request):
                return await long_work(client)

    An endpoint is not told otherwise, and goes on for nobody at the cost of the request budget. Do not wrap a
    ``create`` in it whose outcome matters: ``create_once`` may be called again.

    Args:
        request: The request; its body is read to the end first, and stays there to be read.

    Raises:
        HTTPException: The caller has gone (status 499, which nobody receives).
    """
    try:
        # What follows the body is the word that the caller has gone. A form was read by FastAPI already.
        with suppress(RuntimeError):
            await request.body()
    except ClientDisconnect:
        raise _gone() from None
    async with until_gone(request.receive):
        yield


@asynccontextmanager
async def until_gone(receive: Receive) -> AsyncGenerator[None]:
    """Cancel what is done inside when ``http.disconnect`` comes; see ``while_connected``.

    Args:
        receive: Gives the messages of the connection; the body, should any of it be left, is dropped.
    """
    scope = asyncio.timeout(None)
    try:
        async with scope:
            watcher = asyncio.create_task(_watch(receive, scope), name="TimeZest: is the caller there?")
            try:
                yield
            finally:
                watcher.cancel()
                await asyncio.wait([watcher])
    except TimeoutError:
        if scope.expired():
            raise _gone() from None
        raise


async def _watch(receive: Receive, scope: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.reschedule(asyncio.get_running_loop().time())


def _gone() -> HTTPException:
    return HTTPException(_GONE, "the caller has gone")
