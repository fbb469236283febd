"""How a command reaches the service: the same options wherever there are any."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Final

import attrs
import typer

from timezest_async import (
    ConfigurationError,
    Hooks,
    Limiter,
    RateLimiter,
    RedisRateLimiter,
    TimeZestClient,
)
from timezest_async.redaction import Secret
from timezest_async.transport import DEFAULT_BASE_URL, Transport

_PANEL: Final = "The service"
_MOST: Final = 180


@attrs.frozen
class Service:
    """Which service a command asks, and how much of the account's request budget it takes.

    Attributes:
        api_key: The key.
        base_url: The address, if not the real one.
        max_requests: The most requests in any 60 s; by default the whole budget.
        redis: The URL of the Redis that keeps the budget for all processes.
    """

    api_key: Annotated[
        str | None,
        typer.Option(
            # Other users of the machine see command lines: the environment is the better place.
            envvar="TIMEZEST_API_KEY",
            parser=Secret,
            metavar="KEY",
            help="The API key; rather set the environment variable.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option(
            envvar="TIMEZEST_BASE_URL",
            metavar="URL",
            help="The service, if not the real one.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    max_requests: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST,
            metavar="N",
            help=f"Send at most N of the {_MOST} requests a minute, and leave the rest to others.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    redis: Annotated[
        str | None,
        typer.Option(
            envvar="TIMEZEST_REDIS_URL",
            parser=Secret,
            metavar="URL",
            help="Share the request budget through this Redis with all who do.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    @asynccontextmanager
    async def connected(self, hooks: Hooks | None = None) -> AsyncGenerator[TimeZestClient, None]:
        """Make the client of a command, for the length of a block.

        Raises:
            ConfigurationError: There is no key, or an option is invalid.
        """
        async with AsyncExitStack() as stack:
            limiter = await self._limiter(stack)
            yield await stack.enter_async_context(
                TimeZestClient(self.api_key, self.base_url, rate_limiter=limiter, hooks=hooks)
            )

    @asynccontextmanager
    async def asked_once(self) -> AsyncGenerator[Transport, None]:
        """Make a transport that sends nothing twice, for the length of a block.

        Raises:
            ConfigurationError: There is no key, or an option is invalid.
        """
        async with AsyncExitStack() as stack:
            transport = Transport(
                api_key=self._key(),
                base_url=self.base_url or DEFAULT_BASE_URL,
                max_attempts=1,
                rate_limiter=await self._limiter(stack),
            )
            stack.push_async_callback(transport.close)
            yield transport

    def _key(self) -> str:
        if self.api_key is None:
            raise ConfigurationError("there is no API key: give api_key=..., or set TIMEZEST_API_KEY")
        return self.api_key

    async def _limiter(self, stack: AsyncExitStack) -> Limiter:
        budget: RateLimiter | RedisRateLimiter = RateLimiter()
        if self.redis is not None:
            budget = await stack.enter_async_context(RedisRateLimiter(self.redis, api_key=self._key()))
        return budget if self.max_requests is None else budget.share(self.max_requests)

    def spelled(self, given: Collection[str]) -> list[str]:
        """Spell those of the options that were given, for a command that goes on; never a secret."""
        words: list[str] = []
        for name in ("base_url", "max_requests", "redis"):
            value = getattr(self, name)
            if name in given and value is not None and not (name == "redis" and "@" in value):  # a password
                words += [f"--{name.replace('_', '-')}", str(value)]
        return words
