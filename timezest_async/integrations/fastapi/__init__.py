"""A client in a FastAPI (or Starlette) app, its errors as answers, its lists and changes as streams.

::

    from fastapi import FastAPI
    from timezest_async import SchedulingRequest
    from timezest_async.integrations import fastapi as timezest

    app = FastAPI(lifespan=timezest.lifespan())
    timezest.install_problems(app)


    @app.get("/requests/{id}")
    async def read(id: str, client: timezest.Client) -> SchedulingRequest:
        return await client.scheduling_requests.get(id)

Knows apps, callers who leave, and what HTTP says of errors; knows no list, budget or change by itself.
"""

from __future__ import annotations

from timezest_async.export.formats.base import require

require("fastapi", "fastapi")
require("sse_starlette", "fastapi")

from timezest_async.integrations.fastapi.callers import while_connected  # noqa: E402 - needs FastAPI
from timezest_async.integrations.fastapi.event_streams import EventStream, event_stream  # noqa: E402 - likewise
from timezest_async.integrations.fastapi.lifespans import (  # noqa: E402 - likewise
    Client,
    get_client,
    lifespan,
    opened,
)
from timezest_async.integrations.fastapi.problems import (  # noqa: E402 - likewise
    PROBLEM_RESPONSES,
    install_problems,
)
from timezest_async.integrations.fastapi.record_streams import (  # noqa: E402 - likewise
    RecordStream,
    stream_csv,
    stream_jsonl,
)
from timezest_async.integrations.tenants import TenantPool  # noqa: E402 - likewise

__all__ = [
    "PROBLEM_RESPONSES",
    "Client",
    "EventStream",
    "RecordStream",
    "TenantPool",
    "event_stream",
    "get_client",
    "install_problems",
    "lifespan",
    "opened",
    "stream_csv",
    "stream_jsonl",
    "while_connected",
]
