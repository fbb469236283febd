"""The options that every command which asks the service has: its share of the budget, and Redis."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.servers.redis_server import RedisServer
from tests.servers.served import KEY, Served, serving
from timezest_async import Limiter
from timezest_async.cli import connections
from timezest_async.cli.connections import Service
from timezest_async.cli.wording import in_options
from timezest_async.redaction import Secret

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=45) as served:
        yield served


COMMANDS = {
    "list": ["list", "agents", "-o", "json"],
    "export": ["export", "--overwrite", "-o", "all.jsonl"],
    "report": ["report"],
    "doctor": ["doctor"],
    "get": ["get", "sreq_none"],
    "create": ["create", "--appointment-type=a", "--resource=r", "--name=Al", "--email=al@example.org"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_share_of_the_budget(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made: list[int] = []

    def noted(make: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: object, rate_limiter: Limiter, **named: object) -> Any:
            made.append(rate_limiter.max_requests)
            return make(*arguments, rate_limiter=rate_limiter, **named)

        return note

    for maker in ("TimeZestClient", "Transport"):
        monkeypatch.setattr(connections, maker, noted(getattr(connections, maker)))
    timezest(*COMMANDS[name], "--max-requests=20")
    timezest(*COMMANDS[name])
    assert made == [20, 180]
    assert service.requests_seen


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("option", "ends", "said"),
    [
        ("--max-requests=0", 2, "--max-requests"),
        ("--max-requests=200", 2, "--max-requests"),
        ("--max-requests=ten", 2, "--max-requests"),
        ("--redis=localhost", 2, "--redis is not a URL of Redis"),
        ("--redis=redis://:pass-word@127.0.0.1:9/0", 1, "The shared request budget cannot be asked"),
        ("--base-url=localhost", 2, "--base-url cannot be used"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_sent(
    service: Served, timezest: Run, name: str, option: str, ends: int, said: str
) -> None:
    status, output, errors = timezest(*COMMANDS[name], option)
    assert (status, output, service.requests_seen) == (ends, "", [])
    assert said in errors
    assert "pass-word" not in errors
    assert not re.search(r"base_url|\bredis=|RedisRateLimiter|on_unavailable|redis\.asyncio", errors)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_key_is_told_in_options(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("TIMEZEST_API_KEY")
    for more in ([], ["--redis=redis://127.0.0.1:9/0"]):
        status, output, errors = timezest(*COMMANDS[name], *more)
        assert (status, output, service.requests_seen) == (2, "", [])
        assert "give --api-key, or set" in errors
        assert "api_key" not in errors


def test_a_missing_redis_package_is_told(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    status, _, errors = timezest("list", "agents", "--redis=redis://127.0.0.1:9/0")
    assert (status, service.requests_seen) == (2, [])
    assert errors == "--redis needs the redis package: pip install 'timezest-async[redis]'.\n"


def test_the_budget_is_shared_through_redis(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RedisServer() as server:
        monkeypatch.setenv("TIMEZEST_REDIS_URL", server.url)
        assert timezest("list", "agents", "-o", "json")[0] == 0
        assert timezest("list", "teams", "-o", "json", "--max-requests=5")[0] == 0
        with server.client() as link:
            assert isinstance(link, redis.Redis)
            assert list(link.scan_iter("timezest:*"))


def test_a_command_that_goes_on_names_the_service_again_but_no_secret() -> None:
    named = {"api_key", "base_url", "max_requests", "redis"}
    service = Service(Secret(KEY), "http://127.0.0.1:1/v1", 20, Secret("redis://127.0.0.1:6379/0"))
    assert service.spelled(named) == [
        *("--base-url", "http://127.0.0.1:1/v1", "--max-requests", "20"),
        *("--redis", "redis://127.0.0.1:6379/0"),
    ]
    assert service.spelled(set()) == []
    assert Service(redis=Secret("redis://me:pass@127.0.0.1/0")).spelled(named) == []


def test_messages_name_options_and_leave_other_words_alone() -> None:
    assert in_options("give api_key=..., or base_url") == "give --api-key, or --base-url"
    assert in_options("my_api_key --api-key api_keys") == "my_api_key --api-key api_keys"
    assert in_options("end_user_name must", {"end_user_name": "--name"}) == "--name must"
