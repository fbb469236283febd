"""The transport: sessions, budget, retries and time limits, behind two methods."""

from __future__ import annotations

import random
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, cast

import aiohttp
import attrs
import yarl

from timezest_async.budget import reservations
from timezest_async.budget.limiter import RateLimiter
from timezest_async.budget.protocols import Limiter
from timezest_async.checks import check_count, check_seconds, key_problem
from timezest_async.errors import ConfigurationError, InvalidRequestError, NotFoundError
from timezest_async.redaction import Secret, redact
from timezest_async.serialization.json_parsing import parse_json
from timezest_async.transport import call as calls, exchanges, settings
from timezest_async.transport.accounts import account_digest
from timezest_async.transport.hooks import CallReport, Hooks, emit, report_to
from timezest_async.transport.messages import Request, build_request
from timezest_async.transport.service_clock import ServiceClock
from timezest_async.transport.sessions import Sessions

if TYPE_CHECKING:
    from timezest_async.serialization.readers import UnreadableRecord

P = TypeVar("P")

API_VERSION = "/v1"
"""What the address of the service ends with, unless a gateway has it otherwise."""
MAX_BODY_BYTES = 16 * 1024 * 1024
"""Bytes of a decompressed body beyond which it is refused; a page of 20 records has some 60 KB."""


