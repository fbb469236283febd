"""Every wrong argument gives its named error, and sends nothing."""

from __future__ import annotations

import asyncio
import copy
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
import yarl

from timezest_async import (
    AssociatedEntity,
    Checkpoint,
    ConfigurationError,
    F,
    FilterError,
    FilterSyntaxError,
    InvalidRequestError,
    RateLimiter,
    TimeZestClient,
    UnknownAttributeError,
    UnsupportedFilterError,
    tql,
)
from timezest_async.sandbox import Sandbox

OF_AGENTS = Checkpoint("/agents", ("",))

DEADLINES: list[Any] = [0, -1.0, True, "5", float("nan"), float("inf"), 10**400]

LISTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "unreadable text": ({"filter": "status ="}, FilterSyntaxError, "value"),
    "unknown attribute": ({"filter": "colour = red"}, UnknownAttributeError, "nearest"),
    "empty text": ({"filter": ""}, FilterSyntaxError, "empty"),
    "a bool": ({"filter": True}, FilterError, "expression"),
    "a dict": ({"filter": {"status": "new"}}, FilterError, "write F.status == 'new'"),
    "a dict of several": (
        {"filter": {"status": ["new", "sent"], "team": "team_a"}},
        FilterError,
        r"write \(F.status.in_\(\['new', 'sent'\]\)\) & \(F.team == 'team_a'\)",
    ),
    "a dict of other names": ({"filter": {"colour": "red"}}, FilterError, "there are autotask_company_id"),
    "an empty dict": ({"filter": {}}, FilterError, "no filter"),
    "a list": ({"filter": [F.status == "new"]}, FilterError, r"tql.all_of\(\*filters\)"),
    "a set of texts": ({"filter": {"status = new"}}, FilterError, r"tql.any_of\(\*filters\)"),
    "a function": ({"filter": lambda _: True}, FilterError, "a function cannot be sent"),
    "bytes": ({"filter": b"status = new"}, FilterError, "decode"),
    "a table": ({"filter": F}, FilterError, "compare one of its attributes"),
    "a plan": ({"filter": tql.plan(F.status == "new")}, FilterError, "that the plan was made of"),
    "a number": ({"filter": 3}, FilterError, "compare an attribute with a value"),
    "an attribute": ({"filter": F.status}, FilterError, "as in F.status == ..."),
    "another entity": ({"filter": tql.agent.name == "x"}, FilterError, "scheduling_request"),
    "too many queries": (
        {
            "filter": tql.any_of(
                *((F.connectwise_psa_company_id == n) & (F.created_at > n) for n in range(40))
            )
        },
        UnsupportedFilterError,
        "40",
    ),
    "both cursors": ({"starting_after": "sreq_a", "ending_before": "sreq_b"}, InvalidRequestError, "both"),
    "cursor not text": ({"starting_after": 3}, InvalidRequestError, "starting_after"),
    "cursor of another kind": ({"starting_after": "agnt_a"}, InvalidRequestError, "of an agent"),
    "cursor empty": ({"ending_before": ""}, InvalidRequestError, "ending_before"),
    "cursor with a slash": ({"starting_after": "a/b"}, InvalidRequestError, "letters"),
    "limit negative": ({"limit": -1}, InvalidRequestError, "limit"),
    "limit a bool": ({"limit": True}, InvalidRequestError, "limit"),
    "limit a float": ({"limit": 2.0}, InvalidRequestError, "limit"),
    "limit text": ({"limit": "20"}, InvalidRequestError, "limit"),
    **{
        f"deadline {deadline!r:.9}": ({"deadline": deadline}, InvalidRequestError, "deadline takes a number")
        for deadline in DEADLINES
    },
    "checkpoint of another list": ({"checkpoint": OF_AGENTS}, InvalidRequestError, "/agents"),
    "checkpoint and cursor": (
        {"checkpoint": OF_AGENTS, "ending_before": "sreq_a"},
        InvalidRequestError,
        "checkpoint",
    ),
    "checkpoint as text": ({"checkpoint": OF_AGENTS.to_text()}, InvalidRequestError, "from_text"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("case", LISTS)
async def test_list(case: str, sandbox: Sandbox, client: TimeZestClient) -> None:
    arguments, error, said = LISTS[case]
    with pytest.raises(error, match=said):
        client.scheduling_requests.list(**arguments)
    assert sandbox.requests_seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "id", [None, "", " ", "a b", "../agents", ".", "a/b", "a?b", "a\nb", "é", 3, b"sreq_a"]
)
@pytest.mark.parametrize("endpoint", ["scheduling_requests", "agents", "teams", "appointment_types"])
async def test_get(endpoint: str, id: Any, sandbox: Sandbox, client: TimeZestClient) -> None:
    with pytest.raises(InvalidRequestError, match="id"):
        await getattr(client, endpoint).get(id)
    assert sandbox.requests_seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("endpoint", "id"),
    [
        ("scheduling_requests", "agnt_a"),
        ("agents", "team_a"),
        ("teams", "apty_2s211C0S1I5gqIaA8wbDu6"),
        ("appointment_types", "sreq_a"),
    ],
)
async def test_get_takes_no_id_of_another_kind(
    endpoint: str, id: str, sandbox: Sandbox, client: TimeZestClient
) -> None:
    with pytest.raises(InvalidRequestError, match=f"but '{id}' is that of"):
        await getattr(client, endpoint).get(id)
    assert sandbox.requests_seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize("deadline", DEADLINES)
