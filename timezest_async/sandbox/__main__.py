"""Run the sandbox: ``python -m timezest_async.sandbox --help``."""

from __future__ import annotations

import sys

from timezest_async.sandbox.command import run

if __name__ == "__main__":
    sys.exit(run())
