"""What `import timezest_async` costs over its dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from benchmarks.harness import ROOT, Report, Samples

_CONTENDERS = {
    "nothing": "pass",
    "aiohttp, attrs, cattrs": "import aiohttp, attrs, cattrs",
    "timezest_async": "import timezest_async",
    "httpx, pydantic": "import httpx, pydantic",
}
_UNWANTED = "typer rich redis pyarrow duckdb msgspec stamina timezest_async.cli timezest_async.sandbox"


def run(report: Report) -> None:
    # An installed package has its bytecode; here it is kept apart, whatever the environment says of caching.
    with TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        _measure(report, environment)


def _measure(report: Report, environment: dict[str, str]) -> None:
    wall, cpu = Samples(), Samples()
    names = list(_CONTENDERS)
    for number in range(-1, 15 if report.quick else 41):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            began = time.perf_counter()
            process = subprocess.Popen([sys.executable, "-c", _CONTENDERS[name]], cwd=ROOT, env=environment)
            _, _, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - began
            process.returncode = 0
            if number >= 0:
                wall.add(name, took)
                cpu.add(name, usage.ru_utime + usage.ru_stime)
    base = "aiohttp, attrs, cattrs"
    report.table(
        "A process that imports and ends",
        ("", "ms (median)", "ms (best)", "CPU ms (best)", "÷ aiohttp, attrs, cattrs", "same, CPU"),
        [
            (
                name,
                wall.middle(name) * 1e3,
                wall.best(name) * 1e3,
                cpu.best(name) * 1e3,
                wall.ratio(name, base),
                cpu.ratio(name, base),
            )
            for name in names
        ],
    )
    start = cpu.middle("nothing")
    net = (cpu.middle("timezest_async") - start) / (cpu.middle(base) - start)
    report.note(f"Without the interpreter's own start, CPU: {net:.3f} times {base}")
    check = f"import sys, timezest_async; print(*[m for m in {_UNWANTED.split()!r} if m in sys.modules])"
    came = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    report.note(f"Imported although it should be lazy: {came.strip() or 'nothing'}")
    report.target("import time ÷ import aiohttp, attrs, cattrs", wall.ratio("timezest_async", base), 1.15)
