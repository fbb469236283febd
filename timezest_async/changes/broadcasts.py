"""One watch that any number of listeners hear, each at its own pace; none of them acknowledges anything."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from timezest_async.changes.change import Change
from timezest_async.changes.watching import Watch
from timezest_async.errors import ConfigurationError

_logger = logging.getLogger("timezest_async")

_RECENT: Final = 256
"""How many changes are kept at hand; listeners that are further behind read them from the state."""
_CONSUMER: Final = "listeners"
"""What was broadcast is acknowledged in this name, so that the state need not keep it for ever."""


class Broadcast:
    """A watch, and those who listen to it; it looks while anybody does.

    Args:
        watch: The watch, whose changes nobody else asks for.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.listeners = 0
        self.has_ended = False
        self._recent: deque[Change] = deque(maxlen=_RECENT)
        self._before = 0
        """The number of the last change that came before these."""
        self._latest = 0
        self._has_started = asyncio.Event()
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="TimeZest: a watch with listeners")

    async def started(self) -> None:
        """Wait until the watch has looked.

        Raises:
            TimeZestError: It failed.
        """
        await self._has_started.wait()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Let all listeners go once they have heard what there is."""
        self.has_ended = True
        self._wake()

    async def stop(self) -> None:
        """End looking."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            self._before = self._latest = await self.watch.newest()
            await self.watch.start()
            self._has_started.set()
            while not self.watch.is_closed:
                if not await self._hear():
                    await self.watch.look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the listeners' to raise, or logged
            if self._has_started.is_set():
                _logger.warning("A watch with listeners ended (%s).", type(error).__name__)
            self._error = error
        finally:
            self._has_started.set()
            self.end()

    async def _hear(self) -> bool:
        """Take what is new, and return whether there was anything."""
        changes = await self.watch.history(self._latest)
        if changes is None:
            raise ConfigurationError("the state of the watch was taken away while it was in use")
        for change in changes:
            if len(self._recent) == _RECENT:
                self._before = self._recent[0].seq
            self._recent.append(change)
            self._latest = change.seq
        if changes:
            self._wake()
            await self.watch.store.acknowledge(_CONSUMER, self._latest)
        return bool(changes)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def changes(self, last: int | None) -> AsyncGenerator[Change | None]:
        """Yield changes, and None where some were missed that nobody knows any more.

        Args:
            last: The number of the change after which to begin; None for those that come from now on.
        """
        position = self._latest if last is None else last
        is_behind = last is not None
        while True:
            if is_behind or position < self._before:
                missed: Sequence[Change] | None = await self.watch.history(position)
                if missed is None:
                    yield None
                    position = self._latest
                for change in missed or ():
                    yield change
                    position = change.seq
                is_behind = bool(missed)
                continue
            news = self._news
            for change in [one for one in self._recent if one.seq > position]:
                yield change
                position = change.seq
            if position < self._latest:
                continue
            if self.has_ended:
                return
            await news.wait()


class Broadcasts:
    """Those of an event loop: of the watches that tell the same, one looks for the listeners of all."""

    def __init__(self) -> None:
        self._of: dict[Any, Broadcast] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @contextmanager
    def joined(self, watch: Watch) -> Generator[Broadcast]:
        """Listen to a watch, or to another one that tells the same, while this is open.

        Raises:
            ConfigurationError: It is a single look.
        """
        if watch.interval is None:
            raise ConfigurationError("changes() is a single look, which has no listeners: give a watch()")
        broadcast = self._of.get(watch.identity)
        if broadcast is None or broadcast.has_ended:
            broadcast = self._of[watch.identity] = Broadcast(watch)
        broadcast.listeners += 1
        try:
            yield broadcast
        finally:
            broadcast.listeners -= 1
            if not broadcast.listeners:
                if self._of.get(watch.identity) is broadcast:
                    del self._of[watch.identity]
                # Without waiting: those who leave are cancelled.
                task = asyncio.create_task(self._end(broadcast), name="TimeZest: nobody listens to a watch")
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)

    async def _end(self, broadcast: Broadcast) -> None:
        await broadcast.stop()
        heir = self._of.get(broadcast.watch.identity)
        if heir is None or heir.watch is not broadcast.watch:
            await broadcast.watch.pause()


_of_loops: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Broadcasts]] = WeakKeyDictionary()


def broadcasts() -> Broadcasts:
    """Return those of the running event loop."""
    return _of_loops.setdefault(asyncio.get_running_loop(), Broadcasts())
