"""A run of the dlt pipeline in a process of its own, which a test can kill.

    python dlt_worker.py BASE_URL FOLDER

It says on a line of its own that it begins, and at the end that it is done.
"""

from __future__ import annotations

import sys

import dlt

from timezest_async import RateLimiter
from timezest_async.integrations.dlt import timezest


def main(base_url: str, folder: str) -> None:
    pipeline = dlt.pipeline(
        "timezest",
        pipelines_dir=f"{folder}/pipelines",
        destination=dlt.destinations.duckdb(f"{folder}/warehouse.duckdb"),
        dataset_name="msp",
    )
    _say("begin")
    source = timezest(base_url=base_url, rate_limiter=RateLimiter(1_000_000, 1.0))
    pipeline.run(source).raise_on_failed_jobs()
    _say("done")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
