"""Read a filter that the service cannot say, in two sittings.

TQL has no OR, so the filter is planned as several queries, which are read at the same time and merged
into one stream: newest first, each record once. A checkpoint carries the place from one sitting to the
next, and fits into a file or a database column.

Reads TIMEZEST_API_KEY and, for another service than the real one, TIMEZEST_BASE_URL.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from timezest_async import Checkpoint, F, TimeZestClient, tql

FIRST_SITTING = 25


async def main() -> None:
    """Count what nobody has booked, and what was created lately whoever booked it."""
    last_month = datetime.now(UTC) - timedelta(days=30)
    wanted = F.status.in_(["new", "sent"]) | (F.created_at >= last_month) & ~(F.end_user_email.like("test"))
    print("Queries:")
    for query in tql.plan(wanted).queries:
        print(" ", tql.render(query))

    async with TimeZestClient() as client:
        sitting = client.scheduling_requests.list(wanted, limit=FIRST_SITTING)
        first = await sitting.to_list()
        kept = sitting.checkpoint.to_text()
    print(f"First sitting: {len(first)} scheduling requests")

    async with TimeZestClient() as client:
        rest = await client.scheduling_requests.list(checkpoint=Checkpoint.from_text(kept)).to_list()
    print(f"Second sitting: {len(rest)} more")


if __name__ == "__main__":
    asyncio.run(main())
