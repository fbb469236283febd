"""Ctrl-C and SIGTERM at any moment of any command: 130, and no traceback."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import support
from tests.servers.served import KEY, serving
from timezest_async.cli import application

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells when signals are heeded")

COMMANDS = {
    "create": ["--appointment-type=apty_1", "--resource=agnt_1", "--name=Al", "--email=al@example.org"],
    "demo": [],
    "doctor": [],
    "export": ["-o", "all.jsonl", "--overwrite", "--quiet"],
    "filter": ["status = new or status = sent", "--sandbox"],
    "get": ["sreq_1"],
    "list": ["agents"],
    "report": [],
    "sandbox": ["--port=0"],
    "watch": ["--state=watched"],
}
ELSEWHERE = {"mcp"}
"""Reads stdin, and needs a library: tests/integrations/test_assistant.py."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def started(
    folder: Path, *arguments: str, base_url: str = "http://127.0.0.1:9/v1"
) -> Iterator[subprocess.Popen[str]]:
    """Start the command, and wait until it heeds signals: that Python starts takes its time before."""
    command = shutil.which("timezest", path=Path(sys.executable).parent)
    assert command
    environment = {**os.environ, "TIMEZEST_API_KEY": KEY, "TIMEZEST_BASE_URL": base_url}
    with subprocess.Popen(
        [command, *arguments], stdout=-1, stderr=-1, text=True, cwd=folder, env=environment
    ) as process:
        try:
            while not _heeds_signals(process.pid):
                assert process.poll() is None
                time.sleep(0.001)
            yield process
        finally:
            process.kill()


def _heeds_signals(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_there_is_a_case_for_every_command() -> None:
    names = {
        each.name or each.callback.__name__ for each in application.app.registered_commands if each.callback
    }
    assert names == set(COMMANDS) | ELSEWHERE


@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_at_any_moment_ends_it_with_130(command: str, tmp_path: Path) -> None:
    chance = random.Random(command)
    with serving(records=100, latency=0.05) as service:
        service.do(lambda sandbox: sandbox.add(id="sreq_1"))
        for number in range(15 if support.FULL else 1):
            with started(tmp_path, command, *COMMANDS[command], base_url=service.base_url) as process:
                time.sleep(0 if number == 1 else chance.uniform(0, 0.8))
                process.send_signal(chance.choice(SIGNALS))
                _, errors = process.communicate(timeout=60)
            # What is done before it hears the signal has done its work.
            done = {0} if command != "create" else {1}
            assert process.returncode in {130, *done}, errors
            assert "Traceback" not in errors
            assert "Exception ignored" not in errors
            assert "never awaited" not in errors


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_modules_are_imported(number: signal.Signals, tmp_path: Path) -> None:
    for command in COMMANDS if support.FULL else ["demo"]:
        with started(tmp_path, command, *COMMANDS[command]) as process:
            process.send_signal(number)
            assert (*process.communicate(timeout=60), process.returncode) == ("", "", 130)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_after_all_is_done_changes_nothing(number: signal.Signals) -> None:
    program = (
        "import os, sys, _timezest_command\n"
        # Given to run after all that Python's end runs, when signals have lost their handlers.
        f"class Late:\n    def __del__(self, kill=os.kill, pid=os.getpid()): kill(pid, {int(number)})\n"
        "sys.late = Late()\n"
        "sys.argv = ['timezest', '--version']\n"
        "sys.exit(_timezest_command.main())\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
