"""Creates whose answers get lost: none happens twice by our doing, and each can be accounted for."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from tests import support
from tests.system.leaks import leaks
from tests.system.storms import seeds
from timezest_async import (
    APIStatusError,
    AssociatedEntity,
    ConnectionFailedError,
    OutcomeUnknownError,
    RateLimiter,
    SchedulingRequest,
    TimeZestClient,
    TimeZestError,
)
from timezest_async.sandbox import (
    HTML,
    AnswerLost,
    ContentType,
    Delay,
    DropAfterHeaders,
    DropBeforeHeaders,
    DropMidBody,
    Fault,
    Garbage,
    GzipBomb,
    Sandbox,
    SlowDrip,
    StaleConnection,
    Status,
    TooManyRequests,
    TruncatedJSON,
)

CREATES = 1_000
SHARDS = 2
AT_ONCE = 8
TIMEOUT = 0.15
ROUTE = "POST /scheduling_requests"

FATES: Sequence[Callable[[random.Random], Fault | None]] = (
    lambda _: None,
    lambda _: None,
    lambda _: AnswerLost(),
    lambda _: DropBeforeHeaders(),
    lambda _: DropAfterHeaders(),
    lambda _: DropMidBody(),
    lambda _: StaleConnection(),
    lambda r: Status(r.choice((400, 401, 403, 404, 409, 422))),
    lambda _: Status(408),
    lambda r: Status(r.choice((500, 502, 503, 504, 501)), r.choice((None, "", "<html>"))),
    lambda r: Status(r.choice((301, 302, 303, 307, 308)), "", {"Location": r.choice(("/", "http://x.test"))}),
    lambda r: Status(200, r.choice(("", "{}", "[]", "null", '{"id": 3}'))),
    lambda r: TooManyRequests(r.choice((None, 0, 0.01, "later"))),
    lambda r: TooManyRequests(r.choice((None, "0", "-3"))),
    lambda r: HTML(r.choice((200, 201, 500, 502))),
    lambda r: Garbage(r.randint(1, 900)),
    lambda r: TruncatedJSON(r.random() * 0.9),
    lambda r: Delay(r.choice((0.01, TIMEOUT * 1.5))),
    lambda _: SlowDrip(64, 0.001),
    lambda _: SlowDrip(8, TIMEOUT / 3),
    lambda _: ContentType("text/plain"),
)


class Ledger:
    """What became of each create, as its caller was told."""

    def __init__(self) -> None:
        self.done: dict[str, SchedulingRequest] = {}
        self.unknown: dict[str, OutcomeUnknownError] = {}
        self.refused: dict[str, TimeZestError] = {}
        self.cancelled: set[str] = set()

    async def create(self, client: TimeZestClient, ticket: str, cancel_after: float) -> None:
        try:
            async with asyncio.timeout(cancel_after):
                self.done[ticket] = await client.scheduling_requests.create(
                    appointment_type_id="apty_visit",
                    trigger_mode="pod",
                    resource_ids=["agnt_sam"],
                    associated_entities=[AssociatedEntity.connectwise_psa_service_ticket(number=ticket)],
                    end_user_name="Kim",
                    end_user_email="kim@example.com",
                )
        except TimeoutError:
            self.cancelled.add(ticket)
        except OutcomeUnknownError as error:
            self.unknown[ticket] = error
        except (APIStatusError, ConnectionFailedError) as error:
            self.refused[ticket] = error


def client_of(base_url: str, rng: random.Random | None = None) -> TimeZestClient:
    client = TimeZestClient(
        "demo", base_url, timeout=TIMEOUT if rng else 30.0, rate_limiter=RateLimiter(1_000_000, 0.05)
    )
    if rng is not None:
        client._transport._random = lambda: rng.random() * 0.01
    return client


@pytest.mark.timeout(300)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_create_is_accounted_for(
    shard: int, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    tickets = [f"#{seed}" for seed in seeds(CREATES, shard, SHARDS)]
    ledger = Ledger()

    async def main() -> None:
        async with Sandbox() as sandbox:
            sandbox.add({"object": "agent", "id": "agnt_sam", "name": "Sam"})
            sandbox.add({"object": "appointment_type", "id": "apty_visit"})
            async with leaks() as watch:
                for start in range(0, len(tickets), AT_ONCE):
                    await some(sandbox, tickets[start : start + AT_ONCE])
                    await watch.check()
            await account(sandbox)

    async def some(sandbox: Sandbox, tickets: Sequence[str]) -> None:
        # Each ticket's number is its seed; what a batch meets with depends on its first.
        rng = random.Random(int(tickets[0].removeprefix("#")))
        sandbox.faults.clear()
        sandbox.faults.script(ROUTE, [rng.choice(FATES)(rng) for _ in range(100)])
        sandbox.faults.script(ROUTE, [rng.choice((GzipBomb(17), TooManyRequests(500), *[None] * 10))])
        # A Retry-After of 500 s stops all who share its budget for two minutes.
        base_urls = [
            f"http://127.0.0.1:{unused_tcp_port}" if rng.random() < 0.05 else sandbox.base_url
            for _ in range(3)
        ]
        clients = [client_of(url, rng) for url in base_urls]
        try:
            async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                for number, ticket in enumerate(tickets):
                    # Nobody waits two minutes in this test, but is cancelled before that.
                    cancel_after = rng.random() * 0.02 if rng.random() < 0.1 else 1.0
                    group.create_task(ledger.create(clients[number % len(clients)], ticket, cancel_after))
        except BaseException as error:
            error.add_note(f"to repeat: seeds from {tickets[0]} on")
            raise
        finally:
            for client in clients:
                await client.close()

    async def account(sandbox: Sandbox) -> None:
        made = Counter(one["associated_entities"][0]["number"] for one in sandbox.records())
        assert set(made.values()) <= {1}
        told = [*ledger.done, *ledger.unknown, *ledger.refused, *ledger.cancelled]
        assert sorted(told) == sorted(tickets)
        assert all(made[ticket] == 1 for ticket in ledger.done)
        assert all(getattr(error, "never_sent", True) for error in ledger.refused.values())
        assert [ticket for ticket in ledger.refused if made[ticket]] == []
        found = 0
        async with client_of(sandbox.base_url) as client:
            for ticket, error in ledger.unknown.items():
                candidates = await error.find_candidates(client)
                numbers = [one.associated_entities[0].number for one in candidates]
                assert numbers == [ticket] * made[ticket], (ticket, error)
                found += len(candidates)
        abandoned = sum(made[ticket] for ticket in ledger.cancelled)
        assert len(sandbox.records()) == len(ledger.done) + found + abandoned
        if support.FULL:  # of fewer creates, none may have met with some of the fates
            assert found
            assert len(ledger.unknown) > found
        check_resending(sandbox)

    asyncio.run(main())


def check_resending(sandbox: Sandbox) -> None:
    """Check that a create is sent again after a 429 only, and that the wire agrees with the store."""
    sent: dict[str, list[int | None]] = {}
    for seen in sandbox.requests_seen:
        if seen.method == "POST":
            number = json.loads(seen.body)["associated_entities"][0]["number"]
            sent.setdefault(number, []).append(seen.status)
    assert not support.FULL or any(len(statuses) > 1 for statuses in sent.values())
    assert all(set(statuses[:-1]) <= {429} for statuses in sent.values())
