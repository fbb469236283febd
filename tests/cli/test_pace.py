"""What the progress line says of time, against a service of which all is known, on a clock of the test's."""

from __future__ import annotations

import asyncio

import pytest

from timezest_async import RateLimiter
from timezest_async.cli.pace import Pace


class Service:
    """Answers at once, on a clock of its own, within a budget of 180 requests a minute."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.budget = RateLimiter(180, 60.0, 0.0, clock=lambda: self.now)
        self.pace = Pace(self.budget, lambda: self.now)

    async def ask(self) -> None:
        """Send a request as soon as the budget allows."""
        self.now += self.budget.wait_time()
        slot = await self.budget.acquire()
        self.pace.sent()
        slot.answered()


@pytest.mark.parametrize("latency", [0.002, 0.05, 0.34, 1.5])
@pytest.mark.parametrize("total", [7, 180, 181, 900])
def test_it_foretells_the_end_and_knows_what_the_budget_held_up(latency: float, total: int) -> None:
    async def main() -> None:
        service = Service(1_000.0)
        pace = service.pace
        foretold: list[tuple[float, float]] = []
        for number in range(1, total + 1):
            service.now += latency
            await service.ask()
            left = total - number
            foretold.append((service.now, max(pace.worked * left / number, pace.seconds_for(left))))
        # What a request takes that waits for the budget passes within the wait.
        assert min(total, 180) * latency - 1e-6 <= pace.worked <= total * latency + 1e-6
        assert pace.elapsed == pytest.approx(service.now - 1_000)
        for moment, left in foretold:
            assert moment + left == pytest.approx(service.now, abs=0.1 * (service.now - 1_000) + latency)

    asyncio.run(main())


def test_a_budget_that_holds_everything_up_is_no_work() -> None:
    async def main() -> None:
        service = Service(0.0)
        pace = service.pace
        for _ in range(180):
            service.now += 0.01
            await service.ask()
        service.now = 40.0
        assert pace.worked == pytest.approx(1.8)
        assert pace.seconds_for(1) == pytest.approx(20.01)
        assert pace.seconds_for(181) == pytest.approx(80.01)
        service.now = 61.0
        assert pace.worked == pytest.approx(61 - 60.01 + 1.8)
        assert pace.seconds_for(0) == 0

    asyncio.run(main())
