"""The ``timezest`` command as a shell sees it: arguments in; streams and an exit status out."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from timezest_async import ServerError, TimeZestClient, __version__, tql
from timezest_async.cli import demo, main, record_tables
from timezest_async.endpoints import PATHS
from timezest_async.models import AssociatedEntity, ResourceReference, SchedulingRequest
from timezest_async.sandbox import Sandbox

COMMAND = [
    sys.executable,
    "-Werror",
    "-c",
    "import sys; from timezest_async.cli import main; sys.exit(main())",
]
ENVIRONMENT = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}


@pytest.fixture
def timezest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TIMEZEST_BASE_URL", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return run


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command as a process of its own, which does not outlive the block."""
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# timezest demo


def test_the_demo_shows_the_main_job() -> None:
    result = subprocess.run(
        [*COMMAND, "demo"], capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    header = next(index for index, line in enumerate(lines) if line.startswith("Customer's time"))
    assert lines[header].split() == ["Customer's", "time", "Customer", "Technician", "Ticket", "Status"]
    rows = lines[header + 2 : header + 12]
    assert all(re.match(r"\w{3} \d\d \w{3} \d\d:\d\d \S+ ", row) for row in rows)
    assert all(row.rstrip().endswith("scheduled") for row in rows)
    assert max(len(line.rstrip()) for line in lines[header : header + 12]) <= 80
    assert re.search(
        r"(?m)^Created for ticket #1234:\n  sreq_\w{22}, where to book: http://127", result.stdout
    )
    assert "is an ID and takes EQ, NOT_EQ" in result.stdout
    assert re.search(r"\d+ scheduling requests", result.stderr), "progress goes to stderr"
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to a process")
def test_an_interrupted_stream_ends_with_130() -> None:
    with started("demo") as process:
        assert process.stdout
        while "Booked in the last year" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_a_failing_service_ends_with_1(
    timezest: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ServerError(
            "down for repair\x1b[2J", status=503, request_method="GET", request_path="/v1/agents"
        )

    monkeypatch.setattr(demo, "_create", fail)
    status, output, errors = timezest("demo")
    assert status == 1
    assert "Customer's time" in output
    assert errors.splitlines()[-1] == "503 for GET /v1/agents: down for repair\N{REPLACEMENT CHARACTER}[2J"


def test_a_table_shows_what_customers_typed_and_obeys_nothing() -> None:
    request = SchedulingRequest(
        id="sreq_1",
        status="on hold",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        selected_start_time=datetime(2026, 7, 1, 12, 30, tzinfo=UTC),
        selected_time_zone="Sydney",
        end_user_name="[red]Eve\x1b[31m :cat:",
        scheduled_agents=[ResourceReference(id="agnt_1"), ResourceReference(id="agnt_2", name="Al")],
        associated_entities=[AssociatedEntity(type="connectwise_psa/service_ticket", number="#1")],
    )
    bare = SchedulingRequest(id="sreq_2", status="new", created_at=request.created_at)
    *_, row, empty = record_tables.Table(record_tables.DEMO, 80).lines([request, bare])
    assert row.startswith("Wed 01 Jul 22:30 AEST  [red]Eve")
    assert "\x1b" not in row
    assert "agnt_1, Al" in row
    assert row.endswith("#1      on hold")
    assert empty.split() == ["new"]


# timezest filter


def test_filter_explains_an_or(timezest: Callable[..., tuple[int, str, str]]) -> None:
    status, output, errors = timezest("filter", "status = new or created_at >= 2026-01-01")
    assert (status, errors) == (0, "")
    url = "https://api.timezest.com/v1/scheduling_requests?filter=scheduling_request."
    assert output.splitlines() == [
        "Filter   (F.status == 'new') | (F.created_at >= 1767225600)",
        "Query 1  scheduling_request.status~EQ~new",
        f"         {url}status~EQ~new",
        "Query 2  scheduling_request.created_at~GTE~1767225600",
        f"         {url}created_at~GTE~1767225600",
        "Cost     2 requests at least: one for each query, and one more for each further 20 records",
    ]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("status = Scheduled", "status 'Scheduled' is none of the documented .*; did you mean scheduled?"),
        ("status IN new,canceled", "'canceled' is none of .*cancelled.*; did you mean cancelled?"),
        ("NOT (status != booked OR created_at > 5)", "'booked' is none of"),
        ("status LIKE don", "'don' is none of"),
        ("status LIKE SCHED OR status IN new,closed", ""),
        ("status = new AND status = sent", "contradict each other"),
        ("end_user_name = booked", ""),
    ],
)
def test_a_filter_that_can_hardly_be_meant_is_warned_of_on_stderr(
    timezest: Callable[..., tuple[int, str, str]], text: str, warned: str
) -> None:
    status, out, err = timezest("filter", text, "--json")
    assert status == 0
    assert json.loads(out)["queries"] or "contradict" in warned
    assert re.fullmatch(f"Warning: .*{warned.replace('?', chr(92) + '?')}.*\n" if warned else "", err)


def test_a_filter_that_matches_nothing_costs_nothing(timezest: Callable[..., tuple[int, str, str]]) -> None:
    status, output, _ = timezest("filter", "created_at < 5 and created_at > 7", "--sandbox")
    assert status == 0
    assert "Query" not in output
    assert "no request: nothing can match" in output
    assert "0 matches in 0 requests" in output


