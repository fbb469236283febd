"""Measuring on a machine that is not ours alone: interleaved rounds, and ratios within a round.

Two things that are timed a moment apart meet the same noise, so their ratio is far steadier than either
time. Every figure of merit here is therefore the median of the ratios of single rounds; beside it stands the
ratio of the fastest times, which is what remains once interruptions are left out.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
_PACKAGES = (
    "aiohttp aiolimiter attrs cattrs httpx limits msgspec orjson pyarrow pydantic pypika pyrate-limiter "
    "requests sqlalchemy timezest-async"
)


@dataclass
class Samples:
    """Seconds that each contender took, round by round."""

    by_name: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.by_name.setdefault(name, []).append(seconds)

    def best(self, name: str) -> float:
        return min(self.by_name[name])

    def middle(self, name: str) -> float:
        return median(self.by_name[name])

    def ratio(self, name: str, floor: str) -> float:
        """Return the median over the rounds of one time over another."""
        pairs = zip(self.by_name[name], self.by_name[floor], strict=True)
        return median(mine / its for mine, its in pairs)

    def best_ratio(self, name: str, floor: str) -> float:
        return self.best(name) / self.best(floor)


def interleave(contenders: Mapping[str, Callable[[], object]], rounds: int) -> Samples:
    """Time every contender once a round, each round in another order, after one round that is not counted."""
    samples = Samples()
    names = list(contenders)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            gc.collect()
            began = time.perf_counter()
            contenders[name]()
            took = time.perf_counter() - began
            if number >= 0:
                samples.add(name, took)
    return samples


def interleave_calls(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float = 0.02
) -> Samples:
    """Time single calls that take microseconds: so many in a row as last ``seconds``."""
    batches: dict[str, Callable[[], None]] = {}
    counts: dict[str, int] = {}
    for name, call in contenders.items():
        call()
        began = time.perf_counter()
        for _ in range(20):
            call()
        counts[name] = count = max(1, int(seconds * 20 / (time.perf_counter() - began)))

        def batch(call: Callable[[], object] = call, count: int = count) -> None:
            for _ in range(count):
                call()

        batches[name] = batch
    samples = interleave(batches, rounds)
    return Samples({name: [s / counts[name] for s in taken] for name, taken in samples.by_name.items()})


async def interleave_async(
    contenders: Mapping[str, Callable[[], Awaitable[object]]], rounds: int
) -> tuple[Samples, Samples]:
    """Do as ``interleave`` does with coroutines.

    Returns:
        Seconds on the clock, and seconds of this process's CPU, which other processes disturb less.
    """
    wall, cpu = Samples(), Samples()
    names = list(contenders)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            gc.collect()
            began, began_cpu = time.perf_counter(), time.process_time()
            await contenders[name]()
            took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
            if number >= 0:
                wall.add(name, took)
                cpu.add(name, took_cpu)
    return wall, cpu


async def timed(work: Awaitable[object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


class Report:
    """What was measured: printed as it comes, kept for the JSON file."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.sections: dict[str, dict[str, Any]] = {}
        self._section: dict[str, Any] = {}

    def begin(self, name: str, summary: str) -> None:
        print(f"\n== {name}: {summary}", flush=True)
        self._section = self.sections[name] = {"tables": [], "targets": []}

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Print a table and keep it; floats are shown with three digits that count."""
        shown = [list(columns), *([_show(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        print(f"\n{title}")
        for number, line in enumerate(shown):
            first, *others = (
                cell.ljust(width) if not place else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            print("  " + "  ".join([first, *others]).rstrip(), flush=True)
            if not number:
                print("  " + "  ".join("-" * width for width in widths))
        self._section["tables"].append(
            {"title": title, "rows": [dict(zip(columns, row, strict=True)) for row in rows]}
        )

    def target(self, measure: str, value: float, at_most: float) -> None:
        """Keep a figure that has a bound."""
        self._section["targets"].append({"measure": measure, "value": value, "at_most": at_most})

    def note(self, text: str) -> None:
        print(f"  {text}", flush=True)
        self._section.setdefault("notes", []).append(text)

    def summary(self) -> None:
        """Print every figure that has a bound, and whether it keeps it."""
        rows = [
            (name, t["measure"], t["value"], t["at_most"], "ok" if t["value"] <= t["at_most"] else "OVER")
            for name, section in self.sections.items()
            for t in section["targets"]
        ]
        self.begin("targets", f"load average now {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
        if rows:
            self.table("What was promised", ("section", "measure", "value", "at most", ""), rows)

    def write(self, path: Path | None = None) -> Path:
        """Write everything as JSON and return where to."""
        now = datetime.now(UTC)
        path = path or RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "at": now.isoformat(timespec="seconds"),
            "quick": self.quick,
            "machine": {
                "python": platform.python_version(),
                "system": platform.platform(),
                "cpus": os.cpu_count(),
                "load_average": os.getloadavg(),
            },
            "packages": {name: version(name) for name in _PACKAGES.split()},
            "sections": self.sections,
        }
        path.write_text(json.dumps(content, indent=1) + "\n")
        return path


def _show(cell: Any) -> str:
    if not isinstance(cell, float):
        return str(cell)
    if cell >= 100:
        return f"{cell:.0f}"
    return f"{cell:.2f}" if cell >= 1 else f"{cell:.3f}"


def run_async(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine function on a loop of its own."""

    async def main() -> Any:
        return await work()

    return asyncio.run(main())
