"""One look after another: what to ask, what it means, and what to remember.

The service tells of no changes, and cannot be asked for what was updated. A *tick* asks for what was created
and what was booked lately. A *sweep* also finds out about what else may have become of the requests that are
followed, in the way that costs least or sees most: by their names (only transitions come back), by reading
what is open and what is booked ahead, or all. Where much is followed, the lists are read now and then only;
they see what names cannot: other fields, and what was taken away.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import attrs

from timezest_async import tql
from timezest_async.changes.change import FINAL_STATUSES, GRACE, Wire
from timezest_async.changes.comparison import Comparison
from timezest_async.changes.names import ByName, Room, ask_for_transitions
from timezest_async.changes.polling import PAGE_SIZE, Reader, Service
from timezest_async.changes.store import ChangeStore, Memory
from timezest_async.errors import APIStatusError, ConfigurationError
from timezest_async.models import Status
from timezest_async.tql import scheduling_request as F

OVERLAP: Final = 120
"""Seconds by which what is "lately" overlaps, for lists that lag behind."""
FULL: Final = 3600.0
"""Seconds after which the lists are read again, however much is followed."""
_FEW: Final = 200
"""So many requests are read altogether where they are only to be remembered."""
_WORN: Final = 0.99
"""What a look leaves of what was noted about the cost of names, so that they are tried again some time."""
_SINGLE: Final = 5
"""So many are got one by one without asking by name first."""


class Plan(StrEnum):
    """How a look went about it."""

    FIRST = "first"
    TICK = "tick"
    NAMES = "names"
    LISTS = "lists"
    WHOLE = "whole"


@attrs.frozen
class Cost:
    """What a look cost.

    Attributes:
        requests: Requests sent, not counting repetitions after failures.
        records: Different scheduling requests read.
        plan: How it went about it.
    """

    requests: int
    records: int
    plan: Plan


class Engine:
    """Looks at the service, and puts what has changed into a store.

    Args:
        service: The service.
        store: The store.
        key: What the state belongs to: it is refused where it has another.
        wanted: The filter, or None.
        fixed: The part of it that the service may judge; see ``fixed_part``.
        begun: When the first look was, for whoever reads the filter anew (epoch seconds).
        initial: Whether what is there at the first look is told as created.
        clock: Epoch seconds.
    """

    def __init__(
        self,
        service: Service,
        store: ChangeStore,
        key: Mapping[str, Any],
        *,
        wanted: tql.Expression[Any] | None,
        fixed: tql.Expression[Any] | None,
        begun: int,
        initial: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service, self._store, self._key = service, store, dict(key)
        self._wanted, self._fixed, self._initial = wanted, fixed, initial
        self._begun, self._clock = begun, clock
        self._memory: Memory | None = None
        self._room = Room()

    async def recall(self) -> Memory:
        """Return what is remembered.

        Raises:
            ConfigurationError: It is of another filter or account.
        """
        memory = await self._store.recall(-1 if self._memory is None else self._memory.version)
        if memory is not None:
            for name, value in self._key.items() if memory.version else ():
                if (was := memory.notes["key"].get(name)) != value:
                    raise ConfigurationError(_misfit(name, was, value))
            self._memory = memory
        assert self._memory is not None  # noqa: S101 - no version is -1
        return self._memory

    async def was_looked(self, within: float, *, swept: bool) -> bool:
        """Return whether somebody has looked (or swept) within so many seconds."""
        notes = (await self.recall()).notes
        looked_at: float = notes.get("swept_at" if swept else "looked_at", -math.inf)
        return 0 <= self._clock() - looked_at < within

    async def look(self, *, sweep: bool, allowance: int) -> Cost:
        """Look once.

        Args:
            sweep: Whether to do more than a tick.
            allowance: How many requests a sweep may take in any case, for seeing more.

        Raises:
            TimeZestError: The service or the network failed; the next look makes up for it.
            ConfigurationError: The state is of another filter or account.
        """
        memory = await self.recall()
        reader = Reader(self._service, self._fixed)
        began = time.monotonic()
        notes = dict(memory.notes)
        known: Collection[str] = ()
        if not memory.version:
            plan = Plan.FIRST
            notes |= {"key": self._key, "begun_at": self._begun, "blind": False}
            notes["whole"] = await self._first(reader)
        else:
            plan = self._plan(memory, allowance) if sweep else Plan.TICK
            known = await self._read(reader, memory, plan)
            notes["names"] = reader.by_name if plan is Plan.NAMES else _WORN * notes.get("names", 0)
        now = self._service.now()
        started = int((now - timedelta(seconds=time.monotonic() - began)).timestamp())
        comparison = Comparison(self._service, reader, memory, self._wanted, now)
        if not memory.version:
            # Whatever is booked from now on is booked after the newest request was created.
            newest = min(comparison.newest("created_at") or started, started)
            notes |= {"begun": newest, "created": newest, "scheduled": newest}
        await comparison.learn(self._store, known)
        await comparison.run(
            silent_until=None if notes["whole"] else notes["begun"],
            silent=not memory.version and not self._initial,
        )
        for name in ("created", "scheduled"):
            notes[name] = max(notes[name], min(comparison.newest(f"{name}_at"), started))
        notes["blind"] |= comparison.is_blind
        notes["looked_at"] = self._clock()
        if plan is not Plan.TICK:
            notes["swept_at"] = notes["looked_at"]
        if plan not in {Plan.TICK, Plan.NAMES}:
            notes["thorough_at"] = notes["looked_at"]
        update = comparison.update(notes)
        if await self._store.commit(memory.version, update):
            self._memory = comparison.memory(update)
        return Cost(reader.requests, len(reader.found), plan)

    async def _first(self, reader: Reader) -> bool:
        """Read what is there, and return whether that is all; closed ones only matter if they are told."""
        count = await reader.list(None, limit=None if self._initial else _FEW)
        if self._initial or count < _FEW:
            return True
        await self._lists(reader)
        return False

    def _plan(self, memory: Memory, allowance: int) -> Plan:
        notes, requests = memory.notes, memory.watched.values()
        booked = sum(request["status"] == Status.SCHEDULED for request in requests)
        lists = _pages(len(requests) - booked) + _pages(booked)
        # What names cost shows only when they are asked for: those of others come with them.
        names = max(self._names(memory).cost, int(notes.get("names", 0)))
        names += _pages(booked) if notes["blind"] else 0
        allowance = max(allowance, names)
        if notes["whole"] and _pages(memory.count) <= allowance:
            return Plan.WHOLE
        is_due = not 0 <= self._clock() - notes.get("thorough_at", -math.inf) < FULL
        return Plan.LISTS if is_due or lists <= allowance else Plan.NAMES

    def _names(self, memory: Memory) -> ByName:
        return ask_for_transitions(memory.watched.values(), turn=memory.version, most_bytes=self._room.most)

    async def _read(self, reader: Reader, memory: Memory, plan: Plan) -> Collection[str]:
        """Read as planned, and return the ids of other requests that have to be known for it."""
        if plan is Plan.WHOLE:
            await reader.list(None)
            known = await self._store.known(None)
            await self._find(reader, known)
            return known
        now = int(self._service.now().timestamp())
        for name in ("created", "scheduled"):
            since = datetime.fromtimestamp(max(0, min(memory.notes[name], now) - OVERLAP), UTC)
            await reader.list((F.created_at if name == "created" else F.scheduled_at) >= since)
        if plan is Plan.NAMES:
            before = reader.requests
            await self._ask(reader, self._names(memory))
            reader.by_name = reader.requests - before
            if memory.notes["blind"]:
                await reader.list(self._booked())
        elif plan is Plan.LISTS:
            await self._lists(reader)
            await self._find(reader, memory.watched)
        return ()

    async def _lists(self, reader: Reader) -> None:
        await reader.list(F.status.not_in((*FINAL_STATUSES, Status.SCHEDULED)))
        await reader.list(self._booked())

    def _booked(self) -> tql.Expression[Any]:
        since = (self._service.now() - GRACE).replace(microsecond=0)
        return (F.status == Status.SCHEDULED) & (F.selected_start_time >= since)

    async def _find(self, reader: Reader, requests: Mapping[str, Wire]) -> None:
        """Find out about those that the lists do not have: something has become of each."""
        missing = _missing(reader, requests)
        if len(missing) > _SINGLE:
            names = ask_for_transitions(missing.values(), most_bytes=self._room.most)
            await self._ask(reader, attrs.evolve(names, nameless=()))
            missing = _missing(reader, requests)
        for request_id in missing:
            await reader.get(request_id)

    async def _ask(self, reader: Reader, names: ByName) -> None:
        asking = names.asking(self._room)
        for query in asking:
            try:
                await reader.list(query)
            except APIStatusError as error:
                asking.refused(error)
        for request_id in names.nameless:
            if request_id not in reader.found:
                await reader.get(request_id)


def _missing(reader: Reader, requests: Mapping[str, Wire]) -> Mapping[str, Wire]:
    had = reader.found.keys() | reader.unreadable | reader.gone.keys()
    return {name: request for name, request in requests.items() if name not in had}


def _pages(count: int) -> int:
    return max(1, math.ceil(count / PAGE_SIZE))


def _misfit(name: str, was: object, value: object) -> str:
    if name == "account":
        return (
            "this state is of another API key or another service, whose requests would be mixed with these: "
            "give the same, or another state"
        )
    return f"this state is of another filter, {was!r}, not {value!r}: give the same, or another state"
