"""Incremental export: what was created or changed since the last run.

The service cannot be asked for what changed: ``updated_at`` is no attribute of its filter. What is still open
may change, and so may what is recent; both are read again, and ``updated_at`` is compared. What was open and
is neither now has been closed, or removed, since: it is got by its id.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

import attrs

from timezest_async import tql
from timezest_async.changes.filters import fixed_part
from timezest_async.client import TimeZestClient
from timezest_async.errors import ConfigurationError, TimeZestError
from timezest_async.export.atomic_files import check_name, locked, remove
from timezest_async.export.formats.columns import VANISHED_AT, choose_columns
from timezest_async.export.formats.selection import Format
from timezest_async.export.incremental_file import Appender, fingerprint, options_of, read_back
from timezest_async.export.incremental_run import (
    IncrementalRun,
    may_have_changed,
    names_to_ask,
    recent_since,
    watching,
)
from timezest_async.export.incremental_state import PATH, IncrementalState, KnownRequest
from timezest_async.export.job import BATCH_SIZE, ExportJob
from timezest_async.export.job_state import ExportPaths
from timezest_async.export.progress import IncrementalSummary, OnProgress, Tracker
from timezest_async.export.threads import in_thread
from timezest_async.export.unreadable_file import UnreadableLog

OVERLAP: Final = timedelta(days=1)

_Filter = tql.Expression[Any] | str | None


@attrs.frozen
class IncrementalPlan:
    """What the next run of an incremental export will ask.

    Attributes:
        first_run: Whether that is the first one, a full export.
        filter: Which requests it lists; None for all.
        watched: How many requests were open or recent at the last run; those that are neither any longer,
            it gets by their id.
        begun: When (UTC) the first run began; None where it has not, or the state does not say. The filter is
            to be the same at every run, so what "90 days ago" means is settled by the first one.
    """

    first_run: bool
    filter: tql.Expression[Any] | None
    watched: int
    begun: datetime | None

    @classmethod
    def load(
        cls, state: str | os.PathLike[str], *, filter: _Filter = None, overlap: timedelta = OVERLAP
    ) -> Self:
        """Read from the state alone what the next run will ask.

        Args:
            state: As for ``IncrementalExport``.
            filter: As for ``IncrementalExport``.
            overlap: As for ``IncrementalExport``.

        Raises:
            ConfigurationError: ``state`` is something else.
            FilterError: The filter is invalid.
        """
        known = IncrementalState.load(Path(state))
        begun = None if known is None or known.begun is None else datetime.fromtimestamp(known.begun, UTC)
        given = tql.parse(filter, now=begun) if isinstance(filter, str) else filter
        wanted = None if given is None else tql.checked_filter(given, "scheduling_request")
        if known is None or known.high_water is None:
            return cls(first_run=True, filter=wanted, watched=0, begun=begun)
        fixed, _ = fixed_part(wanted, "an incremental export")
        everything = names_to_ask(known) is None
        sent = may_have_changed(known, recent_since(known.high_water, overlap), fixed, everything=everything)
        return cls(first_run=False, filter=sent, watched=len(known.seen), begun=begun)


class IncrementalExport:
    """Brings a file of scheduling requests up to date, or makes it.

    The first run is an ``ExportJob``, which resumes by itself if it was interrupted. Every later run reads
    the open requests and the recent ones, and adds what is new or changed: to SQLite and DuckDB in the place
    of the earlier version, to JSON lines and CSV at the end. A run that was interrupted is simply run again.

    What the service has no longer stays, with the time at which that was noticed in ``vanished_at``.

    A later run asks for what is recent, open, or booked ahead, and for what has become of the rest of these,
    by ticket number where they are many. See ``docs/export.md``.

    Args:
        client: The client.
        path: The file: JSON lines or CSV without compression, SQLite or DuckDB. JSON lines and CSV may be
            taken away between runs: the next run begins a new one.
        state: Where to remember what was seen, from run to run.
        filter: Which requests; the same at every run. One that was exported is followed even if it no
            longer matches. Times in text that say how long ago count from the first run.
        format: By default by the ending.
        fields: Columns, among them id, status, created_at and updated_at; None for all.
        raw_csv: As for ``ExportJob``.
        skip_unreadable: As for ``ExportJob``; each is kept once, however often it is met.
        overlap: How far before the last run's newest record "recent" begins.
        concurrency: How many requests may be in flight at once, as for ``list``.
        batch_size: Records after which they are made durable.
        other_key: Go on with another API key than that it was begun with, of the same account.
        on_progress: Is told how it goes; of a later run, how many open or recent requests were read.
        now: What relative times count from at the first run; ``plan().begun`` is that later. By default the
            time.

    Raises:
        ConfigurationError: The arguments do not fit together.
    """

    def __init__(
        self,
        client: TimeZestClient,
        path: str | os.PathLike[str],
        state: str | os.PathLike[str],
        *,
        filter: _Filter = None,
        format: Format | str | None = None,
        fields: Sequence[str] | None = None,
        raw_csv: bool = False,
        skip_unreadable: bool = False,
        overlap: timedelta = OVERLAP,
        concurrency: int | Literal["auto"] = 1,
        batch_size: int = BATCH_SIZE,
        other_key: bool = False,
        on_progress: OnProgress | None = None,
        now: datetime | None = None,
    ) -> None:
        self._client = client
        self._target, self._memory = Path(path), Path(state)
        self._filter: _Filter = filter
        self._options = options_of(self._target, format, fields, raw_csv=raw_csv)
        self._skip_unreadable = skip_unreadable
        self._overlap = overlap
        self._concurrency: int | Literal["auto"] = concurrency
        self._batch_size = batch_size
        self._other_key = other_key
        self._on_progress = on_progress
        self._now = now

    def plan(self) -> IncrementalPlan:
        """Return what the next run will ask; nothing is sent.

        Raises:
            ConfigurationError: The state is something else.
            FilterError: The filter is invalid.
        """
        return IncrementalPlan.load(self._memory, filter=self._filter, overlap=self._overlap)

    async def run(self) -> IncrementalSummary:
        """Bring the file up to date.

        Raises:
            ConfigurationError: The arguments do not fit the state, or the file is not the one that the state
                tells of; nothing was sent.
            FilterError: The filter is invalid; nothing was sent.
            TimeZestError: The service or the network failed; run it again.
            OSError: The disk is full, or fails; run it again.
        """
        moment = self._now or IncrementalPlan.load(self._memory).begun or datetime.now(UTC)
        wanted = tql.parse(self._filter, now=moment) if isinstance(self._filter, str) else self._filter
        everything = self._client.scheduling_requests.list(wanted, concurrency=self._concurrency)
        fixed, is_fixed = fixed_part(wanted, "an incremental export")
        fields = self._options.fields
        key = {
            "queries": list(everything.start.queries),
            **attrs.asdict(self._options),
            "fields": None if fields is None else list(fields),
        }
        new = IncrementalState(
            key,
            settled=None if is_fixed else frozenset[str](),
            begun=int(moment.timestamp()),
            account=everything.start.account,
            columns=(*(column.name for column in choose_columns(PATH, fields).columns), VANISHED_AT.name),
        )
        with locked(self._memory.with_name(f"{self._memory.name}.lock")):
            known = await in_thread(lambda: self._recall(new))
            everything.spreads.restore(known.spreads)
            first: IncrementalSummary | None = None
            if known.high_water is None:
                known, first = await self._run_first(known, everything)
                if is_fixed:
                    return first
            # After a first run too, if the filter is on what may change: what does not match yet has to be
            # watched from now on.
            later = await self._run_later(known, wanted, fixed)
        if first is None:
            return later
        return attrs.evolve(
            later,
            created=first.created + later.created,
            unchanged=0,
            vanished=0,
            pages=first.pages + later.pages,
            unreadable=max(first.unreadable, later.unreadable),
            first_run=True,
        )

    async def _run_first(
        self, known: IncrementalState, everything: Any
    ) -> tuple[IncrementalState, IncrementalSummary]:
        job = ExportJob(
            everything,
            self._target,
            format=self._options.format,
            fields=self._options.fields,
            raw_csv=self._options.raw_csv,
            skip_unreadable=self._skip_unreadable,
            resume=True,
            other_key=self._other_key,
            batch_size=self._batch_size,
            on_progress=self._on_progress,
        )
        job.spec = attrs.evolve(job.spec, columns=known.columns)
        try:
            summary = await job.run()
        except TimeZestError:
            await in_thread(self._forget_unbegun)
            raise
        now = self._client.scheduling_requests.service_time()
        known = await in_thread(lambda: self._learn(known, everything.spreads.to_json(), now))
        await in_thread(lambda: known.save(self._memory))
        return known, IncrementalSummary(
            self._target, known.records, pages=summary.pages, unreadable=summary.unreadable, first_run=True
        )

    async def _run_later(
        self, known: IncrementalState, wanted: tql.Expression[Any] | None, fixed: tql.Expression[Any] | None
    ) -> IncrementalSummary:
        appender = Appender(self._target, self._options, known, self._memory, size=self._batch_size)
        await appender.check()
        unreadable = UnreadableLog(self._target)
        run = IncrementalRun(
            self._client,
            known,
            wanted=wanted,
            fixed=fixed,
            overlap=self._overlap,
            concurrency=self._concurrency,
            tracker=Tracker(None, self._on_progress),
            pass_over=unreadable.take if self._skip_unreadable else None,
        )
        try:
            async with aclosing(run.changes()) as changes:
                async for record in changes:
                    await appender.add(record)
                    del record  # so that a traceback with locals does not show it
            now = self._client.scheduling_requests.service_time()
            gone = [one.as_record(request_id) for request_id, one in run.gone.items() if one.exported]
            left = await appender.finish(gone, now)
            await in_thread(unreadable.keep)
        finally:
            await appender.close()
        await in_thread(lambda: run.state(left, now).save(self._memory))
        counts = (run.created, run.changed, run.unchanged, run.vanished, run.pages, run.looked_up)
        return IncrementalSummary(self._target, *counts, len(unreadable), changes=run.kinds)

    def _recall(self, new: IncrementalState) -> IncrementalState:
        """Read the state, or begin one; refuse one of another export, or that does not go with the files."""
        target, memory = self._target, self._memory
        names = ExportPaths.of(target)
        if memory.absolute() in {name.absolute() for name in attrs.astuple(names)}:
            raise ConfigurationError(
                f"{memory} belongs to the export itself: name another file for its state"
            )
        check_name(target)
        known = IncrementalState.load(memory)
        if known is not None:
            return known.taken_over(new, memory, other_key=self._other_key)
        for path in (target, names.partial, names.state):
            if path.exists():
                raise ConfigurationError(
                    f"{path} exists, but {memory}, which would tell what it has, does not: name the state "
                    "it was made with, or another file"
                )
        new.save(memory)
        return new

    def _forget_unbegun(self) -> None:
        """Remove the state where the first run read nothing: what it was begun with may have been wrong."""
        if not ExportPaths.of(self._target).state.exists() and not self._target.exists():
            remove(self._memory)

    def _learn(self, known: IncrementalState, spreads: Any, now: datetime) -> IncrementalState:
        """Read from the file of the first run what to remember."""
        target, kind = self._target, self._options.format
        seen: dict[str, KnownRequest] = {}
        high_water = count = 0
        for request_id, one in read_back(target, kind, known.columns):
            count += 1
            high_water = max(high_water, one.created_at)
            seen[request_id] = one
        known = attrs.evolve(known, records=count, length=target.stat().st_size, spreads=spreads)
        known = attrs.evolve(known, digest=fingerprint(target, kind, known))
        if known.settled is not None:
            # The filter is on what may change: all that is open is yet to be read.
            return watching(known, seen, high_water, self._overlap, None, tells_times=False)
        known = attrs.evolve(known, thorough_at=int(time.time()))
        tells_times = "selected_start_time" in known.columns
        return watching(known, seen, high_water, self._overlap, now, tells_times=tells_times)
