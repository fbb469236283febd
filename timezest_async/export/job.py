"""A bulk export that finishes, or can be resumed: from a paginator to a file, a batch at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, Literal, Self, TypedDict, Unpack

import attrs

from timezest_async.client import TimeZestClient
from timezest_async.endpoints import endpoint_of
from timezest_async.errors import AuthenticationError, ConfigurationError, PermissionDeniedError
from timezest_async.export.atomic_files import locked, remove, sync_folder
from timezest_async.export.batches import Batches
from timezest_async.export.formats import Writer, make_writer
from timezest_async.export.formats.columns import begun_columns, choose_columns
from timezest_async.export.formats.selection import (
    Compression,
    Format,
    OutputOptions,
    choose_format,
)
from timezest_async.export.job_state import ExportPaths, ExportSpec, Phase, Place, ResumeState, damaged
from timezest_async.export.output_files import is_expected, made_by_another, prepare, publish
from timezest_async.export.progress import OnProgress, Progress, Summary, Tracker
from timezest_async.export.threads import in_thread
from timezest_async.export.unreadable_file import UnreadableFile
from timezest_async.pagination import Paginator

BATCH_SIZE: Final = 2_000
"""Records after which they are made durable: at the service's 180 requests a minute, about half a minute."""
BATCH_SECONDS: Final = 10.0
"""Seconds after which what there is is made durable, however little."""


class RunOptions(TypedDict, total=False):
    """How a run goes, whatever is exported; see ``ExportJob``."""

    other_key: bool
    batch_size: int
    batch_seconds: float
    on_progress: OnProgress | None


