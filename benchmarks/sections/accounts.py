"""Many accounts into one folder of Parquet: one process with asyncio beside Dask, whole commands."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import ROOT, Report
from benchmarks.servers import page_server

EXAMPLE = ROOT / "examples" / "many_accounts" / "export_all.py"
EACH = 500
_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in what the operating system counts resident memory by."""


def run(report: Report) -> None:
    count = 10 if report.quick else 50
    ways = {"one account after the other": ["--at-once", "1"], "16 at once": ["--at-once", "16"]}
    if importlib.util.find_spec("distributed") is not None:
        ways["Dask, its own processes"] = ["--dask"]
    rows = []
    walls: dict[str, float] = {}
    with page_server() as server, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        accounts = folder / "accounts.toml"
        for number in range(count):
            service = server.account(f"key-{number}", records=EACH, latency=0.1)
            (folder / f"{number}.key").write_text(service.key)
            with accounts.open("a") as file:
                where = folder / f"{number}.key"
                file.write(
                    f'[accounts.msp-{number}]\nkey = "file:{where}"\nbase_url = "{service.base_url}"\n'
                )
        for name, options in ways.items():
            walls[name], cpu, peak = _timed([str(accounts), str(folder / name), *options])
            rows.append((name, walls[name], cpu, 1e6 * cpu / (count * EACH), peak))
    report.table(
        f"{count} accounts of {EACH} requests each, 0.1 s an answer",
        ("", "seconds", "CPU seconds", "µs of CPU a request", "MiB of the largest process"),
        rows,
    )
    first, second, *_ = walls.values()
    report.target("16 at once, ÷ one after the other", second / first, 0.25)


def _timed(arguments: list[str]) -> tuple[float, float, float]:
    """Run the example: wall and CPU seconds, and the most that one of its processes held."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, EXAMPLE, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    wall = time.perf_counter() - began
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT / 2**20
