"""``timezest demo``: the main job in a few seconds, against a sandbox of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from textwrap import indent

from rich.progress import Progress, SpinnerColumn, TextColumn

from timezest_async import (
    AssociatedEntity,
    Expression,
    F,
    FilterError,
    SchedulingRequest,
    TimeZestClient,
    TriggerMode,
)
from timezest_async.cli import interrupts, record_tables, terminal
from timezest_async.sandbox import Sandbox


def demo() -> None:
    """Show the main job against a sandbox: filter, stream, create, get."""
    interrupts.run(_demo())


async def _demo() -> None:
    terminal.print_status("Starting a sandbox with 2,000 scheduling requests …")
    async with (
        Sandbox(records=2_000) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url) as client,
    ):
        a_year_ago = datetime.now(UTC) - timedelta(days=365)
        booked = (F.status == "scheduled") & (F.created_at >= a_year_ago)
        terminal.print_data(f"\nBooked in the last year, newest first:\n  {booked!r}\n")
        newest = await _stream(client, booked)
        for line in record_tables.Table(record_tables.DEMO, terminal.out.width).lines(newest):
            terminal.print_data(line)

        created = await _create(client)
        terminal.print_data(
            f"\nCreated for ticket #1234:\n  {created.id}, where to book: {created.scheduling_url}"
        )

        again = await client.scheduling_requests.get(created.id)
        terminal.print_data(
            f"\nRead again:\n  {again.end_user_name} <{again.end_user_email}>, {again.status}"
        )

        try:
            client.scheduling_requests.list("status = new and connectwise_psa_company_id like 2")
        except FilterError as error:
            terminal.print_data("\nRefused before anything is sent:\n" + indent(str(error), "  "))


async def _stream(client: TimeZestClient, filter: Expression) -> list[SchedulingRequest]:
    """Read every match, as a job over the whole account would, and keep the ten newest to show."""
    newest: list[SchedulingRequest] = []
    columns = SpinnerColumn(), TextColumn("{task.completed:,} scheduling requests")
    with Progress(*columns, console=terminal.err) as progress:
        task = progress.add_task("", total=None)
        async for request in client.scheduling_requests.list(filter):
            if len(newest) < 10:
                newest.append(request)
            progress.advance(task)
        progress.update(task, total=progress.tasks[task].completed)  # ends the spinner
    return newest


async def _create(client: TimeZestClient) -> SchedulingRequest:
    appointment_type, *_ = await client.appointment_types.list().to_list()
    technician, *_ = await client.agents.list().to_list()
    return await client.scheduling_requests.create(
        appointment_type_id=appointment_type.id,
        trigger_mode=TriggerMode.GENERATE_URL,
        resource_ids=[technician.id],
        associated_entities=[AssociatedEntity.connectwise_psa_service_ticket(number="#1234")],
    )
