"""Cost per record as the list grows from a hundred records to a million."""

from __future__ import annotations

from functools import partial

from benchmarks import rivals
from benchmarks.harness import Report, interleave_async, run_async
from benchmarks.servers import page_server


def run(report: Report) -> None:
    sizes = [100, 1_000, 10_000] if report.quick else [100, 1_000, 10_000, 100_000, 1_000_000]
    rows = []
    costs: dict[int, float] = {}
    with page_server() as server:
        for size in sizes:
            service = server.account("grow", records=size)
            contenders = {
                "ours": partial(rivals.timezest, service),
                "floor": partial(rivals.bare_aiohttp, service),
            }
            rounds = max(1, min(15, (20_000 if report.quick else 200_000) // size))
            wall, cpu = run_async(partial(interleave_async, contenders, rounds))
            costs[size] = cpu.best("ours") / size
            rows.append(
                (
                    f"{size:,}",
                    wall.best("ours") * 1e6 / size,
                    costs[size] * 1e6,
                    wall.best("floor") * 1e6 / size,
                    wall.ratio("ours", "floor"),
                    cpu.ratio("ours", "floor"),
                )
            )
    report.table(
        "One reader",
        ("records", "µs/record", "CPU µs/record", "floor µs/record", "ours ÷ floor", "same, CPU"),
        rows,
    )
    least, most = 10_000 if sizes[-1] > 10_000 else 1_000, sizes[-1]
    report.target(f"CPU per record at {most:,} ÷ at {least:,}", costs[most] / costs[least], 1.1)
