"""Resident memory while a list is streamed, each in a process of its own."""

from __future__ import annotations

from typing import Any

from benchmarks import rivals
from benchmarks.child import run_child
from benchmarks.harness import Report
from benchmarks.servers import page_server


def run(report: Report) -> None:
    sizes = [10_000, 40_000] if report.quick else [10_000, 100_000, 1_000_000]
    readers: list[tuple[str, str, dict[str, Any]]] = [("timezest_async, concurrency 1", "timezest", {})]
    if rivals.HAS_CONCURRENCY:
        readers.append(("timezest_async, concurrency 8", "timezest", {"concurrency": 8}))
    readers.append(("aiohttp + orjson loop", "bare_aiohttp", {}))
    rows = []
    grown: dict[str, float] = {}
    with page_server() as server:
        for name, reader, options in readers:
            peaks = []
            for size in sizes:
                service = server.account("memory", records=size)
                peaks.append(run_child(reader, service, options)["peak"] / 2**20)
            grown[name] = peaks[-1] - peaks[0]
            rows.append((name, *peaks, grown[name]))
    report.table(
        "Peak resident MiB, interpreter and imports included",
        ("", *(f"{size:,}" for size in sizes), f"{sizes[-1]:,} over {sizes[0]:,}"),
        rows,
    )
    name = readers[1][0] if rivals.HAS_CONCURRENCY else readers[0][0]
    report.target(f"MiB more for {sizes[-1]:,} than for {sizes[0]:,} records, {name}", grown[name], 20.0)
