"""One reader in a process of its own, so that its memory is its own.

python -m benchmarks.child FUNCTION SERVICE OPTIONS        (JSON; used by the sections)
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT
from benchmarks.servers import Service


def run_child(reader: str, service: Service, options: dict[str, Any]) -> dict[str, float]:
    """Run a function of ``rivals`` or ``exporting`` in a new process.

    Returns:
        ``peak`` resident bytes, and ``seconds`` on the clock.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks.child",
        reader,
        json.dumps(asdict(service)),
        json.dumps(options),
    ]
    process = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(process.stdout)
    return figures


def _peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage tells on Linux includes the parent's memory, from before the exec.
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    reader, service, options = sys.argv[1], Service(**json.loads(sys.argv[2])), json.loads(sys.argv[3])
    # One of them only, since what is imported counts as memory.
    module = importlib.import_module("benchmarks.exporting" if "path" in options else "benchmarks.rivals")
    began = time.perf_counter()
    count = asyncio.run(getattr(module, reader)(service, **options))
    if count != service.records:
        raise AssertionError(f"{count} records came of {service.records}")
    print(json.dumps({"peak": _peak(), "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
