"""What holds for the tests themselves."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent.parent


def test_sample_data_are_made_at_a_moment_that_is_said() -> None:
    """Else what a test finds among them changes by the day: see ``tests.support.stopped_clock``."""
    undated = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in sorted(TESTS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sandbox"
        if "records" in (given := {keyword.arg for keyword in node.keywords}) and "clock" not in given
    ]
    assert undated == []


def test_programs_are_found_through_path_only() -> None:
    """So that a PATH without them is a machine without them."""
    fixed = [
        f"{path.relative_to(TESTS)}: {prefix}"
        for path in sorted(TESTS.rglob("*.py"))
        for prefix in ("/usr" + "/bin", "/usr" + "/local", "/opt" + "/", "/snap" + "/")
        if prefix in path.read_text(encoding="utf-8")
    ]
    assert fixed == []
