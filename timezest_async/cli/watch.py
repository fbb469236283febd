"""``timezest watch``: what was booked, moved and cancelled, and what nobody books."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer

from timezest_async import (
    Change,
    ConfigurationError,
    Expression,
    F,
    SchedulingRequest,
    Status,
    TimeZestClient,
)
from timezest_async.changes.sqlite import SQLiteChangeStore
from timezest_async.cli import interrupts, terminal
from timezest_async.cli.conditions import Conditions, span_of
from timezest_async.cli.connections import Service
from timezest_async.cli.options import given_options, grouped, refuse
from timezest_async.cli.record_tables import Column, Table, age, customer, starts, tickets
from timezest_async.serialization.json_text import readable

_OF_CHANGES: Final = {"once", "exec", "interval", "sweep", "consumer", "initial"}


class Output(StrEnum):
    """How changes are written."""

    TABLE = "table"
    JSONL = "jsonl"


class _FailedError(Exception):
    """A command has failed."""


@grouped
def watch(
    context: typer.Context,
    filter: Annotated[
        str | None,
        typer.Argument(metavar="FILTER", help="TQL, with OR, NOT and ( ) as well; by default all."),
    ] = None,
    *,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to remember what was seen, from run to run.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for cron.")] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to write them.")] = Output.TABLE,
    exec: Annotated[
        str | None,
        typer.Option(
            metavar="CMD",
            help="Run this in a shell for each change, which is its stdin as JSON; if it fails, the watch "
            "ends, and the next one begins with this change.",
        ),
    ] = None,
    chase: Annotated[
        str | None,
        typer.Option(metavar="3d", help="List what has been open for longer than this, the oldest last."),
    ] = None,
    conditions: Conditions,
    interval: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="Between looks for new ones and bookings.")
    ] = 10.0,
    sweep: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="Between looks for all else.")
    ] = 60.0,
    consumer: Annotated[
        str, typer.Option(metavar="NAME", help="Who is told; each consumer of a state is told all.")
    ] = "main",
    initial: Annotated[
        bool, typer.Option("--initial/--no-initial", help="Tell of what is there at the first look.")
    ] = True,
    service: Service,
) -> None:
    """Tell what was created, booked, moved, cancelled or closed, until Ctrl-C."""
    given = given_options(context)
    if state is None:
        if chase is None:
            raise ConfigurationError("say where to remember what was seen: --state FILE")
        refuse(given & _OF_CHANGES, "without --state FILE nothing is watched")
    span = None if chase is None else span_of(chase)
    if chase is not None and span is None:
        raise ConfigurationError(f"--chase takes how long, such as 3d, 12h or 2w, not {chase!r}")

    async def work() -> None:
        store = None if state is None else SQLiteChangeStore(state)
        try:
            now = conditions.now if store is None else await _begun(store) or conditions.now
            expression = attrs.evolve(conditions, now=now).filter(filter, "scheduling_request", given)
            async with service.connected() as client:
                if span is not None:
                    await _chase(client, expression, datetime.now(UTC) - span, output)
                if store is None:
                    return
                requests = client.scheduling_requests
                options: dict[str, Any] = {"consumer": consumer, "initial": initial, "now": now}
                if not once:
                    options |= {"interval": interval, "sweep": sweep}
                look = requests.changes if once else requests.watch
                write = _writer(output)
                async with look(store, expression, **options) as changes:
                    async for change in changes:
                        if exec is not None:
                            await _run(exec, change)
                        write(change)
        finally:
            if store is not None:
                await store.close()

    try:
        interrupts.run(work())
    except _FailedError as failure:
        terminal.print_status(str(failure))
        raise typer.Exit(1) from None


async def _begun(store: SQLiteChangeStore) -> datetime | None:
    """Return when the watch began: at every run the same words mean the same times."""
    memory = await store.recall(-1)
    begun = memory.notes.get("begun_at") if memory is not None else None
    return None if begun is None else datetime.fromtimestamp(begun, UTC)


async def _run(command: str, change: Change) -> None:
    """Run a command for a change.

    Raises:
        _FailedError: It did not end well.
    """
    process = await asyncio.create_subprocess_shell(command, stdin=asyncio.subprocess.PIPE)
    try:
        await process.communicate(_line(change.to_dict()))
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    if process.returncode:
        raise _FailedError(
            f"the command failed with status {process.returncode} for change {change.seq} "
            f"({change.kind}, {change.request.id}), which is told again by the next run"
        )


def _line(value: Any) -> bytes:
    return readable(value, indented=False).encode() + b"\n"


def _writer(output: Output) -> Callable[[Change], None]:
    if output is Output.JSONL:
        return lambda change: _write(_line(change.to_dict()))
    table = Table(_CHANGES, terminal.width())

    def write(change: Change) -> None:
        for line in table.lines([change]):
            terminal.print_data(line)

    return write


def _write(line: bytes) -> None:
    stream = terminal.data_stream()
    stream.write(line)
    stream.flush()


async def _chase(
    client: TimeZestClient, expression: Expression[Any] | None, before: datetime, output: Output
) -> None:
    """List what has been open since before a moment."""
    overdue: Expression[Any] = F.status.in_((Status.NEW, Status.SENT)) & (
        F.created_at < before.replace(microsecond=0)
    )
    found = await client.scheduling_requests.list(
        overdue if expression is None else overdue & expression
    ).to_list()
    if output is Output.JSONL:
        for request in found:
            _write(_line(request.to_dict()))
    elif found:
        for line in Table(_overdue(datetime.now(UTC)), terminal.width()).lines(found):
            terminal.print_data(line)
    else:
        terminal.print_status("Nothing has been open for that long.")


def _of_request(cell: Callable[[SchedulingRequest], str]) -> Callable[[Change], str]:
    return lambda change: cell(change.request)


_CHANGES: Final = (
    Column("Seen (UTC)", lambda change: f"{change.seen_at:%m-%d %H:%M:%S}"),
    Column("Change", lambda change: change.kind.value, usual_width=9),
    Column("Ticket", _of_request(tickets), usual_width=8),
    Column("Starts", _of_request(starts), usual_width=16),
    Column("Customer", _of_request(customer), 8, usual_width=20),
    Column("Id", lambda change: change.request.id, optional=True),
)


def _overdue(now: datetime) -> Sequence[Column]:
    return (
        Column("Age", lambda request: age(request.created_at, now)),
        Column("Status", lambda request: request.status),
        Column("Ticket", tickets),
        Column("Customer", customer, 8),
        Column("Booking page", lambda request: request.scheduling_url or ""),
    )
