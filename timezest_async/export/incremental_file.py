"""The finished file of an incremental export: whether it is what the state tells of, and what it has."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import usual_mode
from timezest_async.export.formats import Reader, make_reader, make_writer
from timezest_async.export.formats.columns import VANISHED_AT, begun_columns, choose_columns
from timezest_async.export.formats.database import DatabaseWriter
from timezest_async.export.formats.selection import Format, OutputOptions, choose_format
from timezest_async.export.incremental_state import LEARNED, NEEDED, PATH, IncrementalState, KnownRequest
from timezest_async.export.job_state import Place
from timezest_async.export.threads import in_thread
from timezest_async.models import SchedulingRequest
from timezest_async.pagination import Checkpoint

_APPENDED: Final = {Format.JSONL, Format.CSV}


def options_of(
    target: Path, format: Format | str | None, fields: Sequence[str] | None, *, raw_csv: bool
) -> OutputOptions:
    """Settle how the file is written.

    Raises:
        ConfigurationError: It cannot be brought up to date like this.
    """
    chosen, compression = choose_format(target, format)
    if chosen is Format.PARQUET or compression is not None:
        raise ConfigurationError(
            "an incremental export adds to its file: choose SQLite or DuckDB, or JSON lines or CSV without "
            "compression"
        )
    columns = {column.name for column in choose_columns(PATH, fields).columns}
    if lacking := [name for name in NEEDED if name not in columns]:
        raise ConfigurationError(
            f"an incremental export compares {', '.join(NEEDED)}: add {', '.join(lacking)} to fields"
        )
    return OutputOptions(chosen, None, None if fields is None else tuple(fields), raw_csv)


def check_finished(target: Path, format: Format, known: IncrementalState, memory: Path) -> None:
    """Refuse a file that is not the one that the last run left, or that a run which was cut short did.

    Args:
        target: The file.
        format: Its format.
        known: What the last run remembered.
        memory: Where the state is kept.

    Raises:
        ConfigurationError: It is gone, or another one, or was changed; says what to do.
    """
    if format in _APPENDED:
        if target.exists():
            check_length(target, known)
            if known.digest and fingerprint(target, format, known) != known.digest:
                raise _changed(target, "other bytes than")
        return
    if not target.exists():
        raise gone(target, memory)
    if known.digest and not known.appending:
        now, then = fingerprint(target, format, known), known.digest
        # Another version of the library may count otherwise.
        if now.partition(":")[0] == then.partition(":")[0]:
            if now != then:
                raise _foreign(target, memory, "its requests are not what was written")
            return
    count = 0
    missing = {name: one for name, one in known.seen.items() if one.exported}
    for request_id, one in read_back(target, format, known.columns):
        count += 1
        expected = missing.pop(request_id, None)
        if expected is not None and (one.updated_at or 0) < (expected.updated_at or 0):
            raise _foreign(target, memory, f"it has an earlier version of {request_id}")
    if missing:
        raise _foreign(target, memory, f"it lacks {len(missing):,} requests, such as {next(iter(missing))}")
    if count < known.records:
        raise _foreign(target, memory, f"it has {count:,} requests, and {known.records:,} after the last run")


def check_length(target: Path, known: IncrementalState) -> None:
    """Refuse a text file that does not hold what the last run left.

    Raises:
        ConfigurationError: It is shorter; or longer, and no run was cut short.
    """
    size = target.stat().st_size
    if size < known.length or (size > known.length and not known.appending):
        raise _changed(target, f"{size:,} bytes, not the {known.length:,} of")


def _changed(target: Path, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{target} was changed by another program: it has {what} the last run. Take it away, and the "
        "changes go to a new one"
    )


def fingerprint(target: Path, format: Format, known: IncrementalState) -> str:
    """Compute a checksum over what a finished file holds; see ``Reader.checksum``.

    Raises:
        ConfigurationError: It cannot be read.
    """
    reader = make_reader(target, format)
    with _explained(reader):
        return reader.checksum(known.columns, known.length)


def gone(target: Path, memory: Path) -> ConfigurationError:
    """Make the error for a database that was taken away."""
    return ConfigurationError(f"{target} is gone: put it back, or remove {memory} too to begin anew")


def _foreign(target: Path, memory: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{target} is not the database that the last run left, {reason}: put that one back, or remove both "
        f"it and {memory} to begin anew"
    )


def read_back(target: Path, format: Format, columns: Sequence[str]) -> Iterator[tuple[str, KnownRequest]]:
    """Read from a finished file of these columns which requests it has, by id.

    Raises:
        ConfigurationError: It is something else.
    """
    reader = make_reader(target, format)
    with _explained(reader):
        names = [name for name in LEARNED if name in columns]
        for wire in reader.read(names, columns=columns):
            yield wire["id"], KnownRequest.of_wire(wire)


@contextmanager
def _explained(reader: Reader) -> Generator[None]:
    try:
        yield
    except (ConfigurationError, OSError):
        raise
    except reader.damage as error:
        raise ConfigurationError(
            f"{reader.source} cannot be read as an export of scheduling requests ({error}): put back what "
            "the last run left, or name another file and another state"
        ) from None


class Appender:
    """Adds scheduling requests to a file.

    A database takes each batch in one transaction, and takes it again without harm. Of a file that is
    appended to, the state knows the length; what is beyond it was left by a run that was cut short.

    Args:
        target: The file.
        options: How it is written.
        state: What is known of it.
        memory: Where the state is kept.
        size: Records that are written together.
    """

    def __init__(
        self, target: Path, options: OutputOptions, state: IncrementalState, memory: Path, *, size: int
    ) -> None:
        self._target = target
        self._format = options.format
        self._state = state
        self._memory = memory
        self._size = size
        # A link is followed here: what is appended to is the user's own file.
        self._writer = make_writer(target.resolve(), PATH, begun_columns(PATH, state.columns), options)
        self._place = Place(0, Checkpoint(PATH, ("",)), committed_size=state.length)
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

    async def finish(self, gone: Sequence[SchedulingRequest], moment: datetime) -> IncrementalState:
        """Write what is left, mark what has vanished, and close.

        Args:
            gone: What is known of the requests that the service has no longer.
            moment: When that was noticed (UTC).

        Returns:
            The state with what the file holds now.

        Raises:
            ConfigurationError: The database was taken away meanwhile.
        """
        await self._write()
        # A table that was begun by a version without that column goes on without it; JSON lines need none.
        if gone and (VANISHED_AT.name in self._state.columns or self._format is Format.JSONL):
            await in_thread(lambda: self._mark(gone, moment))
        await self.close()
        return await in_thread(self._left)

    def _left(self) -> IncrementalState:
        state = attrs.evolve(self._state, length=self._place.committed_size)
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

    def _mark(self, gone: Sequence[SchedulingRequest], moment: datetime) -> None:
        self._begin()
        self._place = self._writer.mark(gone, moment, self._place)

    def _write_now(self, chunks: list[Any]) -> None:
        if isinstance(self._writer, DatabaseWriter):
            if not self._still_stands():
                raise gone(self._target, self._memory)
            if chunks:
                self._begin()
                self._writer.upsert(chunks)
        elif chunks or self._state.appending:
            self._begin()
            self._place = self._writer.commit(chunks, self._place)

    def _begin(self) -> None:
        """Note that the file is added to, before it is."""
        if not self._is_open:
            if isinstance(self._writer, DatabaseWriter):
                attrs.evolve(self._state, appending=True).save(self._memory)
            else:
                self._open()
            self._is_open = True

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
