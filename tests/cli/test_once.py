"""``timezest create --once``: what is created once, what is found, and how that is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.servers.redis_server import RedisServer
from tests.servers.served import Served, serving
from timezest_async.sandbox import AnswerLost, Status

Run = Callable[..., tuple[int, str, str]]
POST = "POST /scheduling_requests"


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=20, clock=time.time) as served:
        yield served


@pytest.fixture
def create(service: Served, timezest: Run, request: pytest.FixtureRequest) -> Run:
    def run(*arguments: str, who: str | None = None) -> tuple[int, str, str]:
        return timezest(
            "create",
            f"--appointment-type={service.records('appointment_type')[0]['id']}",
            f"--resource={service.records('agent')[0]['id']}",
            "--name=Al",
            f"--email={who or request.node.name}@example.org",
            *arguments,
        )

    return run


def posts(service: Served) -> int:
    return sum(seen.method == "POST" for seen in service.requests_seen)


def test_the_same_key_creates_once(service: Served, create: Run) -> None:
    once = ("--once=ticket-7/onsite", "--journal=intents.db")
    status, output, errors = create(*once, "--json")
    made = json.loads(output)
    assert (status, made["how"], errors) == (0, "created", f"Created {made['id']}\n")
    status, output, errors = create(*once, "--json")
    assert (status, json.loads(output)) == (0, {**made, "how": "remembered"})
    assert errors == f"Remembered {made['id']}: nothing was created, since this key is done.\n"
    status, output, errors = create(*once)
    assert output.split()[:2] == ["how", "remembered"]
    assert posts(service) == 1


def test_an_answer_that_was_lost_is_found(service: Served, create: Run) -> None:
    service.do(lambda sandbox: sandbox.faults.script(POST, [AnswerLost()]))
    status, output, errors = create("--once=lost", "--journal=intents.db", "--json")
    made = json.loads(output)
    assert (status, made["how"], posts(service)) == (0, "found", 1)
    lost, found = errors.splitlines()
    assert lost.startswith("The answer was lost: looking for what came of it.")
    assert found == f"Found {made['id']}, open already or made by an earlier attempt: nothing was created."


def test_what_is_open_is_found_with_a_key_and_without(service: Served, create: Run) -> None:
    status, output, _ = create("--if-none-open", "--json")
    made = json.loads(output)
    assert (status, made["how"]) == (0, "created")
    status, output, errors = create("--if-none-open", "--json")
    assert (status, json.loads(output)) == (0, {**made, "how": "found"})
    assert errors == f"Nothing was created: this end user has a request that is {made['status']}.\n"
    status, output, _ = create("--if-none-open", "--json", "--once=k", "--journal=intents.db")
    assert (status, json.loads(output)) == (0, {**made, "how": "found"})
    assert posts(service) == 1


def test_other_arguments_and_what_the_service_refuses_end_with_what_it_is(
    service: Served, create: Run
) -> None:
    once = ("--once=k", "--journal=intents.db")
    service.do(lambda sandbox: sandbox.faults.script(POST, [Status(422)]))
    assert create(*once)[0] == 1
    assert create(*once)[0] == 0
    status, output, errors = create(*once, who="another")
    assert (status, output) == (2, "")
    assert "The key 'k' was used before with other arguments" in errors
    assert posts(service) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--once=k"], "--once KEY and --journal FILE belong together"),
        (["--journal=f"], "--once KEY and --journal FILE belong together"),
        (["--once= ", "--journal=f"], "--once is empty"),
        (["--once=k", "--journal="], "--journal is empty"),
        (["--once=k", "--journal=nowhere/intents.db"], "nowhere/intents.db cannot be opened as a journal"),
        (["--once=k", "--journal=postgres://me:pw-77c1@host/db"], "neither a file nor the URL of a Redis"),
        (["--once=k", "--journal=redis:/:pw-77c1@host"], "neither a file nor the URL of a Redis"),
    ],
)
def test_wrong_usage_ends_with_2_and_sends_nothing(
    service: Served, create: Run, options: list[str], says: str
) -> None:
    status, output, errors = create(*options)
    assert (status, output) == (2, "")
    assert says in errors
    assert "pw-77c1" not in errors
    assert not service.requests_seen


def test_a_journal_in_redis(service: Served, create: Run) -> None:
    with RedisServer("redis-password-77c1") as server:
        for how in ("created", "remembered"):
            status, output, errors = create("--once=k", f"--journal={server.url}", "--json")
            assert (status, json.loads(output)["how"]) == (0, how)
            assert "77c1" not in errors
    assert posts(service) == 1
