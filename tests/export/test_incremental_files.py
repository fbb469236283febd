"""An incremental export whose file is not what its state tells of, and what a state has to remember."""

from __future__ import annotations

import csv
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from tests import support
from tests.export import readers
from tests.export.test_incremental import DAY, ENDINGS, NOW, OLD, add, latest, whole
from timezest_async import ConfigurationError, Expression, F, TimeZestClient, TimeZestError, export
from timezest_async.sandbox import Sandbox

TEXT: Final = ("jsonl", "csv")
DATABASES: Final = ("sqlite", "duckdb")


def execute(path: Path, statement: str) -> None:
    connect: Callable[[Any], Any] = sqlite3.connect if path.suffix == ".sqlite" else duckdb.connect
    with closing(connect(str(path))) as connection:
        connection.execute(statement)
        connection.commit()


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def other_program(path: Path) -> None:
    path.write_text("not ours")


def delete_watched(path: Path) -> None:
    execute(path, "DELETE FROM scheduling_requests WHERE id = 'sreq_3'")


def delete_settled(path: Path) -> None:
    execute(path, "DELETE FROM scheduling_requests WHERE id = 'sreq_4'")


def age(path: Path) -> None:
    old = "'2020-01-01T00:00:00Z'" if path.suffix == ".sqlite" else "TIMESTAMP '2020-01-01'"
    execute(path, f"UPDATE scheduling_requests SET updated_at = {old} WHERE id = 'sreq_3'")


def alter(path: Path) -> None:
    execute(path, "UPDATE scheduling_requests SET end_user_email = 'other@example.com' WHERE id = 'sreq_4'")


def exchange(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"user1", b"user2"))


def drop_table(path: Path) -> None:
    execute(path, "DROP TABLE scheduling_requests")


def add_column(path: Path) -> None:
    execute(path, "ALTER TABLE scheduling_requests ADD COLUMN mine VARCHAR")


EVERYWHERE = [empty, folder, shorten, other_program]
IN_DATABASES = [remove, delete_watched, delete_settled, age, alter, drop_table, add_column]


