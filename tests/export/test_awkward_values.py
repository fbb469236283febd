"""Nothing that a list can yield stops an export, in any format; and it is read back as it was.

Read back with libraries that are not ours. What is replaced is said in ``docs/export.md``: half an emoji by
U+FFFD outside JSON, a whole number beyond 64 bits by its digits in ``extra``.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it has no type hints
import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.export import readers
from tests.servers import scripted as servers
from timezest_async import Checkpoint, RateLimiter, SchedulingRequest, TimeZestClient, TimeZestError, export
from timezest_async.export.formats import columns, make_writer, selection as formats
from timezest_async.export.job_state import Place
from timezest_async.reports import reading
from timezest_async.serialization.converter import structure

PATH = "/scheduling_requests"
HALVES = ["\ud83d", "x\ud83d", "\ude00y", "\udfff\ud800", "ok\ud83d\0"]
NUMBERS = [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**40, -(10**4_000)]


def nested(depth: int) -> Any:
    value: Any = "\ud83d"
    for level in range(depth):
        value = [value] if level % 2 else {"\ud83d": value}
    return value


texts = st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from(
    [
        *HALVES,
        "",
        "\0",
        "a\0b",
        "\r\n",
        '"',
        "\\ud83d",
        "\u2028",
        "=1+1",
        "'=1",
        "\ufeff",
        "9" * 50,
        "null",
        "x" * 140_000,
    ]
)
integers = st.integers() | st.sampled_from(NUMBERS)
times = st.integers(-62_135_596_800, 253_402_300_799) | st.sampled_from([-62_135_596_800, 253_402_300_799])
anything = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
unknown = st.dictionaries(texts, anything, max_size=3)
members = st.none() | texts


@st.composite
def wires(draw: st.DrawFn) -> dict[str, Any]:
    """A scheduling request of whatever can be read."""
    entities = st.builds(
        lambda extra, **known: extra | known, unknown, type=texts, id=texts | integers, number=members
    )
    references = st.builds(
        lambda extra, **known: extra | known, unknown, id=texts, name=members, object=members
    )
    fields = {
        **dict.fromkeys(("appointment_type_id", "end_user_email", "end_user_name"), members),
        "selected_time_zone": members | st.sampled_from(["Arizona", "Asia/Tokyo"]),
        **dict.fromkeys(("scheduled_at", "selected_start_time", "updated_at"), st.none() | times),
        **dict.fromkeys(("earliest_date", "latest_time"), members | integers),
        "duration_mins": st.none() | integers,
        "guests_list": st.none() | st.lists(texts, max_size=2),
    }  # fmt: skip
    known = {name: draw(value) for name, value in fields.items() if draw(st.booleans())}
    required = {
        "status": draw(texts),
        "created_at": draw(times),
        "associated_entities": draw(st.lists(entities, max_size=2)),
        "resources": draw(st.lists(references, max_size=2)),
        "scheduled_agents": [],
    }
    names = {column.name for column in export.TABLES[PATH].columns} - {
        "time_zone",
        "local_start_time",
        "extra",
    }
    extra = {name: value for name, value in draw(unknown).items() if name not in names}
    return {**extra, **known, **required}


def write(records: list[Any], path: Path) -> None:
    """Write a whole file as an export does."""
    format, compression = formats.choose_format(path)
    writer: Any = make_writer(
        path,
        PATH,
        columns.choose_columns(PATH, None),
        formats.OutputOptions(format, compression, raw_csv=True),
    )
    place = writer.create(Place(len(records), Checkpoint(PATH, ("",))))
    place = writer.commit([writer.encode(records[:1]), writer.encode(records[1:])], place)
    writer.finish(place)
    writer.close()


def well_formed(value: Any) -> Any:
    """Put U+FFFD in the place of half an emoji, in values and keys."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [well_formed(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): well_formed(item) for key, item in value.items()}
    return value


