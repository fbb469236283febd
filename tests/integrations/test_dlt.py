"""The dlt source into DuckDB: what is in the destination is what the service has."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.servers.served import KEY, Served, serving
from timezest_async import RateLimiter
from timezest_async.sandbox import Sandbox
from timezest_async.sandbox.faults import Delay, Status

dlt = support.needs("dlt", "dlt")
duckdb = support.needs("duckdb", "dlt")
from timezest_async.integrations.dlt import timezest  # noqa: E402 - needs dlt

pytestmark = pytest.mark.filterwarnings("default")  # of the libraries' own
WORKER = Path(__file__).with_name("dlt_worker.py")
ROOT = Path(__file__).parents[2]
DAY = 86_400
NOW = int(support.NOON)
LISTS = ("agents", "teams", "appointment_types")


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Iterator[Served]:
    with serving(records=300, clock=clock) as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DLT_DATA_DIR", "DLT_PROJECT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("TIMEZEST_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(folder: Path) -> Any:
    return dlt.pipeline(
        "timezest",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(folder / "warehouse.duckdb")),
        dataset_name="msp",
    )


def source(service: Served, **options: Any) -> Any:
    return timezest(base_url=service.base_url, rate_limiter=RateLimiter(1_000_000, 1.0), **options)


def read(folder: Path, table: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.sql(f"SELECT * FROM msp.{table} ORDER BY id")
        names = [name for name in found.columns if not name.startswith("_dlt")]
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall() if names]


def wire(row: dict[str, Any]) -> dict[str, Any]:
    """Bring a row back to what the service sends; a null is as good as nothing."""
    record: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or name.startswith("_dlt") or name in {"vanished_at", "extra"}:
            continue
        if isinstance(value, datetime):
            record[name] = int(value.astimezone(UTC).timestamp())
        elif isinstance(value, str) and value[:1] in "[{":
            record[name] = json.loads(value)
        else:
            record[name] = value
    return record | (json.loads(row["extra"]) if row.get("extra") else {})


def plain(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    without = ({name: value for name, value in one.items() if value is not None} for one in records)
    return sorted(without, key=lambda one: one["id"])


def test_all_lists_arrive_as_they_are(service: Served, folder: Path) -> None:
    service.do(lambda sandbox: sandbox.add(status="new", favourite_colour={"of": ["Ann", "red"]}))
    made(folder).run(source(service)).raise_on_failed_jobs()
    assert [wire(row) for row in read(folder, "scheduling_requests")] == plain(service.records())
    assert {row["vanished_at"] for row in read(folder, "scheduling_requests")} == {None}
    for name in LISTS:
        assert [wire(row) for row in read(folder, name)] == plain(service.records(name[:-1]))
    assert {row["object"] for row in read(folder, "resources")} == {"agent", "team"}
    assert len(read(folder, "resources")) == len(service.records("resource"))
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        described = connection.sql("DESCRIBE msp.scheduling_requests").fetchall()
    kinds = {name: kind for name, kind, *_ in described}
    assert kinds["created_at"].startswith("TIMESTAMP")
    assert kinds["associated_entities"] == "JSON"
    assert kinds["vanished_at"].startswith("TIMESTAMP")


def act(sandbox: Sandbox, chance: random.Random, clock: Clock) -> None:
    """Do something to one request that is open or booked ahead, or make one."""
    live = [
        one["id"]
        for one in sandbox.records()
        if one["status"] in {"new", "sent"}
        or (one["status"] == "scheduled" and (one.get("selected_start_time") or 0) > clock.now)
    ]
    chosen = chance.choice(live) if live else ""
    match chance.randrange(6) if live else None:
        case 0 | 1:
            sandbox.book(chosen, int(clock.now) + chance.randrange(1, 20) * DAY)
        case 2:
            sandbox.cancel(chosen)
        case 3:
            sandbox.close_request(chosen)
        case 4:
            sandbox.remove(chosen)
        case _:
            sandbox.add(status="new", created_at=int(clock.now), end_user_name="Ann")


@pytest.mark.parametrize("seed", range(support.examples(10)))
def test_any_history_leaves_the_table_like_the_service(
    service: Served, folder: Path, clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)
    ever = {one["id"] for one in service.records()}
    for number in range(4):
        if number == 2:
            service.faults.script("GET /scheduling_requests", [Status(403)])
            with pytest.raises(Exception, match="403"):
                made(folder).run(source(service))
            service.faults.clear()
        made(folder).run(source(service)).raise_on_failed_jobs()
        rows = read(folder, "scheduling_requests")
        assert {row["id"] for row in rows} == (ever := ever | {one["id"] for one in service.records()})
        there = plain(service.records())
        assert [wire(row) for row in rows if row["vanished_at"] is None] == there
        assert {row["id"] for row in rows if row["vanished_at"]} == ever - {one["id"] for one in there}
        clock.now += 2 * 3600
        for _ in range(25):
            clock.now += 1
            service.do(lambda sandbox: act(sandbox, chance, clock))


def test_a_run_that_was_broken_off_is_made_good_by_the_next(
    service: Served, folder: Path, clock: Clock
) -> None:
    made(folder).run(source(service))
    new = service.do(lambda sandbox: sandbox.add(status="new", created_at=NOW))["id"]
    made(folder).extract(source(service))  # and nothing of it is loaded
    made(folder).normalize()
    clock.now += 60
    other = service.do(lambda sandbox: sandbox.add(status="new", created_at=NOW + 60))["id"]
    made(folder).run(source(service)).raise_on_failed_jobs()
    made(folder).run(source(service)).raise_on_failed_jobs()
    assert {new, other} <= {row["id"] for row in read(folder, "scheduling_requests")}
    assert [wire(row) for row in read(folder, "scheduling_requests")] == plain(service.records())


def worker(service: Served, folder: Path) -> subprocess.Popen[str]:
    """Begin a run in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(WORKER), service.base_url, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    return process


