"""Incremental export: what was created or changed since the last run.

The service cannot be asked for what changed: ``updated_at`` is no attribute of its filter. What is still open
may change, and so may what is recent; both are read again, and ``updated_at`` is compared. What was open and
is neither now has been closed, or removed, since: it is got by its id.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from timezest_async import tql
from timezest_async.client import TimeZestClient
from timezest_async.errors import TimeZestError
from timezest_async.export.appending import Appender
from timezest_async.export.atomic_files import locked
from timezest_async.export.changes import Update, fixed_part, may_have_changed, recent_since
from timezest_async.export.formats.columns import choose_columns
from timezest_async.export.formats.selection import Format
from timezest_async.export.job import BATCH_SIZE, ExportJob
from timezest_async.export.passed_over import PassedOver
from timezest_async.export.progress import OnProgress, Tracker
from timezest_async.export.recalling import forget_unbegun, learn, recall, shape_of
from timezest_async.export.seen import PATH, State
from timezest_async.export.threads import in_thread

OVERLAP: Final = timedelta(days=1)


@attrs.frozen
class Changes:
    """What a run of an incremental export has found.

    Attributes:
        path: The file.
        created: Records that it never had before; one that was reopened has changed.
        changed: Records of which it had an earlier version.
        unchanged: Records that were read again for nothing.
        vanished: Records that the service no longer has; they stay in the file.
        pages: Pages read.
        looked_up: Records got by their id, one request each.
        unreadable: Records that cannot be read, and are kept in ``NAME.unreadable.jsonl``.
        first_run: Whether this was a full export.
    """

    path: Path
    created: int
    changed: int = 0
    unchanged: int = 0
    vanished: int = 0
    pages: int = 0
    looked_up: int = 0
    unreadable: int = 0
    first_run: bool = False


@attrs.frozen
class Outlook:
    """What the next run of an incremental export will ask.

    Attributes:
        filter: Which requests it lists.
        watched: How many requests were open or recent at the last run; those that are neither any longer,
            it gets by their id.
    """

    filter: tql.Expression[Any]
    watched: int


def begun(state: str | os.PathLike[str]) -> datetime | None:
    """Tell when (UTC) an incremental export began; None where it has not, or the state does not say.

    The filter is to be the same at every run, so what "90 days ago" means is settled by the first one.

    Args:
        state: As for ``incremental``.

    Raises:
        ConfigurationError: ``state`` is something else.
    """
    known = State.load(Path(state))
    return None if known is None or known.begun is None else datetime.fromtimestamp(known.begun, UTC)


def outlook(
    state: str | os.PathLike[str],
    *,
    filter: tql.Expression[Any] | str | None = None,
    overlap: timedelta = OVERLAP,
) -> Outlook | None:
    """Tell what the next run will ask; None where it is the first one, a full export.

    Args:
        state: As for ``incremental``.
        filter: As for ``incremental``.
        overlap: As for ``incremental``.

    Raises:
        ConfigurationError: ``state`` is something else.
    """
    known = State.load(Path(state))
    if known is None or known.high_water is None:
        return None
    now = None if known.begun is None else datetime.fromtimestamp(known.begun, UTC)
    given = tql.parse(filter, now=now) if isinstance(filter, str) else filter
    fixed, _ = fixed_part(given if given is None else tql.checked_filter(given, "scheduling_request"))
    return Outlook(may_have_changed(recent_since(known.high_water, overlap), fixed), len(known.seen))


async def incremental(
    client: TimeZestClient,
    path: str | os.PathLike[str],
    state: str | os.PathLike[str],
    *,
    filter: tql.Expression[Any] | str | None = None,
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
) -> Changes:
    """Bring a file of scheduling requests up to date, or make it.

    The first run is an ``ExportJob``, which resumes by itself if it was interrupted. Every later run reads
    the open requests and the recent ones, and adds what is new or changed: to SQLite and DuckDB in the place
    of the earlier version, to JSON lines and CSV at the end. A run that was interrupted is simply run again.

    A later run costs a request per 20 open or recent requests, and one for each that was closed since and is
    not recent. See ``docs/export.md``.

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
        concurrency: How many requests may be under way at once, as for ``list``.
        batch_size: Records after which they are made durable.
        other_key: Go on with another API key than that it was begun with, of the same account.
        on_progress: Is told how it goes; of a later run, how many open or recent requests were read.
        now: What these count from at the first run; ``begun`` gives it back later. By default the time.

    Raises:
        ConfigurationError: The arguments do not fit together, or not with the state, or the file is not the
            one that the state tells of; nothing was sent.
        TimeZestError: The service or the network failed; run it again.
        OSError: The disk is full, or fails; run it again.
    """
    target, memory = Path(path), Path(state)
    shape = shape_of(target, format, fields, raw_csv=raw_csv)
    moment = now or begun(memory) or datetime.now(UTC)
    wanted = tql.parse(filter, now=moment) if isinstance(filter, str) else filter
    everything = client.scheduling_requests.list(wanted, concurrency=concurrency)
    fixed, is_fixed = fixed_part(wanted)
    key = {
        "queries": list(everything.start.queries),
        **attrs.asdict(shape),
        "fields": None if fields is None else list(fields),
    }
    with locked(memory.with_name(f"{memory.name}.lock")):
        settled = None if is_fixed else frozenset[str]()
        new = State(
            key,
            settled=settled,
            begun=int(moment.timestamp()),
            account=everything.start.account,
            columns=tuple(column.name for column in choose_columns(PATH, fields).columns),
        )
        known = await in_thread(lambda: recall(memory, new, target, other_key=other_key))
        first: Changes | None = None
        if known.high_water is None:
            job = ExportJob(
                everything,
                target,
                format=shape.format,
                fields=fields,
                raw_csv=raw_csv,
                skip_unreadable=skip_unreadable,
                resume=True,
                other_key=other_key,
                batch_size=batch_size,
                on_progress=on_progress,
            )
            try:
                summary = await job.run()
            except TimeZestError:
                await in_thread(lambda: forget_unbegun(memory, target))
                raise
            known = await in_thread(lambda: learn(known, target, shape.format, overlap))
            await in_thread(lambda: known.save(memory))
            first = Changes(
                target,
                known.records,
                pages=summary.pages,
                unreadable=summary.unreadable,
                first_run=True,
            )
            if is_fixed:
                return first
        # A filter on what may change: what does not match yet has to be watched from now on.
        appender = Appender(target, shape, known, memory, size=batch_size)
        await appender.check()
        passed_over = PassedOver(target)
        update = Update(
            client,
            known,
            wanted=wanted,
            fixed=fixed,
            overlap=overlap,
            concurrency=concurrency,
            tracker=Tracker(None, on_progress),
            pass_over=passed_over.take if skip_unreadable else None,
        )
        try:
            async with aclosing(update.changes()) as changes:
                async for record in changes:
                    await appender.add(record)
                    del record  # so that a traceback with locals does not show it
            left = await appender.finish()
            await in_thread(passed_over.keep)
        finally:
            await appender.close()
        await in_thread(lambda: update.state(left).save(memory))
    if first is not None:
        return attrs.evolve(
            first,
            created=first.created + update.created,
            changed=update.changed,
            pages=first.pages + update.pages,
            looked_up=update.looked_up,
            unreadable=max(first.unreadable, len(passed_over)),
        )
    return Changes(
        target,
        update.created,
        update.changed,
        update.unchanged,
        update.vanished,
        update.pages,
        update.looked_up,
        len(passed_over),
    )
