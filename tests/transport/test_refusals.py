"""429s that do not say for how long, and deadlines that the budget cannot meet, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from multidict import CIMultiDict

from tests import support, virtual
from tests.transport.test_calls import Reply, play
from timezest_async import errors
from timezest_async.budget import RateLimiter
from timezest_async.transport import Transport, aiohttp_edge as wire
from timezest_async.transport.messages import Response

PERIOD = 60.0
UNSAID = [None, "", "0", "0.0", "-1", "-3600", "soon", "1e3", "Wed, 21 Oct 2015 07:28:00 GMT", "\u0663"]


class Service:
    """Refuses everything for some time, as if others had used up the account's window."""

    def __init__(self, refuses_for: float, headers: list[str | None], chance: random.Random) -> None:
        self.refuses_for, self.headers, self.chance = refuses_for, headers, chance
        self.sent: list[float] = []
        self.done = 0
        self.began = asyncio.get_running_loop().time()

    async def exchange(
        self, _session: Any, _request: Any, _settings: Any, partial: wire.PartialResponse, on_headers: Any
    ) -> Response:
        now = asyncio.get_running_loop().time() - self.began
        self.sent.append(now)
        await asyncio.sleep(self.chance.uniform(0.01, 0.3))
        refused = now < self.refuses_for
        self.done += not refused
        said = self.chance.choice(self.headers)
        partial.headers = CIMultiDict({"Retry-After": said} if refused and said is not None else {})
        partial.status = 429 if refused else 200
        on_headers()
        return Response(partial.status, partial.headers, b"{}")


def serve(
    act: Callable[[list[Any], Service], Awaitable[None]],
    refuses_for: float,
    *,
    limiter_of: Callable[[RateLimiter], list[Any]] = lambda limiter: [limiter],
    headers: list[str | None] = UNSAID,
    seed: int = 1,
    **arguments: Any,
) -> None:
    async def main() -> None:
        limiter = RateLimiter(180, PERIOD, 0.0, clock=asyncio.get_running_loop().time)
        service = Service(refuses_for, headers, random.Random(seed))
        transports = [
            Transport(api_key="key", base_url="http://x.example", rate_limiter=one, **arguments)
            for one in limiter_of(limiter)
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "exchange", service.exchange)
            await act(transports, service)
        for transport in transports:
            await transport.close()

    virtual.run(main())


def ask(transport: Transport, number: int, **arguments: Any) -> Awaitable[Any]:
    if number % 3:
        return transport.get("/x", route="/x", **arguments)
    # Certainly not done, so that it may be sent again.
    return transport.post("/x", {}, route="/x", **arguments)


@given(st.floats(0.0, PERIOD), st.integers(1, 60), st.integers(0, 2**32), st.integers(2, 6))
@settings(max_examples=support.examples(300))
def test_refusals_that_say_nothing_cost_little_and_all_succeed_after_the_window(
    refuses_for: float, calls: int, seed: int, attempts: int
) -> None:
    async def act(transports: list[Transport], service: Service) -> None:
        exchanges = await asyncio.gather(*(ask(transports[n % 3], n) for n in range(calls)))
        assert all(exchange.status == 200 for exchange in exchanges)
        assert service.done == calls
        # The first burst, one at the end of each pause, and those that are answered.
        assert len(service.sent) <= 2 * calls + 6
        assert service.sent[-1] <= refuses_for + PERIOD / 2 + 2.0

    def limiters(limiter: RateLimiter) -> list[Any]:
        return [limiter, limiter.share(60), limiter.share(120).share(60)]

    serve(act, refuses_for, limiter_of=limiters, seed=seed, max_attempts=attempts)


@given(st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=support.examples(50))
def test_given_up_after_two_windows(calls: int, seed: int) -> None:
    async def act(transports: list[Transport], service: Service) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        results = await asyncio.gather(*(ask(transports[0], n) for n in range(calls)), return_exceptions=True)
        assert {type(result) for result in results} == {errors.RateLimitedError}
        assert 2 * PERIOD <= clock() - began <= 2 * PERIOD + 1.0
        assert len(service.sent) <= calls + 6
        pauses = sorted({round(moment / PERIOD * 8) for moment in service.sent})
        assert pauses == [0, 1, 3, 7, 11, 15]

    serve(act, 1e9, seed=seed)


def test_who_never_had_a_turn_is_not_kept_for_ever() -> None:
    async def act(transports: list[Transport], _service: Service) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        results = await asyncio.gather(*(ask(transports[0], n) for n in range(400)), return_exceptions=True)
        assert {type(result) for result in results} == {errors.RateLimitedError}
        assert clock() - began <= 10 * PERIOD

    serve(act, 1e9)


