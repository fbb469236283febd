"""An export in a process of its own, which a test can kill.

    python worker.py BASE_URL PATH BATCH_SIZE [LARGEST_FILE]

It says on a line of its own that it has started, and then how many records are durable.
"""

from __future__ import annotations

import asyncio
import resource
import sys

from timezest_async import RateLimiter, TimeZestClient, export


async def main(base_url: str, path: str, batch: int) -> None:
    limiter = RateLimiter(1_000_000, 1.0)
    async with TimeZestClient("demo", base_url, rate_limiter=limiter, max_attempts=8) as client:
        job = export.ExportJob(
            client.scheduling_requests.list(), path, resume=True, batch_size=batch, on_progress=_emit
        )
        _say("started")
        await job.run()


def _emit(progress: export.Progress) -> None:
    if progress.batches:
        _say(progress.durable)


def _say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 4:
        size = int(sys.argv[4])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
