"""An export belongs to an account: with another one's key it is not gone on with, unless that is said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests import support
from tests.export import readers
from timezest_async import ConfigurationError, TimeZestClient, TimeZestError, export
from timezest_async.export.incremental_state import IncrementalState
from timezest_async.sandbox import Sandbox, Status

NEW_KEY = "tz_a_new_key"
DAY = 86_400
OLD = 1_700_000_000


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(read_only_key=NEW_KEY) as sandbox:
        yield sandbox


def fill(sandbox: Sandbox) -> None:
    for number in range(100):
        sandbox.add(id=f"sreq_{number}", status="new", created_at=OLD + number * DAY)


async def begin(client: TimeZestClient, sandbox: Sandbox, path: Path) -> None:
    sandbox.faults.script("GET /scheduling_requests", [None, None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.ExportJob(client.scheduling_requests.list(), path, batch_size=10).run()
    sandbox.faults.clear()
    sandbox.requests_seen.clear()


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["jsonl.gz", "csv", "parquet", "sqlite", "duckdb"])
async def test_another_key_resumes_no_export_unless_that_is_said(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    fill(sandbox)
    path = tmp_path / f"out.{ending}"
    await begin(client, sandbox, path)
    state = path.with_name(f"{path.name}.partial.checkpoint")
    assert sandbox.api_key not in state.read_text()
    async with TimeZestClient(NEW_KEY, sandbox.base_url) as other:
        requests = other.scheduling_requests.list()
        with pytest.raises(ConfigurationError, match="another API key or another service"):
            await export.ExportJob(requests, path, resume=True).run()
        with pytest.raises(ConfigurationError, match="other_key=True"):
            await export.ExportJob.resume(other, path).run()
        assert sandbox.requests_seen == []
        sandbox.faults.script("GET /scheduling_requests", [Status(403)])
        with pytest.raises(TimeZestError):
            await export.ExportJob.resume(other, path, other_key=True).run()
        # From here on it is the new key's.
        summary = await export.ExportJob.resume(other, path).run()
    assert (summary.records, summary.resumed) == (100, 40)
    assert readers.read(path) == readers.expected(sandbox.records(), path)


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["csv", "sqlite"])
async def test_the_address_may_be_spelled_otherwise(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    fill(sandbox)
    path = tmp_path / f"out.{ending}"
    await begin(client, sandbox, path)
    url = sandbox.base_url.replace("http://", "HTTP://") + "/"
    async with TimeZestClient(sandbox.api_key, url) as same:
        assert (await export.ExportJob.resume(same, path).run()).records == 100
        await export.IncrementalExport(client, tmp_path / f"more.{ending}", tmp_path / "state").run()
        again = await export.IncrementalExport(same, tmp_path / f"more.{ending}", tmp_path / "state").run()
    assert again.unchanged == 100


@pytest.mark.asyncio
async def test_another_key_goes_on_with_no_incremental_export(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox)
    path, state = tmp_path / "out.sqlite", tmp_path / "state"
    await export.IncrementalExport(client, path, state).run()
    before = state.read_bytes()
    assert sandbox.api_key not in before.decode()
    sandbox.requests_seen.clear()
    async with TimeZestClient(NEW_KEY, sandbox.base_url) as other:
        with pytest.raises(ConfigurationError, match="other_key=True"):
            await export.IncrementalExport(other, path, state).run()
        assert (sandbox.requests_seen, state.read_bytes()) == ([], before)
        for other_key in (True, False):
            changes = await export.IncrementalExport(other, path, state, other_key=other_key).run()
            assert changes.unchanged == 100


@pytest.mark.asyncio
async def test_a_state_of_before_there_were_accounts_is_anybodys_once(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox)
    path, state = tmp_path / "out.jsonl", tmp_path / "state"
    await export.IncrementalExport(client, path, state).run()
    known = IncrementalState.load(state)
    assert known is not None
    seen = {name: [one.status, one.created_at, one.updated_at, True] for name, one in known.seen.items()}
    version_1: dict[str, Any] = {
        "timezest_incremental": 1,
        "key": known.key,
        "high_water": known.high_water,
        "length": known.length,
        "appending": False,
        "seen": seen,
    }
    state.write_text(json.dumps(version_1))
    assert (await export.IncrementalExport(client, path, state).run()).unchanged == 100
    async with TimeZestClient(NEW_KEY, sandbox.base_url) as other:
        with pytest.raises(ConfigurationError, match="other_key=True"):
            await export.IncrementalExport(other, path, state).run()


@pytest.mark.asyncio
async def test_a_bit_of_the_state_that_is_flipped_is_noticed(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for number in range(3):
        sandbox.add(id=f"sreq_{number}", status="new", created_at=OLD + number * DAY)
    path, state = tmp_path / "out.jsonl", tmp_path / "state"
    await export.IncrementalExport(client, path, state).run()
    known, sound = IncrementalState.load(state), state.read_bytes()
    # A flip that leaves the JSON as it was, in the white space at the end, is none.
    for place in range(0, 8 * (len(sound) - 1), 1 if support.FULL else 51):
        flipped = bytearray(sound)
        flipped[place // 8] ^= 1 << place % 8
        state.write_bytes(flipped)
        with pytest.raises(ConfigurationError, match="not the state"):
            IncrementalState.load(state)
    state.write_bytes(sound)
    assert IncrementalState.load(state) == known
