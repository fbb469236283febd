"""A FastAPI app that asks the service, 200 callers at once: beside an endpoint that asks nobody."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from statistics import quantiles

import aiohttp

from benchmarks.harness import ROOT, Report, run_async
from benchmarks.servers import Service, sandbox

CALLERS = 200


def run(report: Report) -> None:
    each = 5 if report.quick else 25
    with sandbox(200) as service, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
        probe.close()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.web_app", service.base_url, service.key, port], cwd=ROOT
        )
        try:
            taken = run_async(lambda: _ask(service, port, each))
        finally:
            process.terminate()
            process.wait()
    rows = []
    for name, (seconds, times) in taken.items():
        percent = quantiles(times, n=100)
        rows.append((name, len(times) / seconds, 1e3 * percent[49], 1e3 * percent[98]))
    report.table(
        f"{CALLERS} callers at once, {each} requests each; app, callers and service share the CPUs",
        ("endpoint", "requests a second", "p50, ms", "p99, ms"),
        rows,
    )


async def _ask(service: Service, port: str, each: int) -> dict[str, tuple[float, list[float]]]:
    """Return how long all took, and each: by endpoint."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(service.list_url, headers=service.headers) as answer,
    ):
        known = (await answer.json())["data"][0]["id"]
    paths = {"empty": "empty", "get": f"get/{known}", "list of 20": "list"}
    taken: dict[str, tuple[float, list[float]]] = {}
    connector = aiohttp.TCPConnector(limit=CALLERS)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}/", connector=connector) as session:
        while True:
            try:
                async with session.get("empty"):
                    break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)

        async def caller(path: str, count: int, times: list[float]) -> None:
            for _ in range(count):
                began = time.perf_counter()
                async with session.get(path) as answer:
                    await answer.read()
                    if answer.status != 200:
                        raise RuntimeError(f"{path} was answered {answer.status}")
                times.append(time.perf_counter() - began)

        for name, path in paths.items():
            await asyncio.gather(*(caller(path, 1, []) for _ in range(CALLERS)))
            times: list[float] = []
            began = time.perf_counter()
            await asyncio.gather(*(caller(path, each, times) for _ in range(CALLERS)))
            taken[name] = time.perf_counter() - began, times
    return taken
