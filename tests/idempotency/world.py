"""A service in virtual time, workers that crash or are stopped at any step, and a journal that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import attrs

from timezest_async import (
    ConnectionFailedError,
    Created,
    MemoryJournal,
    OutcomeUnknownError,
    SchedulingRequest,
    ServerError,
    ValidationError,
)
from timezest_async.idempotency.once import Once

T = TypeVar("T")

TIMEOUT, SETTLE, LEASE = 30.0, 120.0, 30.0
LAG = 2.0
KEY, DIGEST = "ticket-1/onsite", "d" * 64
EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

Fate = Literal["answered", "refused", "not sent", "acts, answer lost", "acts late", "never acts", "timed out"]


class KilledError(BaseException):
    """The end of a process: nothing of it runs any more."""


class World:
    """What there is, whoever looks.

    Args:
        skew: Seconds by which the journal's clock is ahead of everybody else's.
        latest: Seconds after a create was sent within which it happens, if it does.
    """

    def __init__(self, skew: float = 0.0, latest: float = TIMEOUT + SETTLE - LAG - 1.0) -> None:
        self.clock = asyncio.get_event_loop().time
        self.journal = MemoryJournal(lease=LEASE, clock=lambda: self.clock() + skew)
        self.requests: list[tuple[float, SchedulingRequest]] = []
        self.latest = latest
        self.sends = 0

    def act(self) -> SchedulingRequest:
        now = self.clock()
        request = SchedulingRequest(
            id=f"sreq_{len(self.requests)}",
            status="sent",
            created_at=datetime.fromtimestamp(EPOCH + now, UTC),
        )
        self.requests.append((now, request))
        return request

    def act_later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.act)


@attrs.define
class Worker:
    """A process that works on the key: its journal and its service are the world's until it is killed.

    Attributes:
        world: Where it works.
        fates: What becomes of its creates, one after the other; then they are answered.
        lists_fail: How many of its first lists fail.
        killed_at: The step at which it ends.
        cancelled_at: The step at which its task is cancelled.
        task: Its task.
        stopped_at: The step at which it is stopped.
        stopped_for: Seconds for which it is stopped then.
    """

    world: World
    fates: Iterator[Fate] = attrs.field(default=(), converter=iter)
    lists_fail: int = 0
    killed_at: int | None = None
    cancelled_at: int | None = None
    task: asyncio.Task[Created] | None = None
    stopped_at: int | None = None
    stopped_for: float = 0.0
    steps: int = 0
    is_dead: bool = False
    runs_again_at: float = 0.0
    timeout: float = TIMEOUT
    rounds: int = 5
    lease: float = LEASE

    async def work(self, *, unless_open: bool = False, wait: bool = False, settle: float = SETTLE) -> Created:
        once = Once(
            self,
            self,
            key=KEY,
            digest=DIGEST,
            settle=settle,
            unless_open=unless_open,
            wait=wait,
            deadline=None,
        )
        return await once.run()

    async def step(self) -> None:
        """Be killed or stopped, if this is the moment."""
        self.steps += 1
        if self.steps == self.cancelled_at and self.task is not None:
            self.task.cancel()
        if self.steps == self.killed_at:
            self.is_dead = True
        if self.steps == self.stopped_at:
            self.runs_again_at = self.world.clock() + self.stopped_for
        while self.world.clock() < self.runs_again_at and not self.is_dead:
            await asyncio.sleep(self.runs_again_at - self.world.clock())
        if self.is_dead:
            raise KilledError
        await asyncio.sleep(0)

    async def stepwise(self, work: Awaitable[T]) -> T:
        try:
            await self.step()
        except BaseException:
            work.close()  # type: ignore[attr-defined]  # a coroutine that nobody will await
            raise
        result = await work
        await self.step()
        return result

    # The journal

    async def claim(self, *arguments: Any, **more: Any) -> Any:
        return await self.stepwise(self.world.journal.claim(*arguments, **more))

    async def renew(self, *arguments: Any) -> Any:
        return await self.stepwise(self.world.journal.renew(*arguments))

    async def mark_sending(self, *arguments: Any, **more: Any) -> Any:
        return await self.stepwise(self.world.journal.mark_sending(*arguments, **more))

    async def finish(self, *arguments: Any, **more: Any) -> Any:
        return await self.stepwise(self.world.journal.finish(*arguments, **more))

    async def release(self, *arguments: Any, **more: Any) -> Any:
        return await self.stepwise(self.world.journal.release(*arguments, **more))

    async def taken(self, *arguments: Any) -> Any:
        return await self.stepwise(self.world.journal.taken(*arguments))

    # The service

    async def create(
        self, before_send: Callable[[], Awaitable[None]], deadline: float | None
    ) -> SchedulingRequest:
        fate = next(self.fates, "answered")
        await self.step()  # it waits for the budget
        if fate == "not sent":
            raise ConnectionFailedError("refused", never_sent=True)
        await before_send()
        self.world.sends += 1
        request: SchedulingRequest | None = None
        if fate in {"answered", "acts, answer lost"}:
            request = self.world.act()
        elif fate == "acts late":
            self.world.act_later(self.world.latest)
        await self.step()
        if fate == "refused":
            raise ValidationError("no", status=422)
        if request is not None and fate == "answered":
            return request
        if fate == "timed out":
            await asyncio.sleep(self.timeout)
        raise OutcomeUnknownError("lost", parameters={}, sent_at=datetime.now(UTC))

    async def get(self, id: str, deadline: float | None) -> SchedulingRequest:
        await self.step()
        return next(request for _, request in self.world.requests if request.id == id)

    async def candidates(self, sent_ago: float, deadline: float | None) -> Sequence[SchedulingRequest]:
        await self.step()
        if self.lists_fail:
            self.lists_fail -= 1
            raise ServerError("down", status=503)
        now = self.world.clock()
        found = [one for at, one in self.world.requests if now - sent_ago - 120 <= at <= now - LAG]
        await self.step()
        return found

    async def find_open(self, deadline: float | None) -> SchedulingRequest | None:
        await self.step()
        now = self.world.clock()
        return next((one for at, one in self.world.requests if at <= now - LAG), None)
