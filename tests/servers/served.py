"""A sandbox beside the test, so that the command can have the main thread, as in a shell."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tests.support import stopped_clock
from timezest_async.sandbox import Sandbox
from timezest_async.sandbox.exchange import RecordedRequest
from timezest_async.sandbox.faults import Faults

KEY = "secret-key-of-the-tests"
T = TypeVar("T")


class Served:
    """A sandbox in a thread of its own, where all that touches its records is done."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        self._sandbox = sandbox
        self._loop = loop
        self.base_url = sandbox.base_url

    def do(self, what: Callable[[Sandbox], T]) -> T:
        async def there() -> T:
            return what(self._sandbox)

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(10)

    def records(self, entity: str = "scheduling_request") -> list[dict[str, Any]]:
        return self.do(lambda sandbox: sandbox.records(entity))

    @property
    def requests_seen(self) -> list[RecordedRequest]:
        return self._sandbox.requests_seen

    @property
    def faults(self) -> Faults:
        return self._sandbox.faults


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Served]:
    sandbox = Sandbox(api_key=KEY, **{"clock": stopped_clock, **options})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.__aenter__(), loop).result(10)
        yield Served(sandbox, loop)
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
