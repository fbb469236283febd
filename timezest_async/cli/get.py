"""``timezest get``: scheduling requests by their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from timezest_async import NotFoundError, SchedulingRequest
from timezest_async.cli import interrupts, terminal
from timezest_async.cli.connections import Service
from timezest_async.cli.options import grouped
from timezest_async.cli.wording import in_options
from timezest_async.serialization.json_text import readable

_LISTS: Final[Mapping[str, Callable[[Any], str]]] = {
    "associated_entities": lambda entity: f"{entity.type} {entity.number or entity.id}",
    "resources": lambda agent: f"{agent.name or agent.id}",
    "scheduled_agents": lambda agent: f"{agent.name or agent.id}",
    "guests_list": str,
}
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, as the service has it.")]


@grouped
def get(
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID", help="Such as sreq_p4fvlg5FUuKSviNNemZzAO; several, if you like."),
    ],
    *,
    as_json: AsJson = False,
    service: Service,
) -> None:
    """Get scheduling requests."""
    if not interrupts.run(_get([one.strip() for one in ids], service, as_json=as_json)):
        raise typer.Exit(1)


async def _get(ids: list[str], service: Service, *, as_json: bool) -> bool:
    """Print the requests one after the other, and return whether all were found."""
    found = 0
    async with service.connected() as client:
        for one in ids:
            try:
                request = await client.scheduling_requests.get(one)
            except NotFoundError as error:
                terminal.print_status(in_options(str(error)))
                continue
            if found and not as_json:
                terminal.print_data()
            show_request(request, as_json=as_json)
            found += 1
    return found == len(ids)


def show_request(request: SchedulingRequest, *, as_json: bool, how: str | None = None) -> None:
    """Write a scheduling request to stdout, as a table or as the service's JSON; and how it was come by."""
    told = {} if how is None else {"how": how}
    if as_json:
        terminal.print_data(readable({**told, **request.to_dict()}))
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    # Ids and URLs are copied from here, so a long one wraps rather than being cut.
    table.add_column(overflow="fold")
    for name, text in told.items():
        table.add_row(name, text)
    for name in (*request.field_names, "local_start_time"):
        value = getattr(request, name)
        if name != "object" and value not in (None, ()):
            table.add_row(name, terminal.printable_lines(_text(name, value)))
    for name, value in request.extra.items():
        table.add_row(
            terminal.printable_lines(name), terminal.printable_lines(readable(value, indented=False))
        )
    terminal.out.print(table)


def _text(name: str, value: Any) -> str:
    if name in _LISTS:
        return "\n".join(map(_LISTS[name], value))
    return f"{value:%Y-%m-%d %H:%M:%S %Z}" if isinstance(value, datetime) else str(value)
