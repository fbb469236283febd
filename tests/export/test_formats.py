from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # it has no type hints
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # as above
import pytest

from tests import support
from tests.export import readers
from timezest_async import ConfigurationError, F, RateLimiter, TimeZestClient, export
from timezest_async.sandbox import Sandbox

ODD = {
    "id": "sreq_odd",
    "status": "=paused",
    "end_user_name": '=HYPERLINK("http://evil.example.com","a, b")\r\nsecond line',
    "end_user_email": "+1@example.com",
    "scheduling_url": "-x",
    "selected_time_zone": "\tTab",
    "appointment_type_id": "@ünïcödé 🗓",
    "created_at": 1_700_000_000,
    "associated_entities": [
        {"type": "connectwise_psa/company", "id": 7, "region": {"name": "Nörd", "codes": [1, 2.5, None]}},
        {"type": "service_now/task", "id": "abc", "number": None},
    ],
    "resources": [{"object": "agent", "id": "agnt_1", "name": None, "level": 3}],
    "scheduled_agents": [],
    "guests_list": ["=a@example.com", ""],
    "earliest_date": 20_240_101,
    "duration_mins": 45,
    "priority": {"deep": [{"er": True}], "n": 1},
    "extra": "a field of this name",
    "=formula": "=1+1",
}


async def fill(sandbox: Sandbox, count: int) -> list[dict[str, Any]]:
    async with Sandbox(records=count, seed=3, clock=support.stopped_clock) as source:
        sandbox.add_many(reversed(source.records()))
    sandbox.add(ODD)
    return sandbox.records()


