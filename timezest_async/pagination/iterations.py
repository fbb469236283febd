"""The ways of iterating over a list: by records, pages and batches."""

from __future__ import annotations

import asyncio
from typing import Generic, Self, TypeVar

import attrs

from timezest_async.errors import PaginationError, TimeZestError
from timezest_async.pagination.checkpoints import Checkpoint
from timezest_async.pagination.sources import Source
from timezest_async.serialization.decoding import Page
from timezest_async.transport import CallReport

T = TypeVar("T")


class Run(Generic[T]):
    """One reading of a list: shared by the paginator, which is asked for checkpoints, and the iterator."""

    def __init__(
        self, source: Source[T], start: Checkpoint, left: int | None, report: CallReport | None = None
    ) -> None:
        self.source = source
        self.report = report
        self.left = left
        self._start = start
        self.held: Checkpoint | None = None
        """The checkpoint while records are taken that are not handed over yet."""

    @property
    def checkpoint(self) -> Checkpoint:
        """Where it stands."""
        return self.held or attrs.evolve(self._start, position=self.source.position().to_json())


class Iteration(Generic[T]):
    """What the ways of iterating have in common: an end, errors with a checkpoint, nothing left running.

    Reading stops when this object goes, which a ``break`` brings about.
    """

    def __init__(self, run: Run[T]) -> None:
        self._run = run
        self._source = run.source
        self._is_open = True
        self._stopped_by: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> Self:
        return self

    async def _fill(self) -> None:
        """Wait for the next record.

        Raises:
            StopAsyncIteration: The end of the list, or the limit, is reached.
            TimeZestError: With the place to resume from.
        """
        if self._stopped_by is not None:
            error = PaginationError(
                f"this iteration was stopped by {type(self._stopped_by).__name__}; start anew, with "
                "list(checkpoint=...) to go on where it stood"
            )
            error.checkpoint = self._run.checkpoint
            raise error
        has_more = False
        try:
            if self._is_open and self._run.left != 0:
                if self._run.report is not None:
                    self._run.report.start()
                has_more = await self._source.fill()
        except BaseException as error:
            if self._loop is not None and self._loop.is_closed():
                # What waited in it is thrown away, and nothing can be awaited any more.
                self._is_open = False
                self._report_end()
                raise GeneratorExit from None
            self._stopped_by = error
            if isinstance(error, TimeZestError):
                error.checkpoint = self._run.checkpoint
                # The frames that it came through hold pages: what shows the locals of a traceback, as error
                # trackers do, would show customers' data, and the API key should the service have echoed it.
                raise error.with_traceback(None) from None
            raise
        finally:
            if not has_more:
                await self.aclose()
        if not has_more:
            raise StopAsyncIteration

    def _check_loop(self) -> None:
        """Check that this is the event loop in which reading began.

        Raises:
            PaginationError: It is another one.
        """
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            error = PaginationError(
                "this iteration began in another event loop, to which its connections belong: start anew "
                "here, with list(checkpoint=...) to go on where it stands"
            )
            error.checkpoint = self._run.checkpoint
            raise error

    def _take(self) -> T | None:
        if self._run.left == 0 or not self._is_open:
            return None
        record = self._source.take()
        if record is not None and self._run.left is not None:
            self._run.left -= 1
        return record

    async def aclose(self) -> None:
        """Stop reading, and wait until nothing is under way. Closing twice is fine."""
        if self._is_open:
            self._is_open = False
            self._source.close()
            loop = asyncio._get_running_loop()  # noqa: SLF001  # documented; None where it was closed early
            try:
                if loop is not None and self._loop in {None, loop}:
                    await self._source.wait_closed()
            finally:
                self._report_end()

    def _report_end(self) -> None:
        if self._run.report is not None:
            self._run.report.end(self._stopped_by)

    def __del__(self) -> None:
        if self._is_open:
            self._source.close()
            self._report_end()


class Records(Iteration[T]):
    """Iterate over records."""

    async def __anext__(self) -> T:
        if asyncio.get_running_loop() is not self._loop:  # a call less for nearly every record
            self._check_loop()
        while (record := self._take()) is None:
            await self._fill()
        return record


class Pages(Iteration[T]):
    """Iterate over pages."""

    async def __anext__(self) -> Page[T]:
        self._check_loop()
        await self._fill()
        page = self._source.take_page(self._run.left)
        if self._run.left is not None:
            self._run.left -= len(page.data)
        return page


class Batches(Iteration[T]):
    """Iterate over lists of records.

    An error that comes while a batch is gathered is raised after what was gathered is handed over.
    """

    def __init__(self, run: Run[T], size: int) -> None:
        super().__init__(run)
        self._size = size
        self._failure: TimeZestError | None = None

    async def __anext__(self) -> list[T]:
        self._check_loop()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        batch: list[T] = []
        self._run.held = self._run.checkpoint
        try:
            while len(batch) < self._size:
                while (record := self._take()) is None:
                    await self._fill()
                batch.append(record)
        except StopAsyncIteration:
            if not batch:
                raise
        except TimeZestError as error:
            self._run.held = None
            error.checkpoint = self._run.checkpoint
            if not batch:
                raise
            self._failure = error.with_traceback(None)  # its frames hold this batch
        self._run.held = None
        return batch


async def gather(records: Records[T]) -> list[T]:
    """Read all records; where that fails, keep none in what a traceback shows."""
    gathered: list[T] = []
    try:
        while True:
            gathered.append(await anext(records))
    except StopAsyncIteration:
        return gathered
    except BaseException:
        gathered = []
        raise
