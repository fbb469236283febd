"""The client: owns the session, hands out the endpoints."""

from __future__ import annotations

import os
import ssl as ssl_module
from types import NoneType
from typing import TYPE_CHECKING, NoReturn, Self, cast

import aiohttp
import cattrs
import yarl

from timezest_async.budget import Limiter
from timezest_async.closing import Closing
from timezest_async.endpoints import (
    AgentsEndpoint,
    AppointmentTypesEndpoint,
    ResourcesEndpoint,
    SchedulingRequestsEndpoint,
    TeamsEndpoint,
)
from timezest_async.errors import ConfigurationError
from timezest_async.redaction import Secret
from timezest_async.serialization.converter import default_converter
from timezest_async.transport import DEFAULT_BASE_URL, Hooks, Transport


class TimeZestClient(Closing):
    """A connection to TimeZest for one API key.

    Make one and share it: it holds the connections and the request budget. It may be made outside an event
    loop. Use it with ``async with``, or ``await client.close()`` at the end.

    Args:
        api_key: The API key; by default the environment's ``TIMEZEST_API_KEY``. It shows in no repr, log,
            error, traceback or pickle.
        base_url: The service's address; by default ``TIMEZEST_BASE_URL``, else the real one.
        session: An ``aiohttp.ClientSession`` to borrow; it is never closed here.
        timeout: Seconds for one attempt, not counting the waits for the request budget and for one of a
            limited number of connections.
        deadline: Seconds for one call altogether (in a list: for one page): waits, attempts and back-offs.
        max_attempts: How often one request is sent at most.
        rate_limiter: The request budget; by default ``RateLimiter(180, 60.0)``, the service's own limit per
            account. Clients of one account should share one.
        proxy: A proxy's URL, with its credentials if it needs any.
        ssl: An SSL context, such as one that trusts a company's CA; False switches checking off.
        trust_env: Whether to heed ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY`` and ``.netrc``.
        hooks: Who watches the exchanges.
        converter: Makes records of JSON; by default ``make_converter()``.

    Attributes:
        scheduling_requests: ``list``, ``get``, ``create``: what end users were asked to book.
        agents: ``list``, ``get``: the people who keep the appointments.
        teams: ``list``, ``get``: groups of agents.
        resources: ``list``: agents and teams, whatever a request can be created for.
        appointment_types: ``list``, ``get``: what kinds of appointments can be booked.

    Raises:
        ConfigurationError: An argument is unfit; the message says what would be right.
    """

    scheduling_requests: SchedulingRequestsEndpoint
    agents: AgentsEndpoint
    teams: TeamsEndpoint
    resources: ResourcesEndpoint
    appointment_types: AppointmentTypesEndpoint

    def __init__(  # noqa: PLR0917 - all but the key are for keywords, but nothing forbids it
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,
        deadline: float | None = None,
        max_attempts: int = 5,
        rate_limiter: Limiter | None = None,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | bool | None = None,  # noqa: FBT001 - as below
        trust_env: bool = False,  # noqa: FBT001, FBT002 - aiohttp's own parameter
        *,
        hooks: Hooks | None = None,
        converter: cattrs.Converter | None = None,
    ) -> None:
        # A traceback with locals may show this frame: neither the bare key nor a proxy's password is to be
        # in it, whatever type they came as.
        if api_key is None:
            api_key = os.environ.get("TIMEZEST_API_KEY") or None
        kind = type(api_key)
        api_key = Secret(api_key) if isinstance(api_key, str) else None
        proxy = None if proxy is None else Secret(proxy)
        if api_key is None:
            raise ConfigurationError(
                "there is no API key: give api_key=..., or set the environment variable TIMEZEST_API_KEY"
                if kind is NoneType
                else f"The API key is not text but {kind.__name__}."
            )
        if base_url is None:
            base_url = os.environ.get("TIMEZEST_BASE_URL") or DEFAULT_BASE_URL
        if isinstance(cast("object", base_url), str | yarl.URL):  # user:password may be in it
            base_url = Secret(str(base_url))
        if converter is not None and not isinstance(cast("object", converter), cattrs.BaseConverter):
            raise ConfigurationError(
                f"converter is {type(converter).__name__}: give a cattrs converter, as make_converter() does"
            )
        self._transport = Transport(
            api_key=api_key,
            base_url=base_url,
            session=session,
            timeout=timeout,
            deadline=deadline,
            max_attempts=max_attempts,
            rate_limiter=rate_limiter,
            proxy=proxy,
            ssl=ssl,
            trust_env=trust_env,
            hooks=hooks,
        )
        converter = default_converter() if converter is None else converter
        self.scheduling_requests = SchedulingRequestsEndpoint(self._transport, converter)
        self.agents = AgentsEndpoint(self._transport, converter)
        self.teams = TeamsEndpoint(self._transport, converter)
        self.resources = ResourcesEndpoint(self._transport, converter)
        self.appointment_types = AppointmentTypesEndpoint(self._transport, converter)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._transport.closed

    @property
    def rate_limiter(self) -> Limiter:
        """The request budget, to share with other clients of the same account."""
        return self._transport.limiter

    @property
    def hooks(self) -> Hooks | None:
        """Who watches the exchanges; others may be set, for what is asked from then on."""
        return self._transport.hooks

    @hooks.setter
    def hooks(self, hooks: Hooks | None) -> None:
        self._transport.hooks = hooks

    async def close(self) -> None:
        """Close the connections that are the client's own; closing twice is fine."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        if self.closed:
            raise ConfigurationError("This client is closed and does not open again: make a new one.")
        return self

    if not TYPE_CHECKING:
        # Hidden from type checkers, which so reject `with TimeZestClient()`.
        def __enter__(self) -> NoReturn:
            raise TypeError(
                "TimeZestClient is asynchronous: write `async with TimeZestClient(...) as client:`"
            )

        def __exit__(self, *_: object) -> None:
            """Never reached: ``__enter__`` raises."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self._transport.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):  # a traceback shows it while __init__ fails
            return "TimeZestClient(...)"
        return f"TimeZestClient(base_url={str(self._transport.base_url)!r}, closed={self.closed})"
