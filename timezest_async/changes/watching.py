"""What ``watch()`` and ``changes()`` return: changes to be read with ``async for``."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, cast

from timezest_async import tql
from timezest_async.changes.change import Change, differing
from timezest_async.changes.engine import Cost, Engine
from timezest_async.changes.filters import fixed_part
from timezest_async.changes.polling import Service
from timezest_async.changes.store import ChangeStore, Event
from timezest_async.checks import check_seconds
from timezest_async.errors import ConfigurationError, TimeZestError

_logger = logging.getLogger("timezest_async")

_BATCH: Final = 100
"""Events fetched from the store at once."""
_WATCHING: Final = 5
"""Requests that a sweep of a watch may take in any case."""
_LOOKING: Final = 10
"""Requests that a single look may take in any case."""
_LONGEST_BACK_OFF: Final = 300.0
"""Seconds that no wait after a failure exceeds."""
_MOST_DOUBLINGS: Final = 10


class Watch:
    """Changes of scheduling requests, each once it is asked for.

    An async iterator, and an async context manager that closes the state at its end. Asking for the next
    change acknowledges the one before, so that whoever stops in between is told it again. Nothing is asked
    of the service while nobody waits for a change.

    Args:
        service: The service.
        state: The path of an SQLite file, or a store.
        filter: What is followed.
        interval: Seconds between two looks; None for a single one.
        sweep: Seconds between two sweeps.
        consumer: Whose acknowledgements count.
        initial: Whether what is there at the first look is told as created.
        now: What times in text count from, if this is the first look; by default the time.
        clock: Epoch seconds.

    Attributes:
        cost: What the latest look cost; None before the first one.
        identity: The same of watches that tell the same changes, out of one state.
        store: The state.
        interval: Seconds between two looks; None for a single one.

    Raises:
        FilterError: The filter is unfit.
        ConfigurationError: Another argument is.
    """

    def __init__(
        self,
        service: Service,
        state: str | os.PathLike[str] | ChangeStore,
        filter: tql.Expression[Any] | str | None,
        *,
        interval: float | None,
        sweep: float = 60.0,
        consumer: str = "main",
        initial: bool = True,
        now: datetime | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cost: Cost | None = None
        self.interval: Final = None if interval is None else check_seconds("interval", interval)
        self._sweep = check_seconds("sweep", sweep)
        if not consumer:
            raise ConfigurationError(f"consumer is {consumer!r:.60}: give a name that is not empty.")
        self._service, self._filter, self._consumer, self._initial = service, filter, consumer, initial
        self._clock = clock
        self._now = datetime.fromtimestamp(int(clock()), UTC) if now is None else now
        self.store: ChangeStore
        self.store, self._is_own = _store_of(state)
        start = service.list(wanted := self._expression(self._now)).start  # to be refused at once
        fixed_part(wanted)
        where = os.path.realpath(cast("str", state)) if self._is_own else id(state)
        self.identity: Final = (where, start.account, start.queries)
        self._engine: Engine | None = None
        self._lock = asyncio.Lock()
        self._closed = asyncio.Event()
        self._events: deque[Event] = deque()
        self._given: int | None = None
        self._failures = 0
        self._next_look: float | None = None
        self._next_sweep = 0.0

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._closed.is_set()

    async def start(self) -> None:
        """Look now, if it is time for a look, so that what is wrong shows before a change is waited for.

        Raises:
            TimeZestError: The look failed; waiting for a change looks again.
        """
        async with self._lock:
            if self.interval is None or self.is_closed:
                return
            engine = await self._opened()
            began = asyncio.get_running_loop().time()
            if self._next_look is None or began >= self._next_look:
                is_sweep = self._next_look is None or began >= self._next_sweep
                self.cost = await engine.look(sweep=is_sweep, allowance=_WATCHING)
                self._looked(began, self.interval, is_sweep=is_sweep)

    async def look(self) -> None:
        """Wait for the time of the next look, and look, unless another watch of this state has just done so.

        A look that fails is logged, and made good by a later one; waiting ends with the watch.

        Raises:
            TimeZestError: It failed, and so would the next one.
        """
        async with self._lock:
            if self.interval is not None and not self.is_closed:
                await self._look_when_due(await self._opened(), self.interval)

    async def newest(self) -> int:
        """Return the number of the newest change; 0 where there are none.

        Raises:
            ConfigurationError: The store keeps no history.
        """
        newest: int = await self._keeper().newest()
        return newest

    async def history(self, after: int, most: int = 100) -> Sequence[Change] | None:
        """Return the oldest changes after a number, acknowledged or not; none where there are none.

        Args:
            after: The ``seq`` of a change; 0 for all that there are.
            most: How many at most.

        Returns:
            None where it is not known what came after: it is too long ago (30 days), or the number is none of
            this state's.

        Raises:
            ConfigurationError: The store keeps no history.
        """
        events = await self._keeper().history(after, most)
        return None if events is None else [self._change(event) for event in events]

    def _keeper(self) -> Any:
        if not callable(getattr(self.store, "history", None)):
            raise ConfigurationError(
                f"{type(self.store).__name__} keeps no history: give it `history` and `newest`, as "
                "SQLiteChangeStore has them, or give the path of a file"
            )
        return self.store

    async def pause(self) -> None:
        """Let go of the state's file until it is needed again; nobody may be waiting for a change."""
        async with self._lock:
            if self._is_own:
                await self.store.close()

    async def aclose(self) -> None:
        """End it, as soon as a look under way is done, and close the state.

        A change that was given and not followed by another is told again by the next watch.
        """
        self._closed.set()
        async with self._lock:
            await self._close()

    async def _close(self) -> None:
        self._closed.set()
        if self._is_own:
            await self.store.close()

    async def __anext__(self) -> Change:
        async with self._lock:
            if self.is_closed:
                raise StopAsyncIteration
            if self._given is not None:
                await self.store.acknowledge(self._consumer, self._given)
                self._given = None
            engine = await self._opened()
            while not self.is_closed:
                if not self._events:
                    self._events.extend(await self.store.pending(self._consumer, _BATCH))
                if self._events:
                    event = self._events.popleft()
                    self._given = event.seq
                    return self._change(event)
                if self.interval is None:
                    if self._next_look is not None:
                        await self._close()
                        raise StopAsyncIteration
                    self.cost = await engine.look(sweep=True, allowance=_LOOKING)
                    self._next_look = 0.0
                else:
                    await self._look_when_due(engine, self.interval)
            raise StopAsyncIteration

    async def _look_when_due(self, engine: Engine, interval: float) -> None:
        """Wait for the time of the next look and look, unless somebody else has just done so."""
        now = asyncio.get_running_loop().time
        if self._next_look is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._next_look - now())):
                    await self._closed.wait()
                    return
        is_first, began = self._next_look is None, now()
        self._next_look = began + interval
        is_sweep = is_first or began >= self._next_sweep
        # A little less than the interval: timers are not exact.
        if not is_first and await engine.was_looked(0.9 * interval, swept=False):
            is_sweep = is_sweep and not await engine.was_looked(0.9 * self._sweep, swept=True)
            if not is_sweep:
                return
        try:
            self.cost = await engine.look(sweep=is_sweep, allowance=_WATCHING)
        except TimeZestError as error:
            if not error.retryable:
                raise
            self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
            wait = min(interval * 2.0**self._failures, max(interval, _LONGEST_BACK_OFF))
            _logger.warning("A look for changes failed (%s); the next in %.3g s.", type(error).__name__, wait)
            self._next_look = now() + wait
        else:
            self._looked(began, interval, is_sweep=is_sweep)

    def _looked(self, began: float, interval: float, *, is_sweep: bool) -> None:
        self._failures = 0
        self._next_look = began + interval
        if is_sweep:
            self._next_sweep = began + self._sweep

    async def _opened(self) -> Engine:
        if self._engine is None:
            memory = await self.store.recall(-1)
            begun = int(self._now.timestamp())
            if memory is not None and memory.version:
                begun = memory.notes["begun_at"]
            wanted = self._expression(datetime.fromtimestamp(begun, UTC))
            start = self._service.list(wanted).start
            engine = Engine(
                self._service,
                self.store,
                {"queries": list(start.queries), "account": start.account},
                wanted=wanted,
                fixed=fixed_part(wanted)[0],
                begun=begun,
                initial=self._initial,
                clock=self._clock,
            )
            await engine.recall()
            self._engine = engine
        return self._engine

    def _expression(self, now: datetime) -> tql.Expression[Any] | None:
        """Read the filter; how long ago something is counts from the first look."""
        if isinstance(self._filter, str):
            return tql.parse(self._filter, now=now)
        return self._filter

    def _change(self, event: Event) -> Change:
        before, after = (
            None if request is None else self._service.structure(request)
            for request in (event.before, event.after)
        )
        fields = differing(event.before, event.after)
        return Change(event.kind, before, after, fields, event.seq, event.seen_at)


def _store_of(state: object) -> tuple[ChangeStore, bool]:
    """Give the store, and whether it is ours to close.

    Raises:
        ConfigurationError: It is neither a path nor a store.
    """
    if callable(getattr(state, "recall", None)):
        store: Any = state
        return store, False
    from timezest_async.changes.sqlite import SQLiteChangeStore  # noqa: PLC0415 - few programs need sqlite3

    path: Any = state
    return SQLiteChangeStore(path), True
