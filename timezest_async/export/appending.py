"""Adding records to a finished file, so that a run which was cut short leaves no trace in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.columns import choose_columns
from timezest_async.export.formats import Shape
from timezest_async.export.seen import State
from timezest_async.export.states import Place
from timezest_async.export.threads import in_thread
from timezest_async.export.writers import make_writer
from timezest_async.export.writers.database import DatabaseWriter
from timezest_async.models import SchedulingRequest
from timezest_async.pagination import Checkpoint

_PATH = "/scheduling_requests"


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
        self._state = state
        self._memory = memory
        self._size = size
        self._writer = make_writer(target, _PATH, choose_columns(_PATH, shape.fields), shape)
        self._place = Place(0, Checkpoint(_PATH, ("",)), extent=state.length)
        self._chunks: list[Any] = []
        self._is_open = False

    async def add(self, record: SchedulingRequest) -> None:
        """Take a record."""
        self._chunks.append(self._writer.encode([record]))
        if len(self._chunks) >= self._size:
            await self._write()

    async def finish(self) -> int:
        """Write what is left; return the file's length, where it is appended to."""
        if self._chunks or self._state.appending:
            await self._write()
        return self._place.extent

    async def close(self) -> None:
        """Release the file."""
        await in_thread(self._writer.close)

    async def _write(self) -> None:
        chunks, self._chunks = self._chunks, []
        await in_thread(lambda: self._write_now(chunks))

    def _write_now(self, chunks: list[Any]) -> None:
        if isinstance(self._writer, DatabaseWriter):
            if not self._target.exists():
                raise ConfigurationError(f"{self._target} is gone: remove {self._memory} too to begin anew")
            self._writer.upsert(chunks)
            return
        if not self._is_open:
            self._open()
            self._is_open = True
        self._place = self._writer.commit(chunks, self._place)

    def _open(self) -> None:
        if self._target.exists():
            size = self._target.stat().st_size
            if size != self._state.length and not self._state.appending:
                raise ConfigurationError(
                    f"{self._target} was changed by another program: it has {size} bytes, and "
                    f"{self._state.length} after the last run. Take it away, and the changes go to a new one"
                )
        attrs.evolve(self._state, appending=True).save(self._memory)
        if self._target.exists():
            self._writer.restore(self._place)
        else:
            self._place = self._writer.create(self._place)
