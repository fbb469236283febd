"""What has changed since the last run of an incremental export, and what to remember for the next."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import attrs

from timezest_async import tql
from timezest_async.changes.change import GRACE, ChangeKind, kind_of
from timezest_async.changes.names import ByName, Room, ask_for_transitions
from timezest_async.changes.polling import PAGE_SIZE
from timezest_async.client import TimeZestClient
from timezest_async.errors import APIStatusError, NotFoundError, UnexpectedResponseError
from timezest_async.export.incremental_state import FINAL_STATUSES, IncrementalState, KnownRequest
from timezest_async.export.job_state import Place
from timezest_async.export.progress import Tracker
from timezest_async.models import SchedulingRequest, Status
from timezest_async.pagination import OnUnreadable, SpreadMemory
from timezest_async.serialization.readers import UnreadableRecord
from timezest_async.tql import scheduling_request as F

_BOOKED_OVERLAP: Final = timedelta(seconds=120)
"""How far before the newest record of the last run what was booked is read again, for lists that lag."""
_THOROUGH: Final = 20 * 3600.0
"""Seconds after which all that may change is read again, however much it is."""
_FEW_PAGES: Final = 10
"""So many pages are read without asking by name."""


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
        kinds: Likewise what became of which request, by id.
        gone: What was known of the requests that have vanished, by id.
        is_thorough: Whether all that may change is read.
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
        self.kinds: dict[str, ChangeKind] = {}
        # States of earlier versions do not say.
        self._known = known if known.since is not None else attrs.evolve(known, since=self._since)
        self._spreads = SpreadMemory()
        self._read: dict[str, KnownRequest] = {}
        self.gone: dict[str, KnownRequest] = {}
        self._fixed = fixed
        self._tracker = tracker
        self._place = Place(0, client.scheduling_requests.list().start)
        self._names = names_to_ask(known)
        self.is_thorough = self._names is None

    async def changes(self) -> AsyncGenerator[SchedulingRequest, None]:
        """Return the records that are to be added."""
        sent = may_have_changed(self._known, self._since, self._fixed, everything=self.is_thorough)
        self._tracker.started(self._place)
        async for record in self._listed(sent, is_main=True):
            if self._is_news(record):
                yield record
        if self._names is None:
            missing = [
                request_id
                for request_id, seen in self._known.seen.items()
                if seen.is_followed(self._known.settled_before) or seen.created_at >= self._since
            ]
        else:
            followed = self._known.seen.keys() | self._known.vanished
            asking = self._names.asking(Room())
            for query in asking:
                try:
                    async for record in self._listed(query if self._fixed is None else self._fixed & query):
                        # Others of the same names come with them, whose changes are not asked for.
                        if record.id in followed and self._is_news(record):
                            yield record
                except APIStatusError as error:
                    asking.refused(error)
            missing = list(self._names.nameless)
        for request_id in missing:
            if request_id in self._read:
                continue
            self.looked_up += 1
            try:
                record = await self._requests.get(request_id)
            except NotFoundError:
                self.vanished += 1
                self.kinds[request_id] = ChangeKind.VANISHED
                self.gone[request_id] = self._known.seen[request_id]
                continue
            except UnexpectedResponseError as error:
                if self._pass_over is None:
                    raise
                self._unreadable(UnreadableRecord({"id": request_id}, str(error)))
                continue
            if self._is_news(record):
                yield record
        if self._names is not None:
            for request_id, seen in self._known.seen.items():
                if request_id not in self.gone:
                    self._read.setdefault(request_id, seen)

    async def _listed(
        self, sent: tql.Expression[Any], *, is_main: bool = False
    ) -> AsyncGenerator[SchedulingRequest, None]:
        """Return the records of a list that were not read before."""
        on_unreadable: OnUnreadable = "raise" if self._pass_over is None else self._unreadable
        requests = self._requests.list(sent, concurrency=self._concurrency, on_unreadable=on_unreadable)
        if is_main:
            self._spreads = requests.spreads
        async with aclosing(requests.pages()) as pages:
            async for page in pages:
                self.pages += 1
                self._place = self._place.after(page.data)
                self._tracker.page_read(self._place)
                for record in page.data:
                    if record.id not in self._read:
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
            self.kinds[record.id] = ChangeKind.CREATED
        elif before is not None and before.is_same(now):
            self.unchanged += 1
            return False
        else:
            self.changed += 1
            wire = None if before is None else before.as_wire(record.id)
            self.kinds[record.id] = (
                ChangeKind.UPDATED if wire is None else kind_of(wire, now.as_wire(record.id))
            )
        return True

    def state(self, known: IncrementalState, now: datetime) -> IncrementalState:
        """Return what to remember, and what is known of the file.

        Args:
            known: What is known of it.
            now: The service's time.
        """
        newest = max((seen.created_at for seen in self._read.values()), default=0)
        gone = {request_id for request_id, one in self.gone.items() if one.exported}
        known = attrs.evolve(
            known,
            records=known.records + self.created,
            spreads=self._spreads.to_json(),
            vanished=known.vanished.union(gone).difference(self._read),
        )
        if self.is_thorough:
            known = attrs.evolve(known, thorough_at=int(time.time()))
        return watching(known, self._read, max(newest, known.high_water or 0), self._overlap, now)


def watching(
    known: IncrementalState,
    seen: Mapping[str, KnownRequest],
    high_water: int,
    overlap: timedelta,
    now: datetime | None,
    *,
    tells_times: bool = True,
) -> IncrementalState:
    """Keep of what was seen what the next run compares with.

    Args:
        known: What was known before.
        seen: What was seen, by id.
        high_water: The latest ``created_at``.
        overlap: How far before it "recent" begins.
        now: The service's time; None where all that is open is to be followed.
        tells_times: Whether what was seen tells when appointments start.
    """
    since, booked_since = recent_since(high_water, overlap), recent_since(high_water, _BOOKED_OVERLAP)
    settled_before = None if now is None else int((now - GRACE).timestamp())
    kept = {
        name: one
        for name, one in seen.items()
        if one.is_followed(settled_before)
        or one.created_at >= since
        or (one.scheduled_at or 0) >= booked_since
    }
    settled = known.settled
    if settled is not None:
        exported = (name for name, one in (*known.seen.items(), *seen.items()) if one.exported)
        settled = settled.union(exported).difference(kept)
    return attrs.evolve(
        known,
        high_water=high_water,
        appending=False,
        seen=kept,
        since=since,
        settled=settled,
        settled_before=settled_before,
        timeless=known.timeless or (tells_times and any(one.is_timeless for one in seen.values())),
    )


def names_to_ask(known: IncrementalState) -> ByName | None:
    """Return how to find out by name what became of the requests that may change; None to read them all.

    They are read where that costs hardly more, and now and then in any case: names show only transitions.
    """
    followed = {
        request_id: one for request_id, one in known.seen.items() if one.is_followed(known.settled_before)
    }
    is_due = known.thorough_at is None or not 0 <= time.time() - known.thorough_at < _THOROUGH
    if is_due or known.settled_before is None:
        return None
    names = ask_for_transitions((one.as_wire(request_id) for request_id, one in followed.items()))
    return None if len(followed) / PAGE_SIZE <= max(names.cost, _FEW_PAGES) else names


def may_have_changed(
    known: IncrementalState, since: int, fixed: tql.Expression[Any] | None, *, everything: bool
) -> tql.Expression[Any]:
    """Make the filter for what was created or booked since, and for what else may have changed.

    Args:
        known: What the last run remembered.
        since: Epoch seconds, UTC.
        fixed: What else is to hold; see ``changes.filters.fixed_part``.
        everything: Whether that is to be read, too.
    """
    created: tql.Expression[Any] = F.created_at >= datetime.fromtimestamp(since, UTC)
    booked_since = recent_since(known.high_water, _BOOKED_OVERLAP)
    booked: tql.Expression[Any] = F.scheduled_at >= datetime.fromtimestamp(booked_since, UTC)
    is_timeless = known.timeless or any(one.is_timeless for one in known.seen.values())
    if not everything:
        fresh = created | booked
    elif is_timeless or known.settled_before is None:
        fresh = F.status.not_in(FINAL_STATUSES) | created
    else:
        ahead = F.selected_start_time >= datetime.fromtimestamp(known.settled_before or 0, UTC)
        fresh = (
            F.status.not_in((*FINAL_STATUSES, Status.SCHEDULED))
            | ((F.status == Status.SCHEDULED) & ahead)
            | created
            | booked
        )
    return fresh if fixed is None else fixed & fresh


def recent_since(high_water: int | None, overlap: timedelta) -> int:
    """Return (in epoch seconds) from when on a request is recent."""
    return max(0, (high_water or 0) - int(overlap.total_seconds()))
