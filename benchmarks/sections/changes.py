"""Half an hour of an account with 360 changes: what it costs to be told of all, in simulated time."""

from __future__ import annotations

from functools import partial

from benchmarks import changing_account
from benchmarks.harness import Report, run_async


def run(report: Report) -> None:
    count = 2_000 if report.quick else 20_000
    kept = {"rebooking_moves_scheduled_at": False}
    plans = {
        "read again what is open or booked": partial(changing_account.read_again, count),
        "watch": partial(changing_account.watch, count),
        "watch, cancelling clears the times": partial(
            changing_account.watch, count, cancelling_clears_times=True
        ),
        "watch, another time leaves scheduled_at": partial(changing_account.watch, count, **kept),
    }
    rows = []
    for name, plan in plans.items():
        watched = run_async(plan)
        rows.append((name, watched.a_minute, watched.told, watched.missed))
        report.target(f"requests missed: {name}", watched.missed, 0)
        if name == "watch":
            report.target("requests a minute", watched.a_minute, 20)
    report.table(
        f"{count:,} scheduling requests, ticks every 10 s, sweeps every 60 s",
        ("plan", "requests a minute", "changes told", "missed"),
        rows,
    )
