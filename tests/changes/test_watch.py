from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from timezest_async import (
    AuthenticationError,
    ChangeKind,
    ConfigurationError,
    F,
    FilterError,
    RateLimiter,
    ServerError,
    TimeZestClient,
    UnsupportedFilterError,
    tql,
)
from timezest_async.changes import names, polling
from timezest_async.sandbox import Sandbox, Status

LATER = 1_900_000_000
QUICK: Any = {"interval": 0.02, "sweep": 0.02}
pytestmark = pytest.mark.asyncio


def add(sandbox: Sandbox, number: int, **fields: Any) -> str:
    return str(sandbox.add(id=f"sreq_{number}", end_user_email=f"u{number}@example.com", **fields)["id"])


async def told(changes: Any) -> list[tuple[str, str]]:
    return [(change.kind.value, change.request.id) async for change in changes]


async def test_every_kind_is_told_as_it_happens(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    name = add(sandbox, 1)
    acts: list[tuple[ChangeKind, Any]] = [
        (ChangeKind.BOOKED, lambda: sandbox.book(name, LATER, "Arizona")),
        (ChangeKind.REBOOKED, lambda: sandbox.book(name, LATER + 60)),
        (ChangeKind.UPDATED, lambda: sandbox.update(name, end_user_name="Ann")),
        (ChangeKind.CANCELLED, lambda: sandbox.cancel(name)),
        (ChangeKind.REOPENED, lambda: sandbox.update(name, status="sent")),
        (ChangeKind.CLOSED, lambda: sandbox.close_request(name)),
        (ChangeKind.VANISHED, lambda: sandbox.remove(name)),
    ]
    async with client.scheduling_requests.watch(tmp_path / "seen", **QUICK) as changes:
        first = await anext(changes)
        assert (first.kind, first.before, first.seq) == (ChangeKind.CREATED, None, 1)
        before = first.after
        for seq, (kind, act) in enumerate(acts, 2):
            act()
            change = await anext(changes)
            assert (change.kind, change.before, change.seq) == (kind, before, seq)
            assert change.request.id == name
            assert change.to_dict()["kind"] == kind.value
            before = change.after
        assert change.after is None
        assert changes.cost is not None
        assert changes.cost.requests >= 1
    with pytest.raises(StopAsyncIteration):
        await anext(changes)


async def test_what_was_not_acknowledged_is_told_again(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    ids = [add(sandbox, number, created_at=number) for number in range(3)]
    path = tmp_path / "seen"
    async for change in client.scheduling_requests.changes(path):
        if change.request.id == ids[1]:
            break
    again = await told(client.scheduling_requests.changes(path))
    assert again == [("created", ids[1]), ("created", ids[2])]
    assert await told(client.scheduling_requests.changes(path)) == []
    assert await told(client.scheduling_requests.changes(path, consumer="other")) == [
        ("created", name) for name in ids
    ]
    gc.collect()  # what was never closed closes itself


async def test_what_is_there_at_first_may_be_only_remembered(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    for number in range(300):
        add(sandbox, number, created_at=number + 1, status="closed" if number % 3 else "sent")
    path = tmp_path / "seen"
    changes = client.scheduling_requests.changes(path, initial=False)
    assert await told(changes) == []
    assert changes.cost is not None
    assert changes.cost.requests <= 18
    sandbox.book("sreq_6", LATER)
    sandbox.update("sreq_2", status="sent")
    sandbox.cancel("sreq_3")
    new = add(sandbox, 300)
    found = set(await told(client.scheduling_requests.changes(path, initial=False)))
    assert found == {("booked", "sreq_6"), ("reopened", "sreq_2"), ("cancelled", "sreq_3"), ("created", new)}


async def test_a_filter_tells_what_comes_and_what_goes(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    ours, theirs = add(sandbox, 1), add(sandbox, 2, status="sent")
    path, wanted = tmp_path / "seen", (F.status == "scheduled") & (F.created_at >= 1)
    assert await told(client.scheduling_requests.changes(path, wanted)) == []
    sandbox.book(ours, LATER)
    sandbox.close_request(theirs)
    assert await told(client.scheduling_requests.changes(path, wanted)) == [("booked", ours)]
    sandbox.cancel(ours)
    assert await told(client.scheduling_requests.changes(path, wanted)) == [("cancelled", ours)]
    sandbox.update(ours, end_user_name="Ann")
    assert await told(client.scheduling_requests.changes(path, wanted)) == []
    with pytest.raises(ConfigurationError, match="another filter"):
        await told(client.scheduling_requests.changes(path))


async def test_times_in_text_count_from_the_first_look(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    path, wanted = tmp_path / "seen", "created_at >= 90d"
    began = datetime(2026, 1, 1, tzinfo=UTC)
    assert await told(client.scheduling_requests.changes(path, wanted, now=began)) == []
    name = add(sandbox, 1)
    assert await told(client.scheduling_requests.changes(path, wanted)) == [("created", name)]


async def test_failures_that_pass_are_borne_and_others_raised(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = add(sandbox, 1)
    limiter = RateLimiter(1_000_000, 1.0)
    async with TimeZestClient(
        sandbox.api_key, sandbox.base_url, max_attempts=1, rate_limiter=limiter
    ) as client:
        sandbox.faults.script(None, [Status(503), Status(502)])
        async with client.scheduling_requests.watch(tmp_path / "seen", **QUICK) as changes:
            assert (await anext(changes)).request.id == name
        assert caplog.text.count("A look for changes failed (ServerError)") == 2
        sandbox.faults.script(None, [Status(503)])
        with pytest.raises(ServerError):
            await told(client.scheduling_requests.changes(tmp_path / "seen"))
        assert await told(client.scheduling_requests.changes(tmp_path / "seen")) == []
    async with TimeZestClient("wrong", sandbox.base_url) as client:
        async with client.scheduling_requests.watch(tmp_path / "other", **QUICK) as changes:
            with pytest.raises(AuthenticationError):
                await anext(changes)
        with pytest.raises(ConfigurationError, match="another API key"):
            await told(client.scheduling_requests.changes(tmp_path / "seen"))


async def test_closing_ends_a_wait_and_cancelling_leaves_it_usable(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    changes = client.scheduling_requests.watch(tmp_path / "seen", interval=60, sweep=60)
    waiting = asyncio.create_task(anext(changes, None))
    while changes.cost is None:
        await asyncio.sleep(0.005)
    waiting.cancel()
    await asyncio.wait([waiting])
    waiting = asyncio.create_task(anext(changes, None))
    await asyncio.sleep(0.01)
    await changes.aclose()
    assert await waiting is None


async def test_a_tenth_of_the_budget_is_left_to_others(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_PAUSE", 0.02)
    for number in range(200):
        add(sandbox, number)
    limiter = RateLimiter(10, 0.4, 0.0)
    async with (
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=limiter) as client,
        client.scheduling_requests.watch(tmp_path / "seen", **QUICK) as changes,
    ):
        looking = asyncio.create_task(anext(changes, None))
        least = 10
        while not looking.done():
            least = min(least, limiter.available)
            await asyncio.sleep(0.002)
        await looking
    # One page is read ahead.
    assert 0 <= least <= 1
    assert len(sandbox.requests_seen) >= 10


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"filter": "nothing = 1"}, FilterError),
        ({"filter": tql.raw("scheduling_request.status~EQ~new")}, UnsupportedFilterError),
        ({"state": 7}, ConfigurationError),
        ({"interval": 0}, ConfigurationError),
        ({"sweep": float("nan")}, ConfigurationError),
        ({"consumer": ""}, ConfigurationError),
    ],
)
async def test_what_is_unfit_is_refused_at_the_call(
    sandbox: Sandbox, client: TimeZestClient, arguments: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.scheduling_requests.watch(**{"state": "seen", **arguments})
    assert sandbox.requests_seen == []


async def test_a_file_that_is_something_else_is_left_alone(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path
) -> None:
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("my notes, which nobody is to lose, and which go on for a while\n" * 10)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    for path in (text, other):
        content = path.read_bytes()
        with pytest.raises(ConfigurationError):
            await told(client.scheduling_requests.changes(path))
        assert path.read_bytes() == content
    assert sandbox.requests_seen == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
async def test_nobody_else_may_read_the_state(client: TimeZestClient, tmp_path: Path) -> None:
    await told(client.scheduling_requests.changes(tmp_path / "seen"))
    assert stat.S_IMODE(os.stat(tmp_path / "seen").st_mode) == 0o600  # noqa: PTH116 - a mode is asked for


@pytest.fixture
def many() -> list[dict[str, Any]]:
    return [
        {
            "id": f"sreq_{number}",
            "status": ["new", "sent", "scheduled", "a\x00b"][number % 4],
            "created_at": number,
            "end_user_email": [f"user{number}+ä@example.com", None, " padded", "x" * 5000][number % 7 % 4],
            "associated_entities": [{"type": "autotask/ticket", "number": f"T{number}"}] * (number % 2),
        }
        for number in range(1_500)
    ]


async def test_names_fit_into_a_url_and_name_everybody(many: list[dict[str, Any]]) -> None:
    asked = names.ask_for_transitions(many)
    texts = [tql.render(part.query) for part in asked.parts]
    assert max(len(text.encode()) for text in texts) < 4_000
    assert len(asked.parts) <= 12
    said = ",".join(texts)
    for request in many:
        if request["id"] not in asked.nameless:
            ticket = request["associated_entities"]
            assert (ticket[0]["number"] if ticket else request["end_user_email"]) in said
