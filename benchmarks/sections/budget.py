"""Read more than one burst of the request budget holds: how near to its bound, and how many 429s."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from math import ceil

from benchmarks import rivals
from benchmarks.harness import Report, run_async, timed
from benchmarks.page_server import PAGE
from benchmarks.sections.latency import LIMIT
from benchmarks.servers import PageServer, Service, page_server


def run(report: Report) -> None:
    records = 8_000 if report.quick else 20_000
    pages = ceil(records / PAGE)
    bound = LIMIT[1] * ((pages - 1) // LIMIT[0])
    readers: dict[str, Callable[[Service], Awaitable[int]]] = {
        "aiohttp + aiolimiter": partial(rivals.aiolimiter_cursor, limit=LIMIT),
        "timezest_async": partial(rivals.timezest, limit=LIMIT),
    }
    if rivals.HAS_CONCURRENCY:
        readers["timezest_async at 8"] = partial(rivals.timezest, concurrency=8, limit=LIMIT)
    with page_server() as server:
        for latency in [0.04] if report.quick else [0.005, 0.04]:
            rows = run_async(partial(_measure, server, readers, records, latency, bound))
            report.table(
                f"{records:,} records ({pages} pages), limit {LIMIT[0]} in {LIMIT[1]:g} s, "
                f"latency {latency * 1e3:g} ms; rate bound {bound:g} s",
                ("", "s", "÷ rate bound", "requests ÷ pages", "429s"),
                rows,
            )
            for name, _, ratio, requests, refused in rows:
                if name == "timezest_async at 8":
                    report.target(f"{latency * 1e3:g} ms: time ÷ rate bound", ratio, 1.10)
                    # The few requests that splitting wastes weigh more in a shorter list.
                    if not report.quick:
                        report.target(f"{latency * 1e3:g} ms: requests ÷ pages", requests, 1.05)
                    report.target(f"{latency * 1e3:g} ms: 429s", refused, 0)


async def _measure(
    server: PageServer,
    readers: dict[str, Callable[[Service], Awaitable[int]]],
    records: int,
    latency: float,
    bound: float,
) -> list[tuple[str, float, float, float, int]]:
    """Read with all at the same time, each from an account of its own: they mostly wait."""
    services = {
        name: server.account(f"account{place}", records=records, latency=latency, limit=LIMIT)
        for place, name in enumerate(readers)
    }
    took = await asyncio.gather(*(timed(read(services[name])) for name, read in readers.items()))
    rows = []
    for name, seconds in zip(readers, took, strict=True):
        sent, refused = server.figures(services[name])
        rows.append((name, seconds, seconds / bound, sent / ceil(records / PAGE), refused))
    return rows
