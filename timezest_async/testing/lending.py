"""A client for a synchronous fixture: it is used on the test's loop, and closed on that one."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from timezest_async.budget import RateLimiter
from timezest_async.client import TimeZestClient
from timezest_async.testing.threaded import TimeZestSandbox
from timezest_async.transport import Hooks, RequestEvent


class _LoopSeen(Hooks):
    loop: asyncio.AbstractEventLoop | None = None

    def on_request(self, event: RequestEvent) -> None:
        del event
        self.loop = asyncio.get_running_loop()


@contextmanager
def lend_client(sandbox: TimeZestSandbox, **options: Any) -> Generator[TimeZestClient]:
    """Lend a client of a sandbox, and close it on the loop that used it last, if that one is still open.

    Args:
        sandbox: Where it asks.
        options: As ``TimeZestClient`` takes them, but for ``hooks``. By default tests do not wait for a
            budget.

    Yields:
        The client; the test itself need not close it.
    """
    seen = _LoopSeen()
    options.setdefault("rate_limiter", RateLimiter(100_000, 1.0))
    client = TimeZestClient(sandbox.api_key, sandbox.base_url, hooks=seen, **options)
    try:
        yield client
    finally:
        loop = seen.loop
        if loop is not None and not loop.is_closed() and not loop.is_running():
            loop.run_until_complete(client.close())
        else:
            # A loop that has ended took its connections along; what is left is to say that it is closed.
            closing = asyncio.new_event_loop()
            try:
                closing.run_until_complete(client.close())
            finally:
                closing.close()
