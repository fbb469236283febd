"""Stream the appointments that were booked in the last 30 days.

Reads TIMEZEST_API_KEY and, for another service than the real one, TIMEZEST_BASE_URL.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from timezest_async import F, TimeZestClient


async def main() -> None:
    """Print a line for each, on its customer's own clock where the time zone is known."""
    booked = (F.status == "scheduled") & (F.scheduled_at >= datetime.now(UTC) - timedelta(days=30))
    count = 0
    async with TimeZestClient() as client:
        async for request in client.scheduling_requests.list(booked):
            start = request.local_start_time or request.selected_start_time
            print(f"{start:%Y-%m-%d %H:%M %Z}" if start else "no time", request.end_user_name, sep="  ")
            count += 1
    print(f"{count} booked in the last 30 days")


if __name__ == "__main__":
    asyncio.run(main())
