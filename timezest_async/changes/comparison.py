"""What was read beside what was known: the events, and what to remember."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from timezest_async import tql
from timezest_async.changes.change import ChangeKind, Wire, is_settled, kind_of
from timezest_async.changes.polling import Reader, Service
from timezest_async.changes.store import ChangeStore, Event, Memory, Update
from timezest_async.models import SchedulingRequest, Status


class Comparison:
    """Compares the readings of one look.

    Args:
        service: The service.
        reader: What was read.
        memory: What was known before.
        wanted: The filter: told is what matches it before or after; None for everything.
        now: The service's time.

    Attributes:
        is_blind: Whether something was booked, or moved, that no tick can have seen.
    """

    def __init__(
        self,
        service: Service,
        reader: Reader,
        memory: Memory,
        wanted: tql.Expression[Any] | None,
        now: datetime,
    ) -> None:
        self.is_blind: bool = False
        self._service, self._reader, self._memory = service, reader, memory
        self._wanted, self._now = wanted, now
        self._known: dict[str, Wire] = dict(memory.watched)
        self._events: list[Event] = []
        self._changed: dict[str, Wire] = {}
        self._vanished: list[str] = []

    async def learn(self, store: ChangeStore, known: Collection[str] | Mapping[str, Wire]) -> None:
        """Recall what was read or asked for and is not followed."""
        if isinstance(known, Mapping):
            self._known = {**known, **self._known}
        unknown = self._reader.found.keys() - self._known.keys()
        if unknown and self._memory.version:
            self._known.update(await store.known(unknown))

    async def run(self, *, silent: bool, silent_until: int | None) -> None:
        """Compare.

        Args:
            silent: Whether nothing is to be told.
            silent_until: Requests that are not known, though created (epoch seconds) before, had been over
                when the watch began; None where all are known.

        Raises:
            TimeZestError: Something had to be read again, and that failed.
        """
        for request_id, read in list(self._reader.found.items()):
            record = read
            before, after = self._known.get(request_id), record.to_dict()
            if before == after:
                continue
            if before is not None and _is_older(after, before):
                # A list that lags behind, or a clock that was put back: the request itself knows.
                again = await self._reader.get(request_id)
                if again is None:
                    continue
                record, after = again, again.to_dict()
                if before == after:
                    continue
            self._changed[request_id] = after
            is_old = before is None and silent_until is not None and after["created_at"] <= silent_until
            if silent or (is_old and is_settled(after, self._now)):
                continue
            kind = kind_of(before, after)
            if is_old:
                booked = after["status"] == Status.SCHEDULED
                kind = ChangeKind.BOOKED if booked else ChangeKind.REOPENED
            if before is not None:
                self.is_blind |= _is_unseen(before, after)
            if self._is_wanted(record) or (before is not None and self._is_wanted_wire(before)):
                self._tell(kind, before, after)
        for request_id in self._reader.gone:
            if (before := self._known.get(request_id)) is not None:
                self._vanished.append(request_id)
                self._changed.pop(request_id, None)
                if self._is_wanted_wire(before):
                    self._tell(ChangeKind.VANISHED, before, None)

    def newest(self, name: str) -> int:
        """Return the latest ``created_at`` or ``scheduled_at`` that was read, in epoch seconds; else 0."""
        times = (getattr(record, name) for record in self._reader.found.values())
        return max((int(time.timestamp()) for time in times if time is not None), default=0)

    def update(self, notes: Mapping[str, Any]) -> Update:
        """Give what to put into the store."""
        watched: dict[str, Wire] = {}
        settled: dict[str, Wire] = {}
        for request_id, request in {**self._memory.watched, **self._changed}.items():
            is_new = request_id in self._changed
            if is_settled(request, self._now):  # what was booked by time alone, too
                settled[request_id] = request
            elif is_new:
                watched[request_id] = request
        self._events.sort(key=_moment)
        return Update(notes, watched, settled, self._vanished, self._events)

    def memory(self, update: Update) -> Memory:
        """Give what is remembered once the update is in the store."""
        before = self._memory
        watched = {**before.watched, **update.watched}
        for request_id in (*update.settled, *update.vanished):
            watched.pop(request_id, None)
        new = len(self._changed.keys() - self._known.keys())
        count = before.count + new - len(update.vanished)
        return Memory(before.version + 1, update.notes, watched, count)

    def _tell(self, kind: ChangeKind, before: Wire | None, after: Wire | None) -> None:
        self._events.append(Event(kind, before, after, self._now))

    def _is_wanted(self, record: SchedulingRequest) -> bool:
        return self._wanted is None or self._wanted.matches(record)

    def _is_wanted_wire(self, request: Wire) -> bool:
        return self._wanted is None or self._is_wanted(self._service.structure(request))


def _is_older(after: Wire, before: Wire) -> bool:
    one, other = after.get("updated_at"), before.get("updated_at")
    return one is not None and other is not None and one < other


def _is_unseen(before: Wire, after: Wire) -> bool:
    """Return whether a booking has left ``scheduled_at`` as it was."""
    moved = before.get("selected_start_time") != after.get("selected_start_time")
    stood = after.get("scheduled_at") in {None, before.get("scheduled_at")}
    return after["status"] == Status.SCHEDULED and moved and stood


def _moment(event: Event) -> tuple[float, str]:
    request = event.before if event.after is None else event.after
    assert request is not None  # noqa: S101 - one of the two is there
    return request.get("updated_at") or request["created_at"], request["id"]