def test_a_deadline_ends_the_wait_for_a_refusal_at_once() -> None:
    async def act(transports: list[Transport], service: Service) -> None:
        clock = asyncio.get_running_loop().time
        with pytest.raises(errors.RateLimitedError):
            await ask(transports[0], 1, deadline=7.0)
        assert clock() - service.began < 1.0
        assert len(service.sent) == 1
        # Whoever comes now has sent nothing, and is told when to come again.
        with pytest.raises(errors.BudgetExhaustedError, match="nothing was sent") as caught:
            await ask(transports[0], 1, deadline=6.0)
        assert 6.0 < caught.value.retry_after <= 7.5
        assert len(service.sent) == 1
        await ask(transports[0], 1, deadline=8.0)

    serve(act, 5.0)


def test_a_pause_turns_away_who_waits_already() -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        limiter = RateLimiter(1, 10.0, 0.0, clock=clock)
        slot = await limiter.acquire()
        slot.answered()
        hurried, patient = (asyncio.create_task(limiter.acquire(within=w)) for w in (15.0, 30.0))
        await asyncio.sleep(5.0)
        before = clock()
        limiter.pause(20.0)
        with pytest.raises(errors.BudgetExhaustedError) as caught:
            await hurried
        assert clock() == before
        assert caught.value.retry_after == pytest.approx(20.0)
        (await patient).release()
        assert clock() - before == pytest.approx(20.0)

    virtual.run(main())


def test_one_attempt_is_one_attempt() -> None:
    async def act(transports: list[Transport], service: Service) -> None:
        with pytest.raises(errors.RateLimitedError):
            await ask(transports[0], 1)
        assert len(service.sent) == 1

    serve(act, 1e9, max_attempts=1)


def test_a_far_retry_after_is_not_waited_for_without_a_deadline() -> None:
    async def act(transport: Transport, script: Any) -> None:
        with pytest.raises(errors.RateLimitedError):
            await transport.post("/x", {}, route="/x")
        assert len(script.sent) == 1
        assert transport.limiter.wait_time() <= 120.0

    play(act, Reply(429, retry_after="Wed, 21 Oct 2099 07:28:00 GMT"))


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0.0, 3.0), st.one_of(st.none(), st.floats(0.1, 40.0))), max_size=40),
)
@settings(max_examples=support.examples(500))
def test_what_the_budget_cannot_meet_it_says_at_once_and_nothing_else(
    limit: int, plan: list[tuple[float, float | None]]
) -> None:
    """Against a model: the n-th request that is let through goes a window after the (n - limit)-th."""

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        limiter = RateLimiter(limit, 10.0, 0.0, clock=clock)
        granted: list[float] = []

        async def call(within: float | None, expected: float) -> None:
            began = clock()
            if within is not None and expected - began > within + 1e-6:
                with pytest.raises(errors.BudgetExhaustedError) as caught:
                    await limiter.acquire(within=within)
                assert clock() == began
                assert caught.value.retry_after == pytest.approx(expected - began)
            else:
                slot = await limiter.acquire(within=within)
                slot.answered()
                assert clock() == pytest.approx(expected)

        tasks = []
        for pause, within in plan:
            await asyncio.sleep(pause)
            expected = max(clock(), granted[-limit] + 10.0) if len(granted) >= limit else clock()
            if within is None or abs(expected - clock() - within) > 1e-6:
                tasks.append(asyncio.create_task(call(within, expected)))
                if within is None or expected - clock() <= within:
                    granted.append(expected)
        await asyncio.gather(*tasks)

    virtual.run(main())


def test_a_wait_that_answers_make_too_long_ends_when_they_come() -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        limiter = RateLimiter(1, 10.0, 0.0, clock=clock)
        slot = await limiter.acquire()
        began = clock()
        waiting = asyncio.create_task(limiter.acquire(within=11.0))
        await asyncio.sleep(2.0)
        assert not waiting.done()
        slot.answered()
        with pytest.raises(errors.BudgetExhaustedError):
            await waiting
        assert clock() - began == 2.0

    virtual.run(main())


def test_a_long_line_with_deadlines_is_cheap() -> None:
    async def main() -> None:
        limiter = RateLimiter(180, 60.0)
        began = asyncio.get_running_loop().time()
        slots = [await limiter.acquire() for _ in range(180)]
        waiting = [asyncio.create_task(limiter.acquire(within=3600.0)) for _ in range(5000)]
        await asyncio.sleep(0)
        for slot in slots:
            slot.answered()
        limiter.pause(1.0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        # Some 0.15 s on an idle machine.
        assert asyncio.get_running_loop().time() - began < 3.0

    asyncio.run(main())
