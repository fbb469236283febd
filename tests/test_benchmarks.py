"""The benchmarks' own parts: they are run by hand, and should not be found broken then."""

from __future__ import annotations

import importlib
import json
from urllib.request import Request, urlopen

import pytest

from benchmarks import __main__ as command, servers
from tests import support


def test_every_section_is_offered_and_told_of() -> None:
    folder = servers.ROOT / "benchmarks"
    there = {path.stem for path in (folder / "sections").glob("*.py")} - {"__init__"}
    assert there == set(command.SECTIONS)
    table = (folder / "README.md").read_text(encoding="utf-8")
    assert [name for name in command.SECTIONS if f"| `{name}` |" not in table] == []


@pytest.mark.parametrize("name", command.SECTIONS)
def test_every_section_can_be_imported(name: str) -> None:
    for module in ("aiolimiter", "httpx", "orjson", "pydantic", "pypika", "sqlalchemy"):
        support.needs(module, "bench")
    assert callable(importlib.import_module(f"benchmarks.sections.{name}").run)


def test_the_servers_answer() -> None:
    support.needs("orjson", "bench")
    with servers.page_server() as server, servers.sandbox(5) as sandbox:
        for service in (server.account("key", records=50), sandbox):
            with urlopen(Request(service.list_url, headers=service.headers)) as answer:
                assert len(json.load(answer)["data"]) == min(20, service.records)
