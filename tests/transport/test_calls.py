"""Attempts, back-offs, time limits and reservations, in virtual time over a wire that is a script."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import stamina
from hypothesis import given, settings, strategies as st
from multidict import CIMultiDict

from tests import support, virtual
from timezest_async import errors
from timezest_async.budget import RateLimiter
from timezest_async.transport import RequestEvent, Transport, aiohttp_edge as wire
from timezest_async.transport.messages import Response


@attrs.define
class Reply:
    """What the scripted wire does: after ``latency``, answer with a status or fail."""

    status: int | None = 200
    latency: float = 0.1
    retry_after: str | None = None
    body: bytes = b"{}"
    never_sent: bool = False


class Wire:
    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.sent: list[float] = []
        self.urls: list[str] = []

    async def exchange(
        self,
        _session: Any,
        request: Any,
        _settings: Any,
        partial: wire.PartialResponse,
        on_headers: Callable[[], None],
    ) -> Response:
        clock = asyncio.get_running_loop().time
        self.sent.append(clock())
        self.urls.append(request.url.path)
        reply = self.replies[min(len(self.sent), len(self.replies)) - 1]
        await asyncio.sleep(reply.latency)
        if reply.status is None:
            raise errors.ConnectionFailedError("scripted", never_sent=reply.never_sent)
        partial.status = reply.status
        partial.headers = CIMultiDict({"Retry-After": reply.retry_after} if reply.retry_after else {})
        on_headers()
        return Response(reply.status, partial.headers, reply.body)

    @property
    def gaps(self) -> list[float]:
        return [later - sooner for sooner, later in zip(self.sent, self.sent[1:], strict=False)]


def play(
    act: Callable[[Transport, Wire], Awaitable[Any]],
    *replies: Reply,
    random: Callable[[], float] | None = None,
    limit: int = 180,
    period: float = 60.0,
    **arguments: Any,
) -> Any:
    script = Wire(*replies)

    async def main() -> Any:
        limiter = RateLimiter(limit, period, 0.0, clock=asyncio.get_running_loop().time)
        transport = Transport(api_key="key", base_url="http://x.example", rate_limiter=limiter, **arguments)
        if random is not None:
            transport._random = random
        try:
            return await act(transport, script)
        finally:
            await transport.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "exchange", script.exchange)
        return virtual.run(main())


async def get(transport: Transport, _script: Wire) -> Any:
    return await transport.get("/x", route="/x")


FAILED = Reply(status=None)


def test_the_back_off_doubles_up_to_eight_seconds() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        with pytest.raises(errors.ServerError):
            await get(transport, script)
        waits = [gap - 0.1 for gap in script.gaps]
        assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0, 8.0])

    play(act, Reply(503), random=lambda: 1.0, max_attempts=10)


@given(st.integers(0, 2**32))
@settings(max_examples=support.examples(200))
def test_the_back_off_is_spread_evenly_from_zero(seed: int) -> None:
    import random

    async def act(transport: Transport, script: Wire) -> None:
        with pytest.raises(errors.ConnectionFailedError):
            await get(transport, script)
        for retry, gap in enumerate(script.gaps, start=1):
            assert 0.0 <= gap - 0.1 + 1e-9 <= 0.1 * 2**retry + 2e-9

    play(act, FAILED, random=random.Random(seed).random)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_retry_after_is_a_floor_and_nearly_a_ceiling(status: int, chance: float) -> None:
    async def act(transport: Transport, script: Wire) -> None:
        exchange = await get(transport, script)
        assert script.gaps == pytest.approx([7.5 + 0.1 + 0.1 * chance])
        assert exchange.retries_taken == 1
        assert exchange.waited == pytest.approx(7.5 + 0.1 * chance)
        assert exchange.seconds == pytest.approx(0.1)

    play(act, Reply(status, retry_after="7.5"), Reply(), random=lambda: chance)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "deadline", "waits"),
    [
        ("121", None, False),
        ("120", None, True),
        ("9", 9.0, False),
        ("8", 9.0, True),
        ("300", 400.0, True),
        ("99999999999999999999", None, False),
    ],
)
def test_nobody_waits_in_vain(status: int, asked: str, deadline: float | None, *, waits: bool) -> None:
    async def act(transport: Transport, script: Wire) -> None:
        before = asyncio.get_running_loop().time()
        if waits:
            await get(transport, script)
            assert script.gaps[0] >= float(asked)
            return
        with pytest.raises(errors.APIStatusError) as caught:
            await get(transport, script)
        assert caught.value.retry_after == min(float(asked), 1e9)
        assert caught.value.retries_taken == 0
        assert asyncio.get_running_loop().time() - before == pytest.approx(0.1)
        # Whoever else uses this budget is not stopped for ever either.
        assert transport.limiter.wait_time() <= 120.0

    play(act, Reply(status, retry_after=asked), Reply(), deadline=deadline)


@given(
    st.lists(
        st.builds(
            Reply,
            status=st.sampled_from([200, 429, 500, 503, None, 404]),
            latency=st.floats(0, 3),
            retry_after=st.sampled_from([None, "0", "0.5", "3", "30"]),
            body=st.sampled_from([b"{}", b"<html>"]),
            never_sent=st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.01, 10),
    st.floats(0.01, 2),
    st.integers(1, 3),
    st.sampled_from(["GET", "POST"]),
)
@settings(max_examples=support.examples(2000))
def test_a_deadline_is_kept_whatever_happens(
    replies: list[Reply], deadline: float, timeout: float, limit: int, method: str
) -> None:
    async def one(transport: Transport) -> None:
        clock = asyncio.get_running_loop().time
        before = clock()
        limits: list[float | None] = []
        try:
            if method == "GET":
                await transport.get("/x", route="/x")
            else:
                await transport.post("/x", {"a": 1}, route="/x")
        except errors.RequestTimeoutError as error:
            limits.append(error.seconds)
        except errors.TimeZestError:
            pass
        assert clock() - before <= deadline + 0.001
        # A create that was in flight is no mere time-out.
        assert set(limits) <= ({deadline, timeout} if method == "GET" else {deadline})

    async def act(transport: Transport, script: Wire) -> None:
        await asyncio.gather(*(one(transport) for _ in range(4)))
        await asyncio.sleep(200)
        assert transport.limiter.available == limit
        if method == "POST":
            sent_again = sum(reply.status == 429 or reply.never_sent for reply in script.replies)
            assert len(script.sent) <= 4 * (1 + sent_again * 5)

    play(act, *replies, deadline=deadline, timeout=timeout, limit=limit, period=1.0)


def test_when_the_deadline_passes_the_last_error_is_raised() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        before = asyncio.get_running_loop().time()
        with pytest.raises(errors.ServerError) as caught:
            await get(transport, script)
        assert caught.value.retries_taken == 1
        assert asyncio.get_running_loop().time() - before == pytest.approx(2.0)

    play(act, Reply(503), Reply(latency=50), deadline=2.0)


def test_when_the_deadline_passes_and_nothing_went_wrong_before_it_says_so() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        with pytest.raises(errors.RequestTimeoutError, match=r"deadline of 2 s") as caught:
            await get(transport, script)
        assert caught.value.seconds == 2.0

    play(act, Reply(latency=50), deadline=2.0)


def test_a_create_in_flight_at_its_deadline_has_an_unknown_outcome() -> None:
    async def act(transport: Transport, _script: Wire) -> None:
        with pytest.raises(errors.OutcomeUnknownError, match="deadline of 2 s"):
            await transport.post("/x", {"a": 1}, route="/x")

    play(act, Reply(None, never_sent=True), Reply(latency=50), deadline=2.0)


def test_waiting_for_the_budget_counts_for_the_deadline_only() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        await get(transport, script)
        exchange = await get(transport, script)
        assert exchange.waited == pytest.approx(10.0)

    play(act, Reply(latency=0.4), limit=1, period=10.0, timeout=0.5, deadline=11.0)

    async def too_late(transport: Transport, script: Wire) -> None:
        await get(transport, script)
        before = asyncio.get_running_loop().time()
        with pytest.raises(errors.BudgetExhaustedError, match="nothing was sent") as caught:
            await transport.post("/x", {}, route="/x")
        assert caught.value.retry_after == pytest.approx(10.0)
        assert asyncio.get_running_loop().time() == before
        assert len(script.sent) == 1

    play(too_late, Reply(latency=0.4), limit=1, period=10.0, deadline=5.0)


def test_a_429_holds_back_everybody_and_goes_first_itself() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        calls = [transport.get(f"/{number}", route="/x") for number in range(5)]
        exchanges = await asyncio.gather(*calls)
        assert [exchange.retries_taken for exchange in exchanges] == [1, 0, 0, 0, 0]
        assert script.urls == ["/0", "/0", "/1", "/2", "/3", "/4"]
        assert script.gaps[0] >= 5.0

    play(act, Reply(429, retry_after="5"), Reply(), limit=1, period=1.0)


def test_a_create_is_sent_again_only_after_what_did_not_happen() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await transport.post("/x", {"a": 1}, route="/x")
        assert caught.value.retries_taken == 2
        assert caught.value.status == 500
        assert len(script.sent) == 3

    play(act, Reply(429), Reply(None, never_sent=True), Reply(500))


# Reservations


def test_a_reserved_slot_is_used_by_the_first_attempt_alone() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        slot = await transport.reserve()
        assert transport.limiter.available == 1
        exchange = await transport.get("/x", route="/x", slot=slot)
        assert exchange.retries_taken == 1
        assert len(script.sent) == 2
        assert transport.limiter.available == 0
        waiting = asyncio.create_task(transport.reserve())
        await asyncio.sleep(0)
        assert not waiting.done()
        slot = await waiting
        assert slot.waited == pytest.approx(10.0, abs=1.0)
        slot.release()
        slot.release()
        assert transport.limiter.available == 1

    play(act, Reply(503), Reply(), limit=2, period=10.0)


def test_the_deadline_begins_with_the_reservation() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        await get(transport, script)
        slot = await transport.reserve()
        before = asyncio.get_running_loop().time()
        with pytest.raises(errors.RequestTimeoutError):
            await transport.get("/x", route="/x", slot=slot)
        assert asyncio.get_running_loop().time() - before == pytest.approx(2.0)
        waiting = asyncio.create_task(transport.reserve())
        await asyncio.sleep(0)
        with pytest.raises(errors.BudgetExhaustedError, match="request budget"):
            await transport.reserve()
        (await waiting).release()

    play(act, Reply(), Reply(latency=50), limit=1, period=10.0, deadline=12.0)


def test_a_reservation_is_good_for_one_attempt() -> None:
    async def act(transport: Transport, _script: Wire) -> None:
        slot = await transport.reserve()
        assert (await transport.get("/x", route="/x", slot=slot)).waited == 0.0
        assert (await transport.get("/x", route="/x", slot=slot)).waited == pytest.approx(10.0)
        slot = await transport.reserve()
        slot.release()
        await transport.get("/x", route="/x", slot=slot)
        assert transport.limiter.available == 0

    play(act, Reply(), limit=1, period=10.0)


@pytest.mark.parametrize("target", ["no slash", "http://elsewhere.example/"])
def test_a_slot_is_not_lost_when_nothing_can_be_sent(target: str) -> None:
    import yarl

    async def act(transport: Transport, _script: Wire) -> None:
        slot = await transport.reserve()
        with pytest.raises(errors.TimeZestError):
            await transport.get(yarl.URL(target) if "//" in target else target, route="/x", slot=slot)
        slot = await transport.reserve()
        await transport.close()
        with pytest.raises(errors.ConfigurationError):
            await transport.get("/x", route="/x", slot=slot)
        assert transport.limiter.available == 180

    play(act, Reply())


# stamina


def test_staminas_switches_are_heeded() -> None:
    async def act(transport: Transport, script: Wire) -> None:
        with stamina.set_testing(True, attempts=2):
            with pytest.raises(errors.RateLimitedError):
                await get(transport, script)
            # No back-off, not even that of the limiter.
            assert script.gaps == pytest.approx([0.1])
        stamina.set_active(False)
        try:
            with pytest.raises(errors.RateLimitedError):
                await get(transport, script)
        finally:
            stamina.set_active(True)
        assert len(script.sent) == 3

    play(act, Reply(429, retry_after="60"))


def test_stamina_and_msgspec_are_imported_only_when_needed() -> None:
    code = (
        "import sys, timezest_async.transport; print({'stamina', 'msgspec', 'tenacity'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# Hooks


class Listener:
    include_query = False

    def __init__(self) -> None:
        self.heard: list[tuple[str, RequestEvent]] = []

    def on_request(self, event: RequestEvent) -> None:
        self.heard.append(("request", event))

    def on_response(self, event: RequestEvent) -> None:
        self.heard.append(("response", event))

    def on_retry(self, event: RequestEvent) -> None:
        self.heard.append(("retry", event))

    def on_wait(self, event: RequestEvent) -> None:
        self.heard.append(("wait", event))


def test_hooks_hear_every_step() -> None:
    listener = Listener()

    async def act(transport: Transport, _script: Wire) -> None:
        await transport.get("/x/7", route="/x/{id}", params={"filter": "secret~EQ~name"})
        await transport.get("/x/7", route="/x/{id}")

    play(act, Reply(503), FAILED, Reply(), hooks=listener, limit=3, period=10.0, random=lambda: 1.0)
    assert [(name, event.attempt, event.status, event.error) for name, event in listener.heard] == [
        ("request", 1, None, None),
        ("response", 1, 503, "ServerError"),
        ("retry", 2, 503, "ServerError"),
        ("request", 2, None, None),
        ("response", 2, None, "ConnectionFailedError"),
        ("retry", 3, None, "ConnectionFailedError"),
        ("request", 3, None, None),
        ("response", 3, 200, None),
        ("wait", 1, None, None),
        ("request", 1, None, None),
        ("response", 1, 200, None),
    ]
    events = [event for _, event in listener.heard]
    assert {(event.method, event.route, event.query) for event in events} == {("GET", "/x/{id}", None)}
    assert events[2].waited == pytest.approx(0.2)
    assert events[5].waited == pytest.approx(0.4)
    assert events[7].waited == pytest.approx(0.6)
    assert events[7].seconds == pytest.approx(0.1)
    assert events[8].waited == pytest.approx(9.1, abs=0.5)
    assert "secret" not in repr(events)


def test_the_query_is_told_to_who_asks_for_it() -> None:
    listener = Listener()
    listener.include_query = True

    async def act(transport: Transport, _script: Wire) -> None:
        await transport.get("/x", route="/x", params={"filter": "a~EQ~b"})

    play(act, Reply(), hooks=listener)
    assert {event.query for _, event in listener.heard} == {"filter=a~EQ~b"}


def test_a_cancelled_attempt_is_told_too() -> None:
    listener = Listener()

    async def act(transport: Transport, script: Wire) -> None:
        task = asyncio.create_task(get(transport, script))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Counted from the cancellation on, plus a second in which it may still arrive.
        assert transport.limiter.wait_time() == pytest.approx(61.0)

    play(act, Reply(), hooks=listener, limit=1)
    assert [(name, event.error) for name, event in listener.heard] == [
        ("request", None),
        ("response", "CancelledError"),
    ]


def test_a_hook_that_raises_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Listener):
        def on_request(self, event: RequestEvent) -> None:
            raise ZeroDivisionError

    async def act(transport: Transport, script: Wire) -> None:
        assert (await get(transport, script)).status == 200

    play(act, Reply(), hooks=Broken())
    assert "on_request" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("event", ["on_request", "on_wait"])
def test_a_hook_that_ends_the_program_leaks_no_slot(event: str) -> None:
    def leave(event: RequestEvent) -> None:
        raise asyncio.CancelledError

    listener = Listener()

    async def act(transport: Transport, script: Wire) -> None:
        await get(transport, script)
        setattr(listener, event, leave)
        with pytest.raises(asyncio.CancelledError):
            await get(transport, script)
        assert len(script.sent) == 1
        assert transport.limiter.available == 1

    play(act, Reply(), Reply(), hooks=listener, limit=1, period=10.0)


def test_hooks_may_derive_and_override_one() -> None:
    from timezest_async.transport import Hooks

    class One(Hooks):
        heard = 0

        def on_response(self, event: RequestEvent) -> None:
            self.heard += 1

    one = One()
    play(get, Reply(503), Reply(), hooks=one)
    assert one.heard == 2
