"""``timezest mcp``: a door for assistants."""

from __future__ import annotations

from typing import Annotated

import typer

from timezest_async.cli import interrupts
from timezest_async.cli.connections import Service
from timezest_async.cli.create_once import check_journal, open_journal
from timezest_async.cli.options import grouped
from timezest_async.errors import ConfigurationError
from timezest_async.redaction import Secret


@grouped
def mcp(
    *,
    allow_create: Annotated[
        bool, typer.Option("--allow-create", help="Let it create, each after a question; else it only reads.")
    ] = False,
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            parser=Secret,  # a URL may have a password in it
            help="With --allow-create: where it is remembered what was created; a file, or redis://…",
        ),
    ] = None,
    show_personal: Annotated[
        bool,
        typer.Option(
            "--show-personal", help="Show names, e-mail addresses and the URLs that anybody can book with."
        ),
    ] = False,
    service: Service,
) -> None:
    """Serve an assistant by the Model Context Protocol, over stdin and stdout.

    It can list and get scheduling requests, list agents, teams and appointment types, and
    explain filters. With --allow-create it can create, once for each ticket and kind of
    appointment, after it was told what that would be.
    """
    if allow_create is not (journal is not None):
        raise ConfigurationError(
            "--allow-create and --journal FILE belong together: give both, or neither to let it only read"
        )
    if journal is not None:
        check_journal(journal)
    interrupts.run_until_killed(_serve(service, journal, show_personal=show_personal))


async def _serve(service: Service, journal: str | None, *, show_personal: bool) -> None:
    from timezest_async.integrations.assistant import make_server  # noqa: PLC0415 - needs mcp

    try:
        async with service.connected() as client:
            if journal is None:
                await make_server(client, show_personal=show_personal).run_stdio_async()
                return
            async with open_journal(journal) as opened:
                await make_server(client, journal=opened, show_personal=show_personal).run_stdio_async()
    except ExceptionGroup as group:
        # The SDK's tasks wrap what comes of a stdout that is full or closed.
        failure: Exception = group
        while inner := getattr(failure, "exceptions", None):
            failure = inner[0]
        raise failure from None
