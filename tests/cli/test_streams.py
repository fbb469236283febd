"""Streams that take less than they are given: code pages, full disks, terminals that obey."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.served import Served, serving
from timezest_async.cli import main, terminal

Run = Callable[..., tuple[int, bytes, str]]

pytestmark = pytest.mark.usefixtures("service")

# What obeys: colours, a C1 control, bidirectional overrides, a bell, DEL, half an emoji.
NAME = "Zo\xeb \u682a \x1b[31m \x9b5m \u202eabc\u2066 \x07 \x7f \ud83d \U0001f600"
COMMANDS = {
    "get": ["get", "sreq_1"],
    "get --json": ["get", "sreq_1", "--json"],
    "list": ["list", "scheduling-requests"],
    "list json": ["list", "scheduling-requests", "-o", "json"],
    "list csv": ["list", "scheduling-requests", "-o", "csv"],
    "list jsonl": ["list", "scheduling-requests", "-o", "jsonl"],
    "export csv": ["export", "-o", "-", "--format", "csv"],
    "export jsonl": ["export", "-o", "-"],
    "report": ["report", "--html", "report.html", "--overwrite"],
    "filter": ["filter", 'end_user_name = "Zo\xeb \u682a"'],
    "help": ["report", "--help"],
}


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=1, clock=time.time) as served:
        fields: dict[str, Any] = {"created_at": 1_750_000_000, "status": "new", "end_user_name": NAME}
        served.do(lambda sandbox: sandbox.add(id="sreq_1", **fields))
        yield served


class Stream(io.TextIOWrapper):
    """A stdout or stderr as Python makes it."""

    def __init__(self, encoding: str, *, is_terminal: bool = False) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def timezest(monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*arguments: str, encoding: str = "utf-8", is_terminal: bool = False) -> tuple[int, bytes, str]:
        output, errors = Stream(encoding, is_terminal=is_terminal), Stream(encoding)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", output)
            patch.setattr(sys, "stderr", errors)
            status = main(arguments)
            errors.flush()
        return status, output.bytes.getvalue(), errors.bytes.getvalue().decode(encoding)

    return run


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_code_page_lacks_is_replaced(timezest: Run, command: str, encoding: str) -> None:
    status, output, errors = timezest(*COMMANDS[command], encoding=encoding)
    assert status == 0, errors
    assert "Error" not in errors
    if command in {"export csv", "export jsonl", "list csv", "list jsonl"}:
        assert output == timezest(*COMMANDS[command])[1], "data are UTF-8 whatever the locale"
    else:
        output.decode(encoding)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_obeys_nothing_that_customers_typed(
    timezest: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    status, output, errors = timezest(*COMMANDS[command], is_terminal=True)
    assert status == 0
    for text in (output.decode(), errors):
        assert all(character.isprintable() for character in text if character != "\n")


def test_files_stay_as_they_are(timezest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.setenv(name, "1")
    status, output, _ = timezest(*COMMANDS["export jsonl"])
    assert (status, json.loads(output.splitlines()[-1])["end_user_name"]) == (0, NAME)
    status, output, _ = timezest(*COMMANDS["export csv"])
    assert "\x1b[31m \x9b5m \u202eabc" in output.decode()


def options(service: Served) -> list[str]:
    kind, agent = (service.records(entity)[0]["id"] for entity in ("appointment_type", "agent"))
    return ["create", f"--appointment-type={kind}", f"--resource={agent}", "--email=a@b.org"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_create_is_told_whatever_the_code_page(timezest: Run, service: Served, encoding: str) -> None:
    status, output, errors = timezest(*options(service), "--name=Zo\xeb \u682a", encoding=encoding)
    newest = service.records()[0]["id"]
    assert (status, errors) == (0, f"Created {newest}\n")
    assert newest in output.decode(encoding)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("stdout", ["full", "closed"])
@pytest.mark.parametrize("command", [*COMMANDS, "create"])
def test_a_stdout_that_takes_nothing_ends_with_1_and_costs_nothing_else(
    service: Served, monkeypatch: pytest.MonkeyPatch, command: str, stdout: str
) -> None:
    before = len(service.records())
    arguments = [*options(service), "--name=Al"] if command == "create" else COMMANDS[command]
    output = None if stdout == "closed" else Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - main() sees to it
    errors = Stream("utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", errors)
        status = main(arguments)
        errors.flush()
        sys.stdout.close()
    said = errors.bytes.getvalue().decode()
    assert status == 1
    assert "No space left on device" in said if stdout == "full" else "Bad file descriptor" in said
    assert "Traceback" not in said
    assert len(service.records()) == before + (command == "create")
    if command == "create":
        assert f"Created {service.records()[0]['id']}\n" in said
    if command == "report":
        assert "Oldest unbooked" in Path("report.html").read_text(encoding="utf-8")


def test_a_stderr_that_takes_nothing_costs_nothing_else(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Stream("utf-8")
    with Path("/dev/full").open("wb", buffering=0) as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", io.TextIOWrapper(full, encoding="utf-8", write_through=True))
        assert main([*options(service), "--name=Al"]) == 0
        sys.stderr.detach()
    assert service.records()[0]["id"] in output.bytes.getvalue().decode()


def test_streams_that_are_closed_cost_nothing_else(timezest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    status, _, errors = timezest("create", "--from-json", "-")
    assert (status, errors[:30]) == (2, "stdin cannot be read as JSON: ")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        patch.setattr(sys, "stdout", Stream("utf-8"))
        assert main(["list", "nothing"]) == 2
        assert main(["export", "-o", "all.jsonl"]) == 0
        sys.stderr.close()
    assert Path("all.jsonl").stat().st_size
    sys.stdin.close()


def test_no_columns_are_no_reason_to_write_nothing(timezest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal.out.capture():  # what another test's stdout did not take, rich still has
        pass
    for columns in ("0", "00", ""):
        monkeypatch.setenv("COLUMNS", columns)
        assert timezest("list", "agents")[1].startswith(b"Id  ")
        assert timezest("get", "sreq_1")[1].startswith(b"id  ")


def test_json_too_deep_to_read_is_told(timezest: Run, service: Served) -> None:
    Path("deep.json").write_text("[" * 200_000, encoding="utf-8")
    status, _, errors = timezest("create", "--from-json", "deep.json")
    assert (status, errors[:28], service.requests_seen) == (2, "deep.json cannot be read as ", [])