class Transport:
    """Make HTTP exchanges that can be trusted. It knows nothing of records, filters and pages.

    It may be made outside an event loop, and used under several loops one after another.

    Args:
        api_key: The API key. It shows in no repr, log, error, traceback or pickle.
        base_url: The service's address.
        session: A session to borrow, never closed here; otherwise one of its own is made when needed.
        timeout: Seconds for one attempt, not counting the waits for the budget and for one of a limited
            number of connections.
        deadline: Seconds for one call altogether: waits, attempts and back-offs; None for no limit.
        max_attempts: How often one call is sent at most.
        rate_limiter: The budget; by default one of its own of 180 requests per 60 s.
        proxy: A proxy's URL, with its credentials if it needs any.
        ssl: An SSL context, such as one that trusts a company's CA; False switches checking off.
        trust_env: Whether a session of its own heeds HTTP_PROXY, HTTPS_PROXY, NO_PROXY and .netrc.
        hooks: Who watches the exchanges.
        max_body_bytes: Bytes of a body, decompressed, beyond which it is refused.

    Raises:
        ConfigurationError: An argument is unfit; the message says what would be right.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,
        deadline: float | None = None,
        max_attempts: int = 5,
        rate_limiter: Limiter | None = None,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | bool | None = None,
        trust_env: bool = False,
        hooks: Hooks | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        problem = key_problem(api_key)
        # From here on no local variable holds the bare key, should a traceback with locals be made.
        key = Secret(api_key) if problem is None else Secret()
        api_key = key
        if problem is not None:
            raise ConfigurationError(problem)
        proxy_url, proxy_authorization = settings.check_proxy(proxy)
        proxy = None
        if session is not None and not isinstance(cast("object", session), aiohttp.ClientSession):
            raise ConfigurationError(f"session is {type(session).__name__}: give an aiohttp.ClientSession.")
        settings.check_limiter(rate_limiter)
        settings.check_hooks(hooks)
        if not isinstance(cast("object", trust_env), bool):
            raise ConfigurationError(f"trust_env is {trust_env!r}: give True or False.")
        self._settings = settings.Settings(
            base_url=settings.check_base_url(base_url),
            authorization=Secret(f"Bearer {key}"),
            key=key,
            timeout=check_seconds("timeout", timeout),
            deadline=None if deadline is None else check_seconds("deadline", deadline),
            max_attempts=check_count("max_attempts", max_attempts),
            proxy=proxy_url,
            proxy_authorization=proxy_authorization,
            ssl=settings.check_ssl(ssl),
            trust_env=trust_env,
            max_body_bytes=check_count("max_body_bytes", max_body_bytes),
            hooks=hooks,
        )
        lease = getattr(rate_limiter, "lease", None)
        if lease is not None and lease <= self._settings.timeout:
            raise ConfigurationError(
                f"timeout is {timeout:g} s, and the rate limiter takes a request for lost after {lease:g} s:"
                " give RedisRateLimiter a longer lease."
            )
        self._sessions = Sessions(session, trust_env=trust_env)
        self._limiter: Limiter = RateLimiter() if rate_limiter is None else rate_limiter
        self._may_lack_version = not self.base_url.path.endswith(API_VERSION)
        self._service_clock = ServiceClock()
        self._random = random.Random().random  # noqa: S311 - spreads load, guards nothing

    def __repr__(self) -> str:
        if not hasattr(self, "_sessions"):
            # A traceback with locals shows it while __init__ refuses an argument.
            return "Transport(...)"
        return f"Transport(base_url={str(self.base_url)!r}, closed={self.closed})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "A TimeZest client can be neither pickled nor copied: it holds open connections and the API key."
            " Make another one with the same arguments where you need it."
        )

    @property
    def base_url(self) -> yarl.URL:
        """The service's address, without a trailing slash."""
        return self._settings.base_url

    @cached_property
    def account(self) -> str:
        """A digest of the API key and the service's address; see ``account_digest``."""
        return account_digest(self._settings.key, str(self.base_url))

    def now(self) -> datetime:
        """Return the time (UTC): the service's as far as its answers have told it, else ours."""
        return self._service_clock.now()

    @property
    def limiter(self) -> Limiter:
        """The request budget."""
        return self._limiter

    @property
    def timeout(self) -> float:
        """Seconds for one attempt."""
        return self._settings.timeout

    @property
    def max_attempts(self) -> int:
        """How often one call is sent at most."""
        return self._settings.max_attempts

    @property
    def deadline(self) -> float | None:
        """Seconds for one call altogether; None for no limit."""
        return self._settings.deadline

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._sessions.closed

    def redact(self, text: str) -> str:
        """Redact the API key in what the service sent, before it is cut or shown."""
        return redact(text, self._settings.key)

    @property
    def hooks(self) -> Hooks | None:
        """Who watches the exchanges; requests that have begun keep those that they began with."""
        return self._settings.hooks

    @hooks.setter
    def hooks(self, hooks: Hooks | None) -> None:
        settings.check_hooks(hooks)
        self._settings = attrs.evolve(self._settings, hooks=hooks)

    def report(self, operation: str, route: str) -> CallReport | None:
        """Make what tells the hooks of a call; None where nobody would hear it. See ``CallEvent``."""
        return report_to(self._settings.hooks, operation, route)

    def emit_unreadable(self, record: UnreadableRecord) -> None:
        """Tell the hooks of a record that cannot be read."""
        emit(self._settings.hooks, "on_unreadable", record)

    async def reserve(self, deadline: float | None = None) -> reservations.Reservation:
        """Wait for a slot of the budget before deciding what to ask.

        Args:
            deadline: Seconds for the call altogether; None for the transport's.

        Returns:
            The slot, for ``get(slot=...)``, or to be released.

        Raises:
            BudgetExhaustedError: There is none before the deadline.
            ConfigurationError: The client is closed.
        """
        await self._sessions.current()
        return await reservations.reserve(
            self._limiter, self._settings.deadline if deadline is None else deadline
        )

    async def get(
        self,
        target: str | yarl.URL,
        *,
        route: str,
        params: Mapping[str, str] | None = None,
        slot: reservations.Reservation | None = None,
        decode: Callable[[bytes], P] = parse_json,
        deadline: float | None = None,
        report: CallReport | None = None,
    ) -> exchanges.Exchange[P]:
        """Read, and read again after failures that pass.

        Args:
            target: A path such as ``"/scheduling_requests"``, below ``base_url`` and quoted already;
                or an absolute URL of the same origin, sent exactly as it is.
            route: The path's template, for hooks and errors.
            params: Query parameters, unquoted; for a path only.
            slot: A reserved slot for the first attempt.
            decode: Makes the payload of a good answer's body; it raises nothing but ``NotJSONError``.
            deadline: Seconds for the call altogether; None for the transport's.
            report: Of the call that it belongs to, as ``report`` makes them; None for the running task's.

        Raises:
            TimeZestError: What the last attempt met with; its class says what that is.
        """
        try:
            request = self._request("GET", target, route, params=params)
        except BaseException:
            if slot is not None:
                slot.release()
            raise
        return await self._run(self._call(request, None, decode, deadline, slot, report=report))

    async def post(
        self,
        path: str,
        payload: Mapping[str, Any],
        *,
        route: str,
        deadline: float | None = None,
        before_send: Callable[[], Awaitable[None]] | None = None,
    ) -> exchanges.Exchange[Any]:
        """Create; sent again only after what certainly did not happen.

        A cancellation while the request is in flight comes through as ``CancelledError``, and leaves
        open whether the create happened, as an ``OutcomeUnknownError`` would.

        Args:
            path: The path below ``base_url``.
            payload: What to create, as JSON.
            route: The path's template, for hooks and errors.
            deadline: Seconds for the call altogether; None for the transport's.
            before_send: Awaited right before the first byte of each attempt, after the waits for the budget
                and a connection. Where it raises something that is no ``TimeZestError``, nothing of that
                attempt was sent, and this is what comes of the call.

        Raises:
            OutcomeUnknownError: It was sent, and whether it happened is unknown.
            TimeZestError: It did not happen; the class says why.
        """
        request = self._request("POST", path, route, payload=payload)
        return await self._run(self._call(request, payload, parse_json, deadline, before_send=before_send))

    async def clock_offset(self, path: str) -> timedelta:
        """Return how far the service's clock is ahead of ours; nothing if its answers do not tell.

        Args:
            path: What to ask for where it has not answered anything yet.

        Raises:
            TimeZestError: It had to be asked, and that failed.
        """
        if self._service_clock.offset is None:
            await self.get(path, route=path)
        return self._service_clock.offset or timedelta()

    async def close(self) -> None:
        """Close the connections that are its own; closing twice is fine."""
        await self._sessions.close()

    async def _run(self, call: calls.Call[P]) -> exchanges.Exchange[P]:
        try:
            exchange = await call.run()
        except NotFoundError as error:
            if self._may_lack_version:
                self._may_lack_version = False
                error.hint = f"base_url is {self.base_url}, without {API_VERSION!r} at its end: is it right?"
            raise
        self._may_lack_version = False
        return exchange

    def _request(
        self, method: Literal["GET", "POST"], target: str | yarl.URL, route: str, **what: Any
    ) -> Request:
        if isinstance(target, str) and not target.startswith("/"):
            raise InvalidRequestError(f"The path {target!r} does not begin with a slash.")
        return build_request(
            method,
            self._settings.base_url,
            target,
            route=route,
            authorization=self._settings.authorization,
            **what,
        )

    def _call(
        self,
        request: Request,
        payload: Mapping[str, Any] | None,
        decode: Callable[[bytes], P],
        deadline: float | None,
        slot: reservations.Reservation | None = None,
        *,
        before_send: Callable[[], Awaitable[None]] | None = None,
        report: CallReport | None = None,
    ) -> calls.Call[P]:
        return calls.Call(
            request,
            payload,
            settings=self._settings,
            sessions=self._sessions,
            limiter=self._limiter,
            random=self._random,
            reservation=slot,
            decode=decode,
            clock=self._service_clock,
            deadline=deadline,
            before_send=before_send,
            report=report,
        )
