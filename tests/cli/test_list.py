"""``timezest list`` as a shell sees it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st
from rich.cells import cell_len

from tests.cli.test_commands import COMMAND
from tests.servers.served import Served, serving
from tests.support import examples
from timezest_async.cli import record_tables
from timezest_async.models import AssociatedEntity, ResourceReference, SchedulingRequest
from timezest_async.sandbox import Sandbox
from timezest_async.sandbox.faults import Status

Run = Callable[..., tuple[int, str, str]]
LISTS = {
    "scheduling-requests": "scheduling_request",
    "agents": "agent",
    "teams": "team",
    "resources": "resource",
    "appointment-types": "appointment_type",
}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=45, clock=lambda: 1_790_000_000.0) as served:
        yield served


@pytest.fixture
def service(service: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.delenv("COLUMNS")
    return service


@pytest.mark.parametrize("name", LISTS)
def test_every_list_in_every_form(service: Served, timezest: Run, name: str) -> None:
    records = service.records(LISTS[name])
    as_json = timezest("list", name, "--output=json")
    assert (as_json[0], as_json[2], json.loads(as_json[1])) == (0, "", records)
    as_lines = timezest("list", name, "--output=jsonl")
    assert [json.loads(line) for line in as_lines[1].splitlines()] == records
    as_csv = timezest("list", name, "-o", "csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(as_csv[1]))] == [one["id"] for one in records]
    status, table, errors = timezest("list", name.replace("-", "_"))
    assert (status, errors) == (0, "")
    assert len(table.splitlines()) == len(records) + 2
    assert [record["id"] for record in records if record["id"] not in table] == []


def test_a_table_shows_tickets_zones_and_ages(service: Served, timezest: Run) -> None:
    _, output, _ = timezest("list", "scheduling-requests", "--status", "scheduled")
    rows = {line.split()[-1]: line for line in output.splitlines()[2:]}
    for record in service.records():
        if record["status"] != "scheduled":
            assert record["id"] not in rows
            continue
        row = rows[record["id"]]
        numbers = [entity["number"] for entity in record["associated_entities"] if "number" in entity]
        assert row.startswith(", ".join(numbers))
        assert re.search(r" \d+[mhd] ", row)
        [zone] = re.findall(r" ([A-Z]\w+/\w+) ", row)
        start = datetime.fromtimestamp(record["selected_start_time"], ZoneInfo(zone))
        assert f" {start:%Y-%m-%d %H:%M} " in row


def test_filters_and_limits_are_those_of_the_export(service: Served, timezest: Run) -> None:
    newest, older = service.records()[0], service.records()[30]
    found = timezest("list", "scheduling-requests", "--limit", "1", "-o", "jsonl")[1]
    assert [json.loads(line) for line in found.splitlines()] == [newest]
    assert len(service.requests_seen) <= 2
    moment = datetime.fromtimestamp(older["created_at"], UTC).isoformat()
    output = timezest("list", "scheduling-requests", "--until", moment, "-o", "json")[1]
    expected = [one for one in service.records() if one["created_at"] < older["created_at"]]
    assert json.loads(output) == expected
    status, output, errors = timezest("list", "agents", 'name like "zzz"')
    assert (status, output, errors) == (0, "", "Nothing matches.\n")
    assert timezest("list", "teams", "--limit=0", "-o", "json")[:2] == (0, "[]\n")


def test_columns_of_csv_are_chosen(service: Served, timezest: Run) -> None:
    _, output, _ = timezest("list", "agents", "-o", "csv", "--fields", " name , id", "--limit=1")
    assert output.splitlines()[0] == "name,id"


def test_what_came_before_a_failure_is_shown(service: Served, timezest: Run) -> None:
    service.faults.script("GET /scheduling_requests", [None, Status(403)])
    status, output, errors = timezest("list", "scheduling-requests")
    assert (status, len(output.splitlines())) == (1, 22)
    assert errors.startswith("403 for GET")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ticket"], "list takes one of scheduling-requests, agents, teams, resources, appointment-types"),
        (["agents", "--ticket=1", "--since=3d"], "filter other lists by TQL: leave out --since, --ticket"),
        (["agents", "colour = red"], "colour"),
        (["agents", "--fields=id"], "--output table shows what it shows: leave out --fields"),
        (["agents", "-o", "jsonl", "--raw-csv"], "leave out --raw-csv"),
        (["agents", "-o", "csv", "--fields=shoes"], "shoes"),
        (["agents", "-o", "yaml"], "yaml"),
        (["agents", "--limit=-1"], "--limit"),
        (["agents", "--limit=many"], "--limit"),
        (["agents", "--max-requests=0"], "--max-requests"),
        (["agents", "--max-requests=181"], "--max-requests"),
        (["scheduling-requests", "--since=soon"], "--since takes a date"),
        (["scheduling-requests", "--tz=Mars"], "there is no time zone 'Mars'"),
        (["scheduling-requests", "--status= "], "--status is empty"),
        (["scheduling-requests", "--company=Acme"], "--company takes the id"),
        (["scheduling-requests", "--company=99999999999999999999"], "--company: 99999999999999999999: "),
        (["scheduling-requests", "--ticket=a\tb"], "--ticket: 'a\\tb': has a control character"),
        (["scheduling-requests", "--email=\ud800"], "--email: "),
        (["scheduling-requests", "--agent=team_1"], "--agent: 'team_1': is the id of a team"),
        (["scheduling-requests", "--since=0001-01-01", "--tz=Asia/Tokyo"], "--since takes a date"),
    ],
)
def test_wrong_usage_ends_with_2_and_sends_nothing(
    service: Served, timezest: Run, arguments: list[str], said: str
) -> None:
    status, output, errors = timezest("list", *arguments)
    assert (status, output, service.requests_seen) == (2, "", [])
    assert said in errors


@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_a_reader_that_leaves_early_is_no_fault(service: Served, form: str) -> None:
    command = [*COMMAND, "list", "scheduling-requests", "--output", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(20)
    assert (process.returncode, errors) == (1, b"")


# tables


def request(**fields: Any) -> SchedulingRequest:
    return SchedulingRequest(**{"id": "sreq_1", "status": "new", "created_at": NOW, **fields})


def cells(record: SchedulingRequest) -> dict[str, str]:
    return {column.name: column.cell(record) for column in record_tables.columns("scheduling_request", NOW)}


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=-90), "0m"),
        (timedelta(seconds=59), "0m"),
        (timedelta(minutes=119), "119m"),
        (timedelta(hours=2), "2h"),
        (timedelta(hours=47, minutes=59), "47h"),
        (timedelta(days=2), "2d"),
        (timedelta(days=800), "800d"),
    ],
)
def test_ages(ago: timedelta, said: str) -> None:
    assert record_tables.age(NOW - ago, NOW) == said


def test_an_appointment_is_on_its_customers_clock() -> None:
    start = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    sydney = cells(request(selected_start_time=start, selected_time_zone="Sydney"))
    assert (sydney["Starts"], sydney["Zone"]) == ("2026-07-01 22:30", "Australia/Sydney")
    nowhere = cells(request(selected_start_time=start, selected_time_zone="Moon"))
    assert (nowhere["Starts"], nowhere["Zone"]) == ("2026-07-01 12:30 UTC", "Moon")
    unsaid = cells(request(selected_start_time=start))
    assert (unsaid["Starts"], unsaid["Zone"]) == ("2026-07-01 12:30 UTC", "")
    assert cells(request())["Starts"] == ""


def test_only_tickets_are_tickets() -> None:
    entities = [
        AssociatedEntity(type="connectwise_psa/contact", id=7),
        AssociatedEntity(type="autotask/ticket", id=9, number="T2026.1"),
        AssociatedEntity(type="halo_psa/ticket", id=3),
    ]
    assert cells(request(associated_entities=entities))["Ticket"] == "T2026.1, 3"


names = st.text("aé漢😀\x1b\u202e[/]", max_size=30)


@given(st.lists(st.tuples(names, names, names), max_size=5), st.integers(60, 150))
@settings(max_examples=examples(300))
def test_a_table_fits_the_terminal_and_cuts_nothing_but_names(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    records = [
        request(
            id=f"sreq_{number:022}",
            end_user_name=customer,
            scheduled_agents=[ResourceReference(id="agnt_1", name=technician)],
            associated_entities=[AssociatedEntity(type="autotask/ticket", number=f"T20260301.{number:04}")],
        )
        for number, (customer, technician, _) in enumerate(rows)
    ]
    head, rule, *lines = record_tables.Table(record_tables.columns("scheduling_request", NOW), width).lines(
        records
    )
    assert len(lines) == len(records)
    assert max(map(cell_len, (head, rule, *lines))) <= width
    for number, line in enumerate(lines):
        assert line.startswith(f"T20260301.{number:04} ")
        assert line.isprintable()
    whole = record_tables.Table(record_tables.columns("scheduling_request", NOW)).lines(records)
    assert all("…" not in line for line in whole)


def test_later_records_keep_their_numbers_whole() -> None:
    table = record_tables.Table(record_tables.columns("scheduling_request", NOW), 60)
    list(table.lines([request(end_user_name="Al")]))
    long = AssociatedEntity(type="autotask/ticket", number="T20260301.0000000000001")
    [line] = table.lines([request(associated_entities=[long], end_user_name="A" * 40)])
    assert line.startswith("T20260301.0000000000001  new")
    assert line.rstrip().endswith("A…")


def test_data_on_a_terminal_is_shown_not_obeyed(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(sandbox: Sandbox) -> None:
        sandbox.add({"object": "team", "id": "team_odd", "internal_name": "\x1b]0;owned\x07\u202e\x9b2J é"})

    service.do(add)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for form in ("table", "json", "jsonl", "csv"):
        status, output, _ = timezest("list", "teams", "internal_name like owned", "-o", form)
        assert status == 0
        assert "owned" in output
        assert all(character.isprintable() or character == "\n" for character in output), form
    service.do(lambda sandbox: sandbox.remove("team_odd"))
