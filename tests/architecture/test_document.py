"""``docs/architecture.md`` against the package: rooms, arrows, files and the names in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.test_imports import FACE, ROOT, imports_of, modules, room_of

TEXT = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)(?:: ([A-Za-z_.]+))?`", TEXT)))


def layers() -> list[list[str]]:
    drawing = re.search(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert drawing
    return [re.split(r" {2,}", line.partition("│")[0].strip()) for line in drawing[1].splitlines()]


def test_the_drawing_has_every_room_once() -> None:
    assert sorted(room for layer in layers() for room in layer) == sorted(set(map(room_of, modules())))


def test_every_arrow_leads_down() -> None:
    depth = {room: number for number, layer in enumerate(layers()) for room in layer}
    arrows = {(room_of(module), room_of(target)) for module in modules() for target in imports_of(module)}
    assert [(one, other) for one, other in arrows if one != other and depth[one] >= depth[other]] == []
    assert FACE in depth


def defined(body: list[ast.stmt], name: str) -> bool:
    head, _, rest = name.partition(".")
    for node in body:
        match node:
            case ast.ClassDef() if node.name == head:
                return not rest or defined(node.body, rest)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name == name:
                return True
    return False


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_is_named_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"docs/architecture.md names {file}, which is not there"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not name or defined(tree.body, name), (
        f"docs/architecture.md names {name}, which {file} does not define"
    )


def test_folders_of_tests_that_are_named_exist() -> None:
    named = re.findall(r"`(tests/[a-z]+)`", TEXT)
    assert named
    assert [folder for folder in named if not (Path(ROOT.parent) / folder).is_dir()] == []