@pytest.mark.parametrize("name", sorted(PATHS))
def test_filter_knows_every_entity(timezest: Callable[..., tuple[int, str, str]], name: str) -> None:
    attribute = "end_user_name" if name == "scheduling_request" else "url_slug"
    status, output, errors = timezest(
        "filter", f'{attribute} like "e"', "--entity", name, "--json", "--sandbox"
    )
    assert (status, errors) == (0, "")
    said = json.loads(output)
    assert said["entity"] == name
    assert [query["tql"] for query in said["queries"]] == [f"{name}.{attribute}~LIKE~e"]
    assert said["requests_at_least"] == 1
    assert said["sample"]["matches"] > 0
    assert said["sample"]["requests"] >= max(1, said["sample"]["matches"] // 20)
    assert eval(said["expression"], {"F": tql.scheduling_request, "tql": tql}).entity == name


@pytest.mark.asyncio
async def test_the_urls_are_those_that_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (
        'end_user_name = "Zoë, \\"Z\\" & Co + 50% #1~2" or status in (new, sent) or created_at < 1767225600'
    )
    async with Sandbox() as sandbox, TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
        assert main(["filter", text, "--json", "--base-url", sandbox.base_url]) == 0
        urls = [query["url"] for query in json.loads(capsys.readouterr().out)["queries"]]
        assert await client.scheduling_requests.list(text).to_list() == []
        asked = [
            f"{sandbox.base_url}/scheduling_requests?{seen.query_string}" for seen in sandbox.requests_seen
        ]
    assert len(urls) == 3
    assert sorted(urls) == sorted(asked)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status = "], "a value is missing at the end (column 10)\n  status = \n           ^\n"),
        (["statuz = new"], "the nearest is F.status"),
        (["created_at like 5"], "\n  created_at like 5\n             ^"),
        (
            ["status = new", "--entity", "agents"],
            "'agents' is no entity of TQL; there are scheduling_request,",
        ),
        (["status = new", "--base-url", "api.timezest.com"], "--base-url cannot be used"),
        (["status = new", "--nope"], "No such option"),
        ([], "Missing argument 'FILTER'"),
        (
            [" and ".join(f"(end_user_name like {n} or end_user_email like {n})" for n in range(12))],
            "takes more than 32 queries",
        ),
    ],
)
def test_wrong_usage_ends_with_2(
    timezest: Callable[..., tuple[int, str, str]], arguments: list[str], said: str
) -> None:
    status, output, errors = timezest("filter", *arguments)
    assert status == 2
    assert output == ""
    assert said in errors
    assert "Traceback" not in errors


# timezest sandbox


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to a process")
def test_the_sandbox_serves_until_it_is_interrupted() -> None:
    with started("sandbox", "--port", "0", "--records", "25", "--api-key", "k") as process:
        assert process.stdout
        base_url = process.stdout.readline().removeprefix("base URL").strip()
        with urlopen(
            Request(f"{base_url}/scheduling_requests", headers={"Authorization": "Bearer k"})
        ) as answer:
            assert len(json.load(answer)["data"]) == 20
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--help"], 0), (["--nope"], 2), (["--rate-limit", "x"], 2), (["extra"], 2)]
)
def test_the_sandbox_reads_its_own_options(
    timezest: Callable[..., tuple[int, str, str]], arguments: list[str], status: int
) -> None:
    ended, output, errors = timezest("sandbox", *arguments)
    assert ended == status
    assert "--read-only-key" in (errors if status else output)


# The command as a whole


def test_the_command_is_installed() -> None:
    command = shutil.which("timezest", path=Path(sys.executable).parent)
    assert command
    result = subprocess.run([command, "--help"], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert all(name in result.stdout for name in ("demo", "filter", "sandbox"))


@pytest.mark.parametrize("arguments", [[], ["nope"], ["demo", "--nope"], ["demo", "extra"]])
def test_usage_errors_end_with_2(timezest: Callable[..., tuple[int, str, str]], arguments: list[str]) -> None:
    assert timezest(*arguments)[0] == 2


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_the_command_says_what_to_install(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None\n{COMMAND[-1]}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == "the timezest command needs typer and rich: pip install 'timezest-async[cli]'\n"


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    program = f"import sys; sys.modules['timezest_async.cli.demo'] = None\n{COMMAND[-1]}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ModuleNotFoundError" in result.stderr


# the command itself


def test_it_says_its_version_and_helps_who_says_nothing(
    timezest: Callable[..., tuple[int, str, str]],
) -> None:
    assert timezest("--version") == (0, f"{__version__}\n", "")
    status, output, errors = timezest()
    assert status == 2
    assert "Work with TimeZest's scheduling requests." in output + errors


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("timezest ex", {"export"}),
        ("timezest export --entity a", {"agent", "appointment_type"}),
        ("timezest export --status s", {"sent", "scheduled"}),
        ("timezest export --format p", {"parquet"}),
    ],
)
def test_a_shell_completes_commands_options_and_values(
    monkeypatch: pytest.MonkeyPatch,
    timezest: Callable[..., tuple[int, str, str]],
    words: str,
    offered: set[str],
) -> None:
    monkeypatch.setenv("_TIMEZEST_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    status, output, _ = timezest()
    assert (status, set(output.split())) == (0, offered)
