"""What ``timezest export`` does once it knows what is wanted."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import inf, isinf
from pathlib import Path
from typing import Any, Literal

import attrs
import typer

from timezest_async import (
    ConfigurationError,
    Expression,
    FilterError,
    InvalidRequestError,
    Paginator,
    TimeZestClient,
    TimeZestError,
    tql,
)
from timezest_async.cli import interrupts, terminal
from timezest_async.cli.connections import Service
from timezest_async.cli.plans import plan_lines, pluralize
from timezest_async.cli.progress_display import Display, ProgressMode
from timezest_async.cli.wording import in_options
from timezest_async.endpoints import endpoint_of
from timezest_async.export import (
    ExportJob,
    Format,
    IncrementalExport,
    IncrementalPlan,
    IncrementalSummary,
    Summary,
    choose_format,
    read_unfinished,
    to_stream,
)
from timezest_async.export.job_state import ExportPaths
from timezest_async.reports.spans import created_spans
from timezest_async.reports.tables import duration
from timezest_async.transport import DEFAULT_BASE_URL
from timezest_async.transport.settings import check_base_url


@attrs.frozen
class Task:
    """What is to be exported.

    Attributes:
        output: The file; ``-`` is stdout.
        filter: Which records; None for all.
        path: The list.
        limit: How many records at most; None for all.
        concurrency: As for ``list``.
        state: The state of an incremental export, or None.
        now: What times in ``filter`` were relative to.
        resumes: Whether to go on with what the checkpoint beside ``output`` says.
        options: How, by the names of ``ExportJob``, ``IncrementalExport`` or ``to_stream``: what was given.
    """

    output: Path
    filter: Expression[Any] | None = None
    path: str = "/scheduling_requests"
    limit: int | None = None
    concurrency: int | Literal["auto"] = "auto"
    state: Path | None = None
    now: datetime | None = None
    resumes: bool = False
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    @property
    def to_stdout(self) -> bool:
        """Whether it is a stream rather than a file."""
        return self.output == Path("-")

    def as_stream(self) -> Task:
        """Settle what goes to stdout: JSON lines, unless CSV is asked for.

        Raises:
            ConfigurationError: The format cannot be streamed.
        """
        chosen = self.options.get("format") or Format.JSONL
        if chosen not in {Format.JSONL, Format.CSV}:
            raise ConfigurationError(f"only jsonl and csv go to stdout, not {chosen}: name a file")
        return attrs.evolve(self, options={**self.options, "format": chosen})

    @property
    def plan(self) -> IncrementalPlan | None:
        """What the next run of an incremental export will ask; None for any other export."""
        return None if self.state is None else IncrementalPlan.load(self.state, filter=self.filter)

    def queries(self) -> tuple[str, ...]:
        """Return what is sent as ``filter``, a text for each query; an empty one asks for all."""
        if self.resumes:
            unfinished = read_unfinished(self.output)
            return () if unfinished is None else unfinished.spec.start.queries
        plan = self.plan
        expression = self.filter if plan is None else plan.filter
        if expression is None:
            return ("",)
        return tuple(tql.render(query) for query in tql.plan(expression).queries)


def show_plan(task: Task, base_url: str | None, *, has_output: bool) -> None:
    """Print what an export would ask, and what that costs at least.

    Args:
        task: What to export.
        base_url: The service, or None for the real one.
        has_output: Whether ``task.output`` was given.
    """
    list_url = check_base_url(base_url or DEFAULT_BASE_URL).joinpath(task.path.removeprefix("/"))
    urls = [(text, str(list_url.with_query(filter=text) if text else list_url)) for text in task.queries()]
    for line in plan_lines(urls):
        terminal.print_data(line)
    if (plan := task.plan) is not None:
        terminal.print_data(
            "State    this is the first run; later ones ask for what is open or recent"
            if plan.first_run
            else f"State    {plan.watched:,} requests are watched: one more request for each closed since"
        )
    if has_output:
        chosen = task.options.get("format")
        if not task.to_stdout:
            chosen, _ = choose_format(task.output, chosen, task.options.get("compress"))
        terminal.print_data(f"Output   {'stdout' if task.to_stdout else task.output} ({chosen})")


def run(task: Task, display: Display, service: Service, again: Sequence[str]) -> None:
    """Export, and tell how it ends.

    Args:
        task: What to export.
        display: Shows how it goes.
        service: The service.
        again: The words that name it in a command that resumes.

    Raises:
        typer.Exit: It failed (1) or was interrupted (130).
        ConfigurationError: It cannot be done like this.
    """
    began = time.monotonic()
    try:
        result = interrupts.run(_export(task, service, display))
    except (FilterError, ConfigurationError, InvalidRequestError, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        advice, command = _how_to_resume(task, display, again)
        display.print_event(f"Interrupted. {advice}", "interrupted", resume=command)
        raise typer.Exit(interrupts.INTERRUPTED) from None
    except (TimeZestError, OSError) as error:
        advice, command = _how_to_resume(task, display, again)
        where = "stdout" if task.to_stdout else task.output
        message = (
            f"{where} cannot be written: {error}" if isinstance(error, OSError) else in_options(str(error))
        )
        kind = type(error).__name__
        display.print_event(f"{message}\n{advice}", "failed", error=kind, message=message, resume=command)
        raise typer.Exit(1) from None
    if display.mode is not ProgressMode.QUIET:
        _print_summary(result, display, time.monotonic() - began)


async def _export(task: Task, service: Service, display: Display) -> Summary | IncrementalSummary | int:
    # A later run of an incremental export ends with the oldest request that is open, wherever that is.
    plan = task.plan
    display.floor = None if plan is not None and not plan.first_run else _floor(task)
    async with service.connected(display) as client, display.shown():
        display.begin(client.rate_limiter)
        if task.to_stdout:
            return await to_stream(
                _paginator(task, client),
                terminal.data_stream(),
                **task.options,
                on_progress=display.on_progress,
            )
        if task.state is not None:
            return await IncrementalExport(
                client,
                task.output,
                task.state,
                filter=task.filter,
                concurrency=task.concurrency,
                now=task.now,
                **task.options,
                on_progress=display.on_progress,
            ).run()
        if task.resumes:
            job = ExportJob.resume(
                client,
                task.output,
                concurrency=task.concurrency,
                **task.options,
                on_progress=display.on_progress,
            )
        else:
            job = ExportJob(
                _paginator(task, client), task.output, **task.options, on_progress=display.on_progress
            )
        return await job.run()


def _paginator(task: Task, client: TimeZestClient) -> Paginator[Any]:
    endpoint = endpoint_of(client, task.path)
    return endpoint.paginate(task.filter, limit=task.limit, concurrency=task.concurrency)


def _floor(task: Task) -> datetime | None:
    """Return the oldest ``created_at`` that is asked for; None where there is no such bound."""
    filters = [task.filter]
    if task.resumes:
        filters = [
            tql.parse(text) if text.startswith("scheduling_request.") else None for text in task.queries()
        ]
    oldest = min((start for one in filters for start, _ in created_spans(one)), default=-inf)
    return None if isinf(oldest) else datetime.fromtimestamp(oldest, UTC)


def _how_to_resume(task: Task, display: Display, again: Sequence[str]) -> tuple[str, str | None]:
    """Return what to do about what was cut short, and the command for it where it is another one."""
    if task.to_stdout:
        return (
            "What goes to stdout cannot be resumed." if display.has_records else "Nothing was written."
        ), None
    if task.state is not None:
        return "The same command goes on.", None
    if read_unfinished(task.output) is None:
        done = task.output.exists() and "overwrite" not in task.options
        return f"{task.output} {'is complete' if done else 'was not begun'}.", None
    command = shlex.join(["timezest", "export", "--resume", str(task.output), *again])
    return f"What was read is kept. To go on:\n  {command}", command


def _print_summary(result: Summary | IncrementalSummary | int, display: Display, elapsed: float) -> None:
    figures = {"requests": display.requests, "retries": display.retries, "seconds": round(elapsed, 2)}
    retries = f" ({pluralize(display.retries, 'retry', 'retries')})" if display.retries else ""
    cost = f"{pluralize(display.requests, 'request')}{retries}, {duration(elapsed, seconds=True)}"
    if isinstance(result, int):
        display.print_event(f"stdout: {result:,} records: {cost}", "summary", records=result, **figures)
        return
    beside = ExportPaths.of(result.path).unreadable
    bad = pluralize(result.unreadable, "record")
    skipped = f"\n{beside}: {bad} that cannot be read" if result.unreadable else ""
    if isinstance(result, Summary):
        count = "all" if result.records is None else f"{result.records:,}"
        earlier = f" ({result.resumed:,} of them by an earlier run)" if result.resumed else ""
        display.print_event(
            f"{result.path}: {count} records{earlier}, {result.bytes:,} bytes: {cost}{skipped}",
            "summary",
            **{name: str(value) if name == "path" else value for name, value in attrs.asdict(result).items()},
            **figures,
        )
    else:
        display.print_event(
            f"{result.path}: {result.created:,} new, {result.changed:,} changed, "
            f"{result.unchanged:,} as before, {result.vanished:,} gone from the service: {cost}{skipped}",
            "summary",
            **attrs.asdict(result) | {"path": str(result.path)},
            **figures,
        )
