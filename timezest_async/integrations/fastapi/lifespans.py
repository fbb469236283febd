"""One client for an app: opened when it starts, closed when it ends, given to endpoints."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

from fastapi import Depends
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from timezest_async.client import TimeZestClient
from timezest_async.errors import ConfigurationError
from timezest_async.redaction import masked

P = ParamSpec("P")
R = TypeVar("R")

_NAME: Final = "timezest_client"
"""The client's name in the state of an app."""


def _takes_what_a_client_takes(
    _: Callable[P, TimeZestClient],
) -> Callable[[Callable[..., R]], Callable[P, R]]:
    return lambda function: function


def _takes_an_app_and_what_a_client_takes(
    _: Callable[P, TimeZestClient],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Starlette, P], R]]:
    return lambda function: function


def _hidden(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Keep keys, and passwords in URLs, out of tracebacks that show these arguments."""
    return tuple(map(masked, args)), {name: masked(value) for name, value in options.items()}


@_takes_an_app_and_what_a_client_takes(TimeZestClient)
@asynccontextmanager
async def opened(app: Starlette, *args: Any, **options: Any) -> AsyncGenerator[TimeZestClient]:
    """Give an app a client while this is open: for a lifespan that does other things too.

    ::

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with timezest.opened(app, deadline=10.0), database():
                yield

    Args:
        app: The app; endpoints of an app that is mounted in it find the client as well.
        args: As ``TimeZestClient`` takes them.
        options: Likewise.

    Raises:
        ConfigurationError: The app has a client already, or the client cannot be made like this.
    """
    args, options = _hidden(args, options)
    if getattr(app.state, _NAME, None) is not None:
        raise ConfigurationError(
            "this app has a client already: open one; for several accounts in one app there is TenantPool"
        )
    async with TimeZestClient(*args, **options) as client:
        setattr(app.state, _NAME, client)
        try:
            yield client
        finally:
            delattr(app.state, _NAME)


@_takes_what_a_client_takes(TimeZestClient)
def lifespan(*args: Any, **options: Any) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]:
    """Make the lifespan of an app that needs no other: ``FastAPI(lifespan=timezest.lifespan())``.

    The client is made when the app starts, so ``TIMEZEST_API_KEY`` is read then, and what is wrong with the
    arguments stops the start.

    Args:
        args: As ``TimeZestClient`` takes them.
        options: Likewise.
    """
    args, options = _hidden(args, options)

    @asynccontextmanager
    async def of(app: Any) -> AsyncGenerator[dict[str, Any]]:
        async with opened(app, *args, **options) as client:
            yield {_NAME: client}

    return of


def get_client(connection: HTTPConnection) -> TimeZestClient:
    """Find the client of the app that an endpoint belongs to; a dependency, which tests may override.

    Raises:
        ConfigurationError: The app has none.
    """
    state: dict[str, Any] = connection.scope.get("state") or {}
    client = getattr(connection.app.state, _NAME, None) or state.get(_NAME)
    if not isinstance(client, TimeZestClient):
        raise ConfigurationError(
            "this app has no TimeZest client: make it by FastAPI(lifespan=timezest.lifespan()), or open one"
            " in its lifespan by `async with timezest.opened(app)`. A test client runs the lifespan inside"
            " its `with` only."
        )
    return client


Client: TypeAlias = Annotated[TimeZestClient, Depends(get_client)]
"""The type of a parameter of an endpoint that is to be the app's client."""
