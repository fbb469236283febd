"""What has changed since the last run of an incremental export, and what to remember for the next."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import attrs

from timezest_async import tql
from timezest_async.client import TimeZestClient
from timezest_async.errors import NotFoundError, UnexpectedResponseError
from timezest_async.export.incremental_state import FINAL_STATUSES, IncrementalState, KnownRequest
from timezest_async.export.job_state import Place
from timezest_async.export.progress import Tracker
from timezest_async.models import SchedulingRequest
from timezest_async.pagination import OnUnreadable, SpreadMemory
from timezest_async.serialization.readers import UnreadableRecord
from timezest_async.tql import scheduling_request as F


class IncrementalRun:
    """One run after the first: reads, compares, and remembers.

    Args:
        client: The client.
        known: What the last run remembered.
        wanted: The filter.
        fixed: The part of it that the service may judge; see ``changes.filters.fixed_part``.
        overlap: How far before the newest record of the last run "recent" begins.
        concurrency: As for ``list``.
        tracker: Is told of every page, not of what is got by its id.
        pass_over: Takes records that cannot be read; None where they are to end the run.

    Attributes:
        created, changed, unchanged, vanished, pages, looked_up: As in ``IncrementalSummary``.
    """

    changed: int
    unchanged: int
    vanished: int
    pages: int
    looked_up: int
    created: int

    def __init__(
        self,
        client: TimeZestClient,
        known: IncrementalState,
        *,
        wanted: tql.Expression[Any] | None,
        fixed: tql.Expression[Any] | None,
        overlap: timedelta,
        concurrency: int | Literal["auto"],
        tracker: Tracker,
        pass_over: Callable[[UnreadableRecord], None] | None = None,
    ) -> None:
        self._pass_over = pass_over
        self._concurrency: int | Literal["auto"] = concurrency
        self.created = self.changed = self.unchanged = self.vanished = self.pages = self.looked_up = 0
        self._requests = client.scheduling_requests
        self._wanted = wanted
        self._overlap = overlap
        self._since = recent_since(known.high_water, overlap)
        # States of earlier versions do not say.
        self._known = known if known.since is not None else attrs.evolve(known, since=self._since)
        self._spreads = SpreadMemory()
        self._read: dict[str, KnownRequest] = {}
        self._sent = may_have_changed(self._since, fixed)
        self._tracker = tracker

    async def changes(self) -> AsyncGenerator[SchedulingRequest, None]:
        """Return the records that are to be added."""
        on_unreadable: OnUnreadable = "raise" if self._pass_over is None else self._unreadable
        requests = self._requests.list(self._sent, concurrency=self._concurrency, on_unreadable=on_unreadable)
        self._spreads = requests.spreads
        place = Place(0, requests.start)
        self._tracker.started(place)
        async with aclosing(requests.pages()) as pages:
            async for page in pages:
                self.pages += 1
                place = place.after(page.data)
                self._tracker.page_read(place)
                for record in page.data:
                    if self._is_news(record):
                        yield record
        for request_id, seen in self._known.seen.items():
            if request_id not in self._read and (seen.is_open or seen.created_at >= self._since):
                self.looked_up += 1
                try:
                    record = await self._requests.get(request_id)
                except NotFoundError:
                    self.vanished += 1
                    continue
                except UnexpectedResponseError as error:
                    if self._pass_over is None:
                        raise
                    self._unreadable(UnreadableRecord({"id": request_id}, str(error)))
                    continue
                if self._is_news(record):
                    yield record

    def _unreadable(self, record: UnreadableRecord) -> None:
        if self._pass_over is not None:
            self._pass_over(record)
        if record.id is not None and record.id in self._known.seen:
            # It stays as it was, to be compared once it can be read.
            self._read[record.id] = self._known.seen[record.id]

    def _is_news(self, record: SchedulingRequest) -> bool:
        before = self._known.seen.get(record.id)
        matches = self._wanted is None or self._wanted.matches(record)
        was_exported = self._known.has_settled(record) if before is None else before.exported
        now = KnownRequest.of(record, exported=matches or was_exported)
        self._read[record.id] = now
        if not now.exported:
            return False
        if not was_exported:
            self.created += 1
        elif before is not None and before.is_same(now):
            self.unchanged += 1
            return False
        else:
            self.changed += 1
        return True

    def state(self, known: IncrementalState) -> IncrementalState:
        """Return what to remember, and what is known of the file."""
        newest = max((seen.created_at for seen in self._read.values()), default=0)
        known = attrs.evolve(known, records=known.records + self.created, spreads=self._spreads.to_json())
        return watching(known, self._read, max(newest, known.high_water or 0), self._overlap)


def watching(
    known: IncrementalState, seen: Mapping[str, KnownRequest], high_water: int, overlap: timedelta
) -> IncrementalState:
    """Keep of what was seen what the next run compares with."""
    since = recent_since(high_water, overlap)
    kept = {name: one for name, one in seen.items() if one.is_open or one.created_at >= since}
    settled = known.settled
    if settled is not None:
        exported = (name for name, one in (*known.seen.items(), *seen.items()) if one.exported)
        settled = settled.union(exported).difference(kept)
    return attrs.evolve(
        known, high_water=high_water, appending=False, seen=kept, since=since, settled=settled
    )


def may_have_changed(since: int, fixed: tql.Expression[Any] | None) -> tql.Expression[Any]:
    """Make the filter for what is open, or was created since.

    Args:
        since: Epoch seconds, UTC.
        fixed: What else is to hold; see ``changes.filters.fixed_part``.
    """
    fresh = F.status.not_in(FINAL_STATUSES) | (F.created_at >= datetime.fromtimestamp(since, UTC))
    return fresh if fixed is None else fixed & fresh


def recent_since(high_water: int | None, overlap: timedelta) -> int:
    """Return (in epoch seconds) from when on a request is recent."""
    return max(0, (high_water or 0) - int(overlap.total_seconds()))
