"""A sandbox beside the test, so that the command can have the main thread, as in a shell."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from tests.support import stopped_clock
from timezest_async.testing import TimeZestSandbox

KEY = "secret-key-of-the-tests"
Served: TypeAlias = TimeZestSandbox


def serving(**options: Any) -> AbstractContextManager[Served]:
    return TimeZestSandbox(**{"api_key": KEY, "clock": stopped_clock, **options})
