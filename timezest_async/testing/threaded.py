"""A sandbox in a thread of its own, so that tests of any kind, on any loop or none, can use it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox import RecordedRequest, Sandbox
from timezest_async.sandbox.faults import Faults
from timezest_async.testing.samples import PSA, make_request

T = TypeVar("T")
_NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
_PATIENCE: Final = 60.0


class FrozenClock:
    """A clock that stands still until it is moved.

    Attributes:
        now: An aware time; set it to another.
    """

    def __init__(self, now: datetime = _NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return epoch seconds."""
        return self.now.timestamp()

    def move(self, by: timedelta | float) -> None:
        """Go on by so much, or by so many seconds; back where it is negative."""
        self.now += by if isinstance(by, timedelta) else timedelta(seconds=by)


class TimeZestSandbox:
    """A TimeZest service for one test; its methods can be called from any thread, with or without a loop.

    ::

        with TimeZestSandbox(records=200) as sandbox:
            request = sandbox.add_request(psa="autotask", ticket="T20260310.0001")
            sandbox.book(request["id"], sandbox.clock.now + timedelta(days=1))

    Time stands still at noon of 10 March 2026, UTC, until ``clock`` is moved.

    Args:
        options: As ``timezest_async.sandbox.Sandbox`` takes them.

    Attributes:
        clock: The sandbox's time. Where the options have a clock of their own, it is without effect.
    """

    def __init__(self, **options: Any) -> None:
        self.clock: FrozenClock = FrozenClock()
        options.setdefault("clock", self.clock)
        self._sandbox = Sandbox(**options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<TimeZest{repr(self._sandbox)[1:]}"

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise ConfigurationError("this sandbox is running already: make another TimeZestSandbox")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="timezest sandbox", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._sandbox.__aenter__(), self._loop).result(_PATIENCE)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._loop is not None:
                leaving = self._sandbox.__aexit__(None, None, None)
                asyncio.run_coroutine_threadsafe(leaving, self._loop).result(_PATIENCE)
        finally:
            self._end()

    def _end(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_PATIENCE)
            loop.close()

    def do(self, what: Callable[[Sandbox], T]) -> T:
        """Call something with the sandbox itself, in its thread; return what it returns."""
        if self._loop is None:
            raise ConfigurationError("the sandbox is not running: use it inside `with TimeZestSandbox()`")

        async def there() -> T:
            return what(self._sandbox)

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(_PATIENCE)

    @property
    def base_url(self) -> str:
        """Where the service is."""
        return self.do(lambda sandbox: sandbox.base_url)

    @property
    def api_key(self) -> str:
        """The key that may read and create."""
        return self._sandbox.api_key

    @property
    def faults(self) -> Faults:
        """What is to go wrong: ``faults.script("GET /scheduling_requests", [Status(503)])``."""
        return self._sandbox.faults

    @property
    def requests_seen(self) -> list[RecordedRequest]:
        """The requests that arrived, in order; yours to clear."""
        return self._sandbox.requests_seen

    def add(self, record: Any = None, /, *, deleted: bool = False, **fields: Any) -> dict[str, Any]:
        """Store a record and return it: see ``Sandbox.add``."""
        return self.do(lambda sandbox: sandbox.add(record, deleted=deleted, **fields))

    def add_request(
        self, *, psa: PSA = "connectwise_psa", ticket: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Store a scheduling request for a ticket of a PSA system, and return it: see ``make_request``."""
        return self.add(make_request(psa=psa, ticket=ticket, **fields))

    def update(self, id: str, entity: str = "scheduling_request", /, **changes: Any) -> dict[str, Any]:
        """Change fields of a record: see ``Sandbox.update``."""
        return self.do(lambda sandbox: sandbox.update(id, entity, **changes))

    def book(self, id: str, start_time: datetime | int, time_zone: str | None = None) -> dict[str, Any]:
        """Choose a time, or another one, as the end user does: see ``Sandbox.book``."""
        return self.do(lambda sandbox: sandbox.book(id, start_time, time_zone))

    def cancel(self, id: str) -> dict[str, Any]:
        """Cancel a scheduling request, as the end user or the team does: see ``Sandbox.cancel``."""
        return self.do(lambda sandbox: sandbox.cancel(id))

    def close_request(self, id: str) -> dict[str, Any]:
        """Close a scheduling request, as a workflow of the team does: see ``Sandbox.close_request``."""
        return self.do(lambda sandbox: sandbox.close_request(id))

    def remove(self, id: str, entity: str = "scheduling_request", /) -> bool:
        """Take a record away: see ``Sandbox.remove``."""
        return self.do(lambda sandbox: sandbox.remove(id, entity))

    def records(self, entity: str = "scheduling_request") -> list[dict[str, Any]]:
        """Return all records of an entity, newest first."""
        return self.do(lambda sandbox: sandbox.records(entity))

    def add_contact(self, entity_type: str, **of: Any) -> None:
        """Say who stands behind an entity of a PSA system: see ``Sandbox.add_contact``."""
        self.do(lambda sandbox: sandbox.add_contact(entity_type, **of))
