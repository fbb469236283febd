"""``timezest watch`` as a shell sees it."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_signals import started
from tests.servers.served import KEY, Served, serving

Run = Callable[..., tuple[int, str, str]]
LATER = 1_900_000_000
TICKET = {"type": "connectwise_psa/service_ticket", "id": 7, "number": "#7"}


@pytest.fixture
def busy() -> Iterator[Served]:
    with serving() as served:
        served.do(
            lambda sandbox: sandbox.add(
                id="sreq_1",
                status="sent",
                created_at=1_700_000_000,
                updated_at=1_700_000_000,
                end_user_name="Ann \x1b[31m",
                associated_entities=[TICKET],
                scheduling_url="https://example.com/s/1",
            )
        )
        yield served


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_once_tells_what_has_changed_since(service: Served, timezest: Run) -> None:
    command = ("watch", "--state=seen", "--once", "--output=jsonl")
    status, output, errors = timezest(*command)
    assert (status, errors) == (0, "")
    [first] = lines(output)
    assert (first["kind"], first["id"], first["before"]) == ("created", "sreq_1", None)
    assert [first["after"]] == service.records()
    assert timezest(*command) == (0, "", "")
    service.do(lambda sandbox: sandbox.book("sreq_1", LATER, "Arizona"))
    status, output, errors = timezest("watch", "--state=seen", "--once")
    head, _, line = output.splitlines()
    assert head.split() == ["Seen", "(UTC)", "Change", "Ticket", "Starts", "Customer", "Id"]
    assert line.split()[2:6] == ["booked", "#7", "2030-03-17", "10:46"]
    assert "\x1b" not in output
    other = lines(timezest(*command, "--consumer=other")[1])
    assert [(one["seq"], one["kind"]) for one in other] == [(1, "created"), (2, "booked")]


def test_a_filter_with_a_span_means_the_same_at_every_run(service: Served, timezest: Run) -> None:
    command = ("watch", "--state=seen", "--once", "--no-initial", "--since=90d", "status != closed")
    assert timezest(*command) == (0, "", "")
    time.sleep(1.1)
    assert timezest(*command) == (0, "", "")
    status, output, errors = timezest(*command[:-1])
    assert (status, output) == (2, "")
    assert "another filter" in errors


def test_a_command_is_run_for_each_change(service: Served, timezest: Run, tmp_path: Path) -> None:
    program = "import sys; data = sys.stdin.read(); open('told', 'a').write(data)"
    command = ("watch", "--state=seen", "--once", "--exec", shlex.join([sys.executable, "-c", program]))
    assert timezest(*command)[0] == 0
    service.do(lambda sandbox: sandbox.cancel("sreq_1"))
    status, output, errors = timezest(*command[:-1], "exit 3")
    assert (status, output) == (1, "")
    assert "status 3 for change 2 (cancelled, sreq_1)" in errors
    assert timezest(*command)[0] == 0
    assert [one["kind"] for one in lines((tmp_path / "told").read_text())] == ["created", "cancelled"]
    assert timezest(*command) == (0, "", "")


def test_what_nobody_books_is_chased(service: Served, timezest: Run) -> None:
    status, output, errors = timezest("watch", "--chase=3d")
    assert (status, errors) == (0, "")
    line = output.splitlines()[-1].split()
    assert (line[1:4], line[-1]) == (["sent", "#7", "Ann"], "https://example.com/s/1")
    assert lines(timezest("watch", "--chase=3d", "--output=jsonl")[1]) == service.records()
    service.do(lambda sandbox: sandbox.book("sreq_1", LATER))
    assert timezest("watch", "--chase=3d") == (0, "", "Nothing has been open for that long.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--state FILE"),
        (["--chase=soon"], "3d"),
        (["--chase=3d", "--once"], "--once"),
        (["--state=seen", "nothing = 1"], "nothing"),
        (["--state=."], "cannot be opened"),
    ],
)
def test_wrong_usage_is_refused(service: Served, timezest: Run, arguments: list[str], told: str) -> None:
    status, output, errors = timezest("watch", *arguments)
    assert (status, output) == (2, "")
    assert told in errors
    assert service.requests_seen == []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells when signals are heeded")
def test_it_goes_on_until_it_is_stopped(service: Served, tmp_path: Path) -> None:
    options = ("--state=seen", "--output=jsonl", "--interval=0.05", "--sweep=0.05")
    with started(tmp_path, "watch", *options, base_url=service.base_url) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["kind"] == "created"
        service.do(lambda sandbox: sandbox.close_request("sreq_1"))
        assert json.loads(process.stdout.readline())["kind"] == "closed"
        process.terminate()
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest) == (130, "")
    assert KEY not in errors
