"""An account in which half an hour passes: requests are made, booked, moved, cancelled and closed."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timezest_async import F, RateLimiter, Status, TimeZestClient
from timezest_async.changes.watching import Watch
from timezest_async.sandbox import Sandbox

DAY = 86_400
NOON = 1_780_000_000
SINCE = 120
"""Seconds by which what was read before is read again."""


@dataclass(frozen=True)
class Watched:
    """What half an hour of watching came to.

    Attributes:
        requests: Requests to the service, after the first look.
        told: Changes that were told.
        missed: Requests whose last state nobody was told.
    """

    requests: int
    told: int
    missed: int

    @property
    def a_minute(self) -> float:
        return self.requests / 30


def records(count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Make an account: of 20,000 requests 500 are open, 300 booked ahead, and 104 were so this week."""
    open_ones, ahead, past = (count * part // 20_000 for part in (500, 300, 104))
    made: list[dict[str, Any]] = []
    for number in range(count):
        is_recent = number < open_ones + ahead + past
        created_at = NOON - 60 - rng.randint(*((0, 30 * DAY) if is_recent else (8 * DAY, 500 * DAY)))
        ticket = {
            "type": "connectwise_psa/service_ticket",
            "id": number,
            "number": f"#{900_000 + number // 2}",
        }
        record = {
            "id": f"sreq_{number}",
            "end_user_email": f"user{number % 4000}@example.com",
            "associated_entities": [ticket],
            "created_at": created_at,
            "updated_at": created_at,
            "scheduled_at": created_at + 60,
            "selected_start_time": created_at + 2 * DAY,
            "status": rng.choice(["scheduled", "cancelled", "closed"]),
        }
        if number < open_ones:
            record |= {"status": rng.choice(["new", "sent", "sent"])}
            record |= {"scheduled_at": None, "selected_start_time": None}
        elif is_recent:
            days = rng.randint(1, 20) if number < open_ones + ahead else -rng.randint(1, 6)
            record |= {"status": "scheduled", "selected_start_time": NOON + days * DAY}
        made.append(record)
    return sorted(made, key=lambda record: record["created_at"])


class Account:
    """A sandbox whose time passes as it is told to.

    Args:
        count: How many requests there are.
        options: For the sandbox.
    """

    def __init__(self, count: int, **options: Any) -> None:
        self.now = float(NOON)
        self.rng = random.Random(count)
        self._records = records(count, self.rng)
        self.sandbox = Sandbox(clock=lambda: self.now, **options)
        self._number = 0

    def fill(self) -> None:
        self.sandbox.add_many(self._records)
        self._live = [
            record["id"]
            for record in self._records
            if record["status"] in {"new", "sent"}
            or (record["status"] == "scheduled" and record["selected_start_time"] > NOON)
        ]

    def act(self) -> None:
        """Let five seconds pass, and somebody do something."""
        self.now += 5
        self._number += 1
        act = self.rng.choice(["create", "book", "book", "book", "cancel", "close_request"])
        if act == "create":
            ticket = {"type": "autotask/ticket", "id": self._number, "number": f"T{self._number}"}
            made = self.sandbox.add(id=f"sreq_n{self._number}", associated_entities=[ticket])
            self._live.append(made["id"])
            return
        chosen = self.rng.randrange(len(self._live))
        if act == "book":
            self.sandbox.book(
                self._live[chosen], int(self.now) + self.rng.randint(1, 15) * DAY + self._number
            )
        else:
            getattr(self.sandbox, act)(self._live.pop(chosen))


async def watch(count: int, *, minutes: int = 30, **options: Any) -> Watched:
    """Watch an account with ticks every 10 s and sweeps every 60 s.

    Args:
        count: How many requests it has.
        minutes: For how long.
        options: For the sandbox.
    """
    account = Account(count, **options)
    with tempfile.TemporaryDirectory() as folder:
        async with account.sandbox as sandbox, client_of(sandbox) as client:
            account.fill()
            async with Watch(
                client.scheduling_requests._service(),  # noqa: SLF001 - its clock is to be the account's
                Path(folder, "seen"),
                None,
                interval=10.0,
                clock=lambda: account.now,
            ) as changes:
                engine = await changes._opened()  # noqa: SLF001 - likewise
                store = changes.store
                table: dict[str, Any] = {}

                async def told() -> int:
                    events = await store.pending("main", 100_000)
                    for event in events:
                        if event.after is not None:
                            table[event.after["id"]] = event.after
                    if events:
                        await store.acknowledge("main", events[-1].seq)
                    return len(events)

                await engine.look(sweep=True, allowance=5)
                await told()
                sandbox.requests_seen.clear()
                count = 0
                for tick in range(minutes * 6):
                    account.act()
                    account.act()
                    await engine.look(sweep=tick % 6 == 5, allowance=5)
                    count += await told()
                requests = len(sandbox.requests_seen)
                missed = sum(table.get(record["id"]) != record for record in sandbox.records())
    return Watched(requests, count, missed)


async def read_again(count: int, *, minutes: int = 30, **options: Any) -> Watched:
    """Do without names: read what is open and what is booked ahead every minute, beside the same ticks."""
    account = Account(count, **options)
    async with account.sandbox as sandbox, client_of(sandbox) as client:
        account.fill()
        table = {record["id"]: record for record in sandbox.records()}
        sandbox.requests_seen.clear()
        told = 0
        requests = client.scheduling_requests
        for tick in range(minutes * 6):
            account.act()
            account.act()
            since = int(account.now) - 10 - SINCE
            queries: list[Any] = [F.created_at >= since, F.scheduled_at >= since]
            if tick % 6 == 5:
                queries.append(F.status.in_([Status.NEW, Status.SENT]))
                queries.append((F.status == Status.SCHEDULED) & (F.selected_start_time >= NOON - 7 * DAY))
            seen = set()
            for query in queries:
                async for record in requests.list(query):
                    seen.add(record.id)
                    told += table.get(record.id) != record.to_dict()
                    table[record.id] = record.to_dict()
            if tick % 6 == 5:
                # What is in neither list is over, and has to be looked up once.
                for name, known in list(table.items()):
                    is_over = known["status"] in {"cancelled", "closed"}
                    is_past = (known.get("selected_start_time") or NOON) < NOON - 7 * DAY
                    if name not in seen and not is_over and not is_past:
                        table[name] = (await requests.get(name)).to_dict()
                        told += 1
        missed = sum(table.get(record["id"]) != record for record in sandbox.records())
        return Watched(len(sandbox.requests_seen), told, missed)


def client_of(sandbox: Sandbox) -> TimeZestClient:
    return TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(1_000_000, 1.0))
