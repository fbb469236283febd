"""What the progress line says of time, against a service of which all is known, on a clock of the test's."""

from __future__ import annotations

from collections import deque

import pytest

from timezest_async import RateLimiter
from timezest_async.cli.pace import Pace

# Nobody takes a slot of it: what holds requests up is the test's own reckoning.
BUDGET = RateLimiter(180, 60.0)


@pytest.mark.parametrize("latency", [0.002, 0.05, 0.34, 1.5])
@pytest.mark.parametrize("total", [7, 180, 181, 900])
def test_it_foretells_the_end_and_knows_what_the_budget_held_up(latency: float, total: int) -> None:
    now = 1_000.0
    pace = Pace(BUDGET, lambda: now)
    sent: deque[float] = deque(maxlen=180)
    foretold: list[tuple[float, float]] = []
    for number in range(1, total + 1):
        now += latency
        if len(sent) == 180:
            now = max(now, sent[0] + 60)
        pace.sent()
        sent.append(now)
        left = total - number
        foretold.append((now, max(pace.worked * left / number, pace.seconds_for(left))))
    # What a request takes that waits for the budget passes within the wait.
    assert min(total, 180) * latency - 1e-6 <= pace.worked <= total * latency + 1e-6
    assert pace.elapsed == pytest.approx(now - 1_000)
    for moment, left in foretold:
        assert moment + left == pytest.approx(now, abs=0.1 * (now - 1_000) + latency)


def test_a_budget_that_holds_everything_up_is_no_work() -> None:
    now = 0.0
    pace = Pace(BUDGET, lambda: now)
    for _ in range(180):
        now += 0.01
        pace.sent()
    now = 40.0
    assert pace.worked == pytest.approx(1.8)
    assert pace.seconds_for(1) == pytest.approx(20.01)
    assert pace.seconds_for(181) == pytest.approx(80.01)
    now = 61.0
    assert pace.worked == pytest.approx(61 - 60.01 + 1.8)
    assert pace.seconds_for(0) == 0
