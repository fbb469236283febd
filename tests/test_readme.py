"""The README, run as a newcomer would run it."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import timezest_async
from tests.documentation.pages import blocks
from tests.support import stopped_clock
from timezest_async.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM, *SNIPPETS = (block.text for block in blocks(ROOT / "README.md") if block.language == "python")


@pytest.mark.asyncio
async def test_the_quick_start_is_a_whole_program() -> None:
    async with Sandbox() as sandbox:
        sandbox.add(status="scheduled", end_user_name="Ann", created_at=int(time.time()) - 86_400)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-Werror", "-c", PROGRAM),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "TIMEZEST_API_KEY": sandbox.api_key, "TIMEZEST_BASE_URL": sandbox.base_url},
        )
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert output.split() == [b"None", b"Ann"]


@pytest.mark.asyncio
async def test_the_snippets_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {name: getattr(timezest_async, name) for name in timezest_async.__all__}
    async with Sandbox(records=60, clock=stopped_clock) as sandbox:
        sandbox.add(object="appointment_type", id="apty_2s211C0S1I5gqIaA8wbDu6")
        sandbox.add(object="agent", id="agnt_2wvARLFjTDmO4djuOBf3r")
        async with timezest_async.TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
            names |= {
                "client": client,
                "booked": timezest_async.F.status == "scheduled",
                "key": sandbox.api_key,
            }
            for snippet in SNIPPETS:
                code = compile(snippet, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                if (coroutine := eval(code, names)) is not None:
                    await coroutine
        assert len(sandbox.records()) == 61
    assert (tmp_path / "booked.parquet").stat().st_size
    assert names["made"].how == "created"


def test_files_and_headings_that_are_linked_exist() -> None:
    headings = {
        f"#{line[3:].lower().replace(' ', '-')}" for line in TEXT.splitlines() if line.startswith("## ")
    }
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    broken = [
        link for link in links if "://" not in link and link not in headings and not (ROOT / link).exists()
    ]
    assert broken == []
