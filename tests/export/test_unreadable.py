from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.export import readers
from tests.servers import scripted as servers
from timezest_async import (
    ConfigurationError,
    RateLimiter,
    TimeZestClient,
    TimeZestError,
    UnreadableRecord,
    export,
)
from timezest_async.sandbox import Sandbox, Status

ENDINGS = ["jsonl", "csv.gz", "parquet", "sqlite", "duckdb"]


def fill(sandbox: Sandbox) -> tuple[list[str], list[Any]]:
    """Add requests, every seventh unreadable, the last one too; return the others' ids, and these."""
    for number in reversed(range(57)):
        damage = {"status": 5, "end_user_name": "x\ud83d"} if number % 7 == 0 else {}
        sandbox.add({"id": f"sreq_{number}", "created_at": 100_000 - number, "status": "new", **damage})
    records = sandbox.records()
    bad = [one for one in records if one["status"] == 5]
    return [one["id"] for one in records if one["status"] == "new"], bad


def kept(path: Path) -> list[dict[str, Any]]:
    beside = path.with_name(f"{path.name}.unreadable.jsonl")
    return [json.loads(line) for line in beside.read_text().splitlines()]


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_what_cannot_be_read_is_kept_beside_the_file(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    ids, bad = fill(sandbox)
    path = tmp_path / f"out.{ending}"
    job = export.ExportJob(client.scheduling_requests.list(), path, skip_unreadable=True, batch_size=10)
    summary = await job.run()
    assert (summary.records, summary.unreadable) == (len(ids), len(bad))
    assert [row["id"] for row in readers.read(path)] == ids
    assert [one["raw"] for one in kept(path)] == bad
    assert "expected a string, not 5" in kept(path)[0]["reason"]
    assert readers.names_in(tmp_path) == [path.name, f"{path.name}.unreadable.jsonl"]


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("pages", [1, 2])
async def test_none_is_lost_or_doubled_across_a_resume(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str, pages: int
) -> None:
    ids, bad = fill(sandbox)
    path = tmp_path / f"out.{ending}"
    told: list[UnreadableRecord] = []
    sandbox.faults.script(None, [None] * pages + [Status(403)])
    paginator = client.scheduling_requests.list(on_unreadable=told.append)
    with pytest.raises(TimeZestError):
        await export.ExportJob(paginator, path, skip_unreadable=True, batch_size=10).run()
    # What a crash leaves beyond the durable lines is cut off.
    with (tmp_path / f"{path.name}.partial.unreadable.jsonl").open("ab") as file:
        file.write(b'{"half')
    summary = await export.ExportJob.resume(client, path).run()
    assert (summary.records, summary.unreadable) == (len(ids), len(bad))
    assert [row["id"] for row in readers.read(path)] == ids
    assert [one["raw"] for one in kept(path)] == bad
    assert told
    assert [one.raw for one in told] == bad[: len(told)]


@pytest.mark.asyncio
async def test_an_export_that_stopped_at_one_goes_on_past_it(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    ids, bad = fill(sandbox)
    path = tmp_path / "out.jsonl"
    with pytest.raises(TimeZestError, match="expected a string, not 5"):
        await export.to_jsonl(client.scheduling_requests.list(), path)
    with pytest.raises(TimeZestError, match="expected a string, not 5"):
        await export.ExportJob.resume(client, path).run()
    summary = await export.ExportJob.resume(client, path, skip_unreadable=True).run()
    assert (summary.records, summary.unreadable) == (len(ids), len(bad))
    with pytest.raises(ConfigurationError, match="unreadable.jsonl exists already"):
        path.unlink()
        await export.to_jsonl(client.scheduling_requests.list(), path, skip_unreadable=True)
    for one in bad:
        sandbox.remove(one["id"])
    await export.to_jsonl(client.scheduling_requests.list(), path, overwrite=True)
    assert readers.names_in(tmp_path) == ["out.jsonl"]


@pytest.mark.asyncio
async def test_the_lines_that_are_durable_are_looked_for(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox)
    path = tmp_path / "out.jsonl"
    sandbox.faults.script(None, [None, None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.to_jsonl(client.scheduling_requests.list(), path, skip_unreadable=True)
    (tmp_path / "out.jsonl.partial.unreadable.jsonl").unlink()
    with pytest.raises(ConfigurationError, match="cannot be resumed, it is gone"):
        await export.ExportJob.resume(client, path).run()


@pytest.mark.asyncio
async def test_one_without_an_id_that_is_met_again_is_kept_once(tmp_path: Path) -> None:
    def page(*records: Any, link: str | None) -> servers.Step:
        return servers.respond(body={"object": "list", "data": records, "next_page": link})

    good = [{"id": f"sreq_{number}", "status": "new", "created_at": 9 - number} for number in range(3)]
    nameless = {"status": "new", "created_at": 7}
    path = tmp_path / "out.jsonl"
    steps = (
        page(good[0], good[1], nameless, nameless, link="?starting_after=sreq_x"),
        servers.respond(403),
        page(nameless, nameless, good[2], link=None),
    )
    async with (
        servers.serving(*steps) as script,
        TimeZestClient("key", script.url, rate_limiter=RateLimiter(1_000_000, 1.0)) as client,
    ):
        with pytest.raises(TimeZestError):
            await export.to_jsonl(client.scheduling_requests.list(), path, skip_unreadable=True)
        summary = await export.ExportJob.resume(client, path).run()
    assert (summary.records, summary.unreadable) == (3, 2)
    assert [one["raw"] for one in kept(path)] == [nameless, nameless]
