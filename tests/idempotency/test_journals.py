"""The journals: each does what the protocol says, and what only it promises."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.redis_server import RedisServer
from timezest_async import (
    ConfigurationError,
    ConnectionFailedError,
    MemoryJournal,
    RedisJournal,
    SQLiteJournal,
)
from timezest_async.idempotency import IntentJournal, conformance
from timezest_async.sqlite_files import SQLiteFile

EMPTY = "0" * 64


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    async def pass_time(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.asyncio
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_journal_does_what_the_protocol_says(
    check: conformance.Check, kind: str, tmp_path: Path
) -> None:
    clock = Clock()
    if kind == "memory":
        async with MemoryJournal(lease=10.0, clock=clock) as journal:
            await check(journal, journal, clock.pass_time)
    else:
        path = tmp_path / "intents.db"
        async with (
            SQLiteJournal(path, lease=10.0, clock=clock) as one,
            SQLiteJournal(path, lease=10.0, clock=clock) as other,
        ):
            await check(one, other, clock.pass_time)


@pytest.mark.asyncio
async def test_anybody_can_check_a_journal_of_their_own() -> None:
    clock = Clock()
    one = MemoryJournal(lease=10.0, clock=clock)
    await conformance.check(lambda: one, clock.pass_time)

    class Forgetful(MemoryJournal):
        async def mark_sending(self, *_: object, **__: object) -> bool:
            return True

    forgetful = Forgetful(lease=10.0, clock=clock)
    with pytest.raises(
        AssertionError, match="a_lease_ends: expected that who lost the key is not allowed to"
    ):
        await conformance.check(lambda: forgetful, clock.pass_time)


@pytest.mark.asyncio
async def test_sqlite_goes_by_its_own_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteJournal(tmp_path / "intents.db", lease=5.0) as journal:
        await journal.claim("name", digest=EMPTY, token="one")
        wrong = time.time() + 600
        monkeypatch.setattr(time, "time", lambda: wrong)
        intent = await journal.claim("name", digest=EMPTY, token="two")
        assert not intent.held
        assert 4 < intent.retry_after <= 5


# Redis


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer("redis-password-77c1") as running:
        yield running


@pytest.mark.asyncio
async def test_redis_does_what_the_protocol_says(server: RedisServer) -> None:
    async with RedisJournal(server.url, lease=0.6) as one, RedisJournal(server.url, lease=0.6) as other:
        # All at once, since most of them sleep.
        await asyncio.gather(*(check(one, other, asyncio.sleep) for check in conformance.CHECKS))


@pytest.mark.asyncio
async def test_redis_forgets_what_is_done_and_never_what_was_sent(server: RedisServer) -> None:
    async with RedisJournal(server.url, keep=0.05, prefix="kept:") as journal:
        for name in ("done", "sent", "new"):
            await journal.claim(name, digest=EMPTY, token=name)
        await journal.mark_sending("sent", "sent", answer_within=0.0, settle=0.0)
        await journal.finish("done", "sreq_1", digest=EMPTY, own=True)
        await asyncio.sleep(0.1)
        with server.client() as client:
            assert client.keys("kept:*") == ["kept:key:sent"]


def test_redis_is_told_of_under_one_loop_after_another(server: RedisServer) -> None:
    journal = RedisJournal(server.url)
    for _ in range(2):
        intent = asyncio.run(_claim(journal, "loops", "one"))
        assert intent.held
    gc.collect()


async def _claim(journal: IntentJournal, name: str, token: str) -> Any:
    return await journal.claim(name, digest=EMPTY, token=token)


@pytest.mark.asyncio
async def test_a_redis_that_is_away_is_told_without_its_password() -> None:
    journal = RedisJournal("redis://:redis-password-77c1@127.0.0.1:9/0")
    with pytest.raises(ConnectionFailedError, match="journal cannot be asked") as caught:
        await journal.renew("name", "token")
    await journal.close()
    assert "77c1" not in f"{caught.value!r} {journal!r}"
    with pytest.raises(ConfigurationError, match="not a URL of Redis"):
        RedisJournal("http://:redis-password-77c1@redis")


# SQLite


@pytest.mark.asyncio
async def test_old_intents_are_forgotten_unless_a_create_may_have_happened(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "intents.db"
    async with SQLiteJournal(path, keep=100.0, clock=clock) as journal:
        for name in ("done", "sent", "new"):
            await journal.claim(name, digest=EMPTY, token=name)
        await journal.mark_sending("sent", "sent", answer_within=0.0, settle=0.0)
        await journal.finish("done", "sreq_1", digest=EMPTY, own=True)
        clock.now += 101
        await journal.claim("fresh", digest=EMPTY, token="fresh")
        assert await journal.finish("another", "sreq_1", digest=EMPTY, own=True) == "sreq_1"
    with sqlite3.connect(path) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM intent")}
    connection.close()
    assert names == {"sent", "fresh", "another"}


@pytest.mark.asyncio
async def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE book (title)")
    connection.close()
    text = tmp_path / "notes.txt"
    text.write_text("not a database\n" * 100)
    for wrong in (path, text, tmp_path / "nowhere" / "intents.db"):
        before = wrong.read_bytes() if wrong.exists() else None
        async with SQLiteJournal(wrong) as journal:
            with pytest.raises(ConfigurationError, match="journal"):
                await journal.renew("name", "token")
        assert (wrong.read_bytes() if wrong.exists() else None) == before


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["", "with\0nul.db", "with\ud800surrogate.db"])
async def test_a_path_that_names_no_file_is_refused(path: str) -> None:
    async with SQLiteJournal(path) as journal:
        with pytest.raises(ConfigurationError, match="cannot be opened as a journal"):
            await journal.renew("name", "token")


@pytest.mark.asyncio
async def test_a_damaged_file_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "intents.db"
    async with SQLiteJournal(path) as journal:
        await journal.claim("name", digest=EMPTY, token="a")
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    async with SQLiteJournal(path) as journal:
        with pytest.raises(ConfigurationError, match="cannot be read or written as a journal"):
            await journal.claim("name", digest=EMPTY, token="a")


@pytest.mark.asyncio
async def test_a_file_that_is_read_only_is_not_asked_again(tmp_path: Path) -> None:
    file = SQLiteFile(str(tmp_path / "intents.db"), "a journal", 1, ["CREATE TABLE one (number)"])
    await file.run(lambda connection: connection.execute("PRAGMA query_only = 1"))  # as without the right
    with pytest.raises(ConfigurationError, match="readonly"):
        await file.run(lambda connection: connection.execute("INSERT INTO one VALUES (1)"))
    await file.close()


@pytest.mark.asyncio
async def test_waiting_for_another_process_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "intents.db"
    async with SQLiteJournal(path) as journal:
        await journal.renew("name", "token")
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        claim = asyncio.create_task(journal.claim("name", digest=EMPTY, token="token"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not claim.done()
        writer.execute("COMMIT")
        writer.close()
        assert (await claim).held


def test_a_journal_that_nobody_closes_leaves_nothing_behind(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys, timezest_async as tz\n"
        "journal = tz.SQLiteJournal(sys.argv[1])\n"
        "async def main():\n"
        "    await journal.claim('name', digest='d', token='t')\n"
        "asyncio.run(main(), debug=False)\n"  # which would tell of a slow machine
        "asyncio.run(main(), debug=False)\n"  # which would tell of a slow machine
        "print(journal)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program, tmp_path / "intents.db"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "SQLiteJournal(" in done.stdout


@pytest.mark.parametrize("make", [MemoryJournal, lambda **k: SQLiteJournal("never", **k)])
@pytest.mark.parametrize("wrong", [{"lease": 0}, {"lease": "1"}, {"keep": float("inf")}, {"keep": True}])
def test_durations_that_are_none_are_refused(
    make: Callable[..., Awaitable[Any]], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="give a number of seconds above 0"):
        make(**wrong)