class ExportJob:
    """One export to one file.

    Until it is finished, the output is ``NAME.partial`` (for Parquet a folder of parts), and beside it lies
    ``NAME.partial.checkpoint``. After an error, a cancellation or a crash, a job of the same paginator with
    ``resume=True``, or ``ExportJob.resume``, goes on after the last durable batch.

    Args:
        paginator: The list to export; it is copied, not touched.
        path: The file.
        format: ``"jsonl"``, ``"csv"``, ``"parquet"``, ``"sqlite"`` or ``"duckdb"``; by default by the ending.
        fields: Columns, or top-level keys of JSON lines, in order; None for all.
        compress: ``"gzip"`` or ``"zstd"``, for jsonl and csv; by default by the ending.
        raw_csv: Leave CSV cells as they are that a spreadsheet would run as a formula.
        skip_unreadable: Go on past records that cannot be read, whatever the paginator says; they are kept in
            ``NAME.unreadable.jsonl``, one ``{"reason": …, "raw": …}`` a line, and counted in the summary.
        resume: Go on with an export that was not finished; where there is none, start one.
        overwrite: Start anew, whatever there is, and replace a finished file in the end.
        other_key: Resume with another API key than that it was begun with, of the same account.
        batch_size: Records after which they are made durable; 2,000 by default.
        batch_seconds: Seconds after which they are, if that is sooner; 10 by default.
        on_progress: Is told how it goes, in the event loop; must return soon.

    Attributes:
        paths: The file, and what stands beside it until it is finished.
        spec: What is exported, and how.

    Raises:
        ConfigurationError: The arguments do not fit together, or a library is missing.
    """

    def __init__(
        self,
        paginator: Paginator[Any],
        path: str | os.PathLike[str],
        *,
        format: Format | str | None = None,
        fields: Sequence[str] | None = None,
        compress: Compression | str | None = None,
        raw_csv: bool = False,
        skip_unreadable: bool = False,
        resume: bool = False,
        overwrite: bool = False,
        other_key: bool = False,
        batch_size: int = BATCH_SIZE,
        batch_seconds: float = BATCH_SECONDS,
        on_progress: OnProgress | None = None,
    ) -> None:
        if resume and overwrite:
            raise ConfigurationError("resume goes on, and overwrite starts anew: give one of them")
        if batch_size < 1:
            raise ConfigurationError(f"batch_size is a whole number from 1, not {batch_size}")
        target = Path(path)
        chosen, compression = choose_format(target, format, compress)
        start, limit = paginator.start, paginator.limit
        table = choose_columns(start.path, fields)
        options = OutputOptions(chosen, compression, None if fields is None else tuple(fields), raw_csv)
        self._columns = columns = tuple(column.name for column in table.columns)
        self.paths: ExportPaths = ExportPaths.of(target)
        self.spec: ExportSpec = ExportSpec(start, options, limit, overwrite, skip_unreadable, columns)
        self._paginator = paginator
        self._resumes = resume
        self._other_key = other_key
        self._is_empty = False
        self._batch_size = batch_size
        self._batch_seconds = batch_seconds
        self._writer: Writer[Any] = make_writer(self.paths.partial, start.path, table, options)
        self._unreadable = UnreadableFile(
            self.paths.partial_unreadable, self.paths.unreadable, paginator.on_unreadable
        )
        self._tracker = Tracker(limit, on_progress)

    @classmethod
    def resume(
        cls,
        client: TimeZestClient,
        path: str | os.PathLike[str],
        *,
        concurrency: int | Literal["auto"] = 1,
        skip_unreadable: bool = False,
        **options: Unpack[RunOptions],
    ) -> Self:
        """Make the job that goes on with an unfinished export, knowing only its file.

        Args:
            client: Of the same account.
            path: The file that was to be made.
            concurrency: How many requests may be in flight at once, as for ``list``.
            skip_unreadable: As above; also where it was begun without.
            options: ``other_key``, ``batch_size``, ``batch_seconds`` and ``on_progress``, as above.

        Raises:
            ConfigurationError: There is nothing to resume.
        """
        unfinished = read_unfinished(path)
        if unfinished is None:
            raise ConfigurationError(
                f"there is nothing to resume: {ExportPaths.of(Path(path)).state} does not exist"
                + (f", and {path} is finished" if Path(path).exists() else "")
            )
        spec = unfinished.spec
        paginator = endpoint_of(client, spec.start.path).paginate(concurrency=concurrency)
        return cls(
            paginator.starting_at(spec.start.for_other_key(), spec.limit),
            path,
            format=spec.options.format,
            fields=spec.options.fields,
            compress=spec.options.compression,
            raw_csv=spec.options.raw_csv,
            skip_unreadable=skip_unreadable or spec.skip_unreadable,
            resume=True,
            **options,
        )

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._tracker.progress

    async def run(self) -> Summary:
        """Export to the end.

        Raises:
            ConfigurationError: There is a file of this name, finished or not, and neither ``resume`` nor
                ``overwrite`` was given; or what is to be resumed is of another export.
            TimeZestError: The service or the network failed; resume later.
            OSError: The disk is full, or fails; resume later.
        """
        with locked(self.paths.lock):
            unfinished = await in_thread(self._prepare)
            if unfinished is None:
                return Summary.of(self.paths.target, None, self.progress)
            try:
                place = await self._read(unfinished)
                self._tracker.phase_changed("finishing")
                await in_thread(lambda: self._finish(unfinished, place))
            finally:
                await in_thread(self._close)
                if self._is_empty:
                    await in_thread(self._tidy_up)
        self._tracker.phase_changed("done")
        return Summary.of(self.paths.target, place, self.progress)

    def _prepare(self) -> ResumeState | None:
        """Find what there is, and go on as it was begun."""
        unfinished = prepare(self.paths, self.spec, resumes=self._resumes, other_key=self._other_key)
        if unfinished is not None:
            spec = self.spec = unfinished.spec
            if spec.columns != self._columns:
                table = begun_columns(spec.start.path, spec.columns)
                self._writer = make_writer(self.paths.partial, spec.start.path, table, spec.options)
        return unfinished

    async def _read(self, unfinished: ResumeState) -> Place:
        """Read what is still to be read, and make it durable."""
        before = unfinished.place
        if unfinished.phase is not Phase.READING and before is not None:
            self._tracker.started(before)
            return before

        def keep(place: Place) -> None:
            # Of a database only that it was made is noted here: the rest is in it.
            if not self._writer.keeps_place or not place.records:
                attrs.evolve(unfinished, place=place).save(self.paths.state)

        place = await in_thread(lambda: self._open(before, unfinished.export, keep))
        self._tracker.started(place)
        left = None if self.spec.limit is None else self.spec.limit - place.records
        unreadable = self._unreadable if self.spec.skip_unreadable else None
        on_unreadable = None if unreadable is None else unreadable.take
        checkpoint = place.checkpoint.for_other_key()  # the account was looked at before
        paginator = self._paginator.starting_at(checkpoint, left, on_unreadable=on_unreadable)
        batches = Batches(
            paginator,
            self._writer,
            keep,
            place,
            self._tracker,
            unreadable=unreadable,
            size=self._batch_size,
            seconds=self._batch_seconds,
        )
        async with aclosing(paginator.pages()) as pages:
            try:
                async for page in pages:
                    await batches.add(page)
            except OSError:
                # The disk failed: what is not durable is read again another time.
                raise
            except BaseException as error:
                await batches.flush()
                kept = batches.place
                if isinstance(error, AuthenticationError | PermissionDeniedError):
                    self._is_empty = not (kept.records or kept.unreadable)
                raise
            await batches.flush()
        return batches.place

    def _open(self, place: Place | None, export: str, keep: Callable[[Place], None]) -> Place:
        """Go back to what is durable, or start."""
        first = Place(0, self.spec.start, export=export)
        if place is not None or self._writer.keeps_place:
            restored = self._writer.restore(place or first)
            if restored is None and place is not None:
                raise damaged(self.paths.partial, "it is gone")
            place = restored
        self._unreadable.restore(place or first)
        if place is None:
            place = self._writer.create(first)
            keep(place)
        return place

    def _tidy_up(self) -> None:
        """Leave nothing where a wrong key got nothing: it would have to be told apart from the right one."""
        remove(self.paths.state)
        for ending in ("", *self._writer.sidecars):
            remove(self.paths.partial.with_name(self.paths.partial.name + ending))
        remove(self.paths.partial_unreadable)

    def _finish(self, unfinished: ResumeState, place: Place) -> None:
        paths, overwrite = self.paths, self.spec.overwrite
        unfinished = attrs.evolve(unfinished, place=place)
        if unfinished.phase is not Phase.READY:
            attrs.evolve(unfinished, phase=Phase.READ).save(paths.state)
            whole = self._writer.finish(place)
            unfinished = attrs.evolve(unfinished, phase=Phase.READY, whole=whole)
            unfinished.save(paths.state)
        if not overwrite and paths.target.exists() and not is_expected(paths.target, unfinished.whole):
            raise made_by_another(paths.target)
        self._unreadable.finish(place, overwrite=overwrite)
        for ending in self._writer.sidecars:
            remove(paths.target.with_name(paths.target.name + ending))
        publish(self._writer.whole, paths.target, unfinished.whole, overwrite=overwrite)
        remove(paths.partial)
        remove(paths.state)
        sync_folder(paths.target.parent)

    def _close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._unreadable.close()


def read_unfinished(path: str | os.PathLike[str]) -> ResumeState | None:
    """Return what an unfinished export was told to do and how far it is; None where there is none.

    Args:
        path: The file that was to be made.

    Raises:
        ConfigurationError: The checkpoint beside it cannot be read.
    """
    return ResumeState.load(ExportPaths.of(Path(path)).state)
