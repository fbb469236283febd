"""Each fault does what it says, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import pytest
import pytest_asyncio

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox import (
    HTML,
    AnswerLost,
    ContentType,
    Delay,
    DropAfterHeaders,
    DropBeforeHeaders,
    DropMidBody,
    DuplicatePage,
    Fault,
    Faults,
    ForeignNextPage,
    Garbage,
    GzipBomb,
    LoopingNextPage,
    NextPageShape,
    PageSize,
    Sandbox,
    SlowDrip,
    StaleConnection,
    Status,
    TooManyRequests,
    TruncatedJSON,
)

LIST = "GET /scheduling_requests"
CREATE = {
    "appointment_type_id": "apty_1",
    "trigger_mode": "pod",
    "resource_ids": ["agnt_1"],
    "end_user_name": "N",
    "end_user_email": "n@example.com",
}


class Wire:
    """One plain connection, so that what is seen is what was sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sandbox: Sandbox) -> None:
        self.reader, self.writer, self.sandbox = reader, writer, sandbox

    @classmethod
    async def open(cls, sandbox: Sandbox) -> Wire:
        host, port = sandbox.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        return cls(*await asyncio.open_connection(host, int(port)), sandbox)

    async def ask(
        self, path: str = "/scheduling_requests", body: Any = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body; status 0 for no answer."""
        host = self.sandbox.base_url.split("/")[2]
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{'GET' if body is None else 'POST'} /v1{path} HTTP/1.1\r\nHost: {host}\r\n"
        head += f"Authorization: Bearer demo\r\nContent-Length: {len(payload)}\r\n\r\n"
        self.writer.write(head.encode() + payload)
        try:
            raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            return 0, {}, error.partial
        first, *lines = raw.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        try:
            content = await self.reader.readexactly(int(headers["content-length"]))
        except asyncio.IncompleteReadError as error:
            content = error.partial
        return int(first.split()[1]), headers, content

    async def page(self, path: str = "/scheduling_requests") -> Any:
        return json.loads((await self.ask(path))[2])

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def arrival(sandbox: Sandbox) -> None:
    while not sandbox.requests_seen:
        await asyncio.sleep(0)


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        sandbox.add(object="agent", id="agnt_1")
        sandbox.add_many({"id": f"sreq_{n}", "created_at": n} for n in range(45))
        yield sandbox


@pytest_asyncio.fixture
async def wire(sandbox: Sandbox) -> AsyncIterator[Wire]:
    wire = await Wire.open(sandbox)
    yield wire
    await wire.close()


@pytest.mark.asyncio
async def test_a_script_is_used_up_in_order_and_by_its_route_only(sandbox: Sandbox, wire: Wire) -> None:
    sandbox.faults.script(LIST, [Status(503), None, Status(500)])
    paths = ["/agents", "/scheduling_requests", "/scheduling_requests/sreq_1", *["/scheduling_requests"] * 3]
    assert [(await wire.ask(path))[0] for path in paths] == [200, 503, 200, 200, 500, 200]
    sandbox.faults.script(None, [Status(502)])
    sandbox.faults.script("GET /scheduling_requests/{id}", [Status(504)])
    assert sandbox.faults.pending == 2
    sandbox.faults.clear()
    assert (await wire.ask("/scheduling_requests/sreq_1"))[0] == 200


@pytest.mark.asyncio
async def test_chance_depends_on_the_seed() -> None:
    async def statuses(seed: int) -> list[int]:
        async with Sandbox(seed=seed) as sandbox:
            sandbox.faults.randomly(0.3, [Status(500), Status(503)], LIST)
            wire = await Wire.open(sandbox)
            answered = [(await wire.ask())[0] for _ in range(100)]
            await wire.close()
            return answered

    first = await statuses(4)
    assert first == await statuses(4) != await statuses(5)
    assert 15 < sum(status != 200 for status in first) < 45
    assert set(first) == {200, 500, 503}


@pytest.mark.asyncio
async def test_status_may_carry_any_body_and_headers(sandbox: Sandbox, wire: Wire) -> None:
    sandbox.faults.script(
        None, [Status(302, "moved", {"Location": "/x", "Content-Type": "text/plain"}), Status(599)]
    )
    status, headers, body = await wire.ask()
    assert (status, headers["location"], headers["content-type"], body) == (302, "/x", "text/plain", b"moved")
    assert (await wire.ask())[::2] == (599, b'{"error":"Error"}')
    assert [seen.status for seen in sandbox.requests_seen] == [302, 599]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("given", "header"),
    [
        (None, None),
        (7, "7"),
        (0.25, "0.25"),
        ("soon", "soon"),
        (datetime(2030, 1, 2, tzinfo=UTC), "Wed, 02 Jan 2030 00:00:00 GMT"),
    ],
)
async def test_retry_after(sandbox: Sandbox, wire: Wire, given: Any, header: str | None) -> None:
    sandbox.faults.script(None, [TooManyRequests(given)])
    status, headers, _ = await wire.ask()
    assert (status, headers.get("retry-after")) == (429, header)


@pytest.mark.asyncio
async def test_retry_after_relative_date(sandbox: Sandbox, wire: Wire) -> None:
    sandbox.faults.script(None, [TooManyRequests(timedelta(seconds=90))])
    moment = parsedate_to_datetime((await wire.ask())[1]["retry-after"])
    assert 85 < (moment - datetime.now(UTC)).total_seconds() <= 91


@pytest.mark.asyncio
async def test_delay_acts_at_once(sandbox: Sandbox, wire: Wire) -> None:
    sandbox.faults.script("POST /scheduling_requests", [Delay(0.2)])
    start = time.monotonic()
    task = asyncio.create_task(wire.ask(body=CREATE))
    await arrival(sandbox)
    assert len(sandbox.records()) == 46
    assert (await task)[0] == 201
    assert time.monotonic() - start >= 0.2


@pytest.mark.asyncio
@pytest.mark.parametrize(("fault", "created"), [(DropBeforeHeaders(), 0), (AnswerLost(), 1)])
async def test_dropped_creates_happened_or_not(
    sandbox: Sandbox, wire: Wire, fault: Fault, created: int
) -> None:
    sandbox.faults.script(None, [fault])
    assert await wire.ask(body=CREATE) == (0, {}, b"")
    assert len(sandbox.records()) == 45 + created
    assert sandbox.requests_seen[-1].status is None


@pytest.mark.asyncio
async def test_drops_after_the_headers(sandbox: Sandbox, wire: Wire) -> None:
    sandbox.faults.script(None, [DropAfterHeaders()])
    status, headers, body = await wire.ask()
    assert (status, body) == (200, b"")
    other = await Wire.open(sandbox)
    sandbox.faults.script(None, [DropMidBody()])
    status, again, body = await other.ask()
    assert (status, len(body)) == (200, int(headers["content-length"]) // 2)
    assert again["content-length"] == headers["content-length"]
    await other.close()


@pytest.mark.asyncio
async def test_a_stale_connection_answers_once(sandbox: Sandbox, wire: Wire) -> None:
    sandbox.faults.script(None, [StaleConnection()])
    assert [(await wire.ask(body=CREATE))[0] for _ in range(2)] == [201, 0]
    assert len(sandbox.records()) == 46
    assert len(sandbox.requests_seen) == 1
    other = await Wire.open(sandbox)
    assert (await other.ask())[0] == 200
    await other.close()


@pytest.mark.asyncio
async def test_spoilt_bodies(sandbox: Sandbox, wire: Wire) -> None:
    _, _, right = await wire.ask()
    faults = [
        TruncatedJSON(0.25),
        ContentType("text/plain"),
        HTML(),
        Garbage(100),
        GzipBomb(2),
        SlowDrip(500, 0.001),
    ]
    sandbox.faults.script(None, faults)
    truncated, mistyped, html, garbage, bomb, dripped = [await wire.ask() for _ in faults]
    assert truncated[2] == right[: len(right) // 4]
    assert (mistyped[1]["content-type"], mistyped[2]) == ("text/plain", right)
    assert (html[0], html[1]["content-type"]) == (200, "text/html; charset=utf-8")
    assert (len(garbage[2]), garbage[2][:1], garbage[1]["content-type"][:16]) == (
        100,
        b"\xff",
        "application/json",
    )
    assert bomb[1]["content-encoding"] == "gzip"
    assert len(bomb[2]) < 10_000 < len(gzip.decompress(bomb[2])) == 2 * 2**20
    assert dripped[2] == right


@pytest.mark.asyncio
async def test_links_that_lead_astray(sandbox: Sandbox, wire: Wire) -> None:
    filtered = "/scheduling_requests?filter=scheduling_request.status~EQ~new&starting_after=sreq_30"
    sandbox.faults.script(
        LIST, [DuplicatePage(), LoopingNextPage(), ForeignNextPage("http://elsewhere.example")]
    )
    duplicate, looping, foreign = [await wire.page(filtered) for _ in range(3)]
    assert duplicate["next_page"] == sandbox.base_url + filtered
    assert looping["next_page"] == sandbox.base_url + filtered.removesuffix("&starting_after=sreq_30")
    assert foreign["next_page"].startswith("http://elsewhere.example/v1/scheduling_requests?filter=")
    assert foreign["next_page"].endswith("starting_after=sreq_10")


@pytest.mark.asyncio
async def test_shapes_of_links(sandbox: Sandbox, wire: Wire) -> None:
    shapes = [
        NextPageShape("path"),
        NextPageShape("query"),
        NextPageShape("bare"),
        NextPageShape(end="empty"),
    ]
    sandbox.faults.script(LIST, shapes)
    links = [(await wire.page())["next_page"] for _ in shapes]
    query = "starting_after=sreq_25"
    path = f"/v1/scheduling_requests?{query}"
    assert links == [path, f"?{query}", query, sandbox.base_url + path.removeprefix("/v1")]
    last = "/scheduling_requests?starting_after=sreq_5"
    sandbox.faults.script(
        LIST, [NextPageShape(end="empty"), NextPageShape(end="absent"), NextPageShape("bare")]
    )
    empty, absent, null = [await wire.page(last) for _ in range(3)]
    assert (empty["next_page"], "next_page" in absent, null["next_page"]) == ("", False, None)


@pytest.mark.asyncio
async def test_a_link_rewritten_twice_still_leads_on(sandbox: Sandbox, wire: Wire) -> None:
    shapes: list[Literal["absolute", "path", "query", "bare"]] = ["absolute", "path", "query", "bare"]
    query = "starting_after=sreq_25"
    url = f"{sandbox.base_url}/scheduling_requests?{query}"
    links = {
        "absolute": url,
        "path": f"/v1/scheduling_requests?{query}",
        "query": f"?{query}",
        "bare": query,
    }
    for first, second in itertools.product(shapes, shapes):
        sandbox.faults.script(LIST, [NextPageShape(first)])
        sandbox.faults.script(LIST, [NextPageShape(second)])
        assert (await wire.page())["next_page"] == links[second]
    for second in shapes:
        sandbox.faults.script(LIST, [LoopingNextPage()])
        sandbox.faults.script(LIST, [NextPageShape(second)])
        assert (await wire.page())["next_page"] == f"{sandbox.base_url}/scheduling_requests"
    for first in shapes:
        sandbox.faults.script(LIST, [NextPageShape(first)])
        sandbox.faults.script(LIST, [ForeignNextPage()])
        assert (await wire.page())["next_page"].startswith("https://timezest.example/v1/scheduling_requests?")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (lambda faults: faults.script("GET /scheduling_request", []), "'GET /scheduling_requests'"),
        (lambda faults: faults.script("/scheduling_requests", []), "'GET /scheduling_requests'"),
        (lambda faults: faults.script("GET /scheduling_requests/sreq_1", []), "requests/{id}'"),
        (lambda faults: faults.script(None, [503]), "a fault is an object such as"),
        (lambda faults: faults.script(None, [Garbage]), "a fault is an object such as"),
        (lambda faults: faults.randomly(1.5, [Status(500)]), "from 0 to 1"),
        (lambda faults: faults.randomly(True, [Status(500)]), "from 0 to 1"),
        (lambda faults: faults.randomly(0.5, []), "one fault at least"),
        (lambda faults: faults.randomly(0.5, [None]), "a fault is an object such as"),
        (lambda faults: faults.randomly(0.5, [Status(500)], "POST /agents"), "GET /agents"),
    ],
)
def test_what_could_never_happen_is_refused(order: Callable[[Faults], None], said: str) -> None:
    faults = Faults()
    with pytest.raises(ConfigurationError) as caught:
        order(faults)
    assert said in str(caught.value)
    assert faults.draw(LIST) == []


@pytest.mark.asyncio
async def test_page_sizes_lose_nothing(sandbox: Sandbox, wire: Wire) -> None:
    sandbox.faults.page_sizes([0, 20, 0, 0, 3, 0])
    sandbox.faults.script("GET /agents", [PageSize(0)])
    sizes, ids, links = [], [], []
    url = f"{sandbox.base_url}/scheduling_requests"
    while url:
        page = await wire.page(url.removeprefix(sandbox.base_url))
        sizes.append(len(page["data"]))
        ids += [record["id"] for record in page["data"]]
        url = page["next_page"]
        links.append(url)
    assert sizes == [0, 20, 0, 0, 3, 0, 20, 2]
    assert ids == [f"sreq_{n}" for n in reversed(range(45))]
    assert len(set(links)) == len(links)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Delay(60), SlowDrip(1, 60)])
async def test_leaving_the_sandbox_ends_what_is_under_way(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async with Sandbox() as sandbox:
        wire = await Wire.open(sandbox)
        sandbox.faults.script(None, [fault])
        task = asyncio.create_task(wire.ask())
        await arrival(sandbox)
    await task
    await wire.close()
    assert not caplog.records
