"""An app with open streams, which a test stops by a signal.

python live_app.py BASE_URL API_KEY STATE PORT
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, Request, Response

from timezest_async import RateLimiter
from timezest_async.integrations import fastapi as timezest


def main(base_url: str, api_key: str, state: str, port: str) -> None:
    app = FastAPI(
        lifespan=timezest.lifespan(api_key, base_url, rate_limiter=RateLimiter(1_000_000, 1.0)),
    )
    timezest.install_problems(app)

    @app.get("/changes")
    async def changes(request: Request, client: timezest.Client) -> Response:
        return timezest.event_stream(request, client.scheduling_requests.watch(state, interval=0.05))

    uvicorn.run(app, port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
