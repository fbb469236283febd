"""A worker of the fleet: takes tickets from stdin, one a line, and says on stdout what became of each."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from timezest_async import (
    AssociatedEntity,
    IntentBusyError,
    RateLimiter,
    RedisJournal,
    SQLiteJournal,
    TimeZestClient,
    TimeZestError,
)

plan: dict[str, Any] = json.loads(sys.argv[1])


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def work(client: TimeZestClient, journal: SQLiteJournal | RedisJournal, job: str) -> None:
    ticket = job.partition("/")[0]
    try:
        made = await client.scheduling_requests.create_once(
            journal,
            key=f"{ticket}/onsite",
            settle=plan["settle"],
            appointment_type_id="apty_visit",
            trigger_mode="pod",
            resource_ids=["agnt_sam"],
            associated_entities=[AssociatedEntity.connectwise_psa_service_ticket(number=ticket)],
            end_user_name="Kim",
            end_user_email="kim@example.com",
        )
    except IntentBusyError as busy:
        say(job=job, again=busy.retry_after)
    except TimeZestError as error:
        say(job=job, **({"again": 0.05} if error.retryable else {"failed": repr(error)}))
    else:
        say(job=job, request=made.request.id, how=made.how)


async def main() -> None:
    where, lease = plan["journal"], plan["lease"]
    kind = RedisJournal if where.startswith("redis://") else SQLiteJournal
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with (
        kind(where, lease=lease) as journal,
        TimeZestClient(
            "demo",
            plan["base_url"],
            timeout=plan["timeout"],
            rate_limiter=RateLimiter(100_000, 1.0),
        ) as client,
        asyncio.TaskGroup() as jobs,
    ):
        say(ready=True)
        while line := await lines.readline():
            jobs.create_task(work(client, journal, line.decode().strip()))


asyncio.run(main())
