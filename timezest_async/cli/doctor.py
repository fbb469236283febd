"""``timezest doctor``: is the service what it is taken for?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from timezest_async.cli import interrupts, terminal
from timezest_async.cli.connections import Service
from timezest_async.cli.options import grouped
from timezest_async.doctor import Diagnosis, Verdict, examine
from timezest_async.serialization.json_text import readable


@grouped
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write a report to hand on, too: JSON without a name, address, URL or key.",
        ),
    ] = None,
    service: Service,
) -> None:
    """Ask the service whether what is taken for granted of it is so, in under 20 requests that only read."""
    diagnosis = interrupts.run(_examine(service))
    report = readable(diagnosis.to_dict())
    if output is not None:
        output.write_text(f"{report}\n", encoding="utf-8")
    if as_json:
        terminal.print_data(report)
    else:
        _show(diagnosis)


async def _examine(service: Service) -> Diagnosis:
    async with service.asked_once() as transport:
        return await examine(transport)


def _show(diagnosis: Diagnosis) -> None:
    width = max(map(len, Verdict))
    for finding in diagnosis.findings:
        terminal.print_data(f"{finding.verdict:<{width}}  {finding.assumption} ({finding.seen})")
        if finding.verdict is Verdict.DOES_NOT_HOLD:
            terminal.print_data(f"{'':<{width}}  → {finding.depends}")
    counted = Counter(finding.verdict for finding in diagnosis.findings)
    terminal.print_status(
        f"{', '.join(f'{counted[verdict]} {verdict}' for verdict in Verdict)}; {diagnosis.requests} requests"
    )
