"""Makes ``time.sleep`` work under faketime.

Python sleeps until a moment of the monotonic clock. libfaketime 0.9.10 takes that moment for one of the clock
that it fakes, even when it was told to leave the monotonic one alone, and the call fails.
"""

from __future__ import annotations

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
