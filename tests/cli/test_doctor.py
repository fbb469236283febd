from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.served import Served, serving
from timezest_async.sandbox import Status

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=300, quirks={"like_minds_case"}) as served:
        yield served


def test_it_says_what_holds_and_what_depends_on_what_does_not(service: Served, timezest: Run) -> None:
    status, output, errors = timezest("doctor")
    assert status == 0
    assert "holds           lists are newest first" in output
    assert "does not hold   LIKE ignores case" in output
    assert "→ F.….like() finds less" in output
    assert "22 holds, 1 does not hold, 2 cannot be told; 18 requests" in errors
    assert {request.method for request in service.requests_seen} == {"GET"}


def test_json_and_a_report_to_hand_on(service: Served, timezest: Run, tmp_path: Path) -> None:
    status, output, _ = timezest("doctor", "--json", "--output", "report.json")
    report = json.loads(output)
    assert (status, report) == (0, json.loads((tmp_path / "report.json").read_text(encoding="utf-8")))
    assert report["requests"] == len(service.requests_seen) == 18
    [finding] = [one for one in report["findings"] if one["verdict"] == "does not hold"]
    assert finding["name"] == "LIKE and case"
    assert service.base_url not in output


def test_a_service_that_cannot_be_read_is_a_failure(service: Served, timezest: Run, tmp_path: Path) -> None:
    service.faults.script(None, [Status(401)])
    status, output, errors = timezest("doctor", "--output", "report.json")
    assert (status, output) == (1, "")
    assert errors
    assert not (tmp_path / "report.json").exists()
    assert timezest("doctor", "--output", "nowhere/report.json")[0] == 1
