"""The guides beside the README: what they tell a newcomer to type exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from timezest_async.cli.application import app

ROOT = Path(__file__).parent.parent
GUIDES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_that_are_named_exist(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, arguments in re.findall(r"(?:^|`|\$ )timezest ([a-z]+)((?:(?! #)[^`\n])*)", text, re.MULTILINE):
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
        if name != "sandbox":  # whose options are those of python -m timezest_async.sandbox
            assert set(re.findall(r"(?<!\S)--[a-z-]+", arguments)) <= known, (name, arguments)


def test_tables_are_not_torn() -> None:
    torn = [
        f"{guide.name}: {row}"
        for guide in GUIDES
        for row, rule in re.findall(r"\n\n(\|.*)\n(.*)", guide.read_text(encoding="utf-8"))
        if not re.fullmatch(r"\|(?: *:?-+:? *\|)+", rule)
    ]
    assert torn == []
