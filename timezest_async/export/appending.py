"""Adding records to a finished file, so that a run which was cut short leaves no trace in the end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs

from timezest_async.export.atomic_files import usual_mode
from timezest_async.export.finished import check_finished, check_length, fingerprint, gone
from timezest_async.export.formats import make_writer
from timezest_async.export.formats.columns import choose_columns
from timezest_async.export.formats.database import DatabaseWriter
from timezest_async.export.formats.selection import Shape
from timezest_async.export.job_state import Place
from timezest_async.export.seen import PATH, State
from timezest_async.export.threads import in_thread
from timezest_async.models import SchedulingRequest
from timezest_async.pagination import Checkpoint


class Appender:
    """Adds scheduling requests to a file.

    A database takes each batch in one transaction, and takes it again without harm. Of a file that is
    appended to, the state knows the length; what is beyond it was left by a run that was cut short.

    Args:
        target: The file.
        shape: How it is written.
        state: What is known of it.
        memory: Where the state is kept.
        size: Records that are written together.
    """

    def __init__(self, target: Path, shape: Shape, state: State, memory: Path, *, size: int) -> None:
        self._target = target
        self._format = shape.format
        self._state = state
        self._memory = memory
        self._size = size
        # A link is followed here: what is appended to is the user's own file.
        self._writer = make_writer(target.resolve(), PATH, choose_columns(PATH, state.columns), shape)
        self._place = Place(0, Checkpoint(PATH, ("",)), extent=state.length)
        self._chunks: list[Any] = []
        self._is_open = False
        self._stands: os.stat_result | None = None

    async def check(self) -> None:
        """Look at the file, before anything is asked of the service.

        Raises:
            ConfigurationError: It is not what the state tells of.
        """
        await in_thread(self._check_now)

    async def add(self, record: SchedulingRequest) -> None:
        """Take a record."""
        self._chunks.append(self._writer.encode([record]))
        if len(self._chunks) >= self._size:
            await self._write()

    async def finish(self) -> State:
        """Write what is left, and close.

        Returns:
            The state with what the file holds now.

        Raises:
            ConfigurationError: The database was taken away meanwhile.
        """
        await self._write()
        await self.close()
        return await in_thread(self._left)

    def _left(self) -> State:
        state = attrs.evolve(self._state, length=self._place.extent)
        if self._is_open or (not state.digest and self._target.exists()):
            state = attrs.evolve(state, digest=fingerprint(self._target, self._format, state))
        return state

    async def close(self) -> None:
        """Release the file."""
        await in_thread(self._writer.close)

    async def _write(self) -> None:
        chunks, self._chunks = self._chunks, []
        await in_thread(lambda: self._write_now(chunks))

    def _check_now(self) -> None:
        check_finished(self._target, self._format, self._state, self._memory)
        self._stands = self._target.stat() if self._target.exists() else None

    def _write_now(self, chunks: list[Any]) -> None:
        if isinstance(self._writer, DatabaseWriter):
            if not self._still_stands():
                raise gone(self._target, self._memory)
            if chunks:
                if not self._is_open:
                    attrs.evolve(self._state, appending=True).save(self._memory)
                    self._is_open = True
                self._writer.upsert(chunks)
        elif chunks or self._state.appending:
            if not self._is_open:
                self._open()
                self._is_open = True
            self._place = self._writer.commit(chunks, self._place)

    def _still_stands(self) -> bool:
        try:
            now = self._target.stat()
        except FileNotFoundError:
            return False
        return self._stands is not None and os.path.samestat(self._stands, now)

    def _open(self) -> None:
        goes_on = self._target.exists() and self._state.length > 0
        if goes_on:
            check_length(self._target, self._state)
            state = attrs.evolve(self._state, appending=True)
        else:
            state = attrs.evolve(self._state, appending=True, length=0, digest="")
        state.save(self._memory)
        if goes_on:
            self._writer.restore(self._place)
        else:
            mode = usual_mode(self._target)
            self._place = self._writer.create(self._place)
            self._target.chmod(mode)
