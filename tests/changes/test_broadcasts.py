"""One watch and many listeners: each hears all, at its own pace, at the cost of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.system.leaks import leaks
from timezest_async import AuthenticationError, Change, ConfigurationError, TimeZestClient
from timezest_async.changes import broadcasts
from timezest_async.changes.broadcasts import Broadcast, Broadcasts
from timezest_async.changes.sqlite import SQLiteChangeStore
from timezest_async.sandbox import Sandbox, Status

QUICK: Any = {"interval": 0.01, "sweep": 0.01}
pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(autouse=True)
async def nobody_is_left() -> AsyncIterator[None]:
    """Wait until what nobody listens to has let go of its state."""
    yield
    while any(task.get_name().startswith("TimeZest:") for task in asyncio.all_tasks()):
        await asyncio.sleep(0.001)


async def take(broadcast: Broadcast, count: int, last: int | None = None) -> list[Any]:
    heard: list[Any] = []
    async with aclosing(broadcast.changes(last)) as changes:
        while len(heard) < count:
            change = await anext(changes)
            heard.append(change and (change.seq, change.request.id))
    return heard


async def test_all_hear_the_same_at_the_cost_of_one(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    held = Broadcasts()
    ids = [sandbox.add(status="new")["id"] for _ in range(3)]
    watches = [client.scheduling_requests.watch(tmp_path / "state", interval=3600.0) for _ in range(20)]
    await client.agents.list().to_list()  # so that its connection is there
    async with leaks():
        with ExitStack() as stack:
            joined = [stack.enter_context(held.joined(watch)) for watch in watches]
            assert len(set(map(id, joined))) == 1
            hearing = [asyncio.create_task(take(one, 3)) for one in joined]
            heard = await asyncio.gather(*hearing)
        cost = watches[0].cost
        assert cost is not None
        assert len(sandbox.requests_seen) == 1 + cost.requests
        while held._ending:
            await asyncio.sleep(0)
    assert all(one == heard[0] for one in heard)
    assert sorted(name for _, name in heard[0]) == sorted(ids)


async def test_nobody_listens_nobody_looks(sandbox: Sandbox, client: TimeZestClient, tmp_path: Path) -> None:
    held = Broadcasts()
    watch = client.scheduling_requests.watch(tmp_path / "state", **QUICK)
    await client.agents.list().to_list()  # so that its connection is there
    async with leaks():
        for _ in range(3):
            with held.joined(watch) as broadcast:
                await broadcast.started()
                sandbox.add(status="new")
                await take(broadcast, 1)
            while held._ending:
                await asyncio.sleep(0)
            seen = len(sandbox.requests_seen)
            await asyncio.sleep(0.03)  # three intervals
            assert len(sandbox.requests_seen) == seen
            assert not held._of


async def test_a_listener_who_is_late_is_told_all_the_same(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcasts, "_RECENT", 4)
    held = Broadcasts()
    watch = client.scheduling_requests.watch(tmp_path / "state", **QUICK)
    with held.joined(watch) as broadcast, held.joined(watch):
        await broadcast.started()
        slow = broadcast.changes(None)
        first = asyncio.create_task(anext(slow))
        await asyncio.sleep(0)
        sandbox.add(status="new")
        change = await first
        assert isinstance(change, Change)
        for _ in range(350):  # more than are read from the state at once
            sandbox.add(status="new")
        await take(broadcast, 351, last=0)
        assert len(broadcast._recent) == 4
        rest = [await anext(slow) for _ in range(350)]
        assert [one.seq for one in rest if one is not None] == list(range(2, 352))
        await slow.aclose()


async def test_who_comes_back_is_told_what_was_missed_or_that_something_was(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    held = Broadcasts()
    for _ in range(5):
        sandbox.add(status="new")
    async with client.scheduling_requests.watch(tmp_path / "state", **QUICK) as watch:
        with held.joined(watch) as broadcast:
            await broadcast.started()
            assert [seq for seq, _ in await take(broadcast, 3, last=2)] == [3, 4, 5]
    async with client.scheduling_requests.watch(tmp_path / "state", **QUICK) as watch:  # another process
        with held.joined(watch) as broadcast:
            await broadcast.started()
            assert [seq for seq, _ in await take(broadcast, 4, last=1)] == [2, 3, 4, 5]
            for unknown in (-1, 8, 1_000, 2**63 - 1):
                hearing = asyncio.create_task(take(broadcast, 2, last=unknown))
                await asyncio.sleep(0.01)
                number = sandbox.add(status="new")["id"]
                heard = await hearing
                assert heard[0] is None
                assert heard[1][1] == number


async def test_processes_that_share_a_state_hear_all_of_it(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    processes = [Broadcasts() for _ in range(3)]
    watches = [client.scheduling_requests.watch(tmp_path / "state", **QUICK) for _ in processes]
    with ExitStack() as stack:
        joined = [
            stack.enter_context(held.joined(watch)) for held, watch in zip(processes, watches, strict=True)
        ]
        for one in joined:
            await one.started()
        hearing = [asyncio.create_task(take(one, 30, last=0)) for one in joined]
        for _ in range(30):
            sandbox.add(status="new")
            await asyncio.sleep(0)
        heard = await asyncio.gather(*hearing)
        assert heard[0] == heard[1] == heard[2]
    for held in processes:
        while held._ending:
            await asyncio.sleep(0)


async def test_what_is_wrong_is_told_to_all_and_the_next_may_try(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    held = Broadcasts()
    watch = client.scheduling_requests.watch(tmp_path / "state", interval=3600.0)
    sandbox.faults.script(None, [Status(401)])
    with held.joined(watch) as one, held.joined(watch) as other:
        for broadcast in (one, other):
            with pytest.raises(AuthenticationError):
                await broadcast.started()
        with held.joined(watch) as next_one:
            await next_one.started()
        assert [change async for change in one.changes(None)] == []
    while held._ending:
        await asyncio.sleep(0)


async def test_a_watch_that_is_closed_ends_it(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    held = Broadcasts()
    watch = client.scheduling_requests.watch(tmp_path / "state", **QUICK)
    with held.joined(watch) as broadcast:
        await broadcast.started()
        hearing = asyncio.create_task(take(broadcast, 1))
        await asyncio.sleep(0)
        await watch.aclose()
        with pytest.raises(StopAsyncIteration):
            await hearing
    while held._ending:
        await asyncio.sleep(0)


async def test_a_store_without_a_history_is_refused(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    class Short:
        def __init__(self, store: SQLiteChangeStore) -> None:
            self.recall, self.known, self.commit = store.recall, store.known, store.commit
            self.pending, self.acknowledge, self.close = store.pending, store.acknowledge, store.close

    store = SQLiteChangeStore(tmp_path / "state")
    watch = client.scheduling_requests.watch(Short(store))
    with Broadcasts().joined(watch) as broadcast, pytest.raises(ConfigurationError, match="keeps no history"):
        await broadcast.started()
    await store.close()


async def test_a_single_look_is_refused(client: TimeZestClient, tmp_path: Path) -> None:
    changes = client.scheduling_requests.changes(tmp_path / "state")
    with (
        pytest.raises(ConfigurationError, match="give a watch"),
        Broadcasts().joined(changes),
    ):
        pass
