"""What reads a list: ours, and what people write where they have no client library.

Each reads everything, holds every record in hand once, and returns how many there were.
"""

from __future__ import annotations

import asyncio
import inspect
from datetime import datetime
from typing import Any

import aiohttp
import httpx
import orjson
import pydantic
import requests
from aiolimiter import AsyncLimiter

from benchmarks.servers import Service
from timezest_async import F, RateLimiter, TimeZestClient
from timezest_async.endpoints import SchedulingRequestsEndpoint

HAS_CONCURRENCY = "concurrency" in inspect.signature(SchedulingRequestsEndpoint.list).parameters
NO_LIMIT = (1_000_000, 1.0)


async def timezest(
    service: Service,
    *,
    concurrency: int = 1,
    limit: tuple[int, float] = NO_LIMIT,
    bounded: bool = False,
) -> int:
    options: dict[str, Any] = {"concurrency": concurrency} if concurrency > 1 else {}
    if bounded:
        options["filter"] = F.created_at >= service.oldest
    count = 0
    async with TimeZestClient(service.key, service.base_url, rate_limiter=RateLimiter(*limit)) as client:
        async for _ in client.scheduling_requests.list(**options):
            count += 1
    return count


async def bare_aiohttp(service: Service) -> int:
    """The floor: no retries, no budget, no records; dictionaries."""
    count = 0
    url = service.list_url
    async with aiohttp.ClientSession(headers=service.headers) as session:
        while url:
            async with session.get(url) as response:
                page = orjson.loads(await response.read())
            for _ in page["data"]:
                count += 1
            url = page["next_page"]
    return count


async def aiolimiter_cursor(service: Service, *, limit: tuple[int, float] = NO_LIMIT) -> int:
    """The request budget by aiolimiter, the cursor by hand."""
    count = 0
    limiter = AsyncLimiter(*limit)
    params: dict[str, str] = {}
    async with aiohttp.ClientSession(headers=service.headers) as session:
        while True:
            async with limiter, session.get(service.list_url, params=params) as response:
                if response.status == 429:
                    await asyncio.sleep(float(response.headers["Retry-After"]))
                    continue
                response.raise_for_status()
                page = await response.json()
            for _ in page["data"]:
                count += 1
            if not page["next_page"]:
                return count
            params["starting_after"] = page["data"][-1]["id"]


class Reference(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    id: str
    type: str | None = None
    object: str | None = None
    name: str | None = None


class Entity(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    type: str
    id: int | str | None = None
    number: str | None = None


class SchedulingRequest(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    id: str
    object: str | None = None
    appointment_type_id: str | None = None
    end_user_email: str | None = None
    end_user_name: str | None = None
    associated_entities: list[Entity]
    resources: list[Reference]
    scheduled_agents: list[Reference]
    scheduled_at: datetime | None = None
    scheduling_url: str | None = None
    selected_start_time: datetime | None = None
    selected_time_zone: str | None = None
    status: str
    created_at: datetime
    updated_at: datetime | None = None
    duration_mins: int | None = None
    earliest_date: str | None = None
    earliest_time: str | None = None
    latest_date: str | None = None
    latest_time: str | None = None
    guests_list: list[str] | None = None


class SchedulingRequests(pydantic.BaseModel):
    object: str
    next_page: str | None = None
    data: list[SchedulingRequest]


async def httpx_pydantic(service: Service) -> int:
    count = 0
    url: str | None = service.list_url
    async with httpx.AsyncClient(headers=service.headers, timeout=30.0) as client:
        while url:
            response = await client.get(url)
            response.raise_for_status()
            page = SchedulingRequests.model_validate_json(response.content)
            for _ in page.data:
                count += 1
            url = page.next_page
    return count


async def requests_in_thread(service: Service) -> int:
    """A synchronous session, asked from asyncio by way of a thread; dictionaries."""
    count = 0
    url: str | None = service.list_url
    with requests.Session() as session:
        session.headers.update(service.headers)

        def get(address: str) -> Any:
            response = session.get(address, timeout=30.0)
            response.raise_for_status()
            return response.json()

        while url:
            page = await asyncio.to_thread(get, url)
            for _ in page["data"]:
                count += 1
            url = page["next_page"]
    return count
