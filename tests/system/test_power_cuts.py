"""What a power cut leaves: of each file what was synced last, by the names that its folder had when synced.

After every sync of an export the disk is pictured like that. A finished file is whole in every picture of it;
what is unfinished is gone on with, from the picture, to the same records. Without ``os.fsync`` there is none.
"""

from __future__ import annotations

import inspect
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.export import readers
from timezest_async import RateLimiter, TimeZestClient, export
from timezest_async.export import atomic_files as durable, formats
from timezest_async.export.formats.columns import choose_columns
from timezest_async.export.formats.selection import OutputOptions
from timezest_async.sandbox import Sandbox

Picture = dict[str, "bytes | Picture"]


class Disk:
    """Pictures what is durable below a folder, and keeps a log of the calls that make it so."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert inspect.isbuiltin(os.fsync), "nothing is synced here"
        self.folder = folder
        self.log: list[tuple[str, ...]] = []
        self.pictures: list[Picture] = []
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, os.stat_result]] = {}
        monkeypatch.setattr(os, "open", self.open(os.open))
        for name in ("fsync", "replace", "rename", "link"):
            monkeypatch.setattr(os, name, getattr(self, name)(getattr(os, name)))

    def open(self, real: Any) -> Any:
        def opening(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            descriptor: int = real(path, flags, *rest, **more)
            if flags & os.O_EXCL:  # its number may have been another file's
                self._contents.pop(os.fstat(descriptor).st_ino, None)
            return descriptor

        return opening

    def fsync(self, real: Any) -> Any:
        def fsync(descriptor: int) -> None:
            real(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                self._names[found.st_ino] = {one.name: one.lstat() for one in path.iterdir()}
            else:
                self._contents[found.st_ino] = path.read_bytes()
            self.log.append(("fsync", path.name))
            self.pictures.append(self._picture(self.folder.stat()))

        return fsync

    def _renaming(self, name: str, real: Any) -> Any:
        def renaming(source: Any, target: Any) -> None:
            real(source, target)
            self.log.append((name, Path(source).name, Path(target).name))

        return renaming

    def replace(self, real: Any) -> Any:
        return self._renaming("rename", real)

    rename = replace

    def link(self, real: Any) -> Any:
        return self._renaming("rename", real)

    def _picture(self, folder: os.stat_result) -> Picture:
        names = self._names.get(folder.st_ino, {})
        return {
            name: self._picture(found)
            if stat.S_ISDIR(found.st_mode)
            else self._contents.get(found.st_ino, b"")
            for name, found in names.items()
        }


def restore(picture: Picture, folder: Path) -> None:
    folder.mkdir()
    for name, content in picture.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            restore(content, folder / name)


@pytest.mark.asyncio
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are named by /proc")
@pytest.mark.parametrize("ending", ["jsonl", "csv.gz", "parquet"])
@pytest.mark.parametrize("overwrite", [False, True])
async def test_every_picture_of_the_disk_is_whole_or_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, *, overwrite: bool
) -> None:
    async with (
        Sandbox(records=70, clock=support.stopped_clock) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(1_000_000, 1.0)) as client,
    ):
        expected = readers.expected(sandbox.records(), Path(f"out.{ending}"))
        for bad in range(3):
            sandbox.add(id=f"sreq_bad{bad}", status=7, created_at=bad)
        requests = client.scheduling_requests.list()
        path = tmp_path / "disk" / f"out.{ending}"
        path.parent.mkdir()
        if overwrite:
            path.write_text("old")
        with monkeypatch.context() as patch:
            disk = Disk(path.parent, patch)
            for one in [path] if overwrite else []:
                durable.sync_file(one)
            durable.sync_folder(path.parent)
            await export.ExportJob(
                requests, path, batch_size=20, skip_unreadable=True, overwrite=overwrite
            ).run()
        seen = {repr(picture): picture for picture in disk.pictures}
        assert len(seen) > 10
        assert disk.pictures[-1][path.name] == path.read_bytes()
        pictures = [*seen.values()][:: 1 if support.FULL else 4]
        for number, picture in enumerate([*pictures, disk.pictures[-1]]):
            folder = tmp_path / f"after {number}"
            restore(picture, folder)
            found = folder / path.name
            if export.read_unfinished(found) is not None:
                await export.ExportJob.resume(client, found).run()
            elif not found.exists() or found.read_bytes() == b"old":
                assert number < 4  # nothing was begun
                continue
            assert readers.read(found) == expected
            beside = folder / f"{path.name}.unreadable.jsonl"
            assert len(beside.read_text().splitlines()) == 3


@pytest.mark.asyncio
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are named by /proc")
@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "sqlite", "duckdb"])
async def test_a_name_is_given_after_the_content_is_durable(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    sandbox.add(id="sreq_1", created_at=1)
    path = tmp_path / f"out.{ending}"
    whole = "whole.parquet" if ending == "parquet" else f"{path.name}.partial"
    with monkeypatch.context() as patch:
        disk = Disk(tmp_path, patch)
        await export.ExportJob(client.scheduling_requests.list(), path).run()
    named = disk.log.index(("rename", whole, path.name))
    assert ("fsync", whole) in disk.log[:named]
    assert disk.log[named + 1] == ("fsync", tmp_path.name)
    # So are states, and each before what comes after it.
    drafts = [number for number, call in enumerate(disk.log) if call[-1].endswith(".checkpoint")]
    assert len(drafts) >= 3
    for number in drafts:
        (_, draft, state), before, after = disk.log[number], disk.log[number - 1], disk.log[number + 1]
        assert (before, after) == (("fsync", draft), ("fsync", tmp_path.name))
        assert draft != state
    # What is ready is in its state before it has its name.
    assert max(drafts) < named


def test_sqlite_syncs_every_transaction(tmp_path: Path) -> None:
    shape = OutputOptions(export.Format.SQLITE)
    table = choose_columns("/scheduling_requests", None)
    writer: Any = formats.make_writer(tmp_path / "out.db", "/scheduling_requests", table, shape)
    connection: sqlite3.Connection = writer.connect(tmp_path / "out.db")
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


@pytest.mark.asyncio
async def test_without_syncs_nothing_is_durable(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are of what is synced, not of what is written."""
    sandbox.add(id="sreq_1", created_at=1)
    (tmp_path / "disk").mkdir()
    with monkeypatch.context() as patch:
        disk = Disk(tmp_path / "disk", patch)
        patch.setattr(durable, "write_all", lambda descriptor, chunks: os.writev(descriptor, list(chunks)))
        patch.setattr(durable, "sync_folder", lambda _: None)
        durable.write_text(tmp_path / "disk" / "state", "text")
    assert disk.pictures == []
