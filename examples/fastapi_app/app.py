"""A small back end of an MSP: book an appointment for a ticket, list appointments, watch what changes.

    uvicorn app:app

It has no login: put it behind yours. What it needs stands in environment variables, see README.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import page
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from timezest_async import (
    AssociatedEntity,
    Change,
    Limiter,
    RateLimiter,
    RedisRateLimiter,
    SchedulingRequest,
    SQLiteJournal,
    TimeZestError,
    TriggerMode,
)
from timezest_async.integrations import fastapi as timezest

HERE = Path(__file__).parent
TICKETS = {
    "autotask": AssociatedEntity.autotask_ticket,
    "connectwise_psa": AssociatedEntity.connectwise_psa_service_ticket,
    "halo_psa": AssociatedEntity.halo_psa_ticket,
}
READY_FOR = 30.0
"""Seconds for which the service counts as reachable once it was; asking costs a request."""


class Booking(BaseModel):
    """What is to be booked for a ticket; the end user is the ticket's contact, else who is named here."""

    appointment_type_id: str
    resource_ids: list[str]
    psa: Literal["autotask", "connectwise_psa", "halo_psa"] = "connectwise_psa"
    end_user_name: str | None = None
    end_user_email: str | None = None


class Booked(BaseModel):
    """The scheduling request of a ticket: made now, or there already."""

    how: Literal["created", "found", "remembered"]
    request: SchedulingRequest


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what all requests share."""
    data = Path(os.environ.get("APP_DATA", "."))
    redis = os.environ.get("APP_REDIS_URL")
    async with AsyncExitStack() as stack:
        budget: Limiter = await stack.enter_async_context(RedisRateLimiter(redis)) if redis else RateLimiter()
        client = await stack.enter_async_context(timezest.opened(app, deadline=10.0, rate_limiter=budget))
        app.state.journal = await stack.enter_async_context(SQLiteJournal(data / "intents.db"))
        app.state.changes = await stack.enter_async_context(
            client.scheduling_requests.watch(
                data / "changes.db", initial=False, interval=float(os.environ.get("APP_INTERVAL", "10"))
            )
        )
        app.state.reached_at = -READY_FOR
        yield


app = FastAPI(title="Appointments", lifespan=lifespan, responses=timezest.PROBLEM_RESPONSES)
timezest.install_problems(app)
app.mount("/static", StaticFiles(directory=HERE / "static"))


@app.post("/tickets/{number}/appointment", status_code=201)
async def book(
    number: str, booking: Booking, request: Request, response: Response, client: timezest.Client
) -> Booked:
    """Ask a ticket's end user to choose a time; asking again, even after a crash, asks nobody twice.

    201 where the request was made now, 200 where there was one.
    """
    made = await client.scheduling_requests.create_once(
        request.app.state.journal,
        key=f"{booking.psa}/{number}/{booking.appointment_type_id}",
        unless_open=True,
        appointment_type_id=booking.appointment_type_id,
        trigger_mode=TriggerMode.POD,
        resource_ids=booking.resource_ids,
        associated_entities=[TICKETS[booking.psa](number=number)],
        end_user_name=booking.end_user_name,
        end_user_email=booking.end_user_email,
    )
    if made.how != "created":
        response.status_code = 200
    return Booked(how=made.how, request=made.request)


@app.get("/appointments")
async def appointments(
    request: Request,
    client: timezest.Client,
    filter: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> list[SchedulingRequest]:
    """List the newest scheduling requests, by a filter such as ``status IN new,sent AND created_at > 7d``."""
    async with timezest.while_connected(request):
        return await client.scheduling_requests.list(filter, limit=limit).to_list()


@app.get("/appointments.csv")
async def appointments_csv(client: timezest.Client, filter: str | None = None) -> Response:
    """Download all scheduling requests that a filter finds."""
    return timezest.stream_csv(client.scheduling_requests.list(filter), filename="appointments.csv")


@app.get("/", response_class=HTMLResponse)
async def live(request: Request, client: timezest.Client) -> HTMLResponse:
    """Show the newest requests; the page keeps itself up to date."""
    newest = await request.app.state.changes.newest()  # before the list, so that nothing falls in between
    requests = await client.scheduling_requests.list('status != "closed"', limit=50).to_list()
    return HTMLResponse(page.render(requests, newest), headers=page.HEADERS)


@app.get("/changes")
async def changes(request: Request) -> Response:
    """Tell what changes, as server-sent events, for the page."""

    def shown(change: Change) -> dict[str, Any]:
        row = "" if change.after is None else page.row(change.after)
        return {"id": change.request.id, "row": row, "said": page.sentence(change)}

    return timezest.event_stream(request, request.app.state.changes, data=shown)


@app.get("/healthz")
async def healthy() -> dict[str, str]:
    """Say that the process runs."""
    return {"status": "ok"}


@app.get("/readyz")
async def ready(request: Request, client: timezest.Client) -> dict[str, str]:
    """Say whether TimeZest can be used; asks for it every half minute at most."""
    state, now = request.app.state, asyncio.get_running_loop().time()
    if now - state.reached_at >= READY_FOR:
        try:
            await client.scheduling_requests.list(limit=1, deadline=2.0).first()
        except TimeZestError:
            state.reached_at = now - READY_FOR
            raise
        state.reached_at = now
    return {"status": "ok"}
