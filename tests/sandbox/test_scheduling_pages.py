"""Where a scheduling URL leads, over real sockets: for people's browsers and for programs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from tests.support import NOON, stopped_clock
from timezest_async import ChangeKind, SchedulingRequest, TimeZestClient
from timezest_async.sandbox import Sandbox, Status

pytestmark = pytest.mark.asyncio
JSON = {"Accept": "application/json"}
HOSTILE = "<script>alert('x')</script>\"\ud800"


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(clock=stopped_clock) as sandbox:
        sandbox.add(object="appointment_type", id="apty_1", external_name="Remote support", duration_mins=60)
        sandbox.add(object="agent", id="agnt_1", name="Sam")
        yield sandbox


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def created(sandbox: Sandbox, **more: Any) -> SchedulingRequest:
    async with TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
        return await client.scheduling_requests.create(
            appointment_type_id="apty_1",
            trigger_mode="generate_url",
            resource_ids=["agnt_1"],
            end_user_name="Ann",
            end_user_email="ann@example.com",
            **more,
        )


async def told(browser: aiohttp.ClientSession, url: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    """Ask as a program does: look, or send ``fields``."""
    asked = browser.post(url, json=fields) if fields else browser.get(url, headers=JSON)
    async with asked as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def test_a_program_books_moves_and_cancels_without_a_key(
    sandbox: Sandbox, browser: aiohttp.ClientSession
) -> None:
    url = (await created(sandbox)).scheduling_url or ""
    seen = len(sandbox.requests_seen)
    _, offered = await told(browser, url)
    assert offered | {"times": []} == {
        "status": "new",
        "appointment_type": "Remote support",
        "duration_mins": 60,
        "end_user_name": "Ann",
        "resources": ["Sam"],
        "selected_start_time": None,
        "selected_time_zone": None,
        "time_zone": "UTC",
        "times": [],
    }
    first, *_, last = offered["times"]
    assert first == NOON + 1800
    status, booked = await told(browser, url, action="book", start_time=first, time_zone="UTC")
    assert (status, booked["status"], booked["selected_start_time"]) == (200, "scheduled", first)
    _, moved = await told(browser, url, action="book", start_time=last)
    assert (moved["selected_start_time"], moved["selected_time_zone"]) == (last, "UTC")
    _, cancelled = await told(browser, url, action="cancel")
    assert cancelled["status"] == "cancelled" == sandbox.records()[0]["status"]
    assert len(sandbox.requests_seen) == seen  # which are the API's


async def test_a_form_books_without_javascript(sandbox: Sandbox, browser: aiohttp.ClientSession) -> None:
    url = (await created(sandbox)).scheduling_url or ""
    async with browser.get(f"{url}?time_zone=Arizona") as response:
        page = await response.text()
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
    chosen = re.findall(r'name="start_time" value="(\d+)"', page)[0]
    form = {"action": "book", "start_time": chosen, "time_zone": "Arizona"}
    async with browser.post(url, data=form, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, urlsplit(url).path)
    record = sandbox.records()[0]
    assert (record["status"], record["selected_time_zone"]) == ("scheduled", "Arizona")
    assert record["selected_start_time"] == int(chosen)
    async with browser.get(url) as response:
        assert "Wednesday 1 July 2026, 09:00</time>, Arizona" in await response.text()
    async with browser.post(url, data={"action": "cancel"}) as response:
        assert "This appointment is cancelled" in await response.text()


async def test_the_window_of_the_request_is_kept_and_nobody_works_on_weekends(
    sandbox: Sandbox, browser: aiohttp.ClientSession
) -> None:
    window = {"earliest_date": date(2026, 7, 3), "latest_date": date(2026, 7, 6), "duration_mins": 45}
    url = (
        await created(sandbox, **window, earliest_time=time(10), latest_time=time(11, 15))
    ).scheduling_url or ""
    _, offered = await told(browser, url + "?time_zone=Europe/Amsterdam")
    assert [f"{datetime.fromtimestamp(start, UTC):%d %H:%M}" for start in offered["times"]] == [
        "03 08:00",
        "03 08:30",
        "06 08:00",
        "06 08:30",
    ]


async def test_times_that_clocks_leave_out_are_not_offered(browser: aiohttp.ClientSession) -> None:
    # In Cairo clocks go from 00:00 to 01:00 on Friday, 24 April 2026.
    noon = datetime(2026, 4, 23, 12, tzinfo=UTC).timestamp()
    async with Sandbox(clock=lambda: noon) as sandbox:
        url = sandbox.base_url.replace("/v1", "/schedule/cairo")
        sandbox.add(
            scheduling_url=url,
            earliest_time="00:00",
            latest_time="02:00",
            earliest_date="2026-04-24",
            latest_date="2026-04-24",
        )
        _, offered = await told(browser, url + "?time_zone=Africa/Cairo")
    assert [f"{datetime.fromtimestamp(start, UTC):%H:%M}" for start in offered["times"]] == ["22:00", "22:30"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"action": "book", "start_time": 1}, 409, "no longer offered"),
        ({"action": "book"}, 422, "Choose a time first"),
        ({"action": "book", "start_time": True}, 422, "Choose a time first"),
        ({"action": "book", "start_time": 1, "time_zone": "Mars"}, 422, "no time zone 'Mars'"),
        ({"action": "book", "start_time": 1, "time_zone": "../etc"}, 422, "no time zone"),
        ({"action": "approve"}, 422, "book or cancel"),
    ],
)
async def test_what_cannot_be_done_is_said_on_the_page_and_to_programs(
    sandbox: Sandbox, browser: aiohttp.ClientSession, fields: dict[str, Any], status: int, words: str
) -> None:
    url = (await created(sandbox)).scheduling_url or ""
    before = sandbox.records()
    assert (await told(browser, url, **fields))[0] == status
    form = {name: str(value) for name, value in fields.items()}
    async with browser.post(url, data=form) as response:
        page = await response.text()
        assert (response.status, response.content_type) == (status, "text/html")
    [alert] = re.findall(r'<p role="alert">(.*?)</p>', page)
    assert words.replace("'", "&#x27;") in alert
    assert sandbox.records() == before


async def test_a_closed_request_offers_nothing(sandbox: Sandbox, browser: aiohttp.ClientSession) -> None:
    request = await created(sandbox)
    url = request.scheduling_url or ""
    sandbox.close_request(request.id)
    assert (await told(browser, url))[1]["times"] == []
    for fields in ({"action": "cancel"}, {"action": "book", "start_time": 1}):
        assert (await told(browser, url, **fields))[0] == 409
    async with browser.get(url) as response:
        page = await response.text()
    assert "This request is closed" in page
    assert "<form" not in page


async def test_unknown_pages_are_404_whatever_their_address_looks_like(
    sandbox: Sandbox, browser: aiohttp.ClientSession
) -> None:
    url = (await created(sandbox)).scheduling_url or ""
    *_, token = url.split("/")
    base = url.removesuffix(token)
    for other in (
        "",
        "*",
        "%2A",
        "?",
        token[:-1],
        f"x{token}",
        token.swapcase(),
        f"{token}/",
        "%27",
        "a%00b",
    ):
        assert (await told(browser, base + other))[0] == 404
        async with browser.get(base + other) as response:
            assert (response.status, response.content_type) == (404, "text/html")
    async with browser.delete(url) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    async with browser.head(url) as response:
        assert response.status == 200


async def test_texts_of_records_stay_texts(sandbox: Sandbox, browser: aiohttp.ClientSession) -> None:
    url = sandbox.base_url.replace("/v1", "/schedule/hostile")
    sandbox.add(
        scheduling_url=url,
        end_user_name=HOSTILE,
        resources=[{"object": "agent", "id": "agnt_1", "name": HOSTILE}],
        selected_time_zone=HOSTILE,
        status="scheduled",
        selected_start_time=int(NOON),
    )
    async with browser.get(url) as response:
        page = await response.text()
    assert response.status == 200
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)") == 2


async def test_neither_the_budget_nor_faults_touch_the_end_user(browser: aiohttp.ClientSession) -> None:
    async with Sandbox(records=30, rate_limit=(1, 60.0), clock=stopped_clock) as sandbox:
        sandbox.faults.script(None, [Status(503)])
        urls = [record["scheduling_url"] for record in sandbox.records() if record["status"] == "sent"]
        assert urls
        for url in urls:  # of sample data, which open as well
            assert (await told(browser, url))[0] == 200
        assert sandbox.faults.pending == 1


async def test_watching_sees_what_happens_on_the_page(
    sandbox: Sandbox, browser: aiohttp.ClientSession, tmp_path: Path
) -> None:
    url = (await created(sandbox)).scheduling_url or ""
    times = (await told(browser, url))[1]["times"]
    kinds = []
    async with TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
        for fields in (
            {},
            {"action": "book", "start_time": times[0]},
            {"action": "book", "start_time": times[1]},
            {"action": "cancel"},
        ):
            if fields:
                await told(browser, url, **fields)
            kinds += [
                change.kind async for change in client.scheduling_requests.changes(tmp_path / "seen.db")
            ]
    assert kinds == [ChangeKind.CREATED, ChangeKind.BOOKED, ChangeKind.REBOOKED, ChangeKind.CANCELLED]
