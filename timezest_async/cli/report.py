"""``timezest report``: what was booked, how soon, when, and what still waits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from timezest_async import (
    ConfigurationError,
    Expression,
    NotFoundError,
    PermissionDeniedError,
    TimeZestClient,
    TimeZestError,
)
from timezest_async.cli import interrupts, terminal
from timezest_async.cli.conditions import Conditions, zone_named
from timezest_async.cli.connections import Service
from timezest_async.cli.options import grouped
from timezest_async.cli.wording import in_options
from timezest_async.reports import Analysis, check_targets, read_names, read_requests, write_csv, write_page
from timezest_async.reports.terminal import show

_ALL: Final = "All scheduling requests"


@grouped
def report(
    filter: Annotated[
        str | None,
        typer.Argument(metavar="[FILTER]", help="TQL, with OR, NOT and ( ) as well; by default all."),
    ] = None,
    *,
    file: Annotated[
        list[Path] | None, typer.Option(help="Read this exported file, not the service; may be repeated.")
    ] = None,
    names: Annotated[
        list[Path] | None,
        typer.Option(help="With --file: exported agents, teams or appointment types, for their names."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page that needs nothing else.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the tables as CSV files into this folder.")] = None,
    raw_csv: Annotated[
        bool, typer.Option("--raw-csv", help="Leave CSV cells that a spreadsheet would run as formulas.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    weeks: Annotated[int, typer.Option(min=1, max=520, help="How many weeks to show.")] = 12,
    oldest: Annotated[int, typer.Option(min=1, max=10_000, help="How many unbooked requests to name.")] = 20,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Created at 2026-01-31 or later; or 90d, 12h ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Created before.")] = None,
    tz: Annotated[str, typer.Option(help="Whose weeks, days and times, such as Europe/London.")] = "UTC",
    service: Service,
) -> None:
    """Report on scheduling requests: status by week, time to book, booking rates, busiest hours."""
    if names and not file:
        raise ConfigurationError("--names goes with --file: a live report reads the names from the service")
    check_targets(html, csv, overwrite=overwrite)
    expression = Conditions(since=since, until=until, tz=tz).filter(filter, "scheduling_request", ())
    analysis = Analysis(zone=zone_named(tz), weeks=weeks, oldest=oldest, filter=expression)
    asked = ", ".join(
        f"{what}{text}"
        for what, text in (("", filter), ("since ", since), ("until ", until))
        if text is not None
    )
    if file:
        found = _read_files(analysis, file, names or [], expression)
        source = ", ".join(path.name for path in file) + (f" where {asked}" if asked else "")
    else:
        found = interrupts.run(_read_service(service, analysis, expression))
        source = asked or _ALL
    result = analysis.report(source=source, names=found)
    try:
        if html is not None:
            write_page(result, html)
            terminal.print_status(f"Wrote {html}")
        if csv is not None:
            write_csv(result, csv, raw=raw_csv)
            terminal.print_status(f"Wrote {csv}/*.csv")
    except OSError as error:
        raise TimeZestError(f"the report cannot be written: {error}") from None
    # The files come first: a stdout that is full costs no more than what it would have shown.
    show(result, terminal.out)


def _read_files(
    analysis: Analysis, files: Sequence[Path], names: Sequence[Path], expression: Expression | None
) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in names:
        found |= read_names(path)
    with _progress() as progress:
        task = progress.add_task("", total=None)
        for path in files:
            for request in read_requests(path):
                progress.advance(task)
                if expression is None or expression.matches(request):
                    analysis.add(request)
    return found


async def _read_service(
    service: Service, analysis: Analysis, expression: Expression | None
) -> dict[str, str]:
    async with service.connected() as client:
        # The names come first: whether the key may read them shows before the long part.
        found = await _service_names(client)
        with _progress() as progress:
            task = progress.add_task("", total=None)
            async for request in client.scheduling_requests.list(expression, concurrency="auto"):
                analysis.add(request)
                progress.advance(task)
    return found


async def _service_names(client: TimeZestClient) -> dict[str, str]:
    found: dict[str, str] = {}
    for endpoint in (client.teams, client.agents, client.appointment_types):
        try:
            async for record in endpoint.list():
                if record.name:
                    found[record.id] = record.name
        except (PermissionDeniedError, NotFoundError) as error:
            terminal.print_status(f"No names from {endpoint.path}: {in_options(str(error))}")
    return found


def _progress() -> Progress:
    columns = SpinnerColumn(), TextColumn("{task.completed:,} scheduling requests")
    return Progress(*columns, console=terminal.err, transient=True, disable=not terminal.err.is_terminal)
