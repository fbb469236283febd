from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.served import KEY, Served
from timezest_async.cli import main


@pytest.fixture
def service(busy: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    """The module's ``busy`` sandbox, which the environment names, and an empty folder to be in."""
    monkeypatch.setenv("TIMEZEST_API_KEY", KEY)
    monkeypatch.setenv("TIMEZEST_BASE_URL", busy.base_url)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    busy.requests_seen.clear()
    return busy


@pytest.fixture
def timezest(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command: exit status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        output, errors = capsys.readouterr()
        assert KEY not in output + errors
        return status, output, errors

    return run