def expected(wire: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a row should hold, JSON text parsed."""
    ending = path.suffix
    known = set(readers.FIELDS)
    extra = {name: value for name, value in wire.items() if name not in known}
    row: dict[str, Any] = {}
    for name in readers.FIELDS:
        value = wire.get(name)
        if name == "guests_list":
            value = value or []
        if name in readers.TIMES and value is not None:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
            value = moment.isoformat().replace("+00:00", "Z") if ending in {".csv", ".sqlite"} else moment
            if ending == ".duckdb":
                value = moment.replace(tzinfo=None)
        elif name in readers.NESTED and ending in {".parquet", ".duckdb"}:
            value = [item(one, name, ending) for one in value or []]
        elif (
            name == "duration_mins"
            and value is not None
            and ending != ".csv"
            and not -(2**63) <= value < 2**63
        ):
            extra["duration_mins"] = value
            value = None
        elif name.startswith(("earliest", "latest")) and value is not None:
            value = str(value)
        if name not in readers.NESTED and (name != "guests_list" or ending in {".parquet", ".duckdb"}):
            value = well_formed(value)
        row[name] = value
    del row["time_zone"], row["local_start_time"]
    row["extra"] = (well_formed(extra) if ending == ".duckdb" else extra) or None
    return row


def item(wire: dict[str, Any], name: str, ending: str) -> dict[str, Any]:
    known = ("type", "id", "number") if name == "associated_entities" else ("id", "type", "object", "name")
    extra = {key: value for key, value in wire.items() if key not in known}
    shown = {key: None if wire.get(key) is None else well_formed(str(wire[key])) for key in known}
    return shown | {"extra": (well_formed(extra) if ending == ".duckdb" else extra) or None}


def read(path: Path) -> list[dict[str, Any]]:
    """Read a file back with a library that is not ours, JSON text parsed."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    rows: list[dict[str, Any]]
    if path.suffix == ".csv":
        limit = csv.field_size_limit(1 << 30)
        try:
            rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
        finally:
            csv.field_size_limit(limit)
        for row in rows:
            row |= {name: None for name, cell in row.items() if not cell}
    elif path.suffix == ".parquet":
        rows = pq.read_table(path / "whole.parquet").to_pylist()
    else:
        connect: Any = sqlite3.connect if path.suffix == ".sqlite" else duckdb.connect
        with closing(connect(str(path))) as connection:
            cursor = connection.execute("SELECT * FROM scheduling_requests ORDER BY rowid")
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        del row["time_zone"], row["local_start_time"]
        for name in (*readers.NESTED, "guests_list", "extra"):
            row[name] = json.loads(row[name]) if isinstance(row[name], str) else row[name]
            for one in row[name] if name in readers.NESTED else ():
                if isinstance(one.get("extra"), str) and path.suffix in {".parquet", ".duckdb"}:
                    one["extra"] = json.loads(one["extra"])
    return rows


def in_csv(row: dict[str, Any]) -> dict[str, Any]:
    """What CSV cannot tell: null from empty, a number from its digits."""
    return {name: str(value) if isinstance(value, int) else value or None for name, value in row.items()}


@settings(max_examples=support.examples(150))
@given(drawn=st.lists(wires(), max_size=4))
def test_whatever_is_read_is_written_and_read_back(
    drawn: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    stored = [{"id": f"sreq_{number}", **wire} for number, wire in enumerate(drawn)]
    records = [structure(wire, SchedulingRequest) for wire in stored]
    folder = tmp_path_factory.mktemp("awkward")
    for ending in ("jsonl", "csv", "parquet", "sqlite", "duckdb"):
        path = folder / f"out.{ending}"
        write(records, path)
        found = read(path)
        if ending == "jsonl":
            assert found == stored
        elif ending == "csv":
            assert [in_csv(row) for row in found] == [in_csv(expected(wire, path)) for wire in stored]
        else:
            assert found == [expected(wire, path) for wire in stored]


def awkward(number: int) -> dict[str, Any]:
    return {
        "id": f"sreq_{number}",
        "status": "new\ud83d",
        "created_at": 253_402_300_799 - number,
        "end_user_name": "x\ud83d",
        "selected_start_time": -62_135_596_800 if number % 2 else 253_402_300_799,
        "selected_time_zone": "Arizona" if number % 2 else "Asia/Tokyo",
        "duration_mins": 2**63 + number,
        "earliest_date": -(10**30),
        "guests_list": ["\ude00"],
        "associated_entities": [{"type": "x/\udfff", "id": 10**20, "\ud83d": [nested(40)]}],
        "resources": [{"id": "\ud83d", "name": "\0"}],
        "deep\ud83d": nested(150),
        "much": float("inf"),
        "long": "y" * 140_000,
    }


def page(first: int, *, is_last: bool = False) -> servers.Step:
    records = [awkward(number) for number in range(first, first + 20)]
    link = None if is_last else f"?starting_after=sreq_{first + 19}"
    body = json.dumps({"object": "list", "data": records, "next_page": link})
    return servers.respond(body=body.replace("Infinity", "1e999").encode())


def client_of(script: servers.Script) -> TimeZestClient:
    return TimeZestClient("key", f"{script.url}/v1", rate_limiter=RateLimiter(1_000_000, 1.0))


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["jsonl", "csv.gz", "parquet", "sqlite", "duckdb"])
async def test_awkward_records_are_exported_and_resumed(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    async with (
        servers.serving(page(0), servers.respond(403), page(20, is_last=True)) as script,
        client_of(script) as client,
    ):
        with pytest.raises(TimeZestError):
            await export.ExportJob(client.scheduling_requests.list(), path, batch_size=10).run()
        summary = await export.ExportJob.resume(client, path).run()
    assert (summary.records, summary.resumed) == (40, 20)
    wires = list(reading.read_wire(path))
    assert [wire["id"] for wire in wires] == [f"sreq_{number}" for number in range(40)]
    assert [wire["duration_mins"] for wire in wires] == [2**63 + number for number in range(40)]
    assert {(wire["much"], len(wire["long"])) for wire in wires} == {(float("inf"), 140_000)}


@pytest.mark.asyncio
async def test_awkward_records_become_a_table_and_a_stream() -> None:
    async with servers.serving(page(0, is_last=True)) as script, client_of(script) as client:
        requests = client.scheduling_requests.list()
        table = await export.to_table(requests)
        assert table.column("end_user_name").to_pylist() == ["x\ufffd"] * 20
        for format in ("jsonl", "csv"):
            stream = io.BytesIO()
            assert await export.to_stream(requests, stream, format=format) == 20
            assert stream.getvalue().decode()
        stream = io.BytesIO()
        await export.to_stream(requests, stream, fields=["local_start_time", "time_zone", "id"])
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    # The clock there would leave the years 1 to 9999.
    assert lines[0] == {"local_start_time": None, "time_zone": "Asia/Tokyo", "id": "sreq_0"}
