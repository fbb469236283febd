"""``timezest report`` as a shell sees it, and its terminal view."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from tests.reports.made import HOSTILE, hostile_report
from tests.support import stopped_clock
from timezest_async.cli import application, report as command
from timezest_async.reports import terminal
from timezest_async.sandbox import Sandbox

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def timezest(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    app = typer.Typer()
    app.command()(command.report)
    monkeypatch.setattr(application, "app", app)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TIMEZEST_API_KEY", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        return application.run(arguments), *capsys.readouterr()

    return run


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    """Run a sandbox in a thread of its own, since the command runs an event loop itself."""
    sandbox = Sandbox(records=130, clock=stopped_clock)
    stored: dict[str, Any] = {}
    started = threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with sandbox:
            stored.update({entity: sandbox.records(entity) for entity in ("agent", "scheduling_request")})
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(20)
    monkeypatch.setenv("TIMEZEST_BASE_URL", sandbox.base_url)
    yield sandbox, stored
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "all.jsonl"
    records = [{"id": f"sreq_{n}", "status": "new", "created_at": 1_790_000_000 + n} for n in range(5)]
    records.append({"id": "sreq_9", "status": "closed", "created_at": 1_790_000_000})
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_a_live_report_names_what_the_directory_names(
    timezest: Run,
    running: tuple[Sandbox, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    sandbox, stored = running
    monkeypatch.setenv("TIMEZEST_API_KEY", sandbox.api_key)
    status, output, errors = timezest("--html", str(tmp_path / "r.html"), "--csv", str(tmp_path / "csv"))
    assert (status, errors.splitlines()[-1]) == (0, f"Wrote {tmp_path / 'csv'}/*.csv")
    assert "130 requests" in output
    assert "Remote support" in output
    assert "apty_" not in output
    assert max(map(len, output.splitlines())) <= 80
    page = (tmp_path / "r.html").read_text()
    assert all(record["name"] in page for record in stored["agent"] if "'" not in record["name"])

    status, output, _ = timezest("status in (new, sent)")
    waiting = [r for r in stored["scheduling_request"] if r["status"] in {"new", "sent"}]
    assert status == 0
    count = len(waiting)
    assert f"{count} requests, 0% booked (0 of {count}), {count} waiting" in output
    assert "Busiest hours" not in output


def test_a_file_is_reported_on_without_the_service(timezest: Run, exported: Path, tmp_path: Path) -> None:
    names = tmp_path / "types.jsonl"
    names.write_text('{"id": "apty_1", "internal_name": "Call"}')
    status, output, _ = timezest("--file", str(exported), "--file", str(exported), "--names", str(names))
    assert status == 0
    assert "all.jsonl, all.jsonl\n12 requests, 0% booked (0 of 12), 10 waiting" in output
    status, output, _ = timezest("status = closed", "--file", str(exported), "--weeks", "2")
    assert status == 0
    assert "all.jsonl where status = closed\n1 requests" in output


def test_a_report_may_be_of_a_span_of_time(timezest: Run, exported: Path) -> None:
    # The file's requests were created on 21 September 2026 from 14:13:20 to 14:13:24, UTC.
    when = ["--since", "2026-09-21T16:13:21", "--until", "2026-09-21T16:13:24", "--tz", "Europe/Berlin"]
    status, output, _ = timezest("status = new", "--file", str(exported), *when)
    assert status == 0
    assert "where status = new, since 2026-09-21T16:13:21, until" in output
    assert "3 requests" in output
    assert output.count("21 Sep") == 1
    assert "14 Sep" not in output, "a week in which none was asked for"
    status, output, errors = timezest("--since", "yesterday", "--file", str(exported))
    assert (status, output) == (2, "")
    assert "--since takes a date" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status ="], "a value is missing"),
        (["--names", "x.jsonl"], "--names goes with --file"),
        (["--file", "no.jsonl"], "no.jsonl cannot be read"),
        (["--tz", "Mars"], "there is no time zone 'Mars'"),
        (["--weeks", "0"], "--weeks"),
        (["--html", "."], "is a folder: name a file"),
        ([], "there is no API key"),
    ],
)
def test_wrong_usage_ends_with_2(timezest: Run, arguments: list[str], said: str) -> None:
    status, output, errors = timezest(*arguments)
    assert (status, output) == (2, "")
    assert said in errors


def test_a_full_disk_ends_with_1(
    timezest: Run, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(command, "write_page", fail)
    status, _, errors = timezest("--file", str(exported), "--html", str(tmp_path / "r.html"))
    assert status == 1
    assert "cannot be written" in errors
    assert "No space left" in errors


def show(width: int, *, colour: bool) -> str:
    file = io.StringIO()
    system = "truecolor" if colour else None
    console = Console(
        file=file, width=width, markup=False, highlight=False, emoji=False,
        force_terminal=colour, color_system=system,
    )  # fmt: skip
    terminal.show(hostile_report(), console)
    return file.getvalue()


def test_the_terminal_obeys_no_value() -> None:
    plain = show(80, colour=False)
    assert all(character.isprintable() or character == "\n" for character in plain)
    assert HOSTILE[0] in plain
    assert "�[31m" in plain
    coloured = show(80, colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize(("share", "drawn"), [(0, ""), (1, "████"), (0.5, "██"), (1 / 32, "▏"), (0.3, "█▎")])
def test_bars_are_drawn_to_an_eighth(share: float, drawn: str) -> None:
    assert terminal.bar(share, 4) == drawn
