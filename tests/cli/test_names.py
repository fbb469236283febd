"""Names of files that are none: empty ones, folders, devices, links that lead nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.served import Served, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=5) as served:
        yield served


WAYS = {
    "export": ["export", "--format=csv", "--overwrite", "--output=NAME"],
    "resume": ["export", "--resume=NAME"],
    "incremental": ["export", "--format=csv", "--incremental=state", "--output=NAME"],
    "state": ["export", "--output=all.csv", "--incremental=NAME"],
    "html": ["report", "--overwrite", "--html=NAME"],
}


@pytest.mark.parametrize("way", [*WAYS, "file", "csv", "api-key", "redis"])
@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_value_is_no_name(service: Served, timezest: Run, way: str, name: str) -> None:
    words = WAYS.get(way, ["report", f"--{way}=NAME"])
    status, output, errors = timezest(*(word.replace("NAME", name) for word in words))
    assert (status, output, service.requests_seen) == (2, "", [])
    assert "is empty: give it a value, or leave it out" in errors
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("way", [way for way in WAYS if way != "resume"])
@pytest.mark.parametrize("name", [".", "/", "folder", "pipe", "/dev/null", "/dev/stdout"])
def test_only_a_file_is_replaced(service: Served, timezest: Run, way: str, name: str) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    status, output, errors = timezest(*(word.replace("NAME", name) for word in WAYS[way]))
    assert (status, output, service.requests_seen) == (2, "", [])
    assert "is a folder: name a file" in errors or "is a device, a pipe or a stream: name a file" in errors
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", [".", "/", ".."])
def test_a_folder_is_nothing_to_resume(service: Served, timezest: Run, name: str) -> None:
    status, _, errors = timezest("export", "--resume", name)
    assert (status, service.requests_seen) == (2, [])
    assert "is a folder: name a file" in errors or "there is nothing to resume" in errors


def test_a_link_that_leads_nowhere_is_there(service: Served, timezest: Run) -> None:
    Path("link.csv").symlink_to("nowhere/else.csv")
    for words in (["export", "-o", "link.csv"], ["report", "--html", "link.csv"]):
        status, _, errors = timezest(*words)
        assert (status, service.requests_seen) == (2, [])
        assert "link.csv exists already: " in errors
    assert timezest("export", "-o", "link.csv", "--overwrite")[0] == 0
    assert not Path("link.csv").is_symlink()


def test_a_byte_order_mark_is_no_fault(service: Served, timezest: Run) -> None:
    Path("new.json").write_bytes(b'\xef\xbb\xbf{"appointment_type_id": "a"}')
    assert "new.json lacks trigger_mode" in timezest("create", "--from-json", "new.json")[2]


def test_a_folder_that_cannot_be_written_to_is_told_first(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    for option in ("--html=page.html", "--csv=tables"):
        status, _, errors = timezest("report", option)
        assert (status, service.requests_seen) == (2, [])
        assert "nothing can be written into the folder" in errors
