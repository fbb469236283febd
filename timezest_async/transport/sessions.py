"""Whose session it is: made lazily on the running loop, renewed under another, closed once."""

from __future__ import annotations

import asyncio
import inspect
import threading
import warnings
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from timezest_async.closing import close_with_loop
from timezest_async.errors import ConfigurationError

MAX_CONNECTIONS = 64
"""Connections at one time. More than the budget could use, few enough for any server and proxy."""
KEEP_ALIVE = 15.0
"""Seconds that an idle connection is kept: less than servers and load balancers commonly keep theirs
(60 s and more), since a request sent on a connection that is just being closed has an unknown outcome."""


class Sessions:
    """Lend out the session of the running loop.

    Args:
        borrowed: The user's session: lent out as it is, and never closed here.
        trust_env: Whether a session of our own heeds HTTP_PROXY, NO_PROXY and .netrc.
    """

    def __init__(self, borrowed: aiohttp.ClientSession | None, *, trust_env: bool) -> None:
        self._borrowed = borrowed
        self._trust_env = trust_env
        self._own: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._guard: AsyncGenerator[None, None] | None = None
        self._ever_opened = False
        self.closed: bool = False
        self._made_at = _caller()

    async def current(self) -> aiohttp.ClientSession:
        """Return the session for the running loop.

        Raises:
            ConfigurationError: The client, or the session it borrowed, is closed, or in use in another
                thread.
        """
        if self.closed:
            raise ConfigurationError(
                "This client is closed. Make a new one, or use it inside its 'async with'."
            )
        if self._borrowed is not None:
            if self._borrowed.closed:
                raise ConfigurationError("The session this client borrowed is closed: keep it open longer.")
            loop = asyncio.get_running_loop()
            # aiohttp offers no public way to ask; what it says itself is "Event loop is closed", at best.
            if getattr(self._borrowed, "_loop", loop) is not loop:
                raise ConfigurationError(
                    "The session this client borrowed belongs to another event loop: make it, and the client,"
                    " inside the asyncio.run that uses them, or let the client make sessions of its own."
                )
            return self._borrowed
        loop = asyncio.get_running_loop()
        self._claim(loop)
        if self._own is None or self._own.closed or self._own_loop is not loop:
            await self._discard()
            self._own, self._own_loop = self._open(), loop
            self._guard = await close_with_loop(self._own.close)
            self._ever_opened = True
        return self._own

    async def close(self) -> None:
        """Close the session if it is ours; once closed, closing does nothing.

        Raises:
            ConfigurationError: It is in use in another thread, where alone it can be closed.
        """
        if self._own is not None:
            self._claim(asyncio._get_running_loop())  # noqa: SLF001  # documented; None while all is thrown away
        self.closed = True
        await self._discard()

    def _claim(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Note by which loop the client is used; two at a time would meet in what belongs to one."""
        with self._lock:
            if self._loop is not loop and self._loop is not None and self._loop.is_running():
                raise ConfigurationError(
                    "This client is in use in another thread, by an event loop that still runs: make a client"
                    " for each thread, or hand the work to that loop by asyncio.run_coroutine_threadsafe."
                )
            self._loop = loop

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
            # The service authenticates by key alone; a cookie could only do harm.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=self._trust_env,
        )

    async def _discard(self) -> None:
        own, loop, guard = self._own, self._own_loop, self._guard
        self._own = self._own_loop = self._guard = None
        if own is None or guard is None:
            return
        if loop is asyncio._get_running_loop():  # noqa: SLF001  # as above
            await guard.aclose()
        elif not own.closed:
            # Its loop ended without ending its generators: nothing of it can be awaited any more.
            own.detach()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        # Attributes are missing where __init__ failed.
        if getattr(self, "_ever_opened", False) and not self.closed:
            _warn(
                f"A TimeZest client made at {self._made_at} was never closed: use it by 'async with', or"
                " await its close().",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


def _caller() -> str:
    """Return file and line of the nearest caller outside this package."""
    frame = inspect.currentframe()
    package = __name__.partition(".")[0]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
