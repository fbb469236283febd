from __future__ import annotations

import gzip
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
import zstandard

from timezest_async import ConfigurationError, SchedulingRequest, TimeZestClient, export
from timezest_async.reports import Analysis, Report, read_names, read_requests
from timezest_async.sandbox import Sandbox

NOW = 1_790_000_000
RECORD: dict[str, Any] = {"id": "sreq_1", "status": "new", "created_at": NOW}
FORMATS = {
    "all.jsonl": export.to_jsonl,
    "all.jsonl.gz": export.to_jsonl,
    "all.ndjson.zst": export.to_jsonl,
    "all.csv": export.to_csv,
    "all.csv.gz": export.to_csv,
    "all.parquet": export.to_parquet,
    "all.sqlite": export.to_sqlite,
    "all.duckdb": export.to_duckdb,
}


@pytest_asyncio.fixture
async def sandbox() -> Any:
    async with Sandbox(records=150, clock=lambda: NOW) as sandbox:
        for number, name in enumerate(("=1+1", "-x", "plain", 'Zoë\r\n"quoted", comma')):
            sandbox.add(RECORD | {"id": f"sreq_{number}", "end_user_name": name, "colour": {"a": [1, None]}})
        yield sandbox


def report(requests: Any) -> Report:
    analysis = Analysis()
    for request in requests:
        analysis.add(request)
    made = analysis.report()
    return attrs.evolve(made, made_at=made.last_created_at)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", FORMATS)
async def test_an_exported_file_reads_as_what_was_exported(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path, name: str
) -> None:
    write: Callable[..., Awaitable[Any]] = FORMATS[name]
    requests = client.scheduling_requests.list()
    await write(requests, tmp_path / name, batch_size=40)
    expected = sorted(await requests.to_list(), key=lambda r: r.id)
    found = sorted(read_requests(tmp_path / name), key=lambda r: r.id)
    assert [without_nulls(r) for r in found] == [without_nulls(r) for r in expected]
    assert report(found) == report(expected)


def without_nulls(request: SchedulingRequest) -> dict[str, Any]:
    """Drop what columns cannot tell from a field that was left out; ids of entities are text there."""
    wire = {name: value for name, value in request.to_dict().items() if value not in (None, [])}
    for name in ("associated_entities", "resources", "scheduled_agents"):
        wire[name] = [{k: str(v) for k, v in item.items() if v is not None} for item in wire.get(name, [])]
    return wire


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet", "x.sqlite", "x.duckdb"])
async def test_names_are_read_from_directory_exports(
    sandbox: Sandbox, client: TimeZestClient, tmp_path: Path, name: str
) -> None:
    write = FORMATS[name.replace("x.", "all.")]
    for paginator in (client.agents.list(), client.teams.list(), client.appointment_types.list()):
        await write(paginator, tmp_path / name, overwrite=True)
        records = await paginator.to_list()
        assert records
        assert read_names(tmp_path / name) == {record.id: record.name for record in records}
    with pytest.raises(ConfigurationError, match=r"record 1 is of kind|record 1 is not a scheduling request"):
        list(read_requests(tmp_path / name))


def test_arrays_may_be_missing_and_blank_lines_and_members_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl.gz"
    line = json.dumps(RECORD).encode() + b"\n"
    path.write_bytes(gzip.compress(line + b"\n") + gzip.compress(line.rstrip()))
    assert [request.id for request in read_requests(path)] == ["sreq_1", "sreq_1"]


GOOD = json.dumps(RECORD).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", GOOD + b'{"id": ', "line 2 is not JSON"),
        ("x.jsonl", GOOD + b"[1]\n", "line 2 is not a JSON object"),
        ("x.jsonl", b"[" * 200_000, "line 1 is not JSON"),
        ("x.jsonl", GOOD + b'{"id": "a"}\n', "record 2 is not a scheduling request: "),
        (
            "x.jsonl",
            b'{"id": "agnt_1", "object": "agent"}',
            "of kind 'agent': such files are given by --names",
        ),
        ("x.jsonl", b"\xff\xfe\n", "is damaged"),
        ("x.jsonl.gz", gzip.compress(GOOD * 99, mtime=0)[:-12], "is damaged"),
        ("x.jsonl.gz", GOOD, "Not a gzipped file"),
        ("x.jsonl.zst", GOOD, "is damaged"),
        ("x.jsonl.zst", zstandard.compress(GOOD * 99) + zstandard.compress(GOOD)[:-3], "within a zstd frame"),
        ("x.csv", b'id,status,created_at\n"a,new,2026', "is damaged"),
        ("x.csv", b"id,status,created_at\na,new,soon\n", "is damaged"),
        (
            "x.csv",
            b"id,status,created_at,extra\na,new,2026-01-01T00:00:00Z,[1]\n",
            "a JSON object was expected",
        ),
        ("x.sqlite", b"no database at all" * 99, "x.sqlite"),
        ("x.duckdb", b"no database at all" * 999, "x.duckdb"),
        ("x.parquet", b"no parquet at all", "x.parquet"),
        ("x.jsonl", None, "No such file"),
        ("x.sqlite", None, "x.sqlite"),
        ("x.duckdb", None, "there is no such file|No such file"),
        ("x.parquet", None, "x.parquet"),
        ("x.txt", b"", "the format cannot be told"),
    ],
)
def test_what_cannot_be_read_is_explained(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        list(read_requests(tmp_path / name))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_file_may_have_any_name(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    for name in ("x.jsonl", "x.jsonl.gz", "x.jsonl.zst"):
        (tmp_path / name).write_bytes(compress(GOOD))
        assert [request.id for request in read_requests(tmp_path / name)] == ["sreq_1"]


def test_a_database_without_our_tables_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE other (id)")
    connection.close()
    with pytest.raises(ConfigurationError, match="has no table of an export"):
        list(read_requests(tmp_path / "x.db"))


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("x.jsonl.zst", "zstandard", "zstd"),
        ("x.parquet", "pyarrow.parquet", "parquet"),
        ("x.duckdb", "duckdb", "duckdb"),
    ],
)
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'timezest-async\[{extra}\]'"):
        list(read_requests(tmp_path / name))
