"""Between the requests of one process and Redis: who waits, what became of whom, one task that tells.

The coordinator carries all that there is at one time in one question, so that neither a slot's settling
nor a waiter has a task of its own. It goes only while there is something to carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import heapq
import itertools
import json
import math
import secrets
from collections.abc import Callable

from timezest_async.budget.protocols import exhausted
from timezest_async.budget.redis.questions import MOST_IN_LINE, PATIENCE, Waiter, question
from timezest_async.budget.redis.script import MICROSECONDS, SCRIPT, Question, Reply, budget_keys
from timezest_async.budget.redis.state import LastAnswer, Memory, News, Terms
from timezest_async.budget.slots import LOST_GRACE
from timezest_async.errors import ConfigurationError, ConnectionFailedError, TimeZestError
from timezest_async.redis_connections import RedisConnections


class Coordinator:
    """Get slots from Redis, and tell it what became of them.

    Args:
        connections: Where Redis is.
        terms: The budget's.
        clock: Returns seconds that never go backwards.

    Attributes:
        memory: What this process has sent.
        on_answer: Called when Redis has answered.
        free: How many requests could be sent, as Redis last said.
        next_at: When, by the clock, the next one can be.
        idle_at: When, by the clock, none counts any more.
        has_sent_locally: Whether this process has sent without asking since Redis answered last.
    """

    idle_at: float
    next_at: float

    def __init__(self, connections: RedisConnections, terms: Terms, clock: Callable[[], float]) -> None:
        self._connections = connections
        self._terms = terms
        self._keys = budget_keys(terms.name)
        self._clock = clock
        self._client = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._waiters: dict[str, Waiter] = {}
        self._unreported = News()
        self._last_answer = LastAnswer()
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.memory: Memory = Memory(clock, terms.lease + LOST_GRACE + terms.window)
        self.has_sent_locally: bool = False
        self.free: int = terms.max_requests
        self.next_at = self.idle_at = -math.inf
        self.on_answer: Callable[[], None] = lambda: None

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
        self.memory.settle(name, None if grace is None else grace + self._terms.window)
        self._unreported.add(news or News())
        # Without a connection of a running loop it is a straggler after the end: the lease stands in for it
        # until there is one.
        with contextlib.suppress(RuntimeError):
            if self._connections.is_open:
                self._go()

    async def close(self) -> None:
        """Tell the last, turn away who waits, and close the connection."""
        self._fail(ConfigurationError("The rate limiter was closed while this request waited for its turn."))
        await self._connections.close()

    def note_local_request(self, name: str) -> None:
        """Note a request that is sent without a slot from Redis."""
        self.has_sent_locally = True
        self.memory.note(name, reported=False)
        self._go(at_once=False)

    def others_served_until(self, timeout: float) -> float | None:
        """Return when, by the clock, Redis can have given others a slot at the latest; None if unknown.

        Args:
            timeout: Seconds that a question may take.
        """
        heard_at = self._last_answer.heard_at
        if self.memory or self._clock() - heard_at <= self._terms.poll + timeout + PATIENCE:
            return heard_at + self._terms.poll
        return None

    def _go(self, *, at_once: bool = True) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            for waiter in [other for other in self._waiters.values() if other.outcome.get_loop() is not loop]:
                # Its loop is gone, and with it who waited.
                del self._waiters[waiter.name]
                self.memory.settle(waiter.name, None)
            self._news = asyncio.Event()
            self._task = loop.create_task(self._carry(), name="timezest_async: shared request budget")
        if at_once:
            self._news.set()

    async def _carry(self) -> None:
        """Ask Redis as long as there is something to ask or to tell, or to remember for it."""
        try:
            await self._connections.open(self._before_close)
            while self._waiters or self.memory:
                self._news.clear()
                wait = await self._exchange()
                if wait is None:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._news.wait()
        finally:
            self._fail(ConnectionFailedError("The event loop is ending: nothing was sent.", never_sent=True))

    async def _exchange(self) -> float | None:
        """Ask once, and hand out what was granted.

        Returns:
            The seconds after which to ask again; None after a failure that asking again will not mend. All
            who waited have got it.
        """
        unreported, news = self.memory.take_unreported(), self._unreported
        self._unreported = News()
        wanted = heapq.nsmallest(MOST_IN_LINE, self._waiters.values(), key=Waiter.place)
        asked_at = self._clock()
        failure: TimeZestError | None = None
        try:
            reply = await self._ask(
                question(
                    self._client,
                    f"e{self._client}:{next(self._numbers)}",
                    self._terms,
                    self.memory,
                    self._last_answer,
                    now=asked_at,
                    unreported=unreported,
                    news=news,
                    wanted=wanted,
                    unsure=self.has_sent_locally or bool(self._last_answer.replaces),
                )
            )
        except BaseException as error:
            self._take_back(unreported, news)
            if not isinstance(error, TimeZestError):
                raise
            failure = error
        else:
            if "forgotten" in reply:
                self._take_back(unreported, news)
                self.memory.report_all()
                self._unreported.add(News(pause=self._last_answer.paused_until - self._clock()))
                self._last_answer.lose()
                return 0.0
            if "disagreement" not in reply:
                self._last_answer.heard(reply["epoch"], int(reply["ticket"]), asked_at, self._clock())
                self.has_sent_locally = False
                self.on_answer()
                return self._take(reply, wanted)
            self._take_back(unreported, news)
            failure = self._disagreement(**reply["disagreement"])
        self._fail(failure)
        return self._terms.poll if isinstance(failure, ConnectionFailedError) else None

    async def _ask(self, question: Question) -> Reply:
        text = json.dumps(question, separators=(",", ":"))
        reply: Reply = json.loads(await self._connections.run(SCRIPT, self._keys, text))
        return reply

    def _take_back(self, unreported: dict[str, bool], news: News) -> None:
        # What Redis has not heard of for so long, the leases have settled.
        self.memory.give_back(unreported, 20 * self._terms.max_requests)
        self._unreported.add(news)

    def _take(self, reply: Reply, wanted: list[Waiter]) -> float:
        """Hand out what was granted; return the seconds after which to ask again."""
        ticket = int(reply["ticket"])
        for waiter in wanted:
            waiter.ticket = waiter.ticket or ticket
        for name in reply["granted"]:
            granted = self._waiters.pop(name, None)
            if granted is None or granted.outcome.done():
                self.memory.settle(name, None)
            else:
                self.memory.note(name, reported=True)
                granted.pause = reply["pause"]
                granted.outcome.set_result(None)
        for name, wait in reply["turned_away"]:
            self._turn_away(self._waiters.get(name), wait / MICROSECONDS)
        moved_up = bool(reply["granted"]) and len(wanted) == MOST_IN_LINE
        now = self._clock()
        self._last_answer.paused_until = now + reply["paused"] / MICROSECONDS
        self.free = reply["free"]
        self.next_at = now + reply["next"] / MICROSECONDS
        self.idle_at = now + reply["idle"] / MICROSECONDS
        self._look_behind(wanted, reply["next"] / MICROSECONDS)
        # A timer may ring up to its clock's resolution early; asking then would be in vain.
        return 0.0 if moved_up or self.memory.has_unreported else reply["wait"] / MICROSECONDS + 0.0005

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
            self.memory.settle(waiter.name, None)
            if not waiter.outcome.done() and not waiter.outcome.get_loop().is_closed():
                waiter.outcome.set_result(copy.copy(failure))

    async def _before_close(self) -> None:
        """Tell Redis the last before the connection closes; what cannot be told, the leases settle."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})
        if self.memory.has_unreported:
            while await self._exchange() == 0:
                pass
