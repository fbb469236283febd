from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.export import readers
from timezest_async import (
    ConfigurationError,
    Expression,
    F,
    SchedulingRequest,
    TimeZestClient,
    TimeZestError,
    UnsupportedFilterError,
    export,
    tql,
)
from timezest_async.export import atomic_files as durable
from timezest_async.sandbox import Sandbox, Status
from timezest_async.serialization.converter import structure

DAY = 86_400
NOW = 1_750_000_000
OLD = NOW - 300 * DAY
STATUSES = ["new", "sent", "scheduled", "cancelled", "closed", "paused"]
ENDINGS = ["jsonl", "csv", "sqlite", "duckdb"]


def add(sandbox: Sandbox, number: int, created_at: int, status: str, **fields: Any) -> None:
    email = f"user{number % 3}@example.com"
    sandbox.add(
        id=f"sreq_{number}",
        created_at=created_at,
        updated_at=created_at,
        status=status,
        end_user_email=email,
        **fields,
    )


def latest(path: Path) -> dict[str, dict[str, Any]]:
    """Read a file back, of several versions of a record the last; ``vanished_at`` only where it is said."""
    rows = {row["id"]: row for row in readers.read(path)}
    for row in rows.values():
        if not row.get("vanished_at"):
            row.pop("vanished_at", None)
    return rows


