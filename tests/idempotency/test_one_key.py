"""One key and two workers, whatever happens to them: never two creates within the promise."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import virtual
from tests.idempotency.world import LEASE, SETTLE, TIMEOUT, Fate, KilledError, Worker, World
from tests.support import examples
from timezest_async import Created, MemoryJournal, TimeZestError

FATES: st.SearchStrategy[Fate] = st.sampled_from(
    ["answered", "refused", "not sent", "acts, answer lost", "acts late", "never acts", "timed out"]
)
STEPS = st.none() | st.integers(1, 25)
OUTCOMES = (TimeZestError, KilledError)


class OneKey(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = virtual.VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.world = World()
        self.tasks: list[asyncio.Task[Created] | None] = [None, None]
        self.results: list[Created] = []

    @rule(skew=st.sampled_from([0.0, 600.0, -600.0]))
    @precondition(lambda self: self.tasks == [None, None] and not self.world.requests)
    def set_clock(self, skew: float) -> None:
        self.world = World(skew)

    @rule(
        which=st.integers(0, 1),
        fates=st.lists(FATES, max_size=4),
        lists_fail=st.integers(0, 3),
        killed_at=STEPS,
        stopped_at=STEPS,
        stopped_for=st.sampled_from([5.0, LEASE + 1, TIMEOUT + LEASE + 1, TIMEOUT + SETTLE + LEASE]),
        unless_open=st.booleans(),
        wait=st.booleans(),
    )
    def begin(self, which: int, *, unless_open: bool, wait: bool, **faults: Any) -> None:
        if self.tasks[which] is not None:
            return
        worker = Worker(self.world, **faults)
        self.tasks[which] = self.loop.create_task(worker.work(unless_open=unless_open, wait=wait))
        self.pass_time(0.0)

    @rule(seconds=st.sampled_from([0.0, 0.2, 3.0, LEASE + 2, TIMEOUT + LEASE + 2, TIMEOUT + SETTLE + 2]))
    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for which, task in enumerate(self.tasks):
            if task is not None and task.done():
                self.tasks[which] = None
                failure = task.exception()
                if failure is None:
                    self.results.append(task.result())
                elif not isinstance(failure, OUTCOMES):
                    raise failure

    @invariant()
    def nothing_is_made_twice(self) -> None:
        assert len(self.world.requests) <= 1
        assert len({made.request.id for made in self.results}) <= 1

    def teardown(self) -> None:
        try:
            # Whatever they have left behind, the next worker ends with the one request.
            made = self.loop.run_until_complete(Worker(self.world).work(wait=True))
            self.pass_time(2 * (TIMEOUT + SETTLE))
            assert [one.id for _, one in self.world.requests] == [made.request.id]
            assert {made.request.id} >= {one.request.id for one in self.results}
            again = self.loop.run_until_complete(Worker(self.world).work())
            assert (again.how, again.request.id) == ("remembered", made.request.id)
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
                self.loop.run_until_complete(asyncio.wait([task]))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self.loop.close()


def test_two_workers_never_create_twice_for_a_key() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OneKey,
        settings=settings(
            max_examples=examples(1_000),
            stateful_step_count=12,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("fate", ["answered", "acts, answer lost", "acts late", "never acts", "timed out"])
def test_a_worker_that_dies_at_any_step_leaves_what_the_next_one_ends(fate: Fate) -> None:
    async def die(step: int) -> bool:
        world = World()
        worker = Worker(world, [fate], killed_at=step)
        try:
            await worker.work()
        except KilledError:
            pass
        else:
            return False
        made = await Worker(world).work(wait=True)
        assert [one.id for _, one in world.requests] == [made.request.id]
        return True

    step = 1
    while virtual.run(die(step)):
        step += 1
    assert step > 8


@pytest.mark.parametrize("fate", ["answered", "acts late"])
def test_a_worker_that_is_cancelled_at_any_step_forgets_nothing(fate: Fate) -> None:
    async def cancel(step: int) -> bool:
        world = World()
        with contextlib.suppress(KilledError):
            await Worker(world, ["acts late"], killed_at=7).work()
        worker = Worker(world, [fate], cancelled_at=step)
        worker.task = asyncio.create_task(worker.work(wait=True))
        with contextlib.suppress(asyncio.CancelledError):
            await worker.task
        made = await Worker(world).work(wait=True)
        await asyncio.sleep(TIMEOUT + SETTLE)
        assert [one.id for _, one in world.requests] == [made.request.id]
        return worker.steps >= step

    step = 1
    while virtual.run(cancel(step)):
        step += 1
    assert step > 8


@pytest.mark.parametrize("stopped_for", [LEASE + 1, TIMEOUT + LEASE + 1, 2 * (TIMEOUT + SETTLE + LEASE)])
def test_a_worker_that_wakes_up_late_at_any_step_sends_nothing_more(stopped_for: float) -> None:
    async def sleep_through(step: int) -> bool:
        world = World()
        sleeper = Worker(world, ["acts, answer lost"], stopped_at=step, stopped_for=stopped_for)
        task = asyncio.create_task(sleeper.work(wait=True))
        await asyncio.sleep(1.0)
        made = await Worker(world).work(wait=True)
        late = await task
        assert [one.id for _, one in world.requests] == [made.request.id] == [late.request.id]
        return sleeper.steps >= step

    step = 1
    while virtual.run(sleep_through(step)):
        step += 1
    assert step > 8


# Outside the promise


def test_a_create_that_happens_after_the_time_to_settle_is_made_twice() -> None:
    async def too_late() -> int:
        world = World(latest=TIMEOUT + SETTLE + 10)
        made = await Worker(world, ["acts late"]).work()
        assert made.how == "created"
        await asyncio.sleep(60)
        return len(world.requests)

    assert virtual.run(too_late()) == 2


def test_a_time_to_settle_that_is_too_short_creates_twice() -> None:
    async def too_short() -> int:
        world = World()
        await Worker(world, ["acts late"]).work(settle=0.0)
        await asyncio.sleep(TIMEOUT + SETTLE)
        return len(world.requests)

    assert virtual.run(too_short()) == 2


def test_a_lost_journal_creates_twice() -> None:
    async def lost() -> int:
        world = World()
        await Worker(world).work()
        world.journal = MemoryJournal(lease=LEASE, clock=world.clock)
        assert (await Worker(world).work()).how == "created"
        return len(world.requests)

    assert virtual.run(lost()) == 2
