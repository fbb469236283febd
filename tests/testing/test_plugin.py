"""The pytest plugin in suites as users have them: each of these runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import FULL

SUITE = """
from datetime import timedelta

import pytest
from timezest_async import F, TimeZestClient
from timezest_async.sandbox import Status

mark = {mark}


@pytest.mark.timezest(records=45)
@mark
async def test_streams(timezest_client):
    assert len(await timezest_client.scheduling_requests.list().to_list()) == 45


@mark
async def test_nothing_is_left_of_another_test(timezest_client, timezest_sandbox):
    assert await timezest_client.scheduling_requests.list().to_list() == []
    assert len(timezest_sandbox.requests_seen) == 1


@pytest.mark.parametrize("psa", ["connectwise_psa", "autotask", "halo_psa", "service_now"])
@mark
async def test_books(psa, timezest_client, timezest_sandbox):
    id = timezest_sandbox.add_request(psa=psa)["id"]
    start = timezest_sandbox.clock.now + timedelta(days=1)
    timezest_sandbox.book(id, start)
    request = await timezest_client.scheduling_requests.get(id)
    assert (request.status, request.selected_start_time) == ("scheduled", start)
    assert request.associated_entities[0].type.startswith(psa)


@mark
async def test_faults(timezest_client, timezest_sandbox):
    timezest_sandbox.faults.script("GET /agents", [Status(404)])
    with pytest.raises(Exception, match="404"):
        await timezest_client.agents.list().to_list()


@mark
async def test_a_client_of_ones_own(timezest_env):
    async with TimeZestClient() as client:
        timezest_env.cancel(timezest_env.add_request()["id"])
        assert (await client.scheduling_requests.list(F.status == "cancelled").one()).end_user_name


def test_without_a_loop(timezest_sandbox, timezest_client):
    before = timezest_sandbox.add_request()["created_at"]
    timezest_sandbox.clock.move(60)
    assert timezest_sandbox.add_request(psa="autotask")["created_at"] == before + 60
    timezest_sandbox.remove(timezest_sandbox.records()[0]["id"])
    assert len(timezest_sandbox.records()) == 1
"""
ANYIO = """
import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]
MODES = {
    "strict": ("pytest.mark.asyncio", "", SCOPE),
    "auto": ("lambda test: test", "", [*SCOPE, "-o", "asyncio_mode=auto"]),
    "session loops": ('pytest.mark.asyncio(loop_scope="session")', "", SCOPE),
    "anyio": ("pytest.mark.anyio", ANYIO, ["-p", "no:asyncio"]),
}


def run_suite(folder: Path, suite: str, *arguments: str, conftest: str = "") -> str:
    (folder / "test_program.py").write_text(suite)
    (folder / "conftest.py").write_text(conftest)
    command = [
        sys.executable,
        "-X",
        "dev",
        "-m",
        "pytest",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    done = subprocess.run(
        [*command, f"--rootdir={folder}", "-c", "/dev/null", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=100,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", MODES if FULL else ["strict", "anyio"])
def test_a_suite_passes_with_warnings_as_errors(mode: str, tmp_path: Path) -> None:
    mark, conftest, arguments = MODES[mode]
    told = run_suite(tmp_path, SUITE.replace("{mark}", mark), *arguments, conftest=conftest)
    assert "9 passed in" in told, told


OPTIONS = """
import pytest
import sys

assert "timezest_async" not in sys.modules and "aiohttp" not in sys.modules


@pytest.fixture(scope="session")
def timezest_sandbox_options():
    return {"records": 3, "page_size": 2, "api_key": "of-the-suite"}
"""
WITH_OPTIONS = """
import pytest


def test_options_of_the_suite(timezest_sandbox):
    assert len(timezest_sandbox.records()) == 3
    assert timezest_sandbox.api_key == "of-the-suite"


@pytest.mark.timezest(records=4)
class TestMarked:
    def test_the_marker_wins(self, timezest_sandbox):
        assert len(timezest_sandbox.records()) == 4
        assert timezest_sandbox.api_key == "of-the-suite"

    @pytest.mark.timezest(records=5)
    def test_the_closest_marker_wins(self, timezest_sandbox):
        assert len(timezest_sandbox.records()) == 5


@pytest.mark.timezest(records=-1)
def test_wrong(timezest_sandbox):
    raise AssertionError


@pytest.mark.timezest(200)
def test_nameless(timezest_sandbox):
    raise AssertionError
"""


def test_options_are_the_suites_and_the_markers(tmp_path: Path) -> None:
    told = run_suite(tmp_path, WITH_OPTIONS, "--strict-markers", *SCOPE, conftest=OPTIONS)
    assert "3 passed, 2 errors in" in told, told
    assert "takes options of Sandbox by name, such as records=200; not (200,)" in told
    assert "records takes" in told or "records" in told.partition("ConfigurationError")[2]


def test_nothing_is_imported_for_a_suite_that_uses_none_of_it(tmp_path: Path) -> None:
    suite = (
        "import sys\n\n\ndef test_it():\n    assert not {'timezest_async', 'aiohttp'} & set(sys.modules)\n"
    )
    assert "1 passed in" in (told := run_suite(tmp_path, suite, *SCOPE)), told
