"""Read a list where neither latency nor a limit hides what the client costs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks import rivals
from benchmarks.harness import Report, Samples, interleave_async, run_async
from benchmarks.servers import Service, page_server, sandbox

FLOOR = "aiohttp + orjson loop"
_READERS: dict[str, Callable[[Service], Awaitable[int]]] = {
    FLOOR: rivals.bare_aiohttp,
    "timezest_async": rivals.timezest,
    "httpx + pydantic": rivals.httpx_pydantic,
    "aiohttp + aiolimiter, cursor by hand": rivals.aiolimiter_cursor,
    "requests in a thread": rivals.requests_in_thread,
}


def run(report: Report) -> None:
    records = 4_000 if report.quick else 20_000
    with page_server() as server:
        wall, cpu = _measure(server.account("stream", records=records), 3 if report.quick else 9)
    _table(report, f"{records} records from the page server", records, wall, cpu)
    report.target("ours ÷ aiohttp + orjson loop", wall.ratio("timezest_async", FLOOR), 1.35)
    report.target("ours ÷ aiohttp + orjson loop, CPU", cpu.ratio("timezest_async", FLOOR), 1.6)
    report.target("ours ÷ httpx + pydantic", wall.ratio("timezest_async", "httpx + pydantic"), 0.40)
    few = 1_000 if report.quick else 5_000
    with sandbox(few) as service:
        wall, cpu = _measure(service, 1 if report.quick else 3)
    _table(report, f"{few} records from the sandbox, which takes its time for each page", few, wall, cpu)


def _measure(service: Service, rounds: int) -> tuple[Samples, Samples]:
    async def read(reader: Callable[[Service], Awaitable[int]]) -> None:
        if (count := await reader(service)) != service.records:
            raise AssertionError(f"{count} records came of {service.records}")

    contenders = {name: partial(read, reader) for name, reader in _READERS.items()}
    result: tuple[Samples, Samples] = run_async(lambda: interleave_async(contenders, rounds))
    return result


def _table(report: Report, title: str, records: int, wall: Samples, cpu: Samples) -> None:
    report.table(
        title,
        ("", "µs/record (best)", "CPU µs/record", "÷ floor", "÷ floor, best", "÷ floor, CPU"),
        [
            (
                name,
                wall.best(name) * 1e6 / records,
                cpu.best(name) * 1e6 / records,
                wall.ratio(name, FLOOR),
                wall.best_ratio(name, FLOOR),
                cpu.ratio(name, FLOOR),
            )
            for name in _READERS
        ],
    )
