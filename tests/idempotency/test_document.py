"""The page about creating exactly once, run from top to bottom."""

from __future__ import annotations

import ast
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import timezest_async
from tests.documentation.pages import blocks
from tests.idempotency.test_journals import Clock
from timezest_async.idempotency import conformance
from timezest_async.sandbox import AnswerLost, Sandbox

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "exactly-once.md"
TEXT = PAGE.read_text(encoding="utf-8")
SNIPPETS = [block.text for block in blocks(PAGE) if block.language == "python"]


@pytest.mark.asyncio
async def test_the_snippets_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clock = Clock()
    mine = timezest_async.MemoryJournal(lease=1.0, clock=clock)
    monkeypatch.setattr(conformance, "check", partial(conformance.check, pass_time=clock.pass_time))
    names: dict[str, Any] = {name: getattr(timezest_async, name) for name in timezest_async.__all__}
    async with Sandbox() as sandbox:
        sandbox.add(object="agent", id="agnt_2wvARLFjTDmO4djuOBf3r")
        for number in ("#1234", "#99"):
            sandbox.add_contact(
                "connectwise_psa/service_ticket", number=number, name="Ann", email="ann@example.com"
            )
        async with timezest_async.TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
            names |= {"client": client, "MyJournal": lambda lease: mine}
            for number, snippet in enumerate(SNIPPETS):
                if "remember(" in snippet:
                    names["journal"] = timezest_async.MemoryJournal()
                code = compile(snippet, f"snippet {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                if (coroutine := eval(code, names)) is not None:
                    await coroutine
            assert names["made"].how == "created"
            journal = timezest_async.MemoryJournal()
            sandbox.faults.script("POST /scheduling_requests", [AnswerLost()])
            made = [await names["job"](client, journal, "#99") for _ in range(2)]
            assert made == 2 * [sandbox.records()[0]["id"]]
            assert await names["job"](client, Away(), "#99") == 5.0
        assert len(sandbox.records()) == 2


class Away(timezest_async.MemoryJournal):
    async def claim(self, name: str, *, digest: str, token: str) -> Any:
        raise timezest_async.ConnectionFailedError("the journal is away", never_sent=True)


def test_what_the_page_names_is_there() -> None:
    for path in re.findall(r"`(tests/[\w/]+\.py)`", TEXT) + [
        f"docs/{link.partition('#')[0]}" for link in re.findall(r"\]\(([\w.#-]+)\)", TEXT)
    ]:
        assert (ROOT / path).exists(), path