def whole_run(service: Served, folder: Path) -> None:
    with worker(service, folder) as process:
        output, _ = process.communicate()
    assert (output, process.returncode) == ("done\n", 0)


@pytest.mark.timeout(600)
def test_runs_that_were_killed_are_made_good_by_the_next(service: Served, folder: Path, clock: Clock) -> None:
    chance = random.Random(13)
    began = time.monotonic()
    whole_run(service, folder)
    usual = time.monotonic() - began
    ever = {one["id"] for one in service.records()}
    killed = 0
    for number in range(support.examples(20)):
        clock.now += 3600
        for _ in range(10):
            clock.now += 1
            service.do(lambda sandbox: act(sandbox, chance, clock))
        if number % 2:  # it is killed while one of the lists is still being read
            service.faults.script("GET /agents", [Delay(60)])
        with worker(service, folder) as process:
            try:
                process.wait(chance.uniform(0, usual))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        service.faults.clear()
    assert killed
    seen = service.records()
    # The first makes good what was pending, and leaves it at that; so one more is needed to see the latest.
    whole_run(service, folder)
    whole_run(service, folder)
    rows = read(folder, "scheduling_requests")
    assert len(rows) == len({row["id"] for row in rows})
    assert ever <= {row["id"] for row in rows}
    assert [wire(row) for row in rows if row["vanished_at"] is None] == plain(seen)


def test_the_key_is_nowhere_and_a_later_run_costs_little(service: Served, folder: Path) -> None:
    assert KEY not in repr(source(service))
    made(folder).run(source(service))
    service.requests_seen.clear()
    run = made(folder).run(source(service, filter=None))
    asked = [one for one in service.requests_seen if one.path.endswith("/scheduling_requests")]
    assert 0 < len(asked) <= 20
    assert KEY not in str(run.asdict())
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path.name


def test_the_state_is_json_and_holds_what_is_followed_only(service: Served, folder: Path) -> None:
    pipeline = made(folder)
    pipeline.run(source(service))
    state = pipeline.state["sources"]["timezest"]["resources"]["scheduling_requests"]["timezest"]
    assert json.loads(json.dumps(state["watched"])) == state["watched"]
    assert 0 < len(state["watched"]) < len(service.records())
