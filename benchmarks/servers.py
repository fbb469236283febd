"""Servers in processes of their own, on a CPU of their own, started and stopped by the sections.

A server that shares the client's CPU takes its time from the client, and one that Linux wakes on that CPU (as
it likes to do on the loopback) cannot answer while the client works. The real service is another machine, so
one CPU is kept for servers where there are two, and reading ahead shows what it is worth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.harness import ROOT


def keep_off_server_cpu() -> None:
    """Leave one CPU to the servers; this process and its children, servers excepted, use the others."""
    if (cpus := _cpus()) and len(cpus) > 1:
        _SERVER_CPUS.append(cpus[-1])
        os.sched_setaffinity(0, cpus[:-1])


_SERVER_CPUS: list[int] = []


def _cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True)
class Service:
    """Where a list is to be read, and with which key; when its oldest record was created, if known."""

    base_url: str
    key: str
    records: int
    oldest: int | None = None

    @property
    def list_url(self) -> str:
        return f"{self.base_url}/scheduling_requests"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True)
class PageServer:
    """The page server of this folder, seen from outside."""

    port: int

    def account(
        self,
        key: str,
        *,
        records: int,
        spread: str = "even",
        latency: float = 0.0,
        limit: tuple[int, float] = (0, 0.0),
    ) -> Service:
        """Make an account anew: an unused budget, no requests counted."""
        options = {"account": key, "records": records, "spread": spread, "latency": latency}
        answer = self._ask("configure", options | {"limit": limit[0], "period": limit[1]})
        return Service(f"http://127.0.0.1:{self.port}/v1", key, records, answer["oldest"])

    def figures(self, service: Service) -> tuple[int, int]:
        """Return how many requests came, and how many of them were answered by 429."""
        answer = self._ask("figures", {"account": service.key})
        return answer["requests"], answer["refused"]

    def _ask(self, what: str, options: dict[str, object]) -> dict[str, int]:
        with urlopen(f"http://127.0.0.1:{self.port}/{what}?{urlencode(options)}") as answer:
            figures: dict[str, int] = json.load(answer)
            return figures


@contextmanager
def page_server() -> Iterator[PageServer]:
    with _process("benchmarks.page_server") as process:
        yield PageServer(int(_line(process)))


@contextmanager
def sandbox(records: int) -> Iterator[Service]:
    options = ("--port", "0", "--no-rate-limit", "--records", str(records))
    with _process("timezest_async.sandbox", *options) as process:
        base_url = _line(process).split()[-1]
        yield Service(base_url, _line(process).split()[-1], records)


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if _SERVER_CPUS:
        os.sched_setaffinity(process.pid, _SERVER_CPUS)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None or not (line := process.stdout.readline()):
        raise RuntimeError("the server ended before it said where it is")
    return line.strip()
