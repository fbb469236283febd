"""Between the requests of one process and Redis: who waits, what became of whom, one task that tells.

The courier carries all that there is at one time in one question, so that neither a slot's settling
nor a waiter has a task of its own. It goes only while there is something to carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import heapq
import itertools
import math
import secrets
from collections.abc import Callable

import attrs

from timezest_async.errors import ConfigurationError, ConnectionFailedError, TimeZestError
from timezest_async.transport.budgets import LOST_GRACE, exhausted
from timezest_async.transport.redis_connections import RedisConnections
from timezest_async.transport.redis_script import MICROSECONDS, Question, Reply
from timezest_async.transport.refusals import FIRST_PAUSE, LONGEST_PAUSE

LONGEST_POLL = 1.0
"""Seconds at most between two questions while somebody waits: only a slot given back unused, or the end
of a process before it in the line, can be news in the meantime."""
PATIENCE = 0.5
"""Seconds by which a process may ask later than promised before others go first."""
MOST_IN_LINE = 250
"""Requests of one process in the common line: what one question carries. Others wait behind them."""
NEVER_SENT = -1


@attrs.frozen
class Terms:
    """What a budget allows: see ``RedisRateLimiter``."""

    name: str
    max_requests: int
    period: float
    margin: float
    lease: float

    @property
    def window(self) -> float:
        """Seconds for which a request counts."""
        return self.period + self.margin


@attrs.define(eq=False)
class Waiter:
    """A request that waits for its turn.

    Attributes:
        number: Its place among those of this process that have no ticket, or the same.
        name: Its name in Redis, and then that of its slot.
        ticket: Its place among all; 0 until Redis has given it one.
        outcome: None once it may be sent, or what went wrong.
        within: Seconds that it can wait.
        latest: When, by the courier's clock, it is too late for it.
        pause: The number of the last pause before its slot.
    """

    number: int
    name: str
    ticket: int
    outcome: asyncio.Future[TimeZestError | None]
    within: float
    latest: float
    pause: int = 0

    def place(self) -> tuple[float, int]:
        """Return what to sort by."""
        return self.ticket or math.inf, self.number


@attrs.define
class News:
    """What became of requests, beside that they count: see ``Question``."""

    pause: float = 0.0
    answered: int = -1
    lost: int = -1
    refused: int = -1
    unsaid: int = -1

    def add(self, other: News) -> None:
        """Add what is told by others; what is the same, or older, is told once."""
        for name in ("pause", "answered", "lost", "refused", "unsaid"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))


class Courier:
    """Get slots from Redis, and tell it what became of them.

    Args:
        connections: Where Redis is.
        terms: The budget's.
        clock: Returns seconds that never go backwards, for what is remembered of Redis's last answer.

    Attributes:
        free: How many requests could be sent, as Redis last said.
        next_at: When, by the clock, the next one can be.
        idle_at: When, by the clock, none counts any more.
        spent_elsewhere: Names of requests that Redis is still to hear of, since it gave no slot for them.
    """

    idle_at: float
    next_at: float

    def __init__(self, connections: RedisConnections, terms: Terms, clock: Callable[[], float]) -> None:
        self._connections = connections
        self._terms = terms
        self._clock = clock
        self._client = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._waiters: dict[str, Waiter] = {}
        self._settled: dict[str, int] = {}
        self._untold = News()
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.spent_elsewhere: dict[str, None] = {}
        self.free: int = terms.max_requests
        self.next_at = self.idle_at = -math.inf

    def new_name(self, number: int | None = None) -> str:
        """Return a name in Redis for a request.

        Args:
            number: What to sort it by among requests of this process with the same ticket; by default a
                new one.
        """
        fresh = next(self._numbers)
        # Redis sorts names of equal tickets as text.
        return f"{self._client}:{fresh if number is None else number:012d}:{fresh}"

    async def wait(self, again: Waiter | None, within: float | None) -> Waiter:
        """Wait for a slot.

        Args:
            again: The waiter of this request's attempt before, whose place in the line it keeps.
            within: Seconds after which the slot would be of no use; None for no limit.

        Raises:
            BudgetExhaustedError: There will be no slot within that time.
            TimeZestError: Redis does not give slots.
        """
        number, ticket = (next(self._numbers), 0) if again is None else (again.number, again.ticket)
        name = self.new_name(number)
        outcome: asyncio.Future[TimeZestError | None] = asyncio.get_running_loop().create_future()
        within = math.inf if within is None else within
        waiter = Waiter(number, name, ticket, outcome, within, self._clock() + within)
        self._waiters[name] = waiter
        self._go()
        try:
            failure = await waiter.outcome
        except BaseException:
            self._waiters.pop(name, None)
            self.settle(name, None)
            raise
        if failure is not None:
            raise failure
        return waiter

    def settle(self, name: str, grace: float | None, news: News | None = None) -> None:
        """Note what became of a request.

        Args:
            name: The request's.
            grace: Seconds from now on after which it counts; None if it was never sent.
            news: What else there is to tell of it.
        """
        self._settled[name] = NEVER_SENT if grace is None else _microseconds(grace + self._terms.window)
        self._untold.add(news or News())
        # Without a connection of a running loop it is a straggler after the end: the lease stands in for it
        # until there is one.
        with contextlib.suppress(RuntimeError):
            if self._connections.is_open:
                self._go()

    async def close(self) -> None:
        """Tell the last, turn away who waits, and close the connection."""
        self._fail(ConfigurationError("The rate limiter was closed while this request waited for its turn."))
        await self._connections.close()

    def _go(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            for waiter in [other for other in self._waiters.values() if other.outcome.get_loop() is not loop]:
                # Its loop is gone, and with it who waited.
                del self._waiters[waiter.name]
                self._settled[waiter.name] = NEVER_SENT
            self._news = asyncio.Event()
            self._task = loop.create_task(self._carry(), name="timezest_async: shared request budget")
        self._news.set()

    async def _carry(self) -> None:
        """Ask Redis as long as there is something to ask or to tell."""
        try:
            await self._connections.open(self._farewell)
            while self._waiters or self._settled:
                self._news.clear()
                wait = await self._exchange()
                if wait is None:
                    return
                if not self._settled:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await self._news.wait()
        finally:
            self._fail(ConnectionFailedError("The event loop is ending: nothing was sent.", never_sent=True))

    async def _exchange(self) -> float | None:
        """Ask once, and hand out what was granted.

        Returns:
            The seconds after which to ask again; None after a failure, which all who waited have got.
        """
        settled, self._settled = self._settled, {}
        news, self._untold = self._untold, News()
        spent = tuple(self.spent_elsewhere)
        wanted = heapq.nsmallest(MOST_IN_LINE, self._waiters.values(), key=Waiter.place)
        failure: TimeZestError
        try:
            reply = await self._connections.ask(self._question(settled, news, spent, wanted))
        except BaseException as error:
            self._settled = settled | self._settled
            self._untold.add(news)
            if not isinstance(error, TimeZestError):
                raise
            failure = error
        else:
            if "disagreement" not in reply:
                for name in spent:
                    self.spent_elsewhere.pop(name, None)
                return self._take(reply, wanted)
            failure = self._disagreement(**reply["disagreement"])
        self._fail(failure)
        # What Redis has not heard of for so long, the leases have settled.
        while len(self._settled) > 20 * self._terms.max_requests:
            del self._settled[next(iter(self._settled))]
        return None

    def _question(
        self, settled: dict[str, int], news: News, spent: tuple[str, ...], wanted: list[Waiter]
    ) -> Question:
        terms, window, now = self._terms, _microseconds(self._terms.window), self._clock()
        return Question(
            client=self._client,
            max_requests=terms.max_requests,
            period=_microseconds(terms.period),
            settled=[*settled.items(), *((name, window) for name in spent)],
            pause=_microseconds(news.pause),
            answered=news.answered,
            lost=news.lost,
            refused=news.refused,
            unsaid=news.unsaid,
            first_pause=_microseconds(FIRST_PAUSE * terms.period),
            longest_pause=_microseconds(LONGEST_PAUSE * terms.period),
            wanted=[(waiter.name, waiter.ticket, _to_spare(waiter, now)) for waiter in wanted],
            hold=_microseconds(terms.lease + LOST_GRACE) + window,
            window=window,
            poll=_microseconds(min(LONGEST_POLL, terms.period / 8)),
            patience=_microseconds(PATIENCE),
        )

    def _take(self, reply: Reply, wanted: list[Waiter]) -> float:
        """Hand out what was granted; return the seconds after which to ask again."""
        ticket = int(reply["ticket"])
        for waiter in wanted:
            waiter.ticket = waiter.ticket or ticket
        for name in reply["granted"]:
            granted = self._waiters.pop(name, None)
            if granted is None or granted.outcome.done():
                self._settled[name] = NEVER_SENT
            else:
                granted.pause = reply["pause"]
                granted.outcome.set_result(None)
        for name, wait in reply["turned_away"]:
            self._turn_away(self._waiters.get(name), wait / MICROSECONDS)
        moved_up = bool(reply["granted"]) and len(wanted) == MOST_IN_LINE
        now = self._clock()
        self.free = reply["free"]
        self.next_at = now + reply["next"] / MICROSECONDS
        self.idle_at = now + reply["idle"] / MICROSECONDS
        self._look_behind(wanted, reply["next"] / MICROSECONDS)
        # A timer may ring up to its clock's resolution early; asking then would be in vain.
        return 0.0 if moved_up else reply["wait"] / MICROSECONDS + 0.0005

    def _look_behind(self, wanted: list[Waiter], wait: float) -> None:
        """Tell those whom the question did not carry, where they wait in vain: they come after the line."""
        if len(wanted) == MOST_IN_LINE:
            asked = {waiter.name for waiter in wanted}
            behind = [waiter for waiter in self._waiters.values() if waiter.name not in asked]
            for place, waiter in enumerate(sorted(behind, key=Waiter.place)):
                least = wait + place // self._terms.max_requests * self._terms.window
                if self._clock() + least > waiter.latest:
                    self._turn_away(waiter, least)

    def _turn_away(self, waiter: Waiter | None, wait: float) -> None:
        if waiter is not None:
            del self._waiters[waiter.name]
            if not waiter.outcome.done():
                waiter.outcome.set_result(exhausted(wait, waiter.within))

    def _disagreement(self, max_requests: int, period: float) -> ConfigurationError:
        terms = self._terms
        return ConfigurationError(
            f"This budget is in use with max_requests={max_requests}, period={period / MICROSECONDS:g}, and"
            f" this RedisRateLimiter has max_requests={terms.max_requests}, period={terms.period:g}: give all"
            f" processes the same. (The budget is {terms.name!r}; Redis forgets its terms a minute after its"
            " last request stopped counting.)"
        )

    def _fail(self, failure: TimeZestError) -> None:
        """Give everybody who waits an error of their own."""
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            # A slot may have been granted without our hearing of it.
            self._settled[waiter.name] = NEVER_SENT
            if not waiter.outcome.done() and not waiter.outcome.get_loop().is_closed():
                waiter.outcome.set_result(copy.copy(failure))

    async def _farewell(self) -> None:
        """Tell Redis the last before the connection closes; what cannot be told, the leases settle."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})
        if self._settled or self.spent_elsewhere:
            await self._exchange()


def _to_spare(waiter: Waiter, now: float) -> int:
    """Return the microseconds that a request can still wait, or -1."""
    return -1 if waiter.latest == math.inf else max(0, _microseconds(waiter.latest - now))


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
