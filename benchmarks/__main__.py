"""``python -m benchmarks``: run the sections, print tables, write JSON."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks.harness import Report
from benchmarks.servers import keep_off_server_cpu

SECTIONS = (
    "filters",
    "decoding",
    "imports",
    "streaming",
    "growth",
    "memory",
    "latency",
    "budget",
    "limiters",
    "export",
    "changes",
    "accounts",
    "fastapi",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; else all")
    parser.add_argument("--quick", action="store_true", help="less of everything: within two minutes")
    parser.add_argument("--shared-cpus", action="store_true", help="keep no CPU for the servers alone")
    parser.add_argument("--output", type=Path, metavar="FILE", help="else benchmarks/results/TIME.json")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section is called {', '.join(sorted(unknown))}: there are {', '.join(SECTIONS)}")
    if not options.shared_cpus:
        keep_off_server_cpu()
    report = Report(quick=options.quick)
    began = time.perf_counter()
    for name in options.sections or SECTIONS:
        section = importlib.import_module(f"benchmarks.sections.{name}")
        report.begin(name, (section.__doc__ or "").splitlines()[0])
        section.run(report)
    report.summary()
    print(f"\n{time.perf_counter() - began:.0f} s; written to {report.write(options.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
