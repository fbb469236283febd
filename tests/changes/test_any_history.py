"""Any history of a small service, seen through looks that fail, stop and start again.

Replaying the changes on an empty table gives the service's final state for all that is followed; no change
is missing, none is acknowledged twice, and those of one request come in order. What ticks and sweeps by name
promise alone, they keep without any list being read again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
import stamina
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support import NOON, examples
from timezest_async import Change, ChangeKind, RateLimiter, TimeZestClient, TimeZestError
from timezest_async.changes import engine, watching
from timezest_async.changes.change import is_settled
from timezest_async.changes.sqlite import SQLiteChangeStore
from timezest_async.changes.store import Memory
from timezest_async.changes.watching import Watch
from timezest_async.sandbox import DropBeforeHeaders, Sandbox, TruncatedJSON

T = TypeVar("T")
DAY = 86_400
CONSUMERS = ("main", "second")
requests = st.integers(0, 30)


class Histories(RuleBasedStateMachine):
    """The service, two consumers of one state, and what each of them makes of it."""

    page_size: ClassVar[int] = 20
    only_names: ClassVar[bool] = False
    by_name: ClassVar[bool]
    """Whether sweeps ask by name, come what may."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state"
        self.now, self.here, self.number = NOON, NOON, 0
        self.tables: dict[str, dict[str, Any]] = {name: {} for name in CONSUMERS}
        self.acknowledged = dict.fromkeys(CONSUMERS, 0)
        self.latest = NOON
        self.out_of_turn: set[str] = set()
        """What was done to whom while the service's clock was put back further than looks overlap."""

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(
        clears=st.booleans(),
        moves=st.booleans(),
        initial=st.booleans(),
        there=st.integers(0, 8),
    )
    def start(self, *, clears: bool, moves: bool, initial: bool, there: int) -> None:
        self.initial, self.moves = initial, moves
        type(self).by_name = self.only_names
        self.sandbox = Sandbox(
            clock=lambda: self.now,
            page_size=self.page_size,
            cancelling_clears_times=clears,
            rebooking_moves_scheduled_at=moves,
        )
        self.do(self.sandbox.__aenter__())
        self.client = TimeZestClient(
            self.sandbox.api_key,
            self.sandbox.base_url,
            rate_limiter=RateLimiter(1_000_000, 1.0),
            max_attempts=2,
        )
        for number in range(there):
            self.create(number % 3, age=(number + 1) * 600)
        if not initial:
            self.look("main")
            for table in self.tables.values():
                table.update({record["id"]: record for record in self.sandbox.records()})

    def chosen(self, which: int) -> dict[str, Any] | None:
        records = self.sandbox.records()
        return records[which % len(records)] if records else None

    @rule(kind=st.integers(0, 2))
    def create(self, kind: int, age: int = 0) -> None:
        self.number += 1
        ticket = {"type": "connectwise_psa/service_ticket", "id": 1, "number": f"#{self.number // 2}"}
        named: dict[str, Any] = [
            {"associated_entities": [ticket]},
            {"end_user_email": f"user{self.number % 2}@example.com"},
            {},
        ][kind]
        created_at = int(self.now) - age
        record = self.sandbox.add(id=f"sreq_{self.number}", created_at=created_at, **named)
        self.sandbox.update(record["id"], updated_at=record["created_at"])
        self.note(record["id"])

    def note(self, name: str) -> None:
        self.latest = max(self.latest, self.now)
        if self.now < self.latest - 100:
            self.out_of_turn.add(name)

    @rule(which=requests, ahead=st.integers(-3, 30))
    def book(self, which: int, ahead: int) -> None:
        if (record := self.chosen(which)) and record["status"] != "closed":
            self.sandbox.book(record["id"], int(self.now) + ahead * DAY + self.number)
            self.note(record["id"])

    @rule(which=requests)
    def cancel(self, which: int) -> None:
        if (record := self.chosen(which)) and record["status"] != "closed":
            self.sandbox.cancel(record["id"])

    @rule(which=requests)
    def close_request(self, which: int) -> None:
        if record := self.chosen(which):
            self.sandbox.close_request(record["id"])

    @rule(which=requests, closed=st.booleans())
    def end_one_that_is_followed(self, which: int, *, closed: bool) -> None:
        self.look("main")
        (self.close_request if closed else self.cancel)(which)

    @rule(which=requests, status=st.sampled_from(["new", "sent", "paused"]))
    def put(self, which: int, status: str) -> None:
        if record := self.chosen(which):
            self.sandbox.update(record["id"], status=status)

    @rule(which=requests)
    def rename(self, which: int) -> None:
        self.number += 1
        if record := self.chosen(which):
            self.sandbox.update(record["id"], end_user_name=f"Name {self.number}")

    @rule(which=requests)
    def delete(self, which: int) -> None:
        if record := self.chosen(which):
            self.sandbox.remove(record["id"])

    @rule(seconds=st.sampled_from([1, 10, 60, 600, DAY]))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.here += seconds

    @rule(seconds=st.sampled_from([-90, 90]))
    def step_the_services_clock(self, seconds: int) -> None:
        self.latest = max(self.latest, self.now)
        self.now += seconds

    @rule(seconds=st.sampled_from([-7200, -1, 7200]))
    def step_our_clock(self, seconds: int) -> None:
        self.here += seconds

    @rule(consumer=st.sampled_from(CONSUMERS), stop_after=st.integers(0, 3), sweep=st.booleans())
    def look(self, consumer: str, stop_after: int | None = None, *, sweep: bool = True) -> None:
        self.do(self._look(consumer, stop_after, sweep=sweep))

    @rule(consumer=st.sampled_from(CONSUMERS), fault=st.sampled_from([DropBeforeHeaders(), TruncatedJSON()]))
    def look_in_vain(self, consumer: str, fault: Any) -> None:
        self.sandbox.faults.script(None, [None, *[fault] * 4])
        with suppress(TimeZestError):
            self.look(consumer)
        self.sandbox.faults.clear()

    async def _look(self, consumer: str, stop_after: int | None, *, sweep: bool) -> None:
        """Read changes until there are no more, or so many; a look that is stopped acknowledges one less."""
        changes = Watch(
            self.client.scheduling_requests._service(),
            self.path,
            None,
            interval=None,
            consumer=consumer,
            initial=self.initial,
            clock=lambda: self.here,
        )
        given: Change | None = None
        async with changes:
            if not sweep:
                await (await changes._opened()).look(sweep=False, allowance=0)
            while True:
                try:
                    change = await anext(changes, None)
                finally:
                    # Asking has acknowledged the one before, even where the look then failed.
                    if given is not None:
                        self.take(consumer, given)
                given = change
                if given is None or stop_after == 0:
                    return
                if stop_after is not None:
                    stop_after -= 1

    def take(self, consumer: str, change: Change) -> None:
        assert change.seq == self.acknowledged[consumer] + 1
        self.acknowledged[consumer] = change.seq
        table, name = self.tables[consumer], change.request.id
        if self.initial and change.before is not None:
            assert table[name] == change.before.to_dict()
        elif self.initial:
            assert name not in table
        if change.after is None:
            assert change.kind is ChangeKind.VANISHED
            del table[name]
        else:
            table[name] = change.after.to_dict()

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        try:
            self.check()
        finally:
            self.do(self.client.close())
            self.do(self.sandbox.__aexit__(None, None, None))
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            self.folder.cleanup()

    async def _remembered(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return what is followed, and all that is known."""
        store = SQLiteChangeStore(self.path)
        try:
            memory = await store.recall(-1)
            assert memory is not None
            return memory.watched, {**await store.known(None), **memory.watched}
        finally:
            await store.close()

    def check_what_ticks_and_sweeps_promise(self) -> None:
        """Look once more by name: all that was created, booked, moved, cancelled or closed has been told."""
        watched, known = self.do(self._remembered())
        for consumer in CONSUMERS:
            self.look(consumer)
        promised: dict[str, Any] = {}
        for record in self.sandbox.records():
            name, before = record["id"], known.get(record["id"])
            if record["status"] in {"cancelled", "closed"} and name in watched:
                promised[name] = record
            elif name in self.out_of_turn:
                continue
            elif before is None and record["status"] in {"new", "sent", "scheduled", "paused"}:
                promised[name] = record
            elif before is not None and record["status"] == "scheduled":
                told = ("scheduled_at", "selected_start_time") if self.moves else ("scheduled_at",)
                if any(before.get(field) != record.get(field) for field in told):
                    promised[name] = record
        for table in self.tables.values():
            assert {name: table.get(name) for name in promised} == promised

    def check(self) -> None:
        self.check_what_ticks_and_sweeps_promise()
        type(self).by_name = False
        self.here += 2 * engine.FULL
        for consumer in CONSUMERS:
            self.look(consumer)
        self.here += 2 * engine.FULL
        for consumer in CONSUMERS:
            self.look(consumer)
        now = datetime.fromtimestamp(self.now, UTC)
        there = {record["id"]: record for record in self.sandbox.records()}
        for table in self.tables.values():
            followed = {name for name, record in there.items() if not is_settled(record, now)}
            assert {name: table.get(name) for name in followed} == {name: there[name] for name in followed}
            for name, record in table.items():
                # What was over before it vanished, or was seen over, is followed no longer.
                settled_by = now + timedelta(seconds=1)
                assert name in followed or is_settled(record, settled_by), record


@pytest.mark.parametrize(("page_size", "only_names"), [(20, False), (1, False), (1, True)])
def test_replaying_the_changes_gives_the_services_state(
    page_size: int, monkeypatch: pytest.MonkeyPatch, *, only_names: bool
) -> None:
    # With pages of one record, asking by name is cheaper than reading lists.
    monkeypatch.setattr(engine, "PAGE_SIZE", page_size)
    if page_size == 1:
        monkeypatch.setattr(watching, "_LOOKING", 1)
    machine = type("Machine", (Histories,), {"page_size": page_size, "only_names": only_names})
    plan = engine.Engine._plan

    def planned(self: engine.Engine, memory: Memory, allowance: int) -> engine.Plan:
        return engine.Plan.NAMES if machine.by_name else plan(self, memory, allowance)

    monkeypatch.setattr(engine.Engine, "_plan", planned)
    with stamina.set_testing(True, attempts=2):
        count = examples(150 if only_names else 60)
        machine.TestCase.settings = settings(max_examples=count, stateful_step_count=20)
        machine.TestCase().runTest()