@pytest.mark.parametrize("endpoint", ["scheduling_requests", "agents", "teams", "appointment_types"])
async def test_get_with_a_deadline(
    endpoint: str, deadline: Any, sandbox: Sandbox, client: TimeZestClient
) -> None:
    with pytest.raises(InvalidRequestError, match="deadline takes a number"):
        await getattr(client, endpoint).get("id", deadline=deadline)
    assert sandbox.requests_seen == []


GOOD: dict[str, Any] = {
    "appointment_type_id": "apty_a",
    "trigger_mode": "pod",
    "resource_ids": ["agnt_a"],
    "end_user_name": "Pat",
    "end_user_email": "pat@example.com",
}
NO_USER = {"end_user_name": None, "end_user_email": None}
COMPANY = AssociatedEntity.connectwise_psa_company(id=7)

CREATES: dict[str, tuple[dict[str, Any], str]] = {
    "deadline zero": ({"deadline": 0}, "deadline takes a number"),
    "deadline text": ({"deadline": "5"}, "deadline takes a number"),
    "no appointment type": ({"appointment_type_id": ""}, "appointment_type_id"),
    "appointment type a number": ({"appointment_type_id": 3}, "appointment_type_id"),
    "trigger mode unknown": ({"trigger_mode": "email"}, "'pod' or 'generate_url'"),
    "trigger mode none": ({"trigger_mode": None}, "trigger_mode"),
    "trigger mode in capitals": ({"trigger_mode": "POD"}, "trigger_mode"),
    "no resource": ({"resource_ids": []}, "at least one"),
    "resource ids as text": ({"resource_ids": "agnt_a"}, "list"),
    "resource ids none": ({"resource_ids": None}, "list"),
    "resource id a number": ({"resource_ids": [3]}, "resource_ids"),
    "resource id of another kind": (
        {"resource_ids": ["agnt_a", "apty_a"]},
        "of an agent or a team, but 'apty_a' is that of an appointment type",
    ),
    "appointment type of another kind": ({"appointment_type_id": "team_a"}, "but 'team_a' is that of a team"),
    "resource id empty": ({"resource_ids": [""]}, "resource_ids"),
    "no end user": (NO_USER, "end_user_name and end_user_email"),
    "no name": ({"end_user_name": None}, "end_user_name must"),
    "no e-mail": ({"end_user_email": None}, "end_user_email must"),
    "empty name": ({"end_user_name": " "}, "end_user_name"),
    "name a number": ({"end_user_name": 3}, "end_user_name"),
    "e-mail with a tab": ({"end_user_email": "a\tb@example.com"}, "control character"),
    "resource id no text": ({"resource_ids": ["agnt_\ud800"]}, "surrogate"),
    "a company supplies no end user": ({**NO_USER, "associated_entities": [COMPANY]}, "supplies none"),
    "entities as one": ({"associated_entities": COMPANY}, "list"),
    "entities as a mapping": ({"associated_entities": {"type": "autotask/ticket"}}, "list"),
    "entity a text": ({"associated_entities": ["#1234"]}, "AssociatedEntity"),
    "entity without a type": ({"associated_entities": [{"id": 3}]}, "type"),
    "entity of an empty type": ({"associated_entities": [{"type": " ", "id": 3}]}, "type"),
    "ticket number without a number": (
        {"associated_entities": [{"type": "autotask/ticket", "number": "#"}]},
        "number",
    ),
    "ticket without id and number": ({"associated_entities": [{"type": "autotask/ticket"}]}, "number"),
    "contact without id": ({"associated_entities": [{"type": "autotask/contact"}]}, "id"),
    "contact with a number": (
        {"associated_entities": [{"type": "autotask/contact", "number": "#3"}]},
        "number",
    ),
    "contact with an id of text": (
        {"associated_entities": [{"type": "autotask/contact", "id": "3"}]},
        "id",
    ),
    "duration a bool": ({"duration_mins": True}, "duration_mins takes a whole number"),
    "duration a float": ({"duration_mins": 30.0}, "duration_mins"),
    "duration text": ({"duration_mins": "30"}, "duration_mins"),
    "duration zero": ({"duration_mins": 0}, "1 or more"),
    "duration negative": ({"duration_mins": -30}, "1 or more"),
    "duration beyond all": ({"duration_mins": 10**5000}, "1 or more"),
    "day a datetime": ({"earliest_date": datetime(2026, 1, 31, 9, tzinfo=UTC)}, r"\.date\(\).+earliest_time"),
    "day text": ({"latest_date": "2026-01-31"}, "latest_date takes a datetime.date"),
    "day a number": ({"earliest_date": 1767225600}, "earliest_date"),
    "time text": ({"earliest_time": "09:30"}, "earliest_time takes a datetime.time"),
    "time a datetime": ({"latest_time": datetime(2026, 1, 31, 9, tzinfo=UTC)}, "latest_time takes"),
    "time aware": ({"latest_time": time(9, tzinfo=UTC)}, "without a time zone"),
    "time with seconds": ({"earliest_time": time(9, 30, 15)}, r"earliest_time=time\(9, 30\)"),
    "time with a fraction": ({"latest_time": time(9, 30, 0, 1)}, "finer"),
    "days reversed": (
        {"earliest_date": date(2026, 2, 2), "latest_date": date(2026, 2, 1)},
        "earliest_date is 2026-02-02, which is after latest_date, 2026-02-01",
    ),
    "times reversed": ({"earliest_time": time(17), "latest_time": time(9)}, "not before latest_time"),
    "times reversed on one day": (
        {
            "earliest_date": date(2026, 2, 1),
            "latest_date": date(2026, 2, 1),
            "earliest_time": time(9, 1),
            "latest_time": time(9),
        },
        "leaves no time",
    ),
    "no time between the times": ({"earliest_time": time(9), "latest_time": time(9)}, "leaves no time"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("case", CREATES)
async def test_create(case: str, sandbox: Sandbox, client: TimeZestClient) -> None:
    change, said = CREATES[case]
    with pytest.raises(InvalidRequestError, match=said):
        await client.scheduling_requests.create(**{**GOOD, **change})
    assert sandbox.requests_seen == []


KEY = "tzk-5e7ab0ut"

CLIENTS: dict[str, tuple[dict[str, Any], str]] = {
    "key empty": ({"api_key": ""}, "empty"),
    "key blank": ({"api_key": "  "}, "empty"),
    "key with a newline": ({"api_key": KEY + "\n"}, "white space"),
    "key with a space": ({"api_key": f"Bearer {KEY}"}, "white space"),
    "key not ASCII": ({"api_key": KEY + "é"}, "ASCII"),
    "key a number": ({"api_key": 3}, "not text"),
    "key bytes": ({"api_key": KEY.encode()}, "not text"),
    "base URL without a scheme": ({"base_url": "api.timezest.com/v1"}, "scheme"),
    "base URL of another scheme": ({"base_url": "ftp://api.timezest.com"}, "scheme"),
    "base URL without a host": ({"base_url": "https:///v1"}, "host|read"),
    "base URL with a query": ({"base_url": "https://api.timezest.com/v1?a=b"}, "query"),
    "base URL with a password": ({"base_url": f"https://me:{KEY}@api.timezest.com"}, "password"),
    "timeout zero": ({"timeout": 0}, "timeout"),
    "timeout negative": ({"timeout": -1.0}, "timeout"),
    "timeout a bool": ({"timeout": True}, "timeout"),
    "timeout text": ({"timeout": "30"}, "timeout"),
    "timeout not a number": ({"timeout": float("nan")}, "timeout"),
    "deadline zero": ({"deadline": 0}, "deadline"),
    "attempts zero": ({"max_attempts": 0}, "max_attempts"),
    "attempts a float": ({"max_attempts": 2.0}, "max_attempts"),
    "limiter a number": ({"rate_limiter": 180}, "RateLimiter"),
    "session something else": ({"session": object()}, "ClientSession"),
    "proxy no URL": ({"proxy": "localhost"}, "proxy"),
    "ssl text": ({"ssl": "ca.pem"}, "ssl"),
    "trust_env text": ({"trust_env": "yes"}, "trust_env"),
    "base URL empty": ({"base_url": ""}, "base_url"),
    "hooks a number": ({"hooks": 5}, "on_request"),
    "converter a number": ({"converter": 5}, "make_converter"),
}


@pytest.mark.parametrize("case", CLIENTS)
def test_client(case: str) -> None:
    change, said = CLIENTS[case]
    with pytest.raises(ConfigurationError, match=said) as caught:
        TimeZestClient(**{"api_key": KEY, **change})
    assert KEY not in str(caught.value)


LIMITERS: list[Callable[[], object]] = [
    lambda: RateLimiter(0, 60.0),
    lambda: RateLimiter(-1, 60.0),
    lambda: RateLimiter(True, 60.0),
    lambda: RateLimiter(180, 0),
    lambda: RateLimiter(180, 60.0, -0.1),
    lambda: RateLimiter("180", 60.0),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("make", LIMITERS)
def test_limiter(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_a_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMEZEST_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="TIMEZEST_API_KEY"):
        TimeZestClient()


def test_key_and_address_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMEZEST_API_KEY", KEY)
    monkeypatch.setenv("TIMEZEST_BASE_URL", "https://elsewhere.test/v2/")
    client = TimeZestClient()
    assert repr(client) == "TimeZestClient(base_url='https://elsewhere.test/v2', closed=False)"
    asyncio.run(client.close())
    assert "closed=True" in repr(client)


@pytest.mark.parametrize("kind", [lambda key: key.encode(), lambda key: [key], lambda key: {"key": key}])
def test_a_key_that_is_not_text_shows_nowhere(kind: Callable[[str], Any]) -> None:
    with pytest.raises(ConfigurationError, match="not text but") as caught:
        TimeZestClient(kind("tz-bytes-secret"))
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    assert frames
    assert "tz-bytes-secret" not in repr([frame.locals for frame in frames]) + repr(caught.value)


@pytest.mark.parametrize("proxy", [yarl.URL("http://u:hunter2@proxy"), b"http://u:hunter2@proxy"])
def test_a_proxy_shows_no_password_whatever_its_type(proxy: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TimeZestClient(KEY, proxy=proxy, timeout=0)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    assert "hunter2" not in repr([frame.locals for frame in frames]) + repr(caught.value)


@pytest.mark.parametrize("base_url", ["https://u:hunter2@h/v1", yarl.URL("https://u:hunter2@h/v1")])
def test_a_base_url_shows_no_password(base_url: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TimeZestClient(KEY, base_url)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    assert "hunter2" not in repr([frame.locals for frame in frames]) + repr(caught.value)


def test_a_closed_client_does_not_open_again() -> None:
    async def use_again() -> None:
        async with TimeZestClient(KEY) as client:
            pass
        async with client:
            pass

    with pytest.raises(ConfigurationError, match="make a new one"):
        asyncio.run(use_again())


def test_clients_are_neither_pickled_nor_copied() -> None:
    client = TimeZestClient(KEY)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            attempt(client)


def test_sync_with_teaches() -> None:
    with pytest.raises(TypeError, match="async with"), TimeZestClient(KEY):  # type: ignore[attr-defined]
        pass


def test_a_list_is_not_awaited() -> None:
    async def read() -> None:
        await TimeZestClient(KEY).scheduling_requests.list()  # type: ignore[misc]

    with pytest.raises(TypeError, match="async for"):
        asyncio.run(read())


def test_naive_datetimes_never_reach_a_list() -> None:
    with pytest.raises(FilterError, match="naive"):
        TimeZestClient(KEY).scheduling_requests.list(F.created_at > datetime(2026, 1, 1))  # noqa: DTZ001
    TimeZestClient(KEY).scheduling_requests.list(F.created_at > datetime(2026, 1, 1, tzinfo=UTC))


def test_clients_share_the_converter_that_they_do_not_bring() -> None:
    clients = [TimeZestClient(api_key="key") for _ in range(3)]
    endpoints = [getattr(client, name) for client in clients for name in ("agents", "scheduling_requests")]
    assert len({id(vars(endpoint)["_converter"]) for endpoint in endpoints}) == 1
