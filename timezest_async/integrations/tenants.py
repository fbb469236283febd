"""Many accounts in one program: a client for each that is in use, and no key in another's request."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import ssl as ssl_module
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypedDict, Unpack, cast

import aiohttp
import attrs
import cattrs

from timezest_async.budget import Limiter, RateLimiter
from timezest_async.client import TimeZestClient
from timezest_async.closing import Closing
from timezest_async.errors import ConfigurationError
from timezest_async.redaction import Secret, masked
from timezest_async.transport import Hooks
from timezest_async.transport.sessions import Sessions

_LOOKED_AT: Final = 6
"""How many budgets are looked at for one that is made, to be forgotten: more than are made."""

KeyOf = Callable[[str], str | Awaitable[str]]


class ClientOptions(TypedDict, total=False):
    """What all clients of a pool have in common; see ``TimeZestClient``."""

    base_url: str | None
    timeout: float
    deadline: float | None
    max_attempts: int
    proxy: str | None
    ssl: ssl_module.SSLContext | bool | None
    hooks: Hooks | None
    converter: cattrs.Converter | None


@attrs.define(eq=False)
class _Seat:
    """A client, and how it came by its key."""

    tenant: str
    key: Secret
    order: int
    client: TimeZestClient
    limiter: Limiter
    leases: int = 0


class TenantPool(Closing):
    """Lends a client of the account that belongs to a tenant; for programs that serve many.

    ::

        async with TenantPool(key_of, size=50) as pool, pool.lease("tenant-7") as client:
            await client.scheduling_requests.get("sreq_...")

    Those who lease for one tenant at the same time share its client. The key is asked for at each lease;
    where it has changed, a new client is made, and the leases of the old one end with it. All share one
    session, without cookies. An account's request budget outlives its client until all of it is free again.

    Args:
        key_of: Returns a tenant's API key; a function or a coroutine function. It shows nowhere.
        size: For how many tenants there are clients at most. Where all are leased, a lease waits for its
            turn; so do not lease for a second tenant while you hold another's.
        rate_limiter: Returns the budget of a tenant's account, such as a ``RedisRateLimiter`` named after it,
            which is yours to keep and to close; by default the pool has a ``RateLimiter()`` for each account.
        session: An ``aiohttp.ClientSession`` with a ``DummyCookieJar`` to borrow; it is never closed here.
        trust_env: Whether a session of the pool's own heeds HTTP_PROXY, NO_PROXY and .netrc.
        options: As ``TimeZestClient`` takes them, for all clients.

    Raises:
        ConfigurationError: An argument is unfit.
    """

    def __init__(
        self,
        key_of: KeyOf,
        *,
        size: int = 50,
        rate_limiter: Callable[[str], Limiter] | None = None,
        session: aiohttp.ClientSession | None = None,
        trust_env: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        # A traceback with locals may show this frame, and a proxy's password is not to be in it.
        options = cast("ClientOptions", {name: masked(value) for name, value in options.items()})
        if not callable(key_of):
            raise ConfigurationError("key_of is a function that returns a tenant's API key")
        if type(size) is not int or size < 1:
            raise ConfigurationError(f"size is {size!r:.40}: give a whole number from 1")
        if session is not None and not isinstance(session.cookie_jar, aiohttp.DummyCookieJar):
            raise ConfigurationError(
                "a session that keeps cookies could carry one tenant's to another: make it with"
                " cookie_jar=aiohttp.DummyCookieJar()"
            )
        self.size: Final = size
        self.closed: bool = False
        self._key_of, self._rate_limiter, self._options = key_of, rate_limiter, options
        TimeZestClient("only-checks-the-options", **options)
        self._sessions = Sessions(session, trust_env=trust_env)
        self._seats: OrderedDict[str, _Seat] = OrderedDict()
        """By tenant, those used last at the end."""
        self._alive: set[_Seat] = set()
        """Those whose key has changed too, until their leases end."""
        self._free = asyncio.Semaphore(size)
        """As many as are not leased."""
        self._order = 0
        self._limiters: OrderedDict[str, RateLimiter] = OrderedDict()
        """By tenant and by key."""
        self._in_use: Counter[int] = Counter()

    def __repr__(self) -> str:
        if not hasattr(self, "_alive"):  # a traceback shows it while __init__ fails
            return "<TenantPool>"
        leased = sum(seat.leases > 0 for seat in self._alive)
        return f"<TenantPool of {self.size} clients: {len(self._alive)} made, {leased} leased>"

    @asynccontextmanager
    async def lease(self, tenant: str) -> AsyncGenerator[TimeZestClient]:
        """Lend the client of a tenant, while this is open.

        Args:
            tenant: Whose.

        Raises:
            ConfigurationError: This is no tenant's name, or its key is none, or the pool is closed.
        """
        if not isinstance(cast("object", tenant), str) or not tenant:
            raise ConfigurationError(f"a tenant is named by text, not {tenant!r:.60}")
        seat = await self._take(tenant)
        try:
            yield seat.client
        finally:
            self._give_back(seat)

    async def _take(self, tenant: str) -> _Seat:
        order, key = await self._ask(tenant)
        seat = self._current(tenant, key, order)
        if seat is None or not seat.leases:
            if self._free.locked():  # by the time it is our turn the key may be another
                await self._free.acquire()
                try:
                    order, key = await self._ask(tenant)
                except BaseException:
                    self._free.release()
                    raise
            else:
                await self._free.acquire()
            try:
                self._check_open()
                session = await self._sessions.current()
                seat = self._current(tenant, key, order)
                if seat is None:
                    seat = self._make(tenant, key, order, session)
            except BaseException:
                self._free.release()
                raise
            if seat.leases:  # somebody else's, made meanwhile
                self._free.release()
        seat.leases += 1
        if self._seats.get(tenant) is seat:
            self._seats.move_to_end(tenant)
        return seat

    async def _ask(self, tenant: str) -> tuple[int, Secret]:
        """Ask for a key, and number the answers by when they were asked for."""
        self._check_open()
        self._order += 1
        order = self._order
        found = self._key_of(tenant)
        if inspect.isawaitable(found):
            found = await found
        if not isinstance(cast("object", found), str):
            raise ConfigurationError(
                f"key_of returned {type(found).__name__} for tenant {tenant!r:.60}, not an API key"
            )
        return order, Secret(found)

    def _current(self, tenant: str, key: Secret, order: int) -> _Seat | None:
        """Return the seat of a tenant; one whose key has changed, or whose client was closed, goes."""
        seat = self._seats.get(tenant)
        if seat is None or seat.client.closed or (seat.key != key and seat.order < order):
            if seat is not None:
                del self._seats[tenant]
                self._drop_if_idle(seat)
            return None
        return seat

    def _make(self, tenant: str, key: Secret, order: int, session: aiohttp.ClientSession) -> _Seat:
        if len(self._alive) >= self.size:  # and one of them is idle, or it would not be our turn
            oldest = next(one for one in self._seats.values() if not one.leases)
            del self._seats[oldest.tenant]
            self._drop_if_idle(oldest)
        limiter = self._limiter_of(tenant, key)
        client = TimeZestClient(key, session=session, rate_limiter=limiter, **self._options)
        seat = self._seats[tenant] = _Seat(tenant, key, order, client, limiter)
        self._alive.add(seat)
        self._in_use[id(limiter)] += 1
        return seat

    def _give_back(self, seat: _Seat) -> None:
        seat.leases -= 1
        if not seat.leases:
            self._free.release()
            if self._seats.get(seat.tenant) is not seat:
                self._drop_if_idle(seat)

    def _drop_if_idle(self, seat: _Seat) -> None:
        if not seat.leases and seat in self._alive:
            # Its session is not its own, so that there is nothing to close.
            self._alive.discard(seat)
            self._in_use[id(seat.limiter)] -= 1
            if not self._in_use[id(seat.limiter)]:
                del self._in_use[id(seat.limiter)]

    def _limiter_of(self, tenant: str, key: Secret) -> Limiter:
        if self._rate_limiter is not None:
            return self._rate_limiter(tenant)
        for name in list(self._limiters)[:_LOOKED_AT]:
            known = self._limiters[name]
            if known.available == known.max_requests and id(known) not in self._in_use:
                del self._limiters[name]
            else:
                self._limiters.move_to_end(name)
        # The key is the account; a tenant whose key has changed most probably still has the same one.
        names = (hashlib.sha256(key.encode()).hexdigest(), f"tenant {tenant}")
        found = next((self._limiters[name] for name in names if name in self._limiters), None)
        limiter = RateLimiter() if found is None else found
        self._limiters.update(dict.fromkeys(names, limiter))
        return limiter

    def _check_open(self) -> None:
        if self.closed:
            raise ConfigurationError(
                "This pool is closed. Make a new one, or use it inside its 'async with'."
            )

    async def close(self) -> None:
        """Close all clients, also those that are leased, and the session if it is the pool's own."""
        self.closed = True
        for seat in list(self._alive):
            await seat.client.close()
        await self._sessions.close()
