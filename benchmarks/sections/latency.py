"""Read a list page by page where each answer takes its time, beside reading it concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from math import ceil

from benchmarks import rivals
from benchmarks.harness import Report, run_async, timed
from benchmarks.page_server import PAGE
from benchmarks.servers import PageServer, Service, page_server

CONCURRENCY = 8
LIMIT = (180, 6.0)
"""The service's 180 a minute, ten times as fast."""
_SERIAL: dict[str, Callable[[Service], Awaitable[int]]] = {
    "aiohttp + orjson loop": rivals.bare_aiohttp,
    "httpx + pydantic": rivals.httpx_pydantic,
    "requests in a thread": rivals.requests_in_thread,
    "aiohttp + aiolimiter": partial(rivals.aiolimiter_cursor, limit=LIMIT),
    "timezest_async": partial(rivals.timezest, limit=LIMIT),
}


def run(report: Report) -> None:
    latencies = [0.005, 0.05, 0.2] if report.quick else [0.005, 0.05, 0.2, 0.4, 1.0]
    records = 1_200 if report.quick else 3_200
    pages = ceil(records / PAGE)
    rows: list[list[object]] = []
    lists: list[list[object]] = []
    with page_server() as server:
        for latency in latencies:
            serial = run_async(partial(_serial, server, records, latency))
            optimum = ceil(pages / CONCURRENCY) * latency
            row = [f"{latency * 1e3:.0f} ms", *serial.values()]
            if rivals.HAS_CONCURRENCY:
                service = server.account("many", records=records, latency=latency, limit=LIMIT)
                read = partial(rivals.timezest, service, concurrency=CONCURRENCY, limit=LIMIT)
                took = run_async(partial(_time, read))
                sent, refused = server.figures(service)
                saved = took / serial["timezest_async"]
                row += [took, took / optimum, saved, sent / pages, refused]
                if latency == 0.4:
                    report.target("400 ms, concurrency 8: time ÷ optimum", took / optimum, 1.45)
                    report.target("400 ms, concurrency 8: time ÷ serial", saved, 0.19)
                lists += _lists(server, records, latency)
            rows.append(row)
    many = (f"ours at {CONCURRENCY}", "÷ optimum", "÷ serial", "requests ÷ pages", "429s")
    report.table(
        f"Seconds for {records:,} records ({pages} pages), limit {LIMIT[0]} in {LIMIT[1]:g} s",
        ("latency", *_SERIAL, *(many if rivals.HAS_CONCURRENCY else ())),
        rows,
    )
    report.table(
        f"{CONCURRENCY} readers of {records:,} records, by how these lie in time",
        ("latency", "list", "seconds", "÷ optimum", "requests ÷ pages"),
        lists,
    )
    if not rivals.HAS_CONCURRENCY:
        report.note("list() has no concurrency= yet.")


def _lists(server: PageServer, records: int, latency: float) -> list[list[object]]:
    """Time our concurrent reading of an even list and an MSP's, without and with a lower bound."""
    pages = ceil(records / PAGE)
    rows: list[list[object]] = []
    for spread in ("even", "msp"):
        for bounded in (False, True):
            service = server.account("lists", records=records, spread=spread, latency=latency, limit=LIMIT)
            read = partial(rivals.timezest, service, concurrency=CONCURRENCY, limit=LIMIT, bounded=bounded)
            took = run_async(partial(_time, read))
            sent, _ = server.figures(service)
            optimum = ceil(pages / CONCURRENCY) * latency
            name = f"{spread}, bounded" if bounded else spread
            rows.append([f"{latency * 1e3:.0f} ms", name, took, took / optimum, sent / pages])
    return rows


async def _time(read: Callable[[], Awaitable[int]]) -> float:
    return await timed(read())


async def _serial(server: PageServer, records: int, latency: float) -> dict[str, float]:
    """Time the serial readers: they all but sleep, so from 50 ms on they do so side by side."""

    def start(name: str) -> Awaitable[float]:
        # The bare loops know of no limit, so they are not given one.
        limit = LIMIT if name in {"aiohttp + aiolimiter", "timezest_async"} else (0, 0.0)
        key = name.replace(" ", "")
        service = server.account(key, records=records, latency=latency, limit=limit)
        return timed(_SERIAL[name](service))

    if latency < 0.05:
        return {name: await start(name) for name in _SERIAL}
    return dict(zip(_SERIAL, await asyncio.gather(*map(start, _SERIAL)), strict=True))
