"""What tests of several rooms share."""

from __future__ import annotations

import os

FULL = bool(os.environ.get("TIMEZEST_FULL"))


def examples(count: int) -> int:
    """Scale a randomized count: the full one under TIMEZEST_FULL, else a tenth."""
    return count if FULL else max(1, count // 10)