def whole(sandbox: Sandbox, path: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in readers.expected(sandbox.records(), path)}


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_only_what_is_new_or_changed_is_added(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    for number in range(200):
        add(sandbox, number, OLD + number * DAY, STATUSES[number % 6])
    path, state = tmp_path / f"out.{ending}", tmp_path / "state"

    first = await export.IncrementalExport(client, path, state).run()
    assert (first.created, first.first_run) == (200, True)
    assert latest(path) == whole(sandbox, path)

    sandbox.requests_seen.clear()
    told: list[export.Progress] = []
    again = await export.IncrementalExport(client, path, state, on_progress=told.append).run()
    assert told[-1].records == again.unchanged
    assert (again.created, again.changed, again.vanished, again.looked_up) == (0, 0, 0, 0)
    # Two thirds are open, a request for each 20; the recent ones are of one query more.
    assert again.unchanged == pytest.approx(134, abs=2)
    assert len(sandbox.requests_seen) <= 134 // 20 + 3

    before = len(readers.read(path))
    add(sandbox, 1_000, NOW, "new")
    sandbox.update("sreq_0", status="scheduled", updated_at=NOW + 1)  # new -> scheduled
    sandbox.update("sreq_1", status="closed", updated_at=NOW + 1)  # old, and no longer open
    sandbox.update("sreq_199", end_user_name="=Sam", updated_at=NOW + 2)  # recent
    sandbox.remove("sreq_2")
    changes = await export.IncrementalExport(client, path, state).run()
    assert (changes.created, changes.changed, changes.vanished) == (1, 3, 1)
    assert changes.looked_up == 2
    kept = latest(path)
    assert kept.pop("sreq_2")
    assert kept == whole(sandbox, path)
    added = 5 if ending in {"jsonl", "csv"} else 1
    assert len(readers.read(path)) == before + added
    last = await export.IncrementalExport(client, path, state).run()
    assert (last.created, last.changed, last.vanished, last.looked_up) == (0, 0, 0, 0)
    assert readers.names_in(tmp_path) == sorted([path.name, "state"])


FILTERS: list[Expression[Any] | str | None] = [
    None,
    F.status == "closed",
    "scheduling_request.status = closed OR scheduling_request.status = scheduled",
    (F.end_user_email == "user1@example.com") & (F.created_at >= OLD + 100 * DAY),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(support.examples(40)))
async def test_any_history_leaves_the_file_up_to_date(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, seed: int
) -> None:
    """Whatever happens to requests between runs, reopened ones too, and wherever a run is cut short."""
    chance = random.Random(seed)
    wanted = FILTERS[seed % 4]
    expression = tql.parse(wanted) if isinstance(wanted, str) else wanted
    path, state = tmp_path / f"out.{chance.choice(ENDINGS)}", tmp_path / "state"
    clock = NOW
    ever: set[str] = set()
    created = 0
    for number in range(150):
        add(sandbox, number, OLD + chance.randrange(300 * DAY), chance.choice(STATUSES))
    for number in range(150, 158):
        for _ in range(3):
            try:
                job = export.IncrementalExport(client, path, state, filter=wanted, batch_size=10)
                changes = await job.run()
                created += changes.created
                break
            except TimeZestError:
                sandbox.faults.clear()
        matching = {one["id"] for one in sandbox.records() if matches(expression, one)}
        ever |= matching
        assert created == len(ever), "each is new once, reopened or not"
        rows = latest(path)
        assert rows == {id: row for id, row in whole(sandbox, path).items() if id in ever}

        clock += 3_600
        add(sandbox, number, clock, chance.choice(STATUSES))
        for record in sandbox.records():
            changeable = (
                record["status"] not in {"closed", "cancelled"} or record["created_at"] >= clock - DAY
            )
            if chance.random() < 0.1:
                # What was closed long ago is noticed only if it is open again.
                status = chance.choice(STATUSES if changeable else STATUSES[:3])
                sandbox.update(record["id"], status=status, updated_at=clock)
        sandbox.faults.script(None, [None] * chance.randrange(12) + [Status(403)])
    sandbox.faults.clear()


def matches(expression: Expression[Any] | None, wire: dict[str, Any]) -> bool:
    return expression is None or expression.matches(structure(wire, SchedulingRequest))


@contextmanager
def failing_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> Iterator[None]:
    """Let the state be saved so many times, and then no more."""
    real, left = export.incremental.IncrementalState.save, calls

    def save(state: Any, path: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("power cut")
        real(state, path)

    with monkeypatch.context() as patch:
        patch.setattr(export.incremental.IncrementalState, "save", save)
        yield


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_run_that_is_cut_short_is_undone_or_redone(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        add(sandbox, number, OLD + number * DAY, "new")
    path, state = tmp_path / f"out.{ending}", tmp_path / "state"
    with failing_after(monkeypatch, 1), pytest.raises(OSError, match="power cut"):
        await export.IncrementalExport(client, path, state).run()
    first = await export.IncrementalExport(client, path, state).run()
    assert (first.created, first.pages) == (50, 0)

    for number in range(30):
        sandbox.update(f"sreq_{number}", status="sent", updated_at=NOW)
    # The state is saved before the run changes the file, too.
    is_appended = ending in {"jsonl", "csv"}
    with failing_after(monkeypatch, 1), pytest.raises(OSError, match="power cut"):
        await export.IncrementalExport(client, path, state, batch_size=7).run()
    changes = await export.IncrementalExport(client, path, state, batch_size=7).run()
    assert changes.changed == 30
    assert len(readers.read(path)) == (80 if is_appended else 50)
    assert latest(path) == whole(sandbox, path)


@pytest.mark.asyncio
async def test_an_interrupted_first_run_goes_on(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for number in range(100):
        add(sandbox, number, OLD + number * DAY, "new")
    path, state = tmp_path / "out.duckdb", tmp_path / "state"
    sandbox.faults.script(None, [None, None, None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.IncrementalExport(client, path, state).run()
    first = await export.IncrementalExport(client, path, state).run()
    assert (first.created, first.pages) == (100, 2)
    assert latest(path) == whole(sandbox, path)


@pytest.mark.asyncio
async def test_the_next_run_can_be_foretold(client: TimeZestClient, sandbox: Sandbox, tmp_path: Path) -> None:
    path, state = tmp_path / "out.db", tmp_path / "state"
    for number in range(60):
        add(sandbox, number, OLD + number * DAY, STATUSES[number % 6])
    assert export.IncrementalPlan.load(state).first_run
    wanted = F.created_at >= OLD + 10 * DAY
    await export.IncrementalExport(client, path, state, filter=wanted).run()
    plan = export.IncrementalExport(client, path, state, filter=wanted).plan()
    assert plan.filter is not None
    asked = [tql.render(query) for query in tql.plan(plan.filter).queries]
    sandbox.requests_seen.clear()
    again = await export.IncrementalExport(client, path, state, filter=wanted).run()
    sent = {seen.query["filter"] for seen in sandbox.requests_seen}
    assert sent == set(asked)
    assert plan.watched == again.unchanged


@pytest.mark.asyncio
async def test_a_text_file_may_be_taken_away(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, state = tmp_path / "out.csv", tmp_path / "state"
    add(sandbox, 1, OLD, "new")
    await export.IncrementalExport(client, path, state).run()
    path.rename(tmp_path / "first.csv")
    await export.IncrementalExport(client, path, state).run()
    assert not path.exists()
    sandbox.update("sreq_1", status="sent", updated_at=NOW)
    await export.IncrementalExport(client, path, state).run()
    assert [row["status"] for row in readers.read(path)] == ["sent"]
    path.write_text("something else")
    sandbox.update("sreq_1", status="new", updated_at=NOW + 1)
    with pytest.raises(ConfigurationError, match="changed by another program"):
        await export.IncrementalExport(client, path, state).run()


@pytest.mark.asyncio
async def test_what_does_not_fit_is_refused(client: TimeZestClient, sandbox: Sandbox, tmp_path: Path) -> None:
    path, state = tmp_path / "out.sqlite", tmp_path / "state"
    add(sandbox, 1, OLD, "new")
    path.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="which would tell what it has, does not"):
        await export.IncrementalExport(client, path, state).run()
    path.unlink()
    await export.IncrementalExport(client, path, state).run()
    with pytest.raises(ConfigurationError, match="another filter"):
        await export.IncrementalExport(client, path, state, filter=F.status == "new").run()
    with pytest.raises(ConfigurationError, match="other format"):
        await export.IncrementalExport(client, path, state, format="csv").run()
    with pytest.raises(ConfigurationError, match="add updated_at to fields"):
        await export.IncrementalExport(client, path, state, fields=["id", "status", "created_at"]).run()
    with pytest.raises(ConfigurationError, match="choose SQLite or DuckDB"):
        await export.IncrementalExport(client, tmp_path / "out.parquet", state).run()
    with pytest.raises(ConfigurationError, match="choose SQLite or DuckDB"):
        await export.IncrementalExport(client, tmp_path / "out.csv.gz", state).run()
    with pytest.raises(UnsupportedFilterError, match="write it with F"):
        await export.IncrementalExport(client, path, state, filter=tql.raw("a~EQ~b")).run()
    with durable.locked(tmp_path / "state.lock"), pytest.raises(ConfigurationError, match="another process"):
        await export.IncrementalExport(client, path, state).run()
    path.unlink()
    sandbox.update("sreq_1", status="sent", updated_at=NOW)
    with pytest.raises(ConfigurationError, match="is gone"):
        await export.IncrementalExport(client, path, state).run()
    state.write_text(json.dumps({"timezest_incremental": 2}))
    with pytest.raises(ConfigurationError, match="not the state"):
        await export.IncrementalExport(client, path, state).run()


@pytest.mark.asyncio
async def test_the_overlap_and_the_columns_are_the_callers(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, state = tmp_path / "out.db", tmp_path / "state"
    for number in range(30):
        add(sandbox, number, OLD + number * DAY, "closed")
    fields = ["updated_at", "id", "status", "created_at"]
    options: dict[str, Any] = {"fields": fields, "overlap": timedelta(days=10)}
    await export.IncrementalExport(client, path, state, **options).run()
    changes = await export.IncrementalExport(client, path, state, **options).run()
    assert changes.unchanged == 11
    sandbox.update("sreq_25", status="cancelled", updated_at=NOW)
    await export.IncrementalExport(client, path, state, **options).run()
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT * FROM scheduling_requests WHERE id = 'sreq_25'").fetchone()
    assert row == ("2025-06-15T15:06:40Z", "sreq_25", "cancelled", "2024-09-13T15:06:40Z", None)


@pytest.mark.asyncio
async def test_what_was_learnt_of_the_times_serves_the_next_process(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for number in range(100):
        add(sandbox, number, OLD + number * DAY, "new")
    path, state = tmp_path / "out.jsonl", tmp_path / "state"
    await export.IncrementalExport(client, path, state, concurrency=4).run()
    learnt = client.scheduling_requests.list().spreads.to_json()
    assert learnt
    async with TimeZestClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as another:
        await export.IncrementalExport(another, path, state, concurrency=4).run()
        assert learnt[0] in another.scheduling_requests.list().spreads.to_json()
    assert latest(path) == whole(sandbox, path)
