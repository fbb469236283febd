"""``timezest export`` as a shell sees it: files, streams, exit statuses, and what a signal leaves."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import pytest

from tests import support
from tests.servers.served import KEY, Served, serving
from timezest_async import RateLimiter, tql
from timezest_async.cli import conditions, exporting, main, progress_display, terminal
from timezest_async.cli.conditions import Conditions
from timezest_async.cli.pace import Pace
from timezest_async.export import Progress, read_unfinished
from timezest_async.sandbox.faults import Delay, Status

Run = Callable[..., tuple[int, str, str]]
COMMAND = [
    sys.executable,
    "-Werror",
    "-c",
    "import sys; from timezest_async.cli import main; sys.exit(main())",
    "export",
]
SIGNALS = [signal.SIGTERM, signal.SIGINT] if support.FULL else [signal.SIGTERM]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=300) as sandbox:
        yield sandbox


@pytest.fixture
def export(capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["export", *arguments])
        output, errors = capfd.readouterr()
        assert KEY not in output + errors
        return status, output, errors

    return run


def names() -> list[str]:
    return [path.name for path in Path().iterdir()]


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_file_holds_the_list_and_stdout_nothing(service: Served, export: Run) -> None:
    status, output, errors = export("-o", "all.jsonl")
    assert (status, output) == (0, "")
    assert lines(Path("all.jsonl").read_text()) == service.records()
    assert re.search(r"^all.jsonl: 300 records, [\d,]+ bytes: \d+ requests, \d+ s$", errors.strip())
    assert names() == ["all.jsonl"]


def test_a_finished_file_is_refused_without_overwrite(service: Served, export: Run) -> None:
    Path("all.csv").write_text("mine")
    status, _, errors = export("-o", "all.csv")
    assert (status, service.requests_seen) == (2, [])
    assert "all.csv exists already: --overwrite replaces it" in errors
    assert Path("all.csv").read_text() == "mine"
    assert export("-o", "all.csv", "--overwrite", "--fields", "status, id", "--limit", "25")[0] == 0
    rows = list(csv.reader(Path("all.csv").read_text().splitlines()))
    assert rows == [["status", "id"], *([one["status"], one["id"]] for one in service.records()[:25])]


def test_stdout_takes_json_lines_and_csv(service: Served, export: Run) -> None:
    status, output, errors = export("status = new", "-o", "-")
    assert status == 0
    new = [one for one in service.records() if one["status"] == "new"]
    assert lines(output) == new
    assert errors.startswith(f"stdout: {len(new)} records: ")
    status, output, errors = export("-o", "-", "--format", "csv", "--fields", "id", "--limit", "3", "--quiet")
    assert (status, errors) == (0, "")
    assert list(csv.reader(io.StringIO(output))) == [["id"], *([one["id"]] for one in service.records()[:3])]


@pytest.mark.parametrize("entity", ["agent", "team", "resource", "appointment_type"])
def test_every_entity_can_be_exported(service: Served, export: Run, entity: str) -> None:
    status, output, _ = export("-o", "-", "--entity", entity, "--limit", "4")
    assert status == 0
    assert lines(output) == service.records(entity)[:4]


def test_plain_options_filter_as_records_do(service: Served, export: Run) -> None:
    records = service.records()
    ticketed = next(one for one in records if any("number" in e for e in one["associated_entities"]))
    [ticket] = [e["number"] for e in ticketed["associated_entities"] if "number" in e]
    company = next(
        e["id"]
        for one in records
        for e in one["associated_entities"]
        if e["type"].endswith(("company", "client"))
    )
    email = records[7]["end_user_email"]
    agent = next(one["scheduled_agents"][0]["id"] for one in records if one["scheduled_agents"])
    moment = records[150]["created_at"]
    cases: list[tuple[list[str], Callable[[dict[str, Any]], bool]]] = [
        (["--ticket", ticket], lambda one: ticket in [e.get("number") for e in one["associated_entities"]]),
        (
            ["--company", str(company)],
            lambda one: any(
                e["id"] == company and e["type"].endswith(("company", "client"))
                for e in one["associated_entities"]
            ),
        ),
        (["--email", email], lambda one: one["end_user_email"] == email),
        (
            [
                "--status",
                "new",
                "--status",
                "sent",
                "--until",
                datetime.fromtimestamp(moment, UTC).isoformat(),
            ],
            lambda one: one["status"] in {"new", "sent"} and one["created_at"] < moment,
        ),
        (
            ["--until", datetime.fromtimestamp(moment, UTC).isoformat()],
            lambda one: one["created_at"] < moment,
        ),
        (
            ["--since", datetime.fromtimestamp(moment, UTC).isoformat(), "status = scheduled"],
            lambda one: one["status"] == "scheduled" and one["created_at"] >= moment,
        ),
        (
            ["--agent", agent],
            lambda one: agent in [a["id"] for a in [*one["resources"], *one["scheduled_agents"]]],
        ),
    ]
    for options, wanted in cases:
        status, output, _ = export("-o", "-", *options)
        assert status == 0
        found = [one["id"] for one in lines(output)]
        assert found == [one["id"] for one in records if wanted(one)]
        assert found


def test_times_are_read_in_their_zone() -> None:
    def since(text: str, tz: str = "UTC") -> Any:
        [term] = Conditions(since=text, tz=tz).terms()
        assert isinstance(term, tql.Predicate)
        return term.value

    sydney = ZoneInfo("Australia/Sydney")
    assert since("2026-01-31", "Sydney") == int(datetime(2026, 1, 31, tzinfo=sydney).timestamp())
    assert since("2026-01-31T08:00Z", "Sydney") == int(datetime(2026, 1, 31, 8, tzinfo=UTC).timestamp())
    for text, span in (("90d", timedelta(90)), ("12h", timedelta(hours=12)), ("2w", timedelta(14))):
        assert abs(time.time() - span.total_seconds() - since(text)) < 5


def test_a_dry_run_sends_nothing_and_says_what_would_be_sent(
    service: Served, export: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIMEZEST_API_KEY")
    status, output, errors = export(
        "status = new or status = sent", "--ticket", "12", "-o", "a.csv", "--dry-run"
    )
    assert (status, errors, service.requests_seen, names()) == (0, "", [], [])
    asked = re.findall(r"^Query \d  (.*)$", output, re.MULTILINE)
    assert all(f"\n         {service.base_url}/scheduling_requests?filter={text}" in output for text in asked)
    assert any("~autotask_ticket_number~EQ~12" in text.replace("scheduling_request.", "~") for text in asked)
    assert f"Cost     {len(asked)} requests at least" in output
    assert output.endswith("Output   a.csv (csv)\n")
    _, output, _ = export("-o", "-", "--dry-run")
    assert output.startswith(f"Query 1  everything\n         {service.base_url}/scheduling_requests\n")
    _, output, _ = export("created_at < 5 and created_at > 7", "-o", "-", "--dry-run")
    assert "no request: nothing can match" in output
    status, output, _ = export("status = new", "--dry-run")
    assert status == 0
    assert "Output" not in output
    assert "Cost     1 request at least: one for the query" in output


def test_undocumented_statuses_are_warned_of(export: Run) -> None:
    assert "'snet' is none of" in export("--status", "snet", "--dry-run")[2]
    logged = lines(export("status = snet", "--dry-run", "--log-json")[2])
    assert [line["event"] for line in logged] == ["warning"]
    assert "did you mean sent?" in logged[0]["message"]


def test_a_dry_run_of_a_later_incremental_run_says_what_that_one_asks(service: Served, export: Run) -> None:
    arguments = ("-o", "all.db", "--incremental", "state")
    _, output, _ = export(*arguments, "--dry-run")
    assert output.startswith("Query 1  everything\n")
    assert "State    this is the first run" in output
    assert export(*arguments)[0] == 0
    _, output, _ = export(*arguments, "--dry-run")
    asked = re.findall(r"^Query \d  (.*)$", output, re.MULTILINE)
    assert re.search(r"State    \d+ requests are watched: one more request for each closed since", output)
    guide = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    shown = guide.split("$ timezest export --dry-run -o all.db --incremental state\n")[1].split("```")[0]
    output = output.replace(service.base_url, "https://api.timezest.com/v1")
    assert re.sub(r"\d{2,}", "N", output) == re.sub(r"\d{2,}", "N", shown)
    service.requests_seen.clear()
    assert export(*arguments, "--concurrency", "1")[0] == 0
    assert {seen.query["filter"] for seen in service.requests_seen} == set(asked)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say where to: --output FILE"),
        (["-o", "a.txt"], "or give --format"),
        (["-o", "none/a.csv"], "there is no folder none: make it first"),
        (["-o", "-", "--format", "parquet"], "only jsonl and csv go to stdout, not parquet"),
        (["-o", "-", "--overwrite", "--compress", "gzip"], "leave out --compress, --overwrite"),
        (["statuz = new", "-o", "a.csv"], "the nearest is F.status"),
        (["-o", "a.csv", "--fields", "id,nope"], "nope"),
        (["-o", "a.csv", "--entity", "agents"], "--entity is one of scheduling_request, agent"),
        (
            ["-o", "a.csv", "--entity", "agent", "--status", "new"],
            "filter other lists by TQL: leave out --status",
        ),
        (["-o", "a.csv", "--entity", "agent", "--concurrency", "3"], "only scheduling requests are read"),
        (["-o", "a.csv", "--concurrency", "0"], "--concurrency takes a whole number from 1"),
        (["-o", "a.csv", "--since", "yesterday"], "--since takes a date such as 2026-01-31"),
        (["-o", "a.csv", "--since", "1d", "--tz", "Mars"], "there is no time zone 'Mars'"),
        (["-o", "a.csv", "--company", "ACME"], "--company takes the id of a company"),
        (["-o", "a.csv", "--limit", "-1"], "Invalid value"),
        (["--resume", "a.csv"], "there is nothing to resume"),
        (["status = new", "--resume", "a.csv", "--limit", "3"], "leave out FILTER, --limit"),
        (["-o", "a.db", "--incremental", "s", "--limit", "3"], "up to date: leave out --limit"),
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_sent(
    service: Served, export: Run, arguments: list[str], said: str
) -> None:
    status, output, errors = export(*arguments)
    assert (status, output, service.requests_seen, names()) == (2, "", [], [])
    assert said in errors


def test_without_a_key_it_says_so(service: Served, export: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("", None):
        monkeypatch.delenv("TIMEZEST_API_KEY") if key is None else monkeypatch.setenv("TIMEZEST_API_KEY", key)
        status, _, errors = export("-o", "a.csv")
        assert status == 2
        assert "--api-key, or set the environment variable TIMEZEST_API_KEY" in errors


def test_a_failing_service_ends_with_1_and_the_command_that_resumes(service: Served, export: Run) -> None:
    service.faults.script("GET /scheduling_requests", [None, None, None, Status(403)])
    arguments = ["-o", "my all.jsonl", "--concurrency", "1", "--base-url", service.base_url]
    status, output, errors = export(*arguments)
    assert (status, output) == (1, "")
    assert "403 for GET" in errors
    command = f"timezest export --resume 'my all.jsonl' --base-url {service.base_url}"
    assert errors.splitlines()[-1] == f"  {command}"
    assert not Path("my all.jsonl").exists()
    status, _, errors = export(*arguments)
    assert status == 2, "resuming is asked for, not assumed"
    assert "--resume FILE goes on with it, --overwrite starts anew" in errors
    status, _, errors = export("--resume", "my all.jsonl", "--base-url", service.base_url)
    assert status == 0
    assert "300 records (60 of them by an earlier run)" in errors
    assert lines(Path("my all.jsonl").read_text()) == service.records()


@pytest.mark.parametrize("option", ["--log-json", "--concurrency=1"])
def test_what_is_tried_again_is_counted_and_not_shouted(service: Served, option: str) -> None:
    service.faults.script("GET /scheduling_requests", [Status(503), None, Status(503)])
    result = subprocess.run(
        [*COMMAND, "-o", "a.csv", "--limit", "40", option],
        stdout=-1,
        stderr=-1,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "")
    if option == "--log-json":
        [summary] = lines(result.stderr)
        assert summary["retries"] == 2
    else:
        assert re.fullmatch(
            r"a.csv: 40 records, [\d,]+ bytes: \d requests \(2 retries\), \d s\n", result.stderr
        )


def test_a_disk_that_fails_ends_with_1(service: Served, export: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting.ExportJob, "_read", fail)
    status, _, errors = export("-o", "a.csv", "--log-json")
    assert status == 1
    [event] = lines(errors)
    assert event == {
        "event": "failed",
        "error": "OSError",
        "message": "a.csv cannot be written: [Errno 28] No space left on device",
        "resume": "timezest export --resume a.csv",
    }


class Yesterday(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(days=1)


@pytest.mark.parametrize(
    "when", [["--since", "400d", "--until", "30m"], ["--since", "2024-01-01"], ["created_at >= 400d"]]
)
def test_how_long_ago_means_the_same_at_every_run_of_an_incremental_export(
    service: Served, export: Run, monkeypatch: pytest.MonkeyPatch, when: list[str]
) -> None:
    command = [*when, "-o", "all.db", "--incremental", "state"]
    with monkeypatch.context() as patch:
        patch.setattr(conditions, "datetime", Yesterday)
        status, _, errors = export(*command)
    assert status == 0, errors
    assert export("--dry-run", *command)[0] == 0
    status, _, errors = export(*command)
    assert status == 0, errors
    assert " 0 new, 0 changed" in errors


def test_an_incremental_export_keeps_a_database_up_to_date(service: Served, export: Run) -> None:
    assert export("-o", "all.db", "--incremental", "state")[0] == 0
    first = service.records()[0]
    later = first["created_at"] + 9
    service.do(lambda sandbox: sandbox.update(first["id"], end_user_name="Renamed", updated_at=later))
    status, output, errors = export("-o", "all.db", "--incremental", "state")
    assert (status, output) == (0, "")
    assert "0 new, 1 changed" in errors
    with contextlib.closing(sqlite3.connect("all.db")) as database:
        query = "SELECT end_user_name FROM scheduling_requests WHERE id = ?"
        assert database.execute(query, [first["id"]]).fetchall() == [("Renamed",)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to a process")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_what_resumes(
    service: Served, export: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    with serving(records=600, latency=0.1) as slow:
        monkeypatch.setenv("TIMEZEST_BASE_URL", slow.base_url)
        with subprocess.Popen(
            [*COMMAND, "-o", "all.jsonl", "--concurrency", "1"], stdout=-1, stderr=-1, text=True
        ) as process:
            while len(slow.requests_seen) < 4:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(number)
            output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (130, "")
        assert errors == (
            "Interrupted. What was read is kept. To go on:\n  timezest export --resume all.jsonl\n"
        )
        unfinished = read_unfinished("all.jsonl")
        assert unfinished is not None
        assert unfinished.place is not None
        assert unfinished.place.records >= 40
        status, _, errors = export("--resume", "all.jsonl")
        assert status == 0
        assert f"({unfinished.place.records} of them by an earlier run)" in errors
        assert lines(Path("all.jsonl").read_text()) == slow.records()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to a process")
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get", "sreq_1"], ""),
        (["report"], ""),
        (
            ["create", "--appointment-type=a", "--resource=b", "--name=Al", "--email=al@example.org"],
            "Interrupted: it may have been created, or not. Look before you create it again.\n",
        ),
    ],
)
def test_a_signal_ends_every_command_with_130(
    service: Served, arguments: list[str], said: str, number: signal.Signals
) -> None:
    service.faults.script(None, [Delay(10)])
    with subprocess.Popen([*COMMAND[:-1], *arguments], stdout=-1, stderr=-1, text=True) as process:
        while not service.requests_seen:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (130, "", said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"] if support.FULL else [""])
@pytest.mark.parametrize("arguments", [["get"], ["report", "--file"]])
def test_a_full_disk_under_stdout_ends_with_1_and_no_traceback(
    service: Served, export: Run, arguments: list[str], unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    assert export("-o", "all.jsonl", "--limit", "1", "--quiet")[0] == 0
    what = service.records()[0]["id"] if arguments == ["get"] else "all.jsonl"
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*COMMAND[:-1], *arguments, what], stdout=full, stderr=-1, text=True, timeout=60, check=False
        )
    assert result.returncode == 1
    assert result.stderr.count("No space left on device") == 1
    assert "Traceback" not in result.stderr


def test_a_reader_that_goes_away_ends_it_quietly(service: Served) -> None:
    with subprocess.Popen([*COMMAND, "-o", "-"], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 1
        assert process.stderr.read() == ""


def test_progress_comes_as_plain_lines_or_json(
    service: Served, export: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_display, "PLAIN_EVERY", 0.05)
    with serving(records=300, latency=0.05) as slow:
        arguments = ["--concurrency", "1", "--since", "2000d", "--base-url", slow.base_url]
        _, output, errors = export("-o", "a.jsonl", *arguments)
        assert output == ""
        *plain, _summary = errors.splitlines()
        assert any(
            re.fullmatch(r"\d+ records, \d+ pages, \d+ of 180 requests, \d+/s, \d+ s left", line)
            for line in plain
        )
        status, _, errors = export("-o", "b.jsonl", "--log-json", *arguments)
        *events, summary = lines(errors)
        assert (status, summary["event"], summary["records"]) == (0, "summary", 300)
        assert events
        assert all(event["event"] == "progress" for event in events)
        assert sorted(event["records"] or 0 for event in events) == [e["records"] or 0 for e in events]


@pytest.mark.asyncio
async def test_on_a_terminal_progress_is_one_line_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_display, "_LIVE_EVERY", 0.01)
    now = 5_000.0
    monkeypatch.setattr(progress_display, "Pace", lambda limiter: Pace(limiter, lambda: now))
    screen = io.StringIO()
    console = terminal.Console(file=screen, force_terminal=True, width=80, markup=False)
    monkeypatch.setattr(terminal, "err", console)
    display = progress_display.Display(progress_display.ProgressMode.LIVE)
    display.begin(RateLimiter())
    first = datetime(2026, 1, 2, tzinfo=UTC)
    display.floor = first - timedelta(days=100)
    async with display.shown():
        for days, records in ((0, 20), (25, 1_234_567)):
            last = first - timedelta(days=days)
            display.on_progress(Progress("reading", records, 0, 0, 61_729, 2, first, last, 3_600.0, None))
        now += 3_600
        await asyncio.sleep(0.3)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).replace("\r", "\n")
    assert "1,234,567 records, 61,729 pages, 0 of 180 requests, 343/s, 3 h 0 min left" in shown
    assert "…" not in shown


def test_the_key_of_an_option_is_used_and_shown_nowhere(
    service: Served, export: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIMEZEST_API_KEY")
    service.faults.script("GET /scheduling_requests", [None, Status(403)])
    status, _, errors = export("-o", "a.csv", "--api-key", KEY)
    assert status == 1
    assert "--resume a.csv" in errors
    assert export("--resume", "a.csv", "--api-key", KEY)[0] == 0


def test_unreadable_records_are_skipped_kept_and_counted(service: Served, export: Run) -> None:
    with serving(records=30) as sandbox:
        sandbox.do(lambda one: one.add(id="sreq_bad", status=7, created_at=1))
        there = ["--base-url", sandbox.base_url]
        code, _, err = export("-o", "out.csv", *there)
        assert code == 1
        assert "expected a string, not 7" in err
        code, _, err = export("--resume", "out.csv", "--skip-unreadable", *there)
    assert code == 0, err
    assert "out.csv.unreadable.jsonl: 1 record that cannot be read" in err
    [line] = Path("out.csv.unreadable.jsonl").read_text().splitlines()
    assert json.loads(line)["raw"]["id"] == "sreq_bad"
    code, _, err = export("-o", "-", "--skip-unreadable", *there)
    assert (code, "leave out --skip-unreadable" in err) == (2, True)


def test_only_where_something_was_written_it_cannot_be_resumed(service: Served, export: Run) -> None:
    with serving(records=30) as sandbox:
        there = ["-o", "-", "--base-url", sandbox.base_url]
        sandbox.faults.script(None, [Status(403)])
        assert "Nothing was written." in export(*there)[2]
        sandbox.faults.script(None, [None, Status(403)])
        assert "What goes to stdout cannot be resumed." in export(*there)[2]


def test_another_key_goes_on_only_where_that_is_said(
    service: Served, export: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.faults.script("GET /scheduling_requests", [None, Status(403)])
    assert export("-o", "a.csv", "--concurrency", "1")[0] == 1
    assert export("-o", "b.csv", "--incremental", "state", "--limit", "1")[0] == 2
    assert export("-o", "b.csv", "--incremental", "state")[0] == 0
    service.requests_seen.clear()
    monkeypatch.setenv("TIMEZEST_API_KEY", f"{KEY}-of-another")
    for command in (["--resume", "a.csv"], ["-o", "b.csv", "--incremental", "state"]):
        status, _, errors = export(*command)
        assert (status, service.requests_seen) == (2, [])
        assert "give --other-key for a new key of the same account" in errors
        # The service knows no such key: it was asked.
        status, _, errors = export(*command, "--other-key")
        assert (status, bool(service.requests_seen)) == (1, True)
        service.requests_seen.clear()
    status, _, errors = export("-o", "c.csv", "--other-key")
    assert (status, "--other-key goes with --resume or --incremental" in errors) == (2, True)


def test_a_wrong_key_leaves_nothing_that_would_stop_the_right_one(
    service: Served, export: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = (["-o", "a.csv"], ["-o", "b.parquet"], ["--incremental", "state", "-o", "c.sqlite"])
    for order in orders:
        monkeypatch.setenv("TIMEZEST_API_KEY", "a-wrong-key")
        assert export(*order)[0] == 1
        assert names() == []
        monkeypatch.setenv("TIMEZEST_API_KEY", KEY)
        assert export(*order)[0] == 0
        for name in names():
            Path(name).unlink()
