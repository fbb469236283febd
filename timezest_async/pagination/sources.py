"""Where records come from: what all ways of reading a list have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs

from timezest_async.pagination.positions import Position, QueryPosition
from timezest_async.pagination.unreadable import UnreadablePolicy, has_id, next_placeholder
from timezest_async.serialization.decoding import Page

T = TypeVar("T")


class Source(ABC, Generic[T]):
    """A list on its way: hands over records in order, and knows where it stands.

    ``fill`` and ``take`` are apart so that only waiting for the service costs an ``await``.
    """

    backwards: bool = False
    """Whether records come from older to newer."""

    @abstractmethod
    def start(self) -> None:
        """Begin to read, without waiting for it."""

    @abstractmethod
    async def fill(self) -> bool:
        """Wait until ``take`` has a record to give; return whether there is one, or the end is reached."""

    @abstractmethod
    def take(self) -> T | None:
        """Hand over the next record, or None where ``fill`` is needed first."""

    def take_page(self, limit: int | None) -> Page[T]:
        """Hand over the records that need no waiting for, up to a limit, newest first."""
        records: list[T] = []
        while len(records) != limit and (record := self.take()) is not None:
            records.append(record)
        return Page(tuple(records[::-1] if self.backwards else records))

    @abstractmethod
    def position(self) -> Position:
        """Return where to go on after the last record handed over."""

    @abstractmethod
    def close(self) -> None:
        """Stop all that is under way. It awaits nothing, so that a finalizer can call it."""

    @abstractmethod
    async def wait_closed(self) -> None:
        """Wait, after ``close``, until nothing is under way any more."""


@attrs.define(eq=False)
class FirstFailure:
    """The first error of several queries, for whoever waits for another of them.

    Attributes:
        error: The first error, or None.
    """

    error: BaseException | None = None
    _reported: asyncio.Event = attrs.field(factory=asyncio.Event)

    def report(self, error: BaseException) -> None:
        """Record that a query failed."""
        self.error = self.error or error
        self._reported.set()

    async def wait(self) -> None:
        """Wait until a query has failed."""
        await self._reported.wait()


class QuerySource(Source[T]):
    """A source of one query's records, which others can merge."""

    first_failure: FirstFailure | None = None
    """Where to report a failure at once, though records are left to be handed over before it."""

    unreadable: UnreadablePolicy
    """What is done about records that cannot be read."""

    _records: Sequence[T] = ()
    """Those of the page that is handed over, placeholders among them; ``_taken`` are behind the caller."""
    _taken = 0
    _stop = 0
    """How many of them can be taken before the next placeholder, or the end."""
    _indexed: Sequence[T] = ()
    _indices: Mapping[str, int] = {}

    @abstractmethod
    def position(self) -> QueryPosition:
        """Return where to go on after the last record handed over."""

    @abstractmethod
    def peek(self) -> T | None:
        """Return the record that ``take`` would hand over, or None where ``fill`` is needed first."""

    def take(self) -> T | None:
        """Hand over the next record of the page."""
        taken = self._taken
        if taken == self._stop:
            return None
        self._taken = taken + 1
        return self._records[taken]

    def _show(self, records: Sequence[T]) -> None:
        """Let the records of the next page be taken."""
        self._records, self._taken, self._stop = records, 0, next_placeholder(records)

    def _pass_placeholder(self) -> bool:
        """Pass over the placeholder whose turn it is; return whether it is any's.

        Raises:
            UnexpectedResponseError: Nobody wants it passed over.
        """
        if self._taken == len(self._records):
            return False
        placeholder: Any = self._records[self._taken]
        self.unreadable.handle(placeholder)
        self._taken += 1
        self._stop = next_placeholder(self._records, self._taken)
        return True

    def _behind(self) -> int:
        """Count the records behind the caller, up to the last one that has an id to go on after."""
        behind = self._taken
        while behind and not has_id(self._records[behind - 1]):
            behind -= 1
        return behind

    def holds_later(self, id: str) -> bool:
        """Return whether a record of this id is on the same page as the one that ``peek`` shows, after it."""
        if self._indexed is not self._records:
            self._indexed = self._records
            self._indices = {record.id: index for index, record in enumerate(self._records)}  # type: ignore[attr-defined]  # every record has an id
        return self._indices.get(id, -1) > self._taken


def begin(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin a task of our own. A loop that is closed before its end drops it without a word."""
    task = asyncio.create_task(work)
    # As asyncio has it for its own: nobody could have awaited this one either.
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
    return task


def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, unless its loop is gone and the task with it."""
    loop = task.get_loop()
    if loop.is_running() and loop is not asyncio._get_running_loop():  # noqa: SLF001  # documented
        loop.call_soon_threadsafe(task.cancel)
    elif not loop.is_closed():
        task.cancel()


def consume_exception(task: asyncio.Task[Any], first_failure: FirstFailure | None = None) -> None:
    """Retrieve a task's exception, since a caller who stopped early never will; report it, if asked to."""
    error = None if task.cancelled() else task.exception()
    if error is not None and first_failure is not None:
        first_failure.report(error)
