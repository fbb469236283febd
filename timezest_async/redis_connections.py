"""Asking Redis: a connection for each event loop, a time limit, and errors that say what to do."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from timezest_async.closing import close_with_loop
from timezest_async.errors import ConfigurationError, ConnectionFailedError, TimeZestError
from timezest_async.redaction import Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisConnections:
    """Run scripts in Redis, under one event loop after another.

    Args:
        redis: A URL, for which there is a client of its own under each event loop; or a client to borrow.
        timeout: Seconds for one question.
        argument: What the URL is called where it was given.
        user: The class that is given it.
        purpose: What it is for, such as ``"journal"``.
        advice: What to do while Redis is away.

    Raises:
        ConfigurationError: The ``redis`` package is missing, or the URL is invalid.
    """

    def __init__(
        self,
        redis: Secret | Redis,
        timeout: float,
        *,
        argument: str,
        user: str,
        purpose: str,
        advice: str = "",
    ) -> None:
        self._redis = redis
        self._timeout = timeout
        self._argument, self._user = argument, user
        self._purpose, self._advice = purpose, advice
        self._loop: asyncio.AbstractEventLoop | None = None
        self._find_script: Callable[[str], Callable[..., Awaitable[Any]]] | None = None
        self._guard: AsyncGenerator[None, None] | None = None
        if isinstance(redis, Secret):
            # Read now, so that a wrong URL shows where it stands; nothing connects before it is needed.
            self._client_of(redis)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection of the running loop."""
        return self._guard is not None and self._loop is asyncio.get_running_loop()

    async def open(self, before_close: Callable[[], Awaitable[None]] | None = None) -> None:
        """Make ready for the running loop.

        Args:
            before_close: What to do before the connection closes, at the latest when the loop ends.
        """
        if self.is_open:
            return
        # Connections of a loop that is gone cannot be closed any more; dropping them must do.
        self._loop = asyncio.get_running_loop()
        own = self._client_of(self._redis) if isinstance(self._redis, Secret) else None
        client = own or cast("Redis", self._redis)
        self._find_script = functools.cache(client.register_script)

        async def close() -> None:
            if before_close is not None:
                await before_close()
            self._guard = self._find_script = None
            if own is not None:
                await own.aclose()

        self._guard = await close_with_loop(close)

    async def close(self) -> None:
        """Close, after what is to be done before; opening again is fine."""
        guard = self._guard
        if guard is not None and self.is_open:
            await guard.aclose()

    async def run(self, script: str, keys: Sequence[str], *arguments: str | float) -> Any:
        """Run a script.

        Raises:
            ConfigurationError: Redis refuses these credentials.
            ConnectionFailedError: Redis does not do it now.
        """
        if self._find_script is None:
            raise self._unavailable("the connection was closed meanwhile")
        failure: TimeZestError
        try:
            async with asyncio.timeout(self._timeout):
                return await self._find_script(script)(keys=keys, args=arguments)
        except TimeoutError:
            failure = self._unavailable(f"it did not answer within {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting for ever
            failure = self._explained(error)
        # Raised here, without Redis's own as its context: that may show the password.
        raise failure

    def _client_of(self, url: Secret) -> Redis:
        try:
            # Lazy, since it belongs to an extra.
            from redis.asyncio import Redis  # noqa: PLC0415
            from redis.asyncio.retry import Retry  # noqa: PLC0415
            from redis.backoff import NoBackoff  # noqa: PLC0415
        except ModuleNotFoundError:
            raise ConfigurationError(
                f"{self._user} needs the redis package: pip install 'timezest-async[redis]'."
            ) from None
        with contextlib.suppress(ValueError, TypeError):
            # Tries again at once, for a connection that went stale; more would keep everybody waiting. So a
            # script may run twice.
            client: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its **kwargs are bare
                url,
                retry=Retry(NoBackoff(), 1),
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
            )
            return client
        # Not chained: the parser's own message may repeat the password.
        raise ConfigurationError(
            f"{self._argument} is not a URL of Redis: give one such as 'redis://user:password@host:6379/0',"
            " 'rediss://…' for TLS, or 'unix:///path/to/socket'."
        )

    def _explained(self, error: Exception) -> TimeZestError:
        """Say in the package's own words what Redis refused, or that it cannot be reached."""
        from redis.exceptions import AuthenticationError, NoPermissionError  # noqa: PLC0415 - as above

        if isinstance(error, AuthenticationError | NoPermissionError):
            return ConfigurationError(
                f"Redis refuses these credentials for the {self._purpose}: {error} It needs to run EVALSHA"
                " and SCRIPT LOAD, and to read and write the keys 'timezest:*'."
            )
        return self._unavailable(f"{type(error).__name__}: {error}".rstrip(". "))

    def _unavailable(self, reason: str) -> ConnectionFailedError:
        problem = f"The {self._purpose} cannot be asked, so nothing was sent: Redis: {reason}."
        return ConnectionFailedError(f"{problem} {self._advice}".rstrip(), never_sent=True)
