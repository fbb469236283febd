"""One request budget for many processes and hosts, kept in Redis (extra ``redis``).

The rules are those of ``RateLimiter``. A slot in flight is an entry with a lease, which the answer's
arrival rewrites; so a process that is killed frees its slots one window after the lease.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NoReturn

from timezest_async.budget.limiter import RateLimiter
from timezest_async.budget.redis.coordinator import Coordinator
from timezest_async.budget.redis.local_share import LocalShare, NamedSlot
from timezest_async.budget.redis.script import key_digest
from timezest_async.budget.redis.state import Terms
from timezest_async.budget.shares import Share
from timezest_async.budget.slots import Slot
from timezest_async.checks import check_count, check_seconds, key_problem
from timezest_async.closing import Closing
from timezest_async.errors import ConfigurationError, ConnectionFailedError
from timezest_async.redaction import Secret
from timezest_async.redis_connections import RedisConnections

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOCAL_SPELL = 5.0
"""Seconds for which Redis is left alone after a failure where there is a local share to go on with."""

_logger = logging.getLogger("timezest_async")


class RedisRateLimiter(Closing):
    """At most ``max_requests`` in any sliding ``period``, for all processes of one account together.

    Give it to clients as ``rate_limiter``. Who asked first sends first, across processes and hosts, as far
    as no process has more than 250 requests waiting; one that stalls or dies is passed over. A 429 pauses
    everybody. Redis's clock counts; the hosts' may differ, and a step of it does no harm.

    For a window after its last request a process remembers what it has sent, and asks Redis once a second
    whether it still knows. Where Redis has forgotten (``FLUSHALL``, a restart without persistence), the
    processes tell it, and for a second or two nobody sends. What else Redis knew is lost: let it persist.

    Like ``RateLimiter``, one object may serve several clients, and successive event loops if it was made
    with a URL, but not several threads. ``await close()`` at the end, or use ``async with``; without it,
    the end of ``asyncio.run`` closes it too.

    ``available`` and ``wait_time()`` do not ask Redis: they go by its last answer.

    Args:
        redis: A URL such as ``"redis://host:6379/0"``; or a ``redis.asyncio.Redis``, borrowed, which is
            never closed here and serves one event loop.
        max_requests: Requests that the service allows in one period, altogether.
        period: The window's length in seconds.
        margin: Seconds added to the period.
        api_key: The account's API key, by default the environment's ``TIMEZEST_API_KEY``. It is not kept;
            the keys in Redis are named by a digest of it.
        name: The budget's name, in place of an API key: for accounts with several keys.
        lease: Seconds after which a slot in flight is taken for answered. It has to be longer than the
            client's ``timeout``, by as much as a stalled process may sit on a slot before it sends.
        timeout: Seconds that one question to Redis may take.
        on_unavailable: What to do while Redis does not answer: ``"raise"``, so that every request raises
            ConnectionFailedError; or ``"local"``, so that this process goes on with its ``local_share``.
        local_share: The part of ``max_requests`` that this process may use by itself then, above 0 and up
            to 1: one divided by the number of processes keeps to the limit. What was just sent through
            Redis counts in it.
        clock: Returns seconds that never go backwards.

    Raises:
        ConfigurationError: An argument is unfit, or the ``redis`` package is missing.
    """

    max_requests: int
    period: float
    margin: float
    name: str
    lease: float

    def __init__(
        self,
        redis: str | Redis,
        max_requests: int = 180,
        period: float = 60.0,
        margin: float = 0.05,
        *,
        api_key: str | None = None,
        name: str | None = None,
        lease: float = 60.0,
        timeout: float = 1.0,
        on_unavailable: Literal["raise", "local"] = "raise",
        local_share: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # From here on no local variable shows a password or key, should a traceback with locals be made.
        if isinstance(redis, str):
            redis = Secret(redis)
        if isinstance(api_key, str):
            api_key = Secret(api_key)
        terms = Terms(
            name=_budget_name(api_key, name),
            max_requests=check_count("max_requests", max_requests),
            period=check_seconds("period", period),
            margin=check_seconds("margin", margin, zero_allowed=True),
            lease=check_seconds("lease", lease),
        )
        if on_unavailable not in {"raise", "local"}:
            raise ConfigurationError(f"on_unavailable is {on_unavailable!r}: give 'raise' or 'local'.")
        if check_seconds("local_share", local_share) > 1:
            raise ConfigurationError(f"local_share is {local_share!r}: give a part of 1, such as 0.25.")
        if not isinstance(redis, Secret) and not callable(getattr(redis, "register_script", None)):
            raise ConfigurationError(
                f"redis is {type(redis).__name__}: give a URL such as 'redis://host:6379/0', or a"
                " redis.asyncio.Redis."
            )
        connections = RedisConnections(
            redis,
            check_seconds("timeout", timeout),
            argument="redis",
            user="RedisRateLimiter",
            purpose="shared request budget",
            advice="Look after Redis, or let each process go on with a share of its own:"
            " RedisRateLimiter(..., on_unavailable='local').",
        )
        self.max_requests, self.period, self.margin = terms.max_requests, terms.period, terms.margin
        self.name, self.lease = terms.name, terms.lease
        self._clock = clock
        self._coordinator = Coordinator(connections, terms, clock)
        self._goes_on = on_unavailable == "local"
        self._local = LocalShare(self._coordinator, terms, local_share, timeout, clock)
        self._coordinator.on_answer = self._local.end
        self._local_until = -math.inf

    def __repr__(self) -> str:
        if not hasattr(self, "_local_until"):
            # A traceback with locals shows it while __init__ refuses an argument.
            return "RedisRateLimiter(...)"
        return (
            f"RedisRateLimiter(name={self.name!r}, max_requests={self.max_requests}, period={self.period},"
            f" margin={self.margin})"
        )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "A RedisRateLimiter can be neither pickled nor copied: it holds a connection. Make one in each"
            " process with the same arguments; they share the budget all the same."
        )

    @property
    def available(self) -> int:
        """How many requests could be sent without waiting, by Redis's last answer."""
        local, coordinator, now = self._local_now(), self._coordinator, self._clock()
        if local is not None:
            return local.available
        if now >= coordinator.idle_at:
            return self.max_requests
        return max(coordinator.free, 1) if now >= coordinator.next_at else coordinator.free

    def wait_time(self, ahead: int = 0) -> float:
        """Return the seconds that the next request would wait at least, by Redis's last answer.

        Args:
            ahead: How many other requests are sent before it, beside those that wait already.
        """
        local = self._local_now()
        if local is not None:
            return local.wait_time(ahead)
        windows = ahead // self.max_requests * (self.period + self.margin)
        return max(0.0, self._coordinator.next_at - self._clock()) + windows

    def share(self, max_requests: int) -> Share:
        """Return a limiter on this budget of which this process never holds more than its share of a window.

        See ``RateLimiter.share``. Closing stays with this limiter.

        Args:
            max_requests: Requests of this budget in one period.

        Raises:
            ConfigurationError: It is not a whole number from 1 to the limiter's own ``max_requests``.
        """

        def limiter_of(part: int) -> RateLimiter:
            return RateLimiter(part, self.period, self.margin, clock=self._clock)

        # What Redis said last may be out of date by now: nobody is turned away for it.
        return Share(self, max_requests, limiter_of, self._clock, lambda: 0.0)

    async def acquire(self, again: Slot | None = None, within: float | None = None) -> Slot:
        """Wait for a slot: first come, first served.

        Args:
            again: The settled slot of this request's attempt before, whose place it keeps.
            within: Seconds after which the slot would be of no use; None for no limit.

        Returns:
            The slot, to be settled by exactly one of its methods.

        Raises:
            BudgetExhaustedError: There will be no slot within that time.
            ConnectionFailedError: Redis does not answer, and there is no local share to go on with.
            ConfigurationError: Others use this budget with other terms, Redis refuses the credentials, or
                the limiter was closed meanwhile.
        """
        while True:
            local = self._local_now()
            if local is None:
                try:
                    waiter = await self._coordinator.wait(
                        again.waiter if isinstance(again, NamedSlot) else None, within
                    )
                    return NamedSlot(self._coordinator, self._local, waiter.name, waiter)
                except ConnectionFailedError as error:
                    if not self._goes_on:
                        raise
                    local = self._go_local(error)
            slot = await self._local.acquire(local, again, within)
            if slot is not None:
                return slot

    async def close(self) -> None:
        """Tell Redis what became of the requests, and close the connection if it is the limiter's own.

        Who waits gets a ConfigurationError. Whoever asks later opens it again.
        """
        await self._coordinator.close()

    def _local_now(self) -> RateLimiter | None:
        """Return the local share while it is to be used: until Redis is back, or is to be asked again."""
        # While there is something to remember, the coordinator asks again and again by itself.
        return self._local.limiter if self._clock() < self._local_until or self._coordinator.memory else None

    def _go_local(self, error: ConnectionFailedError) -> RateLimiter:
        local, now = self._local.begin(), self._clock()
        if now >= self._local_until:
            _logger.warning("Going on with %d requests per %g s: %s", local.max_requests, self.period, error)
            self._local_until = now + LOCAL_SPELL
        return local


def _budget_name(api_key: str | None, name: str | None) -> str:
    """Return the name given, or the digest of the API key."""
    if name is not None:
        if not re.fullmatch(r"[A-Za-z0-9_.:@-]{1,100}", name):
            raise ConfigurationError(f"name is {name!r}: give up to 100 letters, digits and any of _.:@-")
        return name
    key = Secret(os.environ.get("TIMEZEST_API_KEY", "")) if api_key is None else api_key
    problem = key_problem(key)
    if problem is not None:
        raise ConfigurationError(
            f"{problem} Give api_key=..., or set the environment variable TIMEZEST_API_KEY, or name=...: the"
            " budget in Redis is named by it."
        )
    return key_digest(Secret(key))
