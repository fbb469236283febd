"""Export to a file beside the loop that people write, without latency or limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import exporting
from benchmarks.child import run_child
from benchmarks.harness import Report, interleave_async, run_async
from benchmarks.servers import PageServer, page_server

FLOOR = "aiohttp + orjson + write, JSON lines"
_AT_MOST = {"jsonl": 1.6, "parquet": 2.0}


def run(report: Report) -> None:
    writers = exporting.writers()
    if not writers:
        report.note("timezest_async.export has no to_jsonl yet: only the loops are measured.")
    with page_server() as server, TemporaryDirectory() as folder:
        _throughput(report, server, folder, writers)
        if not report.quick:
            _memory(report, server, folder, writers)


def _throughput(report: Report, server: PageServer, folder: str, writers: dict[str, str]) -> None:
    records = 4_000 if report.quick else 20_000
    service = server.account("export", records=records)
    tasks: dict[str, tuple[str, Callable[..., Awaitable[int]]]] = {
        FLOOR: ("bare.jsonl", exporting.bare_jsonl),
        "aiohttp + orjson + pyarrow, Parquet": ("bare.parquet", exporting.bare_parquet),
    }
    for ending, writer in writers.items():
        tasks[f"timezest_async.export.{writer}"] = f"ours.{ending}", partial(exporting.ours, writer=writer)
    sizes: dict[str, int] = {}

    async def export(name: str) -> None:
        file, write = tasks[name]
        path = str(Path(folder, file))
        if await write(service, path=path) != records:
            raise AssertionError(f"{name} lost records")
        sizes[name] = Path(path).stat().st_size  # noqa: ASYNC240 - after the clock has stopped mattering
        exporting.clear(path)

    contenders = {name: partial(export, name) for name in tasks}
    wall, cpu = run_async(partial(interleave_async, contenders, 2 if report.quick else 7))
    report.table(
        f"{records:,} records",
        ("", "records/s (best)", "÷ floor", "÷ floor, best", "÷ floor, CPU", "bytes/record"),
        [
            (
                name,
                records / wall.best(name),
                wall.ratio(name, FLOOR),
                wall.best_ratio(name, FLOOR),
                cpu.ratio(name, FLOOR),
                sizes[name] / records,
            )
            for name in tasks
        ],
    )
    for ending, at_most in _AT_MOST.items():
        name = f"timezest_async.export.to_{ending}"
        if name in tasks:
            report.target(f"to_{ending} ÷ the loop that writes JSON lines", wall.ratio(name, FLOOR), at_most)


def _memory(report: Report, server: PageServer, folder: str, writers: dict[str, str]) -> None:
    sizes = (10_000, 1_000_000)
    rows = []
    for ending in _AT_MOST:
        if ending not in writers:
            continue
        peaks = []
        for size in sizes:
            service = server.account("memory", records=size)
            path = str(Path(folder, f"memory.{ending}"))
            peaks.append(
                run_child("ours", service, {"path": path, "writer": writers[ending]})["peak"] / 2**20
            )
            exporting.clear(path)
        rows.append((writers[ending], *peaks, peaks[1] - peaks[0]))
        report.target(f"{writers[ending]}: MiB more for 1,000,000 than for 10,000", peaks[1] - peaks[0], 60.0)
    if rows:
        report.table("Peak resident MiB", ("", *(f"{size:,}" for size in sizes), "more"), rows)
