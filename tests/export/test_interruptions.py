from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import pytest_asyncio

from tests import support
from tests.export import readers
from timezest_async import ConfigurationError, F, RateLimiter, TimeZestClient, TimeZestError, export
from timezest_async.export import atomic_files as durable, job as jobs, output_files
from timezest_async.export.formats import columns
from timezest_async.sandbox import (
    DropBeforeHeaders,
    DropMidBody,
    Sandbox,
    Status,
    TooManyRequests,
    TruncatedJSON,
)

ENDINGS = ["jsonl", "csv.gz", "jsonl.zst", "parquet", "sqlite", "duckdb"]
RECORDS = 3_000 if support.FULL else 1_500
KILLS = 12 if support.FULL else 1
BATCH = 100
WORKER = Path(__file__).with_name("worker.py")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full() -> AsyncIterator[Sandbox]:
    async with Sandbox(records=RECORDS, keep_requests=False, clock=support.stopped_clock) as sandbox:
        yield sandbox


def make_client(sandbox: Sandbox, attempts: int = 5) -> TimeZestClient:
    limiter = RateLimiter(1_000_000, 0.02)
    return TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=limiter, max_attempts=attempts)


async def start_worker(sandbox: Sandbox, path: Path, *more: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        sandbox.base_url,
        str(path),
        str(BATCH),
        *map(str, more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def assert_whole(path: Path, sandbox: Sandbox) -> None:
    assert readers.read(path) == readers.expected(sandbox.records(), path)
    assert readers.names_in(path.parent) == [path.name]


async def kill_after(process: asyncio.subprocess.Process, lines: int, kind: signal.Signals) -> None:
    """Signal a worker at some moment after so many of its lines; it may have ended by then."""
    assert process.stdout is not None
    for _ in range(lines):
        if not await process.stdout.readline():
            break
    await asyncio.sleep(random.random() * 0.01)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(kind)
    await process.communicate()


@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_killed_export_resumes_to_the_uninterrupted_file(
    full: Sandbox, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    chance = random.Random(ending)
    ends = []
    for _ in range(KILLS):
        process = await start_worker(full, path)
        await kill_after(process, chance.randint(0, 3 * RECORDS // BATCH // KILLS), signal.SIGKILL)
        ends.append(process.returncode)
    process = await start_worker(full, path)
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert -signal.SIGKILL in ends
    assert_whole(path, full)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ["jsonl", "parquet", "sqlite", "duckdb"])
@pytest.mark.parametrize("step", ["save", "install", "replace", "remove", "sync_folder"])
async def test_a_crash_at_every_step_of_the_end_is_mended(
    full: Sandbox, tmp_path: Path, ending: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CrashError(BaseException):
        pass

    path = tmp_path / f"out.{ending}"
    for calls in range(1, 5):
        module = output_files if step in {"install", "replace"} else jobs
        real = getattr(module, step, None) or export.ResumeState.save
        left = calls

        def crash(*arguments: Any, real: Any = real) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise CrashError
            real(*arguments)

        async with make_client(full) as client:
            paginator = client.scheduling_requests.list(limit=45)
            job = export.ExportJob(paginator, path, resume=calls == 1, overwrite=calls > 1, batch_size=50)
            reading = True

            def arm(progress: export.Progress, crash: Any = crash, module: Any = module) -> None:
                nonlocal reading
                if progress.phase == "finishing" and reading:
                    reading = False
                    if step == "save":
                        monkeypatch.setattr(export.ResumeState, "save", crash)
                    else:
                        monkeypatch.setattr(module, step, crash)

            job._tracker._on_progress = arm
            with contextlib.suppress(CrashError):
                await job.run()
            monkeypatch.undo()
            unfinished = export.read_unfinished(path)
            if unfinished is not None:
                await export.ExportJob.resume(client, path).run()
        assert readers.read(path) == readers.expected(full.records()[:45], path)
        assert readers.names_in(tmp_path) == [path.name]
        if left > 0:  # there was no such call: nor would there be a later one
            break


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_full_disk(full: Sandbox, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    limit = {"jsonl": 700_000, "sqlite": 500_000, "duckdb": 900_000, "parquet": 60_000}.get(ending, 30_000)
    process = await start_worker(full, path, limit)
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert "OSError" in errors.decode()
    assert not path.exists()
    process = await start_worker(full, path)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    if ending != "parquet":  # whose parts are small: the file that is made of them was too large
        assert int(output.split()[1]) > BATCH
    assert_whole(path, full)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_termination_makes_durable_what_was_read(full: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    async with make_client(full) as client:
        running = asyncio.Event()

        def tell(progress: export.Progress) -> None:
            if progress.records >= 460:
                running.set()

        job = export.ExportJob(client.scheduling_requests.list(), path, on_progress=tell)
        task = asyncio.create_task(job.run())
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert job.progress.durable == job.progress.records >= 460
        summary = await export.ExportJob.resume(client, path).run()
        assert summary.resumed == job.progress.durable
    assert_whole(path, full)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ending", ENDINGS)
async def test_faults_and_storms_of_429(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    async with (
        Sandbox(records=1_500, clock=support.stopped_clock) as sandbox,
        make_client(sandbox, attempts=1) as client,
    ):
        faults = [
            DropBeforeHeaders(),
            DropMidBody(),
            TruncatedJSON(),
            Status(503),
            Status(403),
            TooManyRequests(0),
        ]
        sandbox.faults.randomly(0.08, faults)
        sandbox.faults.script("GET /scheduling_requests", [None] * 9 + [TooManyRequests(0)] * 12)
        failures = 0
        for _ in range(200):
            job = export.ExportJob(client.scheduling_requests.list(), path, resume=True, batch_size=BATCH)
            try:
                await job.run()
                break
            except TimeZestError:
                failures += 1
                assert not path.exists()
                assert job.progress.durable == job.progress.records
        assert failures > 5
        assert_whole(path, sandbox)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_resuming_a_merged_list(full: Sandbox, tmp_path: Path, concurrency: int) -> None:
    path = tmp_path / "out.jsonl"
    wanted = (F.status == "scheduled") | F.end_user_email.like("brennan")
    async with make_client(full, attempts=1) as client:
        full.faults.script(None, [None] * 6 + [Status(403)])
        try:
            with pytest.raises(TimeZestError):
                await export.to_jsonl(
                    client.scheduling_requests.list(wanted, concurrency=concurrency), path, batch_size=BATCH
                )
        finally:
            full.faults.clear()
        summary = await export.ExportJob.resume(client, path, concurrency=concurrency).run()
        assert summary.resumed
    chosen = [
        one for one in full.records() if one["status"] == "scheduled" or "brennan" in one["end_user_email"]
    ]
    assert readers.read(path) == chosen


@pytest.mark.asyncio
async def test_what_is_there_is_not_touched_unasked(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    for number in range(60):
        sandbox.add(id=f"sreq_{number}", created_at=number)
    requests = client.scheduling_requests
    sandbox.faults.script(None, [None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.to_jsonl(requests.list(), path, fields=["id"])
    before = (tmp_path / "out.jsonl.partial").read_bytes()

    with pytest.raises(ConfigurationError, match="unfinished export: resume=True goes on"):
        await export.to_jsonl(requests.list(), path, fields=["id"])
    for paginator, options, says in [
        (requests.list(), {}, "another fields"),
        (requests.list(F.status == "scheduled"), {"fields": ["id"]}, "another filter"),
        (requests.list(limit=50), {"fields": ["id"]}, "another limit"),
        (requests.list(starting_after="sreq_9"), {"fields": ["id"]}, "another start"),
        (client.agents.list(), {"fields": ["id"]}, "another list"),
    ]:
        with pytest.raises(ConfigurationError, match=says):
            await export.to_jsonl(paginator, path, resume=True, **options)  # type: ignore[arg-type]  # a table of options
    with pytest.raises(ConfigurationError, match="another format"):
        await export.to_csv(requests.list(), path, resume=True, fields=["id"])
    with pytest.raises(ConfigurationError, match="another compression"):
        await export.to_jsonl(requests.list(), path, resume=True, fields=["id"], compress="gzip")
    assert (tmp_path / "out.jsonl.partial").read_bytes() == before

    await export.to_jsonl(requests.list(), path, resume=True, fields=["id"])
    finished = path.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already: overwrite=True"):
        await export.to_jsonl(requests.list(), path, fields=["id"])
    summary = await export.to_jsonl(requests.list(), path, fields=["id"], resume=True)
    assert (summary.records, summary.pages) == (None, 0)
    assert path.read_bytes() == finished
    sandbox.requests_seen.clear()
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder: name a file"):
        await export.to_jsonl(requests.list(), tmp_path / "folder.jsonl", overwrite=True)
    with pytest.raises(ConfigurationError, match="there is no folder .*none: make it first"):
        await export.to_jsonl(requests.list(), tmp_path / "none" / "out.jsonl")
    with pytest.raises(ConfigurationError, match="there is no folder .*none: make it first"):
        await export.IncrementalExport(client, tmp_path / "out.db", tmp_path / "none" / "state").run()
    assert sandbox.requests_seen == []
    with pytest.raises(ConfigurationError, match="nothing to resume.*is finished"):
        export.ExportJob.resume(client, path)

    # The old file stays until the new one is whole, and a resumed overwriting replaces it.
    sandbox.faults.script(None, [None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.to_jsonl(requests.list(), path, overwrite=True)
    assert path.read_bytes() == finished
    await export.ExportJob.resume(client, path).run()
    assert readers.read(path) == sandbox.records()


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["jsonl", "csv.gz", "parquet"])
async def test_what_lies_beyond_the_checkpoint_is_forgotten(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        sandbox.add(id=f"sreq_{number}", created_at=number)
    path = tmp_path / f"out.{ending}"
    real, left = export.ResumeState.save, 4

    def save(state: export.ResumeState, file: Path) -> None:
        nonlocal left
        left -= 1
        if not left:  # the second batch is on the disk by now
            raise OSError("power cut")
        real(state, file)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="power cut"):
        patch.setattr(export.ResumeState, "save", save)
        await export.ExportJob(client.scheduling_requests.list(), path, batch_size=20).run()
    unfinished = export.read_unfinished(path)
    assert unfinished is not None
    assert unfinished.place is not None
    assert unfinished.place.records == 20
    partial = tmp_path / f"out.{ending}.partial"
    if ending == "parquet":
        (partial / "part-000099.arrow").write_bytes(b"begun")
    else:
        with partial.open("ab") as file:
            file.write(b"begun")
    await export.ExportJob.resume(client, path).run()
    assert readers.read(path) == readers.expected(sandbox.records(), path)


@pytest.mark.asyncio
async def test_damage_is_noticed(client: TimeZestClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(60):
        sandbox.add(id=f"sreq_{number}", created_at=number)
    paginator = client.scheduling_requests.list()
    for ending in ("jsonl", "parquet"):
        path = tmp_path / f"out.{ending}"
        partial = tmp_path / f"out.{ending}.partial"
        sandbox.faults.script(None, [None, Status(403)])
        with pytest.raises(TimeZestError):
            await export.ExportJob(paginator, path).run()
        damaged = partial if ending == "jsonl" else partial / "part-000001.arrow"
        if ending == "jsonl":
            os.truncate(damaged, 5)
        else:
            damaged.unlink()
        with pytest.raises(ConfigurationError, match="cannot be resumed"):
            await export.ExportJob(paginator, path, resume=True).run()
        (tmp_path / f"out.{ending}.partial.checkpoint").write_text("{}")
        with pytest.raises(ConfigurationError, match="not the checkpoint of an export"):
            await export.ExportJob(paginator, path, resume=True).run()
        (tmp_path / f"out.{ending}.partial.checkpoint").unlink()
        with pytest.raises(ConfigurationError, match="without the checkpoint"):
            await export.ExportJob(paginator, path, resume=True).run()
        await export.ExportJob(paginator, path, overwrite=True).run()
        assert readers.read(path) == readers.expected(sandbox.records(), path)


@pytest.mark.asyncio
async def test_two_processes_do_not_write_one_file(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add(id="sreq_1", created_at=1)
    path = tmp_path / "out.jsonl"
    job = export.ExportJob(client.scheduling_requests.list(), path)
    with (
        durable.locked(job.paths.lock),
        pytest.raises(ConfigurationError, match="another process is writing"),
    ):
        await job.run()
    await job.run()
    assert readers.names_in(tmp_path) == ["out.jsonl"]


@pytest.mark.asyncio
async def test_progress_tells_how_far_it_is(client: TimeZestClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(50):
        sandbox.add(id=f"sreq_{number}", created_at=number)
    seen: list[export.Progress] = []
    await export.to_jsonl(
        client.scheduling_requests.list(), tmp_path / "a.jsonl", on_progress=seen.append, batch_size=20
    )
    assert [one.phase for one in seen][-2:] == ["finishing", "done"]
    assert (seen[-1].records, seen[-1].durable, seen[-1].pages, seen[-1].batches) == (50, 50, 3, 3)
    assert seen[-1].first is not None
    assert seen[-1].last is not None
    assert (seen[-1].first.timestamp(), seen[-1].last.timestamp()) == (49, 0)
    assert all(one.durable <= one.records for one in seen)

    def complain(progress: export.Progress) -> None:
        if progress.records == 20:
            raise RuntimeError("from the caller")

    path = tmp_path / "b.jsonl"
    with pytest.raises(RuntimeError, match="from the caller"):
        await export.to_jsonl(client.scheduling_requests.list(), path, on_progress=complain)
    await export.to_jsonl(client.scheduling_requests.list(), path, resume=True)
    assert readers.read(path) == sandbox.records()


@pytest.mark.asyncio
async def test_a_failing_write_is_an_os_error_and_is_resumed(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        sandbox.add(id=f"sreq_{number}", created_at=number)
    path = tmp_path / "out.csv"
    real, left = os.fsync, 6

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        await export.to_csv(client.scheduling_requests.list(), path, batch_size=20)
    monkeypatch.undo()
    await export.to_csv(client.scheduling_requests.list(), path, batch_size=20, resume=True)
    assert readers.read(path) == readers.expected(sandbox.records(), path)


def make_old(path: Path) -> None:
    """Make of an unfinished export what the version before checksums would have left."""
    state = path.with_name(f"{path.name}.partial.checkpoint")
    value = json.loads(state.read_text())["state"]
    place = None if value["place"] is None else old_place(value["place"])
    for name in ("columns", "skip_unreadable", "export", "whole"):
        del value[name]
    value["shape"]["fields"] = None
    state.write_text(json.dumps(value | {"timezest_export": 1, "place": place}))
    connect: Any = {".sqlite": sqlite3.connect, ".duckdb": duckdb.connect}.get(path.suffix)
    if connect is not None:
        with contextlib.closing(connect(f"{path}.partial")) as connection:
            [[text]] = connection.execute("SELECT place FROM timezest_export_place").fetchall()
            connection.execute("UPDATE timezest_export_place SET place = ?", [old_place(text)])
            connection.commit()


def old_place(text: str) -> str:
    known = {"records", "checkpoint", "extent", "first", "last"}
    value = {name: one for name, one in json.loads(text)["state"].items() if name in known}
    return json.dumps(value)


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "sqlite", "duckdb"])
async def test_what_an_earlier_version_began_keeps_its_columns(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    """Its checkpoint named no columns, and had none that are worked out."""
    for number in range(60):
        sandbox.add(id=f"sreq_{number}", created_at=number)
    path = tmp_path / f"out.{ending}"
    fields = None if ending == "jsonl" else columns.first_columns("/scheduling_requests", None)
    sandbox.faults.script(None, [None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.ExportJob(client.scheduling_requests.list(), path, fields=fields).run()
    make_old(path)
    summary = await export.ExportJob.resume(client, path).run()
    assert (summary.records, summary.resumed) == (60, 20)
    rows = readers.read(path)
    assert [row["id"] for row in rows] == [f"sreq_{number}" for number in reversed(range(60))]
    assert ending == "jsonl" or list(rows[-1]) == list(columns.first_columns("/scheduling_requests", None))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "ending", ["sqlite", "duckdb"] if support.FULL else ["duckdb"]
)  # SQLite waits for 5 s
async def test_a_database_that_somebody_looks_into_is_not_called_damaged(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    for number in range(60):
        sandbox.add(id=f"sreq_{number}", created_at=number)
    path = tmp_path / f"out.{ending}"
    sandbox.faults.script(None, [None, Status(403)])
    with pytest.raises(TimeZestError):
        await export.ExportJob(client.scheduling_requests.list(), path).run()
    program = {
        "sqlite": "import sqlite3; c = sqlite3.connect({!r}); c.execute('BEGIN EXCLUSIVE')",
        "duckdb": "import duckdb; c = duckdb.connect({!r})",
    }[ending].format(f"{path}.partial")
    looker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{program}; print(1, flush=True); input()",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert looker.stdout is not None
    await looker.stdout.readline()
    with pytest.raises(OSError, match="lock"):
        await export.ExportJob.resume(client, path).run()
    await looker.communicate(b"\n")
    await export.ExportJob.resume(client, path).run()
    assert readers.read(path) == readers.expected(sandbox.records(), path)
