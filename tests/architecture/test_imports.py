"""The package's imports, read from its source: they run one way only, and never in a circle.

Imports that only type checkers follow count: a module is not understood without what it names there.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import timezest_async

PACKAGE = "timezest_async"
ROOT = Path(timezest_async.__file__).parent
LONGEST_FILE = 350
FACE = "the face"

LOWEST = {"_version", "errors", "redaction", "checks", "closing", "redis_connections", "sqlite_files"}
BELOW_TRANSPORT = LOWEST | {"tql", "models", "matching", "serialization", "budget"}
BELOW_ENDPOINTS = BELOW_TRANSPORT | {"transport", "pagination", "idempotency", "changes"}
BELOW_EXPORT = BELOW_ENDPOINTS | {"endpoints", "client"}
MAY_IMPORT = {
    "_version": set[str](),
    "errors": set[str](),
    "redaction": set[str](),
    "checks": {"errors"},
    "tql": {"errors", "checks"},
    "models": {"errors", "checks"},
    "closing": set[str](),
    "redis_connections": {"errors", "closing", "redaction"},
    "sqlite_files": {"errors"},
    "budget": LOWEST - {"_version"},
    "matching": {"errors", "tql", "models"},
    "serialization": {"errors", "checks", "models"},
    "transport": LOWEST | {"budget", "serialization"},
    "pagination": BELOW_ENDPOINTS - {"pagination", "idempotency", "changes", "matching"},
    "idempotency": LOWEST | {"models"},
    "endpoints": BELOW_ENDPOINTS,
    "client": BELOW_ENDPOINTS | {"endpoints"},
    "changes": LOWEST | {"tql", "models", "matching"},
    "export": BELOW_EXPORT,
    "reports": BELOW_EXPORT | {"export"},
    "integrations": BELOW_EXPORT | {"export"},
    "doctor": LOWEST | {"transport", "models", "tql"},
    FACE: BELOW_EXPORT | {"export"},
    "sandbox": {"errors"},
    "testing": BELOW_EXPORT | {FACE, "sandbox"},
    "cli": BELOW_EXPORT | {FACE, "export", "reports", "integrations", "doctor", "sandbox"},
}
"""Which rooms each room may import, beside itself."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def room_of(module: str) -> str:
    parts = module.split(".")
    return FACE if len(parts) == 1 else parts[1]


def import_statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports of a module, those inside functions and those for type checkers too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        else:
            yield from import_statements(child)


def targets(statement: ast.Import | ast.ImportFrom, module: str, *, is_package: bool) -> Iterator[str]:
    """Yield the modules of this package that a statement names: a submodule rather than its package."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names if alias.name.split(".")[0] == PACKAGE)
        return
    source = statement.module or ""
    if statement.level:
        parts = module.split(".")
        parts = parts[: len(parts) - statement.level + is_package]
        source = ".".join([*parts, source] if source else parts)
    if source.split(".")[0] == PACKAGE:
        for alias in statement.names:
            name = f"{source}.{alias.name}"
            yield name if name in modules() else source


@cache
def imports_of(module: str) -> frozenset[str]:
    path = modules()[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_package = path.name == "__init__.py"
    found: set[str] = set()
    for statement in import_statements(tree):
        found.update(targets(statement, module, is_package=is_package))
    return frozenset(found - {module})


@pytest.mark.parametrize("module", modules())
def test_every_room_imports_only_what_is_before_it(module: str) -> None:
    room = room_of(module)
    assert room in MAY_IMPORT, f"{module}: a new room; say in MAY_IMPORT what it may import"
    allowed = MAY_IMPORT[room] | {room}
    wrong = sorted(target for target in imports_of(module) if room_of(target) not in allowed)
    assert not wrong, f"{module} ({room}) imports {wrong}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter({module: imports_of(module) for module in modules()}).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def test_the_rooms_themselves_form_no_circle() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()


def test_the_reader_of_imports_sees_what_it_should() -> None:
    source = """
import os, timezest_async.errors
from typing import TYPE_CHECKING
from timezest_async import tql
if TYPE_CHECKING:
    from timezest_async.client import TimeZestClient
else:
    from timezest_async import matching
def f():
    from .transport import Transport
"""
    found: set[str] = set()
    for statement in import_statements(ast.parse(source)):
        found.update(targets(statement, f"{PACKAGE}.x", is_package=False))
    assert found == {f"{PACKAGE}.{name}" for name in ("errors", "tql", "client", "matching", "transport")}
    [statement] = import_statements(ast.parse("from .store import Store"))
    for module, is_package in ((f"{PACKAGE}.sandbox", True), (f"{PACKAGE}.sandbox.server", False)):
        assert list(targets(statement, module, is_package=is_package)) == [f"{PACKAGE}.sandbox.store"]


@pytest.mark.parametrize("module", modules())
def test_no_file_is_long(module: str) -> None:
    lines = modules()[module].read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_FILE, f"{module} has {lines} lines, more than {LONGEST_FILE}: it asks to be two"


def test_every_room_says_what_it_knows_and_what_it_must_not_know() -> None:
    for room in {path.parent for path in ROOT.rglob("__init__.py")} - {ROOT}:
        docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
        said = re.search(r"\bKnows [^;]+; knows (no|nothing|neither|not)\b", " ".join(docstring.split()))
        assert said, f"{room.name}/__init__.py: write `Knows ...; knows nothing of ...`"


def test_no_folder_has_one_file_only() -> None:
    for folder in {path.parent for path in ROOT.rglob("*.py")}:
        inside = [path for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()]
        assert len(inside) > 1, f"{folder.name}: a folder with one file is asking to be a file"


MAY_OCCUR_AGAIN = {
    "__init__": "every folder has one",
    "limiter": "the budget's, and the one that shares it through Redis",
    "directory": "the records of agents, teams and types, and their endpoints",
    "scheduling_requests": "the records, and their endpoint",
    "sqlite": "exports, journals and what watching remembers, each kept in SQLite",
    "terminal": "what the command prints with, and the report as a terminal shows it",
    "report": "the figures, and the sub-command that shows them",
}
"""Why a file has a name that another one has, too."""


def test_a_file_has_a_name_of_its_own() -> None:
    names = Counter(path.stem for path in ROOT.rglob("*.py"))
    again = {name for name, times in names.items() if times > 1}
    assert again <= set(MAY_OCCUR_AGAIN), f"{again - set(MAY_OCCUR_AGAIN)} occur more than once"


LAZY = (
    "msgspec",
    "pyarrow",
    "redis",
    "rich",
    "sqlite3",
    "stamina",
    "timezest_async.cli",
    "timezest_async.sandbox",
    "typer",
)


def test_importing_the_package_brings_nothing_that_is_not_always_needed() -> None:
    program = f"import sys, timezest_async; print(*sorted(sys.modules.keys() & {set(LAZY)!r}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
