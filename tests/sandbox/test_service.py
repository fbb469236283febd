"""What the sandbox answers, over real sockets."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import trustme
from hypothesis import given, settings, strategies as st
from yarl import URL

from tests import support
from timezest_async.errors import ConfigurationError
from timezest_async.sandbox import Sandbox
from timezest_async.sandbox.rate_window import RateWindow


class Caller:
    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self.session = session
        self.sandbox = sandbox

    async def __call__(
        self, path: str, *, method: str = "GET", key: str | None = "demo", **kwargs: Any
    ) -> tuple[int, Any]:
        url = path if "://" in path else self.sandbox.base_url + path
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        async with self.session.request(
            method, URL(url, encoded=True), headers=headers, **kwargs
        ) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def create(self, key: str = "demo", **parameters: Any) -> tuple[int, Any]:
        return await self("/scheduling_requests", method="POST", key=key, json=parameters)

    async def walk(self, path: str, link: str = "next_page") -> list[list[dict[str, Any]]]:
        pages = []
        url: str | None = path
        while url is not None:
            status, page = await self(url)
            assert status == 200, page
            assert list(page) == ["object", "next_page", "previous_page", "data"]
            pages.append(page["data"])
            url = page[link]
        return pages


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(read_only_key="reader") as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def call(sandbox: Sandbox) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(session, sandbox)


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 40, 41, 101])
async def test_pages_of_twenty_newest_first(sandbox: Sandbox, call: Caller, count: int) -> None:
    sandbox.add_many({"id": f"sreq_{n}", "created_at": n // 7} for n in range(count))
    pages = await call.walk("/scheduling_requests")
    assert [len(page) for page in pages] == [20] * (count // 20) + (
        [count % 20] if count % 20 or not count else []
    )
    ids = [record["id"] for page in pages for record in page]
    assert ids == [f"sreq_{n}" for n in reversed(range(count))] == [r["id"] for r in sandbox.records()]


@pytest.mark.asyncio
async def test_walking_back_gives_the_same_pages(sandbox: Sandbox, call: Caller) -> None:
    sandbox.add_many({"id": f"sreq_{n}", "created_at": n // 3} for n in range(65))
    _, last = await call("/scheduling_requests?starting_after=sreq_5")
    assert [r["id"] for r in last["data"]] == [f"sreq_{n}" for n in (4, 3, 2, 1, 0)]
    assert last["next_page"] is None
    pages = await call.walk(last["previous_page"], "previous_page")
    assert [r["id"] for page in reversed(pages) for r in page] == [
        f"sreq_{n}" for n in reversed(range(5, 65))
    ]
    _, nearest = await call("/scheduling_requests?ending_before=sreq_5")
    assert nearest["next_page"].endswith("starting_after=sreq_6")
    _, first = await call("/scheduling_requests")
    assert first["previous_page"] is None


@pytest.mark.asyncio
async def test_the_next_page_carries_the_filter_escaped(sandbox: Sandbox, call: Caller) -> None:
    name = 'O\'Brien, "Pat" & Söhne ~ +1%7E'
    sandbox.add_many({"end_user_name": name, "created_at": n} for n in range(45))
    sandbox.add_many({"end_user_name": "other", "created_at": n} for n in range(45))
    escaped = name.replace('"', '\\"')
    query = URL.build(query={"filter": f'scheduling_request.end_user_name~EQ~"{escaped}"', "status": "new"})
    path = f"/scheduling_requests?{query.raw_query_string}"
    _, page = await call(path)
    assert page["next_page"].startswith(f"{sandbox.base_url}/scheduling_requests?filter=scheduling_request.")
    assert "%7EEQ%7E%22O%27Brien%2C" in page["next_page"]
    assert "status=" not in page["next_page"]
    pages = await call.walk(path)
    assert [len(page) for page in pages] == [20, 20, 5]
    assert {r["end_user_name"] for page in pages for r in page} == {name}


@pytest.mark.asyncio
async def test_wrong_parameters_are_ignored(sandbox: Sandbox, call: Caller) -> None:
    sandbox.add_many({"status": "sent"} for _ in range(25))
    _, page = await call("/scheduling_requests?status=new&page=2&page_size=3&tql=x&limit=1")
    assert len(page["data"]) == 20


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/scheduling_requests?starting_after=a&ending_before=b", 400, None),
        ("/scheduling_requests?starting_after=sreq_unknown", 400, None),
        ("/scheduling_requests?ending_before=sreq_unknown", 400, None),
        ("/scheduling_requests?filter=x~OR~y", 400, "Unable to parse filter URL parameter"),
        ("/agents?filter=scheduling_request.status~EQ~new", 400, "Unable to parse filter URL parameter"),
        ("/scheduling_requests/sreq_unknown", 404, "Not found"),
    ],
)
async def test_errors_of_reading(call: Caller, path: str, status: int, error: str | None) -> None:
    answered, body = await call(path)
    assert answered == status
    assert list(body) == ["error"]
    assert error in {None, body["error"]}


@pytest.mark.asyncio
async def test_keys(sandbox: Sandbox, call: Caller) -> None:
    unauthorized = (401, {"error": "Unauthorized. No valid API key provided"})
    assert await call("/agents", key=None) == unauthorized
    assert await call("/agents", key="wrong") == unauthorized
    assert (await call("/agents", key="reader"))[0] == 200
    assert await call.create(key="reader") == (
        403,
        {
            "error": "Unauthorized. The provided API key does not have sufficient permission"
            " to perform this action."
        },
    )
    assert [(seen.authorized, seen.status) for seen in sandbox.requests_seen] == [
        (False, 401),
        (False, 401),
        (True, 200),
        (True, 403),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/agents/agnt_1"),
        ("GET", "/teams/x"),
        ("GET", "/resources/x"),
        ("GET", "/appointment_types/x"),
        ("GET", "/nothing"),
        ("POST", "/agents"),
        ("DELETE", "/scheduling_requests/sreq_1"),
        ("PUT", "/scheduling_requests/sreq_1"),
    ],
)
async def test_what_does_not_exist_is_an_html_404(
    sandbox: Sandbox, call: Caller, method: str, path: str
) -> None:
    sandbox.add(object="agent", id="agnt_1")
    sandbox.add(id="sreq_1")
    status, body = await call(path, method=method)
    assert status == 404
    assert body.startswith("<!DOCTYPE html>")


@pytest.mark.asyncio
async def test_teams_lists_deleted_teams_and_resources_does_not(sandbox: Sandbox, call: Caller) -> None:
    sandbox.add(object="team", id="team_old", internal_name="Old", deleted=True)
    sandbox.add(object="team", id="team_new", internal_name="New")
    sandbox.add(object="agent", id="agnt_a", name="A")
    ids = {
        name: {r["id"] for r in (await call(f"/{name}"))[1]["data"]}
        for name in ("teams", "resources", "agents")
    }
    assert ids == {
        "teams": {"team_old", "team_new"},
        "resources": {"team_new", "agnt_a"},
        "agents": {"agnt_a"},
    }
    sandbox.add_many({"object": "agent"} for _ in range(30))
    assert [len(page) for page in await call.walk("/resources")] == [20, 12]


@pytest.mark.asyncio
async def test_one_record_keeps_unknown_fields_and_nulls(sandbox: Sandbox, call: Caller) -> None:
    stored = sandbox.add({"id": "sreq_1", "odd": {"a": [None, 1.5, "\ud800 é 😀"]}, "end_user_name": None})
    assert await call("/scheduling_requests/sreq_1") == (200, stored)
    assert "end_user_email" not in stored
    with pytest.raises(ValueError, match="stored already"):
        sandbox.add(id="sreq_1")
    changed = sandbox.update("sreq_1", status="closed")
    assert (await call("/scheduling_requests?filter=scheduling_request.status~EQ~closed"))[1]["data"] == [
        changed
    ]
    assert sandbox.remove("sreq_1")
    assert (await call("/scheduling_requests/sreq_1"))[0] == 404
    assert (await call("/scheduling_requests?starting_after=sreq_1"))[0] == 200


GOOD: dict[str, Any] = {
    "appointment_type_id": "apty_1",
    "trigger_mode": "pod",
    "resource_ids": ["agnt_1", "team_1"],
    "end_user_name": "Field Name",
    "end_user_email": "field@example.com",
}
CONTACT = {"type": "connectwise_psa/contact", "id": 7}
TICKET = {"type": "connectwise_psa/service_ticket", "number": "#12"}


@pytest_asyncio.fixture
async def desk(sandbox: Sandbox) -> Sandbox:
    sandbox.add(object="agent", id="agnt_1", name="Ann")
    sandbox.add(object="team", id="team_1", internal_name="Desk", external_name="Front")
    sandbox.add(object="team", id="team_gone", deleted=True)
    sandbox.add(object="appointment_type", id="apty_1")
    sandbox.add_contact("connectwise_psa/contact", id=7, name="Contact Name", email="contact@example.com")
    sandbox.add_contact(
        "connectwise_psa/service_ticket", number="12", id=3, name="Ticket Name", email="t@example.com"
    )
    sandbox.add_contact("autotask/contact", id=8, name=None, email="only@example.com")
    return sandbox


@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "status"), [("pod", "sent"), ("generate_url", "new")])
async def test_a_create_is_stored_and_listed(desk: Sandbox, call: Caller, mode: str, status: str) -> None:
    answered, record = await call.create(**GOOD | {"trigger_mode": mode, "associated_entities": [TICKET]})
    assert (answered, record["status"]) == (201, status)
    assert record["resources"] == [
        {"type": "agent", "id": "agnt_1", "name": "Ann"},
        {"type": "team", "id": "team_1", "name": "Front"},
    ]
    assert record["associated_entities"] == [TICKET]
    assert await call(f"/scheduling_requests/{record['id']}") == (200, record)
    assert desk.records() == [record]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "window",
    [
        {},
        {"duration_mins": 45, "earliest_time": "09:00", "latest_time": "17:30:00"},
        {"earliest_date": "2026-02-01", "latest_date": "2026-02-02"},
        {
            "earliest_date": "2026-02-01",
            "earliest_time": "17:00",
            "latest_date": "2026-02-02",
            "latest_time": "09:00",
        },
    ],
)
async def test_a_record_has_the_window_that_was_set(
    desk: Sandbox, call: Caller, window: dict[str, Any]
) -> None:
    _, record = await call.create(**GOOD | window)
    names = ("duration_mins", "earliest_date", "earliest_time", "latest_date", "latest_time")
    assert {name: record[name] for name in names} == dict.fromkeys(names) | window
    assert await call(f"/scheduling_requests/{record['id']}") == (200, record)
    assert desk.records() == [record]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("entities", "fields", "expected"),
    [
        ([], {}, ("Field Name", "field@example.com")),
        ([TICKET], {}, ("Ticket Name", "t@example.com")),
        ([TICKET | {"number": "12"}], {}, ("Ticket Name", "t@example.com")),
        ([{"type": "connectwise_psa/service_ticket", "id": 3}], {}, ("Ticket Name", "t@example.com")),
        ([TICKET, CONTACT], {}, ("Contact Name", "contact@example.com")),
        ([{"type": "autotask/contact", "id": 8}], {}, ("Field Name", "only@example.com")),
        ([{"type": "autotask/contact", "id": 8}, TICKET], {}, ("Ticket Name", "only@example.com")),
        ([{"type": "connectwise_psa/contact", "id": 999}], {}, ("Field Name", "field@example.com")),
        ([CONTACT], {"end_user_name": None, "end_user_email": None}, ("Contact Name", "contact@example.com")),
    ],
)
async def test_where_the_end_user_comes_from(
    desk: Sandbox, call: Caller, entities: list[Any], fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    status, record = await call.create(**GOOD | fields | {"associated_entities": entities})
    assert status == 201, record
    assert (record["end_user_name"], record["end_user_email"]) == expected


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        {"resource_ids": "agnt_1"},
        {"resource_ids": None},
        {"resource_ids": []},
        {"resource_ids": ["agnt_unknown"]},
        {"resource_ids": ["team_gone"]},
        {"resource_ids": [1]},
        {"trigger_mode": "POD"},
        {"trigger_mode": ["pod"]},
        {"appointment_type_id": None},
        {"appointment_type_id": "apty_unknown"},
        {"end_user_name": " "},
        {"end_user_email": 5},
        {"associated_entities": {}},
        {"associated_entities": ["x"]},
        {"associated_entities": [{"type": "autotask/ticket"}]},
        {"duration_mins": 0},
        {"duration_mins": "30"},
        {"duration_mins": True},
        {"earliest_date": 20260131},
        {"earliest_date": "20260131"},
        {"latest_date": "2026-02-30"},
        {"earliest_time": "9:30"},
        {"latest_time": "24:01"},
        {"latest_time": "09:30:15.5"},
        {"earliest_date": "2026-02-02", "latest_date": "2026-02-01"},
        {"earliest_time": "10:00", "latest_time": "09:59:59"},
    ],
)
async def test_bad_creates_are_422(desk: Sandbox, call: Caller, change: dict[str, Any]) -> None:
    status, body = await call.create(**GOOD | change)
    assert (status, list(body)) == (422, ["error"])
    if "resource_ids" in change and not isinstance(change["resource_ids"], list):
        assert body["error"] == "The resource IDs parameter must be an array."
    assert desk.records() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": NaN}', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_400(call: Caller, body: bytes) -> None:
    assert (await call("/scheduling_requests", method="POST", data=body))[0] == 400


@pytest.mark.asyncio
async def test_requests_seen_tell_everything_but_the_key(sandbox: Sandbox, call: Caller) -> None:
    await call("/scheduling_requests?filter=a%7Eb%2Bc&x=%20", key="demo")
    await call.create(**GOOD)
    listing, create = sandbox.requests_seen
    assert (listing.route, listing.path) == ("GET /scheduling_requests", "/v1/scheduling_requests")
    assert listing.query_string == "filter=a%7Eb%2Bc&x=%20"
    assert listing.query == {"filter": "a~b+c", "x": " "}
    assert create.json == GOOD
    assert create.headers["content-type"] == "application/json"
    assert "demo" not in repr(sandbox.requests_seen)
    await call("/scheduling_requests/sreq_x")
    assert sandbox.requests_seen[-1].route == "GET /scheduling_requests/{id}"


@pytest.mark.asyncio
async def test_the_budget_is_one_sliding_window_for_all_keys() -> None:
    now = 1000.0
    async with (
        Sandbox(rate_limit=(3, 10.0), clock=lambda: now, read_only_key="reader") as sandbox,
        aiohttp.ClientSession() as session,
    ):
        call = Caller(session, sandbox)

        async def status(at: float, key: str = "demo") -> int:
            nonlocal now
            now = at
            return (await call("/agents", key=key))[0]

        assert await status(1000, "wrong") == 401
        assert [await status(at) for at in (1000, 1004)] + [await status(1008, "reader")] == [200] * 3
        assert [await status(at) for at in (1008, 1009.99)] == [429, 429]
        assert sandbox.requests_seen[-1].limited
        assert [await status(at) for at in (1010, 1013.9, 1014, 1014)] == [200, 429, 200, 429]


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["none", "seconds", "date"])
async def test_retry_after_forms(form: Any) -> None:
    async with (
        Sandbox(rate_limit=(1, 10.0), clock=lambda: 1000.0, retry_after=form) as sandbox,
        aiohttp.ClientSession(headers={"Authorization": "Bearer demo"}) as session,
    ):
        for _ in range(2):
            async with session.get(f"{sandbox.base_url}/agents") as response:
                header = response.headers.get("Retry-After")
        assert response.status == 429
        if form == "date":
            assert parsedate_to_datetime(header or "").timestamp() == 1010
        else:
            assert header == (None if form == "none" else "10")


@settings(max_examples=support.examples(2000))
@given(st.integers(1, 5), st.lists(st.integers(0, 4), max_size=80))
def test_the_window_admits_all_it_can_and_never_more(limit: int, steps: list[int]) -> None:
    now, admitted = 0.0, []
    window = RateWindow(limit, 6.0, lambda: now)
    for step in steps:
        now += step
        possible = sum(now - 6 < at <= now for at in admitted) < limit
        assert window.admit() == possible
        if possible:
            admitted.append(now)


@pytest.mark.asyncio
async def test_sample_data_is_the_same_for_the_same_seed() -> None:
    async def sample(seed: int) -> list[Any]:
        async with Sandbox(records=300, seed=seed, clock=lambda: 1_750_000_000.5) as sandbox:
            entities = ("scheduling_request", "agent", "team", "resource", "appointment_type")
            origin = sandbox.base_url.removesuffix("/v1")
            return json.loads(  # type: ignore[no-any-return]
                json.dumps([sandbox.records(entity) for entity in entities]).replace(origin, "")
            )

    first = await sample(1)
    assert first == await sample(1) != await sample(2)
    requests = first[0]
    assert len(requests) == 300
    assert {r["status"] for r in requests} == {"new", "sent", "scheduled", "cancelled", "closed"}
    prefixes = {e["type"].split("/")[0] for r in requests for e in r["associated_entities"]}
    assert prefixes == {"connectwise_psa", "autotask", "halo_psa", "service_now"}
    assert all(r["created_at"] <= r["updated_at"] <= 1_750_000_000 for r in requests)
    assert all(r["selected_start_time"] > r["scheduled_at"] for r in requests if r["scheduled_at"])
    assert len(first[2]) == 5
    assert len(first[3]) == 13


@pytest.mark.asyncio
async def test_a_sample_ticket_supplies_the_end_user() -> None:
    async with (
        Sandbox(records=50, clock=support.stopped_clock) as sandbox,
        aiohttp.ClientSession() as session,
    ):
        entity = {"type": "connectwise_psa/service_ticket", "number": "#1234"}
        status, record = await Caller(session, sandbox).create(
            appointment_type_id=sandbox.records("appointment_type")[0]["id"],
            trigger_mode="pod",
            resource_ids=[sandbox.records("agent")[0]["id"]],
            associated_entities=[entity],
        )
        assert status == 201, record
        assert "@" in record["end_user_email"]


@pytest.mark.asyncio
async def test_a_database_file_keeps_the_records(tmp_path: Path) -> None:
    database = tmp_path / "sandbox.db"
    async with Sandbox(database=database, records=30, clock=support.stopped_clock) as sandbox:
        before = [*sandbox.records(), sandbox.add(id="sreq_mine", created_at=1)]
    async with Sandbox(database=database, records=99, seed=5, clock=support.stopped_clock) as sandbox:
        assert sandbox.records() == before
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(ConfigurationError, match="not a database of the sandbox"):
        await Sandbox(database=tmp_path / "text").__aenter__()


@pytest.mark.asyncio
async def test_https() -> None:
    authority = trustme.CA()
    serving, trusting = (ssl.SSLContext(side) for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    async with Sandbox(ssl_context=serving) as sandbox, aiohttp.ClientSession() as session:
        sandbox.add_many({} for _ in range(21))
        status, page = await Caller(session, sandbox)("/scheduling_requests", ssl=trusting)
        assert status == 200
        assert sandbox.base_url.startswith("https:")
        assert page["next_page"].startswith(f"{sandbox.base_url}/")


@pytest.mark.asyncio
async def test_a_sandbox_that_does_not_run_says_so() -> None:
    sandbox = Sandbox()
    attempts: list[Callable[[], Any]] = [lambda: sandbox.base_url, sandbox.add, sandbox.records]
    for attempt in attempts:
        with pytest.raises(ConfigurationError, match="async with Sandbox"):
            attempt()
    async with sandbox:
        again: Awaitable[Any] = sandbox.__aenter__()
        with pytest.raises(ConfigurationError, match="running already"):
            await again
    async with sandbox:
        assert sandbox.records() == []
