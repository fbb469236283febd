"""What the service has no longer is said in the file of an incremental export, whatever its format."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from tests import support
from tests.export import readers
from tests.export.test_incremental import DAY, ENDINGS, NOW, OLD, add, latest, whole
from timezest_async import F, TimeZestClient, TimeZestError, export
from timezest_async.export import incremental_run
from timezest_async.export.incremental_file import Appender
from timezest_async.export.incremental_state import IncrementalState
from timezest_async.sandbox import Sandbox, Status

TEXT: Final = {"jsonl", "csv"}


def shown(moment: int, ending: str) -> Any:
    """Say how a format shows a time."""
    time = datetime.fromtimestamp(moment, UTC)
    return {"jsonl": moment, "duckdb": time.replace(tzinfo=None)}.get(ending, f"{time:%Y-%m-%dT%H:%M:%SZ}")


def forget(sandbox: Sandbox, id: str) -> dict[str, Any]:
    [record] = [one for one in sandbox.records() if one["id"] == id]
    assert sandbox.remove(id)
    return record


@pytest.mark.asyncio
@pytest.mark.parametrize("fields", [None, ["id", "created_at", "updated_at", "status", "end_user_name"]])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_request_that_vanished_is_marked_until_it_comes_back(
    tmp_path: Path, ending: str, fields: list[str] | None
) -> None:
    now = NOW
    path = tmp_path / f"out.{ending}"
    async with (
        Sandbox(clock=lambda: now) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url) as client,
    ):
        for number in range(30):
            name = '=Ann "x", é\r\n' if number % 2 else None
            add(sandbox, number, OLD + number * DAY, "new", end_user_name=name, more=[2**70, 1.50])
        job = export.IncrementalExport(client, path, tmp_path / "state", fields=fields)
        await job.run()
        first = latest(path)
        assert not any(row.get("vanished_at") for row in readers.read(path))

        now += 60
        old, recent = forget(sandbox, "sreq_3"), forget(sandbox, "sreq_29")
        assert (await job.run()).vanished == 2
        marked = {id: {**first[id], "vanished_at": shown(NOW + 60, ending)} for id in ("sreq_3", "sreq_29")}
        assert latest(path) == {**first, **marked}

        now += DAY
        sandbox.update("sreq_4", status="sent", updated_at=now)
        summary = await job.run()
        assert (summary.changed, summary.vanished) == (1, 0)
        rows = latest(path)
        assert rows.pop("sreq_4")["status"] == "sent"
        assert rows == {id: row for id, row in {**first, **marked}.items() if id != "sreq_4"}

        sandbox.add(old)
        sandbox.add(recent)
        summary = await job.run()
        assert (summary.created, summary.changed) == (0, 2), "the file had them, and has them again"
        now += DAY
        assert (await job.run()).changed == 0
        rows = latest(path)
        assert rows.pop("sreq_4")
        assert rows == {id: row for id, row in first.items() if id != "sreq_4"}

        forget(sandbox, "sreq_3")
        assert (await job.run()).vanished == 1
        assert latest(path)["sreq_3"] == {**first["sreq_3"], "vanished_at": shown(now, ending)}


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", sorted(TEXT))
async def test_a_mark_goes_to_a_new_file_where_the_old_one_was_taken_away(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    for number in range(3):
        add(sandbox, number, OLD, "new", end_user_name="Ann")
    job = export.IncrementalExport(client, path, tmp_path / "state")
    await job.run()
    path.unlink()
    forget(sandbox, "sreq_1")
    await job.run()
    [row] = readers.read(path)
    assert row["vanished_at"]
    filled = {name: str(value) for name, value in row.items() if value and value != []}
    assert list(filled) == ["id", "status", "created_at", "updated_at", "vanished_at"]
    assert (filled["id"], filled["status"]) == ("sreq_1", "new")
    assert (await job.run()).vanished == 0


@pytest.mark.asyncio
async def test_what_was_never_exported_is_not_marked(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    add(sandbox, 1, OLD, "new")
    add(sandbox, 2, OLD, "closed")
    job = export.IncrementalExport(client, path, tmp_path / "state", filter=F.status == "closed")
    await job.run()
    forget(sandbox, "sreq_1")
    assert (await job.run()).vanished == 1
    assert [row["id"] for row in readers.read(path)] == ["sreq_2"]


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_table_of_an_earlier_version_goes_on_without_the_column(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    for number in range(5):
        add(sandbox, number, OLD, "new")
    recall: Callable[..., Any] = export.IncrementalExport._recall

    def earlier(self: Any, new: IncrementalState) -> Any:
        return recall(self, attrs.evolve(new, columns=new.columns[:-1]))

    job = export.IncrementalExport(client, path, tmp_path / "state")
    with monkeypatch.context() as patch:
        patch.setattr(export.IncrementalExport, "_recall", earlier)
        await job.run()
    assert "vanished_at" not in readers.read(path)[0]
    forget(sandbox, "sreq_1")
    sandbox.update("sreq_2", status="sent", updated_at=NOW)
    summary = await job.run()
    assert (summary.changed, summary.vanished) == (1, 1)
    kept = latest(path)
    assert bool(kept.pop("sreq_1").get("vanished_at")) == (ending == "jsonl"), "lines have no heading"
    assert kept == whole(sandbox, path)
    assert (await job.run()).changed == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(support.examples(20)))
async def test_any_history_and_any_cut_leaves_each_row_marked_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Requests vanish and come back; runs are cut short before or after the marks; all is as it should be."""
    chance = random.Random(seed)
    monkeypatch.setattr(incremental_run, "_THOROUGH", 0.0)
    now = NOW
    path = tmp_path / f"out.{ENDINGS[seed % 4]}"
    finish = Appender.finish

    async def cut(self: Appender, *arguments: Any) -> Any:
        if chance.random() < 0.5:
            await finish(self, *arguments)
        raise OSError("power cut")

    async with (
        Sandbox(clock=lambda: now) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url) as client,
    ):
        for number in range(40):
            add(sandbox, number, OLD + number * DAY, chance.choice(["new", "sent", "paused"]))
        away: dict[str, dict[str, Any]] = {}
        job = export.IncrementalExport(client, path, tmp_path / "state", batch_size=3)
        await job.run()
        created = 40
        for _ in range(6):
            now += chance.choice([60, DAY])
            for id in chance.sample(sorted(away), min(len(away), 2)):
                sandbox.add({**away.pop(id), "updated_at": now})
            for record in chance.sample(sandbox.records(), 3):
                away[record["id"]] = forget(sandbox, record["id"])
            for record in chance.sample(sandbox.records(), 3):
                sandbox.update(record["id"], end_user_name=f"at {now}", updated_at=now)
            if chance.random() < 0.5:
                with monkeypatch.context() as patch, pytest.raises(OSError, match="power cut"):
                    patch.setattr(Appender, "finish", cut)
                    await job.run()
            if chance.random() < 0.3:
                sandbox.faults.script(None, [None] * chance.randrange(4) + [Status(403)])
                with pytest.raises(TimeZestError):
                    await job.run()
                sandbox.faults.clear()
            created += (await job.run()).created
            rows = latest(path)
            assert {id for id, row in rows.items() if row.get("vanished_at")} == away.keys()
            assert {id: row for id, row in rows.items() if id not in away} == whole(sandbox, path)
        assert created == 40, "nothing is new that was there before"
