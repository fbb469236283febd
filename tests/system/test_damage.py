"""An export whose state or output is damaged, between runs or during one, is never called done."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests import support
from tests.export import readers
from timezest_async import ConfigurationError, RateLimiter, TimeZestClient, TimeZestError, export
from timezest_async.export import formats, job_state as states
from timezest_async.export.formats.columns import choose_columns
from timezest_async.export.formats.selection import OutputOptions
from timezest_async.sandbox import Sandbox, Status

ENDINGS = ["jsonl", "csv", "csv.zst", "parquet", "sqlite", "duckdb"]
FLIPS = 200 if support.FULL else 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[Sandbox]:
    async with Sandbox(records=60, clock=support.stopped_clock) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="module")
async def client(service: Sandbox) -> AsyncIterator[TimeZestClient]:
    async with TimeZestClient(
        service.api_key, service.base_url, rate_limiter=RateLimiter(1_000_000, 1.0)
    ) as client:
        yield client


async def begin(client: TimeZestClient, service: Sandbox, path: Path) -> None:
    """Export two pages of three."""
    path.parent.mkdir()
    service.faults.script(None, [None, None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.ExportJob(client.scheduling_requests.list(), path, batch_size=20).run()
    assert path.name not in readers.names_in(path.parent)


async def is_refused_or_right(client: TimeZestClient, service: Sandbox, path: Path) -> bool:
    """Go on; tell whether that was refused, else see that the file is right."""
    try:
        await export.ExportJob.resume(client, path).run()
    except ConfigurationError as error:
        refusal = str(error)
    else:
        refusal = ""
    if not refusal:
        assert readers.read(path) == readers.expected(service.records(), path)
        return False
    assert "overwrite=True" in refusal
    assert path.name not in readers.names_in(path.parent)
    return True


def output_of(path: Path, chance: random.Random) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    return chance.choice(sorted(partial.iterdir())) if partial.is_dir() else partial


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ["jsonl", "sqlite"])
async def test_no_flipped_bit_of_a_state_goes_unnoticed(
    client: TimeZestClient, service: Sandbox, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "a" / f"out.{ending}"
    await begin(client, service, path)
    state = path.with_name(f"{path.name}.partial.checkpoint")
    intact, whole = export.read_unfinished(path), state.read_bytes()
    noticed = 0
    flips = range(0, 8 * len(whole), 1 if support.FULL else 50)
    for bit in flips:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        state.write_bytes(damaged)
        try:
            assert export.read_unfinished(path) == intact
        except ConfigurationError as error:
            assert "start anew with overwrite=True" in str(error)  # noqa: PT017 - one of two ways is right
            noticed += 1
    assert noticed >= len(flips) - 8  # white space at the end may change
    assert intact is not None
    text = states.Place(1, intact.spec.start, export="x").to_text()
    for bit in range(0, 8 * len(text), 1 if support.FULL else 50):
        damaged = bytearray(text.encode())
        damaged[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(ValueError, TimeZestError):
            assert states.Place.from_text(bytes(damaged).decode()) == states.Place.from_text(text)


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    place = chance.randrange(8 * len(data))
    data[place // 8] ^= 1 << place % 8
    path.write_bytes(data)


def truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def zero(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    data[place : place + 512] = bytes(len(data[place : place + 512]))
    path.write_bytes(data)


def swap(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    places = sorted(chance.sample(range(len(data)), 2))
    path.write_bytes(data[places[0] :] + data[: places[0]])


def take_away(path: Path, _: random.Random) -> None:
    path.unlink()


def junk(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(100))


@pytest.mark.timeout(1200)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_damaged_output_is_refused_or_of_no_account(
    client: TimeZestClient, service: Sandbox, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "begun" / f"out.{ending}"
    await begin(client, service, path)
    chance = random.Random(ending)
    refused = 0
    kinds = [flip] * FLIPS + [truncate, zero, swap, take_away, junk] * (FLIPS // 4)
    for number, damage in enumerate(kinds):
        copy = tmp_path / str(number) / path.name
        shutil.copytree(path.parent, copy.parent)
        damage(output_of(copy, chance), chance)
        refused += await is_refused_or_right(client, service, copy)
        shutil.rmtree(copy.parent)
    assert refused


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ["jsonl", "parquet", "sqlite", "duckdb"])
async def test_another_exports_output_is_refused(
    client: TimeZestClient, service: Sandbox, tmp_path: Path, ending: str
) -> None:
    one, other = tmp_path / "one" / f"out.{ending}", tmp_path / "other" / f"out.{ending}"
    await begin(client, service, one)
    await begin(client, service, other)
    for name in (f"{one.name}.partial", f"{one.name}.partial.wal"):
        if (other.parent / name).exists():
            (one.parent / name).rename(tmp_path / name)
            (other.parent / name).rename(one.parent / name)
    # The same text is the same output; a database says whose it is.
    assert await is_refused_or_right(client, service, one) == (ending in {"sqlite", "duckdb"})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_output_that_is_gone_is_told(
    client: TimeZestClient, service: Sandbox, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "begun" / f"out.{ending}"
    await begin(client, service, path)
    for name in readers.names_in(path.parent):
        if not name.endswith(".checkpoint"):
            (path.parent / name).rename(tmp_path / name)
    assert await is_refused_or_right(client, service, path)


def delete(partial: Path) -> None:
    (min(partial.iterdir()) if partial.is_dir() else partial).unlink()


def cut(partial: Path) -> None:
    os.truncate(min(partial.iterdir()) if partial.is_dir() else partial, 7)


def replace(partial: Path) -> None:
    one = min(partial.iterdir()) if partial.is_dir() else partial
    foreign = partial.with_name("foreign")
    foreign.write_bytes(one.read_bytes()[:-1] + b"x")
    foreign.replace(one)


def make(partial: Path) -> None:
    partial.with_name(partial.name.removesuffix(".partial")).write_text("mine")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ["jsonl", "csv.zst", "parquet", "sqlite", "duckdb"])
@pytest.mark.parametrize("damage", [delete, cut, replace, make])
@pytest.mark.parametrize("after", [1, 3])
async def test_damage_during_a_run_is_noticed_before_its_end(
    client: TimeZestClient, tmp_path: Path, ending: str, damage: Callable[[Path], None], after: int
) -> None:
    path = tmp_path / f"out.{ending}"
    partial = tmp_path / f"out.{ending}.partial"
    done = False

    def act(progress: export.Progress) -> None:
        nonlocal done
        if progress.batches == after and not done:
            done = True
            damage(partial)

    job = export.ExportJob(client.scheduling_requests.list(), path, batch_size=20, on_progress=act)
    with pytest.raises((ConfigurationError, OSError)):
        await job.run()
    assert done
    assert not path.exists() or (damage is make and path.read_text() == "mine")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ["jsonl", "parquet", "sqlite"])
async def test_what_is_moved_away_lets_the_export_go_on(
    client: TimeZestClient, service: Sandbox, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    partial = tmp_path / f"out.{ending}.partial"

    def act(progress: export.Progress) -> None:
        if progress.batches:
            make(partial)

    job = export.ExportJob(client.scheduling_requests.list(), path, on_progress=act)
    with pytest.raises(ConfigurationError, match="made by another program"):
        await job.run()
    with pytest.raises(ConfigurationError, match="made by another program"):
        await export.ExportJob.resume(client, path).run()
    path.unlink()
    await export.ExportJob.resume(client, path).run()
    assert readers.read(path) == readers.expected(service.records(), path)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ["jsonl", "parquet", "sqlite", "duckdb"])
async def test_planted_links_are_not_followed_and_drafts_are_private(
    client: TimeZestClient, service: Sandbox, tmp_path: Path, ending: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "shared"
    folder.mkdir()
    path = folder / f"out.{ending}"
    planted = [
        f"{path.name}{end}" for end in (".new", ".partial.checkpoint.new", ".partial.unreadable.jsonl")
    ]
    for name in planted:
        (folder / name).symlink_to(victim)
    modes: set[int] = set()

    def look(_: Any) -> None:
        for one in folder.rglob("*"):
            if (
                ".partial" in one.name
                and not one.name.endswith(".lock")
                and one.is_file()
                and not one.is_symlink()
            ):
                modes.add(one.stat().st_mode & 0o777 if one.parent == folder else 0o600)

    await export.ExportJob(
        client.scheduling_requests.list(), path, batch_size=20, skip_unreadable=True, on_progress=look
    ).run()
    assert victim.read_text() == "precious"
    assert modes == {0o600}
    mask = os.umask(0o022)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    for end in (".partial", ".partial.lock"):
        path.unlink(missing_ok=True)
        (folder / f"{path.name}{end}").symlink_to(victim)
        with pytest.raises(ConfigurationError):
            await export.ExportJob(client.scheduling_requests.list(), path).run()
        (folder / f"{path.name}{end}").unlink()
    assert victim.read_text() == "precious"


def test_a_database_that_cannot_be_opened_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remember(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", remember)
    path = tmp_path / "out.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"damaged" * 1000)
    shape, table = OutputOptions(export.Format.SQLITE), choose_columns("/scheduling_requests", None)
    writer: Any = formats.make_writer(path, "/scheduling_requests", table, shape)
    with pytest.raises(sqlite3.DatabaseError):
        writer.connect(path)
    [connection] = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
