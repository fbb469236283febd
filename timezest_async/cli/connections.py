"""How a command reaches the service: the same two options wherever there are any."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from timezest_async import Hooks, TimeZestClient
from timezest_async.transport.settings import Secret

ApiKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        # Other users of the machine see command lines: the environment is the better place.
        envvar="TIMEZEST_API_KEY",
        parser=Secret,
        metavar="KEY",
        help="The API key; rather set the environment variable.",
    ),
]
BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(envvar="TIMEZEST_BASE_URL", metavar="URL", help="The service, if not the real one."),
]


def connect(api_key: str | None, base_url: str | None, hooks: Hooks | None = None) -> TimeZestClient:
    """Make the client of a command.

    Raises:
        ConfigurationError: There is no key, or an option is unfit.
    """
    return TimeZestClient(api_key, base_url, hooks=hooks)
