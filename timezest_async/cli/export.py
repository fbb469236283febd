"""``timezest export``: a whole list into a file, or on to another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from timezest_async import ConfigurationError, Expression, Status, tql
from timezest_async.cli import terminal
from timezest_async.cli.conditions import Conditions
from timezest_async.cli.connections import ApiKey, BaseUrl
from timezest_async.cli.exporting import Task, run, show_plan
from timezest_async.cli.plans import PATHS
from timezest_async.cli.progress import Display, Manner
from timezest_async.export import Compression, Format, choose_format
from timezest_async.export.columns import choose_columns

_HOW = {"context", "concurrency", "quiet", "log_json", "api_key", "base_url"}
_NOT_INCREMENTAL = {"entity", "limit", "compress", "overwrite"}
_CONDITIONS = {"status", "since", "until", "company", "ticket", "email", "agent"}


def export(
    context: typer.Context,
    filter: Annotated[
        str | None,
        typer.Argument(metavar="FILTER", help="TQL, with OR, NOT and ( ) as well; by default all."),
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file; - is stdout.")
    ] = None,
    entity: Annotated[
        str, typer.Option(help=f"One of {', '.join(PATHS)}.", autocompletion=lambda: list(PATHS))
    ] = "scheduling_request",
    status: Annotated[
        list[str] | None,
        typer.Option(help="Such as sent; may be repeated.", autocompletion=lambda: list(Status)),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Created at 2026-01-31 or later; or 90d, 12h ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Created before.")] = None,
    company: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Its id in whichever PSA; may be repeated.")
    ] = None,
    ticket: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER", help="In whichever PSA; may be repeated.")
    ] = None,
    email: Annotated[list[str] | None, typer.Option(help="The end user's; may be repeated.")] = None,
    agent: Annotated[list[str] | None, typer.Option(metavar="ID", help="May be repeated.")] = None,
    tz: Annotated[str, typer.Option(metavar="ZONE", help="The zone of --since and --until.")] = "UTC",
    fields: Annotated[str | None, typer.Option(help="Columns, in order: id,status,…")] = None,
    format: Annotated[Format | None, typer.Option(help="By default by the file's ending.")] = None,
    compress: Annotated[Compression | None, typer.Option(help="For jsonl and csv.")] = None,
    raw_csv: Annotated[
        bool, typer.Option("--raw-csv", help="Leave CSV cells that a spreadsheet would run as formulas.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=0, help="How many records at most.")] = None,
    concurrency: Annotated[str, typer.Option(metavar="N|auto", help="Requests under way at once.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on with the unfinished export to this file.")
    ] = None,
    incremental: Annotated[
        Path | None,
        typer.Option(metavar="STATE", help="Only what is new or changed since the run that wrote STATE."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked; ask nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Say it in JSON lines.")] = False,
    api_key: ApiKey = None,
    base_url: BaseUrl = None,
) -> None:
    """Export a list to a file: all of it, or nothing under that name."""
    given = {
        name
        for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
    how_many = _concurrency(concurrency)
    display = Display(_manner(quiet=quiet, log_json=log_json, to_stdout=output == Path("-")))
    hint_url = base_url if "base_url" in given else None
    if resume is not None:
        _refuse(given - _HOW - {"resume"}, "--resume knows from the checkpoint what to export")
        run(Task(resume, resumes=True, concurrency=how_many), display, api_key, base_url, hint_url)
        return
    if output is None and not dry_run:
        raise ConfigurationError("say where to: --output FILE, --output - for stdout, or --resume FILE")
    conditions = Conditions(
        status=status or (),
        since=since,
        until=until,
        company=company or (),
        ticket=ticket or (),
        email=email or (),
        agent=agent or (),
        tz=tz,
    )
    expression = _expression(filter, entity, conditions, given)
    names = None if fields is None else tuple(name.strip() for name in fields.split(","))
    choose_columns(PATHS[entity], names)
    task = Task(
        output or Path("-"),
        filter=expression,
        path=PATHS[entity],
        fields=names,
        format=format,
        compress=compress,
        raw_csv=raw_csv,
        limit=limit,
        concurrency=how_many,
        overwrite=overwrite,
        state=incremental,
    )
    if output is not None:
        if task.to_stdout:
            task = _for_stdout(task, given)
        elif incremental is None:
            choose_format(output, format, compress)
    if incremental is not None:
        _refuse(given & _NOT_INCREMENTAL, "--incremental keeps a file of scheduling requests up to date")
        if conditions.is_moving:
            raise ConfigurationError(
                "--incremental has the same filter at every run: give --since and --until as dates"
            )
    if how_many not in {1, "auto"} and entity != "scheduling_request":
        raise ConfigurationError("only scheduling requests are read concurrently: leave --concurrency out")
    if dry_run:
        show_plan(task, base_url, says_where=output is not None)
    else:
        run(task, display, api_key, base_url, hint_url)


def _manner(*, quiet: bool, log_json: bool, to_stdout: bool) -> Manner:
    if quiet:
        return Manner.QUIET
    if log_json:
        return Manner.JSON
    if terminal.err.is_terminal and not (to_stdout and terminal.out.is_terminal):
        return Manner.LIVE
    return Manner.PLAIN


def _concurrency(text: str) -> Any:
    if text != "auto" and not (text.isdecimal() and int(text) > 0):
        raise ConfigurationError(f"--concurrency takes a whole number from 1, or auto, not {text!r}")
    return "auto" if text == "auto" else int(text)


def _expression(
    text: str | None, entity: str, conditions: Conditions, given: set[str]
) -> Expression[Any] | None:
    if entity not in PATHS:
        raise ConfigurationError(f"--entity is one of {', '.join(PATHS)}, not {entity!r}")
    if entity != "scheduling_request":
        _refuse(given & _CONDITIONS, "these are of scheduling requests; filter other lists by TQL")
    terms: list[Expression[Any]] = [] if text is None else [tql.parse(text, entity=entity)]
    terms += conditions.terms()
    return tql.all_of(*terms) if terms else None


def _for_stdout(task: Task, given: set[str]) -> Task:
    _refuse(given & {"compress", "overwrite", "incremental"}, "what goes to stdout is a stream")
    return task.as_stream()


def _refuse(names: set[str], why: str) -> None:
    """Refuse options that do not fit.

    Raises:
        ConfigurationError: There are some.
    """
    if names:
        options = ", ".join(
            "FILTER" if name == "filter" else f"--{name.replace('_', '-')}" for name in sorted(names)
        )
        raise ConfigurationError(f"{why}: leave out {options}")
