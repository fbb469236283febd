"""Asking Redis: a connection for each event loop, a time limit, and errors that say what to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from timezest_async.budget.redis.script import SCRIPT, Question, Reply
from timezest_async.errors import ConfigurationError, ConnectionFailedError, TimeZestError
from timezest_async.redaction import Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisConnections:
    """Run the budget's script.

    Args:
        redis: A URL, for which there is a client of its own under each event loop; or a client to borrow.
        keys: The keys of the budget.
        timeout: Seconds for one question.

    Raises:
        ConfigurationError: The ``redis`` package is missing, or the URL is none.
    """

    def __init__(self, redis: Secret | Redis, keys: list[str], timeout: float) -> None:
        self._redis = redis
        self._keys = keys
        self._timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own: Redis | None = None
        self._script: Callable[..., Awaitable[Any]] | None = None
        self._guard: AsyncGenerator[None, None] | None = None
        if isinstance(redis, Secret):
            # Read now, so that a wrong URL shows where it stands; nothing connects before it is needed.
            self._client_of(redis)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection of the running loop."""
        return self._guard is not None and self._loop is asyncio.get_running_loop()

    async def open(self, farewell: Callable[[], Awaitable[None]]) -> None:
        """Make ready for the running loop.

        Args:
            farewell: What to do before the connection closes, at the latest when the loop ends.
        """
        if self.is_open:
            return
        # Connections of a loop that is gone cannot be closed any more; dropping them must do.
        self._loop = asyncio.get_running_loop()
        if isinstance(self._redis, Secret):
            client = self._own = self._client_of(self._redis)
        else:
            client, self._own = self._redis, None
        self._script = client.register_script(SCRIPT)
        # asyncio.run ends every asynchronous generator before it closes its loop: the last moment to
        # tell what became of the requests, and to close the connection.
        self._guard = self._close_with_loop(farewell)
        await anext(self._guard)

    async def close(self) -> None:
        """Say farewell and close; opening again is fine."""
        guard = self._guard
        if guard is not None and self.is_open:
            await guard.aclose()

    async def ask(self, question: Question) -> Reply:
        """Run the script.

        Raises:
            ConfigurationError: Redis refuses these credentials.
            ConnectionFailedError: Redis does not do it now.
        """
        if self._script is None:
            raise _unavailable("the connection was closed meanwhile")
        failure: TimeZestError
        try:
            async with asyncio.timeout(self._timeout):
                reply: Reply = json.loads(
                    await self._script(keys=self._keys, args=[json.dumps(question, separators=(",", ":"))])
                )
                return reply
        except TimeoutError:
            failure = _unavailable(f"it did not answer within {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting for ever
            failure = _explained(error)
        raise failure

    async def _close_with_loop(self, farewell: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
        own = self._own
        try:
            yield
        finally:
            await farewell()
            self._guard = self._script = self._own = None
            if own is not None:
                await own.aclose()

    def _client_of(self, url: Secret) -> Redis:
        try:
            # Lazy, since it belongs to an extra.
            from redis.asyncio import Redis  # noqa: PLC0415
            from redis.asyncio.retry import Retry  # noqa: PLC0415
            from redis.backoff import NoBackoff  # noqa: PLC0415
        except ModuleNotFoundError:
            raise ConfigurationError(
                "RedisRateLimiter needs the redis package: pip install 'timezest-async[redis]'."
            ) from None
        with contextlib.suppress(ValueError, TypeError):
            # Tries again at once, for a connection that went stale; more would keep everybody waiting.
            client: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its **kwargs are bare
                url,
                retry=Retry(NoBackoff(), 1),
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
            )
            return client
        # Not chained: the parser's own message may repeat the password.
        raise ConfigurationError(
            "redis is not a URL of Redis: give one such as 'redis://user:password@host:6379/0',"
            " 'rediss://…' for TLS, 'unix:///path/to/socket', or a redis.asyncio.Redis."
        )


def _explained(error: Exception) -> TimeZestError:
    """Say in the package's own words what Redis refused, or that it cannot be reached."""
    from redis.exceptions import AuthenticationError, NoPermissionError  # noqa: PLC0415 - as above

    if isinstance(error, AuthenticationError | NoPermissionError):
        return ConfigurationError(
            f"Redis refuses these credentials for the shared request budget: {error} It needs to run EVALSHA"
            " and SCRIPT LOAD, and to read and write the keys 'timezest:*'."
        )
    return _unavailable(f"{type(error).__name__}: {error}".rstrip(". "))


def _unavailable(reason: str) -> ConnectionFailedError:
    return ConnectionFailedError(
        f"The shared request budget cannot be asked, so nothing was sent: Redis: {reason}. Look after Redis,"
        " or let each process go on with a share of its own: RedisRateLimiter(..., on_unavailable='local').",
        never_sent=True,
    )
