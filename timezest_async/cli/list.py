"""``timezest list``: what is there, to look at or to hand on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from timezest_async import ConfigurationError, Paginator
from timezest_async.cli import interrupts, record_tables, terminal
from timezest_async.cli.conditions import Conditions
from timezest_async.cli.connections import Service
from timezest_async.cli.options import given_options, grouped, refuse
from timezest_async.endpoints import PATHS, endpoint_of
from timezest_async.export import Format, to_stream
from timezest_async.export.formats.columns import choose_columns
from timezest_async.pagination.pages import PAGE_SIZE
from timezest_async.serialization.json_text import readable

_ENTITIES: Final = {path.removeprefix("/").replace("_", "-"): entity for entity, path in PATHS.items()}
"""What each list is of, by its name in the command."""


class Output(StrEnum):
    """How a list is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


@grouped
def list_records(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="LIST", help=f"One of {', '.join(_ENTITIES)}.", autocompletion=lambda: list(_ENTITIES)
        ),
    ],
    filter: Annotated[
        str | None,
        typer.Argument(metavar="FILTER", help="TQL, with OR, NOT and ( ) as well; by default all."),
    ] = None,
    *,
    conditions: Conditions,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to write them.")] = Output.TABLE,
    fields: Annotated[str | None, typer.Option(help="For jsonl and csv: id,status,…")] = None,
    raw_csv: Annotated[
        bool, typer.Option("--raw-csv", help="Leave CSV cells that a spreadsheet would run as formulas.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=0, metavar="N", help="How many at most.")] = None,
    service: Service,
) -> None:
    """List scheduling requests (newest first), agents, teams, resources or appointment types.

    The table shows ticket numbers, how long ago a request was made (5m, 12h, 90d)
    and when the appointment starts on the customer's clock, with its time zone.
    On a wide terminal, in a pipe or a file, it has more columns.
    """
    entity = _entity(name)
    given = given_options(context)
    expression = conditions.filter(filter, entity, given)
    if output not in {Output.JSONL, Output.CSV}:
        refuse(given & {"fields"}, f"--output {output} shows what it shows")
    if output is not Output.CSV:
        refuse(given & {"raw_csv"}, f"--output {output} has no cells of a spreadsheet")
    names = None if fields is None else tuple(field.strip() for field in fields.split(","))
    choose_columns(PATHS[entity], names)

    async def write() -> None:
        async with service.connected() as client:
            paginator = endpoint_of(client, PATHS[entity]).paginate(expression, limit=limit)
            match output:
                case Output.TABLE:
                    await _write_table(paginator, entity)
                case Output.JSON:
                    await _write_json(paginator)
                case Output.JSONL | Output.CSV:
                    stream = terminal.data_stream()
                    await to_stream(paginator, stream, format=Format(output), fields=names, raw_csv=raw_csv)

    interrupts.run(write())


def _entity(name: str) -> str:
    word = name.strip().lower().replace("_", "-")
    for known, entity in _ENTITIES.items():
        if word in {known, entity.replace("_", "-")}:
            return entity
    raise ConfigurationError(f"list takes one of {', '.join(_ENTITIES)}, not {name!r}")


async def _write_table(paginator: Paginator[Any], entity: str) -> None:
    table = record_tables.Table(record_tables.columns(entity), terminal.width())
    empty = True
    async for records in _pages(paginator):
        empty = False
        for line in table.lines(records):
            terminal.print_data(line)
    if empty and paginator.limit != 0:
        terminal.print_status("Nothing matches." if paginator.start.queries != ("",) else "There are none.")


async def _write_json(paginator: Paginator[Any]) -> None:
    stream, between = terminal.data_stream(), b"[\n"
    async for records in _pages(paginator):
        for record in records:
            # Escapes keep what a terminal or a code page cannot take.
            text = readable(record.to_dict()).replace("\n", "\n  ")
            stream.write(between + b"  " + text.encode())
            between = b",\n"
        stream.flush()
    stream.write(b"[]\n" if between == b"[\n" else b"\n]\n")
    stream.flush()


async def _pages(paginator: Paginator[Any]) -> AsyncIterator[list[Any]]:
    """Yield the records as they come, by a page's number; before an error those that came before it."""
    waiting: list[Any] = []
    try:
        async with aclosing(aiter(paginator)) as records:
            async for record in records:
                waiting.append(record)
                if len(waiting) == PAGE_SIZE:
                    yield waiting
                    waiting = []
    except Exception:
        if waiting:
            yield waiting
        raise
    if waiting:
        yield waiting
