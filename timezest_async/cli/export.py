"""``timezest export``: a whole list into a file, or on to another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from timezest_async import ConfigurationError
from timezest_async.cli import terminal
from timezest_async.cli.conditions import Conditions
from timezest_async.cli.connections import Service
from timezest_async.cli.exporting import Task, run, show_plan
from timezest_async.cli.options import given_options, grouped, refuse
from timezest_async.cli.progress_display import Display, ProgressMode
from timezest_async.endpoints import PATHS
from timezest_async.export import Compression, Format, IncrementalPlan, choose_format
from timezest_async.export.formats.columns import choose_columns

_HOW = {"context", "concurrency", "quiet", "log_json", *(field.name for field in attrs.fields(Service))}
_RESUMED = {"resume", "skip_unreadable", "other_key"}
_NOT_TO_STDOUT = {"compress", "overwrite", "incremental", "skip_unreadable"}
_NOT_INCREMENTAL = {"entity", "limit", "compress", "overwrite"}


@grouped
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
    conditions: Conditions,
    fields: Annotated[str | None, typer.Option(help="Columns, in order: id,status,…")] = None,
    format: Annotated[Format | None, typer.Option(help="By default by the file's ending.")] = None,
    compress: Annotated[Compression | None, typer.Option(help="For jsonl and csv.")] = None,
    raw_csv: Annotated[
        bool, typer.Option("--raw-csv", help="Leave CSV cells that a spreadsheet would run as formulas.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=0, help="How many records at most.")] = None,
    concurrency: Annotated[str, typer.Option(metavar="N|auto", help="Requests under way at once.")] = "auto",
    skip_unreadable: Annotated[
        bool,
        typer.Option("--skip-unreadable", help="Keep records that cannot be read in FILE.unreadable.jsonl."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    other_key: Annotated[
        bool, typer.Option("--other-key", help="Go on with a new key of the account that it was begun with.")
    ] = False,
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
    service: Service,
) -> None:
    """Export a list to a file: all of it, or nothing under that name."""
    given = given_options(context)
    names = None if fields is None else tuple(name.strip() for name in fields.split(","))
    options: dict[str, Any] = {
        "fields": names,
        "format": format,
        "compress": compress,
        "raw_csv": raw_csv,
        "skip_unreadable": skip_unreadable,
        "overwrite": overwrite,
        "other_key": other_key,
    }
    options = {name: value for name, value in options.items() if name in given}
    how_many = _concurrency(concurrency)
    display = Display(_progress_mode(quiet=quiet, log_json=log_json, to_stdout=output == Path("-")))
    again = service.spelled(given)
    if resume is not None:
        refuse(given - _HOW - _RESUMED, "--resume knows from the checkpoint what to export")
        run(Task(resume, resumes=True, concurrency=how_many, options=options), display, service, again)
        return
    if output is None and not dry_run:
        raise ConfigurationError("say where to: --output FILE, --output - for stdout, or --resume FILE")
    if entity not in PATHS:
        raise ConfigurationError(f"--entity is one of {', '.join(PATHS)}, not {entity!r}")
    # At every run of an incremental export the same words mean the same times.
    began = None if incremental is None else IncrementalPlan.load(incremental).begun
    conditions = conditions if began is None else attrs.evolve(conditions, now=began)
    expression = conditions.filter(
        filter, entity, given, warn=lambda text: display.print_event(text, "warning", message=text)
    )
    choose_columns(PATHS[entity], names)
    task = Task(
        output or Path("-"),
        filter=expression,
        path=PATHS[entity],
        limit=limit,
        concurrency=how_many,
        state=incremental,
        now=conditions.now,
        options=options,
    )
    if output is not None:
        if task.to_stdout:
            task = _for_stdout(task, given)
        elif incremental is None:
            choose_format(output, format, compress)
    if other_key and incremental is None:
        raise ConfigurationError("--other-key goes with --resume or --incremental: nothing else was begun")
    if incremental is not None:
        refuse(given & _NOT_INCREMENTAL, "--incremental keeps a file of scheduling requests up to date")
    if how_many not in {1, "auto"} and entity != "scheduling_request":
        raise ConfigurationError("only scheduling requests are read concurrently: leave --concurrency out")
    if dry_run:
        show_plan(task, service.base_url, has_output=output is not None)
    else:
        run(task, display, service, again)


def _progress_mode(*, quiet: bool, log_json: bool, to_stdout: bool) -> ProgressMode:
    if quiet:
        return ProgressMode.QUIET
    if log_json:
        return ProgressMode.JSON
    if terminal.err.is_terminal and not (to_stdout and terminal.out.is_terminal):
        return ProgressMode.LIVE
    return ProgressMode.PLAIN


def _concurrency(text: str) -> Any:
    if text != "auto" and not (text.isdecimal() and int(text) > 0):
        raise ConfigurationError(f"--concurrency takes a whole number from 1, or auto, not {text!r}")
    return "auto" if text == "auto" else int(text)


def _for_stdout(task: Task, given: set[str]) -> Task:
    refuse(given & _NOT_TO_STDOUT, "what goes to stdout is a stream")
    return task.as_stream()
