"""What tests of several rooms share."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NoReturn

import pytest

FULL = bool(os.environ.get("TIMEZEST_FULL"))


def examples(count: int) -> int:
    """Scale a randomized count: the full one under TIMEZEST_FULL, else a tenth; less of larger ones."""
    share = next(share for least, share in ((10_000, 100), (1_000, 40), (400, 20), (0, 10)) if count >= least)
    return count if FULL else max(1, count // share)


NOON = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()


def stopped_clock() -> float:
    """Give the sandbox one moment for ever: sample data depend on it, and so would what tests find."""
    return NOON


def lacks(reason: str) -> NoReturn:
    """Skip what this machine lacks something for; fail where TIMEZEST_REQUIRE is `all`, as in CI."""
    if os.environ.get("TIMEZEST_REQUIRE") == "all":
        pytest.fail(f"{reason}, and TIMEZEST_REQUIRE=all demands it")
    pytest.skip(reason, allow_module_level=True)


def needs(module: str, extra: str) -> Any:
    """Import what an extra brings."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        lacks(f"{module} is not installed: pip install 'timezest-async[{extra}]'")


def needs_program(name: str) -> str:
    """Find a program that a package of the same name brings on Debian."""
    return shutil.which(name) or lacks(f"{name} is not installed: apt-get install {name}")