def contents(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_file_that_is_not_what_the_state_tells_of_is_refused_before_any_request(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(8):
        add(sandbox, number, OLD + number * DAY, "closed" if number == 4 else "new")
    await export.IncrementalExport(client, source / f"out.{ending}", source / "state").run()
    sandbox.requests_seen.clear()
    for damage in (*EVERYWHERE, *([lengthen, exchange] if ending in TEXT else IN_DATABASES)):
        copy = tmp_path / damage.__name__
        shutil.copytree(source, copy)
        path = copy / f"out.{ending}"
        damage(path)
        before = contents(copy)
        with pytest.raises(ConfigurationError, match=path.name):
            await export.IncrementalExport(client, path, copy / "state").run()
        assert contents(copy) == before
    assert sandbox.requests_seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_bit_of_the_file_that_is_flipped_is_noticed_or_does_no_harm(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    chance = random.Random(4)
    for number in range(30):
        add(sandbox, number, OLD + number * DAY, "closed" if number % 2 else "new")
    path, state = tmp_path / f"out.{ending}", tmp_path / "state"
    await export.IncrementalExport(client, path, state).run()
    sandbox.update("sreq_2", status="sent", updated_at=NOW)
    sound, before = path.read_bytes(), state.read_bytes()
    noticed = 0
    for _ in range(support.examples(60)):
        flipped = bytearray(sound)
        # What is not zero is where something is.
        place = chance.choice([place for place, byte in enumerate(sound) if byte or chance.random() < 0.1])
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        state.write_bytes(before)
        try:
            await export.IncrementalExport(client, path, state).run()
        except (ConfigurationError, OSError):
            noticed += 1
            continue
        assert latest(path) == whole(sandbox, path)
    assert noticed


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_first_run_takes_no_file_of_somebody_else_for_its_own(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    path, state = tmp_path / f"out.{ending}", tmp_path / "state"
    wanted = client.scheduling_requests.list().start.queries
    shape = {"format": ending, "compression": None, "fields": None, "raw_csv": False}
    export.incremental.IncrementalState({"queries": list(wanted), **shape}).save(state)
    path.write_text("not,ours\n1,2\n")
    with pytest.raises(ConfigurationError, match="cannot be read as an export"):
        await export.IncrementalExport(client, path, state).run()
    assert sandbox.requests_seen == []
    assert path.read_text() == "not,ours\n1,2\n"


@pytest.mark.asyncio
async def test_the_state_is_a_file_of_its_own(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    for state in (path, tmp_path / "out.jsonl.partial", tmp_path / "out.jsonl.partial.checkpoint"):
        with pytest.raises(ConfigurationError, match="name another file for its state"):
            await export.IncrementalExport(client, path, state).run()
    with pytest.raises(ConfigurationError, match="is a folder"):
        await export.IncrementalExport(client, path, tmp_path).run()
    partial = tmp_path / "out.jsonl.partial"
    partial.write_text("")
    with pytest.raises(ConfigurationError, match=r"partial exists, but .*state"):
        await export.IncrementalExport(client, path, tmp_path / "state").run()
    assert sandbox.requests_seen == []
    assert readers.names_in(tmp_path) == [partial.name]


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", DATABASES)
@pytest.mark.parametrize("replaced", [False, True])
async def test_a_database_that_is_taken_away_meanwhile_is_missed(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str, *, replaced: bool
) -> None:
    path, state = tmp_path / f"out.{ending}", tmp_path / "state"
    add(sandbox, 1, OLD, "new")
    await export.IncrementalExport(client, path, state).run()

    def take_away(_: export.Progress) -> None:
        if not (tmp_path / "elsewhere").exists():  # another copy could be given the inode of the first file
            path.rename(tmp_path / "elsewhere")
            if replaced:
                shutil.copy(tmp_path / "elsewhere", path)

    with pytest.raises(ConfigurationError, match=f"{path.name} is gone"):
        await export.IncrementalExport(client, path, state, on_progress=take_away).run()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ending", "wanted", "taken_away"),
    [
        ("jsonl", None, False),
        ("csv", F.status.in_(["scheduled", "new"]), False),
        ("sqlite", F.created_at >= OLD, False),
        ("duckdb", F.status.in_(["scheduled", "new"]), False),
        ("csv", F.created_at >= OLD, True),
        ("jsonl", F.status.in_(["scheduled", "new"]), True),
    ],
)
async def test_a_reopened_request_has_changed(
    client: TimeZestClient,
    sandbox: Sandbox,
    tmp_path: Path,
    ending: str,
    wanted: Expression[Any] | None,
    taken_away: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    path, state = tmp_path / f"out.{ending}", tmp_path / "state"
    add(sandbox, 1, OLD, "scheduled")
    add(sandbox, 2, OLD, "closed")
    add(sandbox, 3, NOW, "new")
    await export.IncrementalExport(client, path, state, filter=wanted).run()
    sandbox.update("sreq_1", status="closed", updated_at=OLD + DAY)
    assert (await export.IncrementalExport(client, path, state, filter=wanted).run()).changed == 1
    assert (await export.IncrementalExport(client, path, state, filter=wanted).run()).unchanged == 1
    if taken_away:
        path.unlink()
    sandbox.update("sreq_1", status="scheduled", updated_at=OLD + 2 * DAY)
    sandbox.update("sreq_2", status="scheduled", updated_at=OLD + 2 * DAY)
    changes = await export.IncrementalExport(client, path, state, filter=wanted).run()
    # Where the status is filtered on, the second one was never exported.
    is_new = "status" in repr(wanted)
    assert (changes.created, changes.changed) == ((1, 1) if is_new else (0, 2))
    assert {row["id"] for row in readers.read(path)} >= {"sreq_1", "sreq_2"}


@pytest.mark.asyncio
async def test_a_longer_overlap_makes_nothing_new(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, state = tmp_path / "out.sqlite", tmp_path / "state"
    for number in range(20):
        add(sandbox, number, OLD + number * DAY, "closed")
    await export.IncrementalExport(client, path, state).run()
    changes = await export.IncrementalExport(client, path, state, overlap=timedelta(days=10)).run()
    assert changes.created == 0
    assert latest(path) == whole(sandbox, path)


@pytest.mark.asyncio
async def test_a_new_text_file_that_was_cut_short_is_begun_anew(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state = tmp_path / "out.csv", tmp_path / "state"
    for number in range(9):
        add(sandbox, number, OLD + number * DAY, "new")
    await export.IncrementalExport(client, path, state).run()
    path.unlink()
    for number in range(3):
        sandbox.update(f"sreq_{number}", status="sent", updated_at=NOW)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="power cut"):
        patch.setattr(export.incremental.Appender, "finish", fail)
        await export.IncrementalExport(client, path, state, batch_size=2).run()
    assert len(readers.read(path)) == 2
    changes = await export.IncrementalExport(client, path, state).run()
    assert changes.changed == 3
    assert [row["id"] for row in readers.read(path)] == ["sreq_2", "sreq_1", "sreq_0"]


async def fail(*_: object) -> None:
    raise OSError("power cut")


@pytest.mark.asyncio
async def test_cells_may_be_of_any_length_and_the_process_keeps_its_limit(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, state = tmp_path / "out.csv", tmp_path / "state"
    limit = csv.field_size_limit()
    add(sandbox, 1, OLD, "new", end_user_name="x" * (limit + 1))
    first = await export.IncrementalExport(client, path, state).run()
    again = await export.IncrementalExport(client, path, state).run()
    assert (first.created, again.unchanged) == (1, 1)
    assert csv.field_size_limit() == limit


@pytest.mark.asyncio
async def test_how_long_ago_is_settled_by_the_first_run(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, state = tmp_path / "out.sqlite", tmp_path / "state"
    for number in range(4):
        add(sandbox, number, NOW - number * DAY, "new")
    assert export.IncrementalPlan.load(state).begun is None
    now = datetime.fromtimestamp(NOW, UTC)
    first = await export.IncrementalExport(client, path, state, filter="created_at >= 2d", now=now).run()
    again = await export.IncrementalExport(client, path, state, filter="created_at >= 2d").run()
    assert (first.created, again.created, again.unchanged) == (3, 0, 3)
    assert export.IncrementalPlan.load(state).begun == now
    plan = export.IncrementalPlan.load(state, filter="created_at >= 2d")
    assert not plan.first_run
    assert str(NOW - 2 * DAY) in repr(plan.filter)


@pytest.mark.asyncio
async def test_what_cannot_be_read_is_kept_beside_once_and_stays_watched(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, state = tmp_path / "out.sqlite", tmp_path / "state"
    for number in range(30):
        add(sandbox, number, OLD + number * DAY, "new")
    sandbox.update("sreq_3", resources="nobody")
    with pytest.raises(TimeZestError):
        await export.IncrementalExport(client, path, state).run()
    first = await export.IncrementalExport(client, path, state, skip_unreadable=True).run()
    assert (first.created, first.unreadable) == (29, 1)
    beside = tmp_path / "out.sqlite.unreadable.jsonl"
    assert [json.loads(line)["raw"]["id"] for line in beside.read_text().splitlines()] == ["sreq_3"]

    sandbox.update("sreq_5", resources="nobody")  # one that the file has, still open
    sandbox.update("sreq_6", resources="nobody", status="closed")  # one that is got by its id
    with pytest.raises(TimeZestError):
        await export.IncrementalExport(client, path, state).run()
    for _ in range(2):
        again = await export.IncrementalExport(client, path, state, skip_unreadable=True).run()
        assert (again.created, again.changed, again.unreadable) == (0, 0, 3)
        ids = [json.loads(line)["raw"]["id"] for line in beside.read_text().splitlines()]
        assert ids == ["sreq_3", "sreq_5", "sreq_6"]

    for id in ("sreq_3", "sreq_5", "sreq_6"):
        sandbox.update(id, resources=[], updated_at=NOW)
    last = await export.IncrementalExport(client, path, state).run()
    assert (last.created, last.changed, last.unreadable) == (0, 3, 0)
    assert latest(path) == whole(sandbox, path)
