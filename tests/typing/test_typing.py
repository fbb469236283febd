"""Type checkers accept every line of ``accepts.py`` and reject just the marked lines of ``rejects.py``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import FULL, needs

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not FULL, reason="checkers take half a minute: TIMEZEST_FULL=1 runs them"),
]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = ("accepts.py", "rejects.py")


def run(*command: str, **changed: str) -> str:
    # PYTEST_* and coverage variables mean nothing to a checker; the rest is what it finds itself by.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment | changed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def errors_of_mypy(program: Path) -> dict[int, str]:
    output = run("mypy", "--strict", "--no-pretty", "--no-error-summary", str(program.relative_to(ROOT)))
    found = re.findall(rf"^(?:.*[/\\])?{program.name}:(\d+): error: (.*)$", output, re.MULTILINE)
    assert len(found) == len(re.findall(r": error: ", output)), output
    return {int(line): message for line, message in found}


def errors_of_pyright(program: Path) -> dict[int, str]:
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable, str(program.relative_to(ROOT)))
    report = json.loads(output[output.index("{") :])
    assert report["summary"]["filesAnalyzed"] == 1, output
    return {
        finding["range"]["start"]["line"] + 1: finding["message"]
        for finding in report["generalDiagnostics"]
        if finding["severity"] == "error"
    }


CHECKERS = {"mypy": errors_of_mypy, "pyright": errors_of_pyright}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_reject_the_marked_lines_only(checker: str, name: str) -> None:
    needs(checker, "lint")
    program = HERE / name
    lines = program.read_text().splitlines()
    marked = {number for number, line in enumerate(lines, start=1) if line.endswith("# reject")}
    found = CHECKERS[checker](program)
    assert bool(marked) == (name == "rejects.py")
    assert not marked - found.keys(), "accepted"
    assert not {number: found[number] for number in found.keys() - marked}, "rejected"


def test_nearly_every_public_type_is_known_without_guessing() -> None:
    needs("pyright", "lint")
    # Pyright looks for the package with the Python that is first on PATH, whatever --pythonpath says.
    folder = str(Path(sys.executable).parent)
    output = run(
        "pyright",
        "--verifytypes",
        "timezest_async",
        "--ignoreexternal",
        "--outputjson",
        PATH=os.pathsep.join([folder, os.environ.get("PATH", "")]),
    )
    report = json.loads(output[output.index("{") :])["typeCompleteness"]
    unknown = [symbol["name"] for symbol in report["symbols"] if not symbol["isTypeKnown"]]
    assert report["completenessScore"] >= 0.99, unknown