@pytest.mark.timeout(600)
@pytest.mark.asyncio
@pytest.mark.parametrize("ending", readers.ENDINGS)
async def test_a_file_holds_exactly_the_services_records(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    stored = await fill(sandbox, 20_000 if support.FULL else 1_000)
    path = tmp_path / f"out.{ending}"
    job = export.ExportJob(client.scheduling_requests.list(), path, batch_size=600)
    summary = await job.run()
    assert readers.read(path) == readers.expected(stored, path)
    assert summary.records == len(stored)
    assert summary.bytes == path.stat().st_size
    assert readers.names_in(tmp_path) == [path.name]


@pytest.mark.asyncio
async def test_a_table_in_memory_is_the_parquet_files(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    await fill(sandbox, 200)
    table = await export.to_table(client.scheduling_requests.list())
    await export.to_parquet(client.scheduling_requests.list(), tmp_path / "out.parquet")
    assert table.equals(pq.read_table(tmp_path / "out.parquet"))
    assert table.schema.field("created_at").type == pa.timestamp("us", tz="UTC")


@pytest.mark.asyncio
@pytest.mark.parametrize("entity", ["agents", "teams", "resources", "appointment_types"])
async def test_other_entities(client: TimeZestClient, sandbox: Sandbox, tmp_path: Path, entity: str) -> None:
    sandbox.add({"object": "agent", "id": "agnt_1", "name": "Ada", "schedulable": False, "shoe_size": 44})
    sandbox.add({"object": "team", "id": "team_1", "internal_name": "Tier 1", "external_name": "Support"})
    sandbox.add({"object": "appointment_type", "id": "apty_1", "duration_mins": 30})
    paginator = getattr(client, entity).list()
    stored = sandbox.records(entity.removesuffix("s"))
    for ending in ("jsonl", "csv", "parquet", "sqlite", "duckdb"):
        await export.ExportJob(paginator, tmp_path / f"{entity}.{ending}").run()
    assert readers.read(tmp_path / f"{entity}.jsonl") == stored
    names = [column.name for column in export.TABLES[f"/{entity}"].columns]
    table = pq.read_table(tmp_path / f"{entity}.parquet").to_pylist()
    by_database: list[Any] = []
    connect: Any
    for ending, connect in (("sqlite", sqlite3.connect), ("duckdb", duckdb.connect)):
        with closing(connect(str(tmp_path / f"{entity}.{ending}"))) as connection:
            by_database.append(connection.execute(f"SELECT * FROM {entity}").fetchall())
    with (tmp_path / f"{entity}.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    for index, record in enumerate(stored):
        for name in set(names) - {"extra", "created_at", "updated_at"}:
            assert table[index][name] == record.get(name)
            assert by_database[1][index][names.index(name)] == record.get(name)
            sqlite_value = by_database[0][index][names.index(name)]
            assert sqlite_value == record.get(name)
            text = {None: "", True: "true", False: "false"}.get(record.get(name), str(record.get(name)))
            assert cells[index][name] == text
        assert int(table[index]["created_at"].timestamp()) == record["created_at"]
        assert table[index]["extra"] == ('{"shoe_size":44}' if "shoe_size" in record else None)


@pytest.mark.asyncio
async def test_a_filter_a_limit_and_walking_back(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    stored = await fill(sandbox, 300)
    requests = client.scheduling_requests
    wanted = (F.status == "scheduled") | (F.status == "new")
    await export.to_jsonl(requests.list(wanted), tmp_path / "either.jsonl", batch_size=7)
    either = [one for one in stored if one["status"] in {"scheduled", "new"}]
    assert readers.read(tmp_path / "either.jsonl") == either
    await export.to_csv(requests.list(limit=33), tmp_path / "few.csv", batch_size=10)
    assert len(readers.read(tmp_path / "few.csv")) == 33
    place = stored[100]["id"]
    await export.to_jsonl(requests.list(ending_before=place), tmp_path / "back.jsonl")
    assert readers.read(tmp_path / "back.jsonl") == stored[:100][::-1]
    await export.to_parquet(requests.list(limit=0), tmp_path / "none.parquet")
    assert readers.read(tmp_path / "none.parquet") == []


@pytest.mark.asyncio
async def test_fields_are_chosen_and_ordered(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add(ODD)
    paginator = client.scheduling_requests.list()
    fields = ["status", "id", "extra", "updated_at"]
    unknown = {"priority": ODD["priority"], "extra": ODD["extra"], "=formula": "=1+1"}
    for ending in ("jsonl", "csv", "parquet", "sqlite", "duckdb"):
        path = tmp_path / f"out.{ending}"
        await export.ExportJob(paginator, path, fields=fields).run()
        [row] = readers.read(path)
        if ending == "jsonl":
            assert row == {"status": "=paused", "id": "sreq_odd", **unknown}
        else:
            assert list(row) == fields
            assert json.loads(row["extra"]) == unknown
            assert row["id"] == "sreq_odd"
    stream = io.BytesIO()
    assert await export.to_stream(paginator, stream, fields=["id"]) == 1
    assert stream.getvalue() == b'{"id":"sreq_odd"}\n'


@pytest.mark.asyncio
async def test_formulas_are_neutralised_unless_raw(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add(ODD)
    paginator = client.scheduling_requests.list()
    await export.to_csv(paginator, tmp_path / "safe.csv")
    await export.to_csv(paginator, tmp_path / "raw.csv", raw_csv=True)
    [safe] = readers.read(tmp_path / "safe.csv")
    [raw] = readers.read(tmp_path / "raw.csv")
    for name in (
        "end_user_name",
        "end_user_email",
        "scheduling_url",
        "selected_time_zone",
        "appointment_type_id",
    ):
        assert raw[name] == ODD[name]
        assert safe[name] == f"'{ODD[name]}"
    starts = ("=", "+", "-", "@", "\t", "\r")
    assert not any(cell.startswith(starts) for cell in safe.values() if isinstance(cell, str))
    assert (tmp_path / "safe.csv").read_bytes().count(
        b"\r\n"
    ) == 2 + 1  # header, record, and one within a cell


@pytest.mark.asyncio
async def test_a_stream_takes_what_a_file_would_hold(client: TimeZestClient, sandbox: Sandbox) -> None:
    stored = await fill(sandbox, 50)
    stream = io.BytesIO()
    told: list[export.Progress] = []
    await export.to_stream(client.scheduling_requests.list(), stream, on_progress=told.append)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == stored
    assert [progress.records for progress in told] == [0, 20, 40, len(stored)]
    assert told[-1].last == datetime.fromtimestamp(stored[-1]["created_at"], UTC)
    with pytest.raises(ConfigurationError, match="only jsonl and csv"):
        await export.to_stream(client.scheduling_requests.list(), stream, format="parquet")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"path": "out.txt"}, "end it in one of .jsonl"),
        ({"path": "out"}, "or give format="),
        ({"path": "out.jsonl", "format": "xlsx"}, "one of jsonl, csv, parquet"),
        ({"path": "out.jsonl", "compress": "br"}, "one of gzip, zstd"),
        ({"path": "out.parquet.gz"}, "compresses its own"),
        ({"path": "out.csv", "fields": ["id", "stauts"]}, "did you mean 'status'"),
        ({"path": "out.csv", "fields": ["id", "id"]}, "twice"),
        ({"path": "out.csv", "fields": []}, "empty"),
        ({"path": "out.csv", "fields": "id"}, "a list of names"),
        ({"path": "out.csv", "resume": True, "overwrite": True}, "one of them"),
        ({"path": "out.csv", "batch_size": 0}, "from 1"),
    ],
)
def test_wrong_arguments_are_explained(arguments: dict[str, Any], says: str) -> None:
    client = TimeZestClient("key", "http://127.0.0.1:1/v1")
    with pytest.raises(ConfigurationError, match=says):
        export.ExportJob(client.scheduling_requests.list(), **arguments)


@pytest.mark.parametrize(
    ("module", "ending", "extra"),
    [
        ("pyarrow", "parquet", "parquet"),
        ("duckdb", "duckdb", "duckdb"),
        ("zstandard", "csv.zst", "zstd"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, module: str, ending: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)

    class Refuse:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == module:
                raise ModuleNotFoundError(f"No module named {name!r}", name=module)

    monkeypatch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])
    client = TimeZestClient("key", "http://127.0.0.1:1/v1")
    with pytest.raises(ConfigurationError, match=rf"pip install 'timezest-async\[{extra}\]'"):
        export.ExportJob(client.scheduling_requests.list(), f"out.{ending}")


def test_importing_export_imports_no_library() -> None:
    program = (
        "import sys, timezest_async.export;"
        "print(*sys.modules.keys() & {'pyarrow', 'duckdb', 'zstandard', 'sqlite3', 'msgspec'})"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_every_column_is_documented_with_its_kind() -> None:
    document = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    for path, table in export.TABLES.items():
        section = document.partition(f"### `{table.name}`")[2].partition("###")[0]
        rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
        said = [(name.strip(" `"), kind.strip()) for name, kind in rows]
        assert said == [(column.name, column.kind.value) for column in table.columns], path


@pytest.mark.asyncio
async def test_several_readers_give_the_same_file(sandbox: Sandbox, tmp_path: Path) -> None:
    stored = await fill(sandbox, 1_000)
    async with TimeZestClient(
        sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(1_000_000, 1.0)
    ) as client:
        await export.to_jsonl(
            client.scheduling_requests.list(concurrency=4), tmp_path / "out.jsonl", batch_size=90
        )
    assert readers.read(tmp_path / "out.jsonl") == stored
