"""An app to be asked by many: an empty endpoint, one that gets a record, one that lists twenty.

python -m benchmarks.web_app BASE_URL API_KEY PORT
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

from timezest_async import RateLimiter, SchedulingRequest
from timezest_async.integrations import fastapi as timezest


def main(base_url: str, key: str, port: str) -> None:
    lifespan = timezest.lifespan(key, base_url, rate_limiter=RateLimiter(10_000_000, 1.0))
    app = FastAPI(lifespan=lifespan)
    timezest.install_problems(app)

    @app.get("/empty")
    async def empty() -> None:
        """Answer with nothing."""

    @app.get("/get/{id}")
    async def get(id: str, client: timezest.Client) -> SchedulingRequest:
        return await client.scheduling_requests.get(id)

    @app.get("/list")
    async def twenty(client: timezest.Client) -> list[SchedulingRequest]:
        return await client.scheduling_requests.list(limit=20).to_list()

    uvicorn.run(app, port=int(port), log_level="critical")


if __name__ == "__main__":
    main(*sys.argv[1:])
