"""What goes wrong in a chaotic run, all of it decided by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from attrs import field, frozen

from tests import support
from timezest_async import F, tql
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
    ForeignNextPage,
    Garbage,
    GzipBomb,
    LoopingNextPage,
    NextPageShape,
    PageSize,
    SlowDrip,
    StaleConnection,
    Status,
    TooManyRequests,
    TruncatedJSON,
)

RECORDS = 1_200
STATUSES = ("new", "sent", "scheduled", "cancelled", "closed")

Make = Callable[[random.Random], Fault]

PASSING: Sequence[Make] = (
    lambda r: Status(r.choice((500, 502, 503, 504))),
    lambda r: Status(503, "<title>Down</title>", {"Content-Type": "text/html"}),
    lambda r: Status(429, None, {"Retry-After": r.choice(("0", "0.01", "-1", "soon"))}),
    lambda r: TooManyRequests(r.choice((None, 0, 0.004, "0", "", "later", "Thu, 01 Jan 1970 00:00:00 GMT"))),
    lambda r: TooManyRequests(timedelta(seconds=r.choice((-60, 0)))),
    lambda _: DropBeforeHeaders(),
    lambda _: AnswerLost(),
    lambda _: DropAfterHeaders(),
    lambda _: DropMidBody(),
    lambda r: TruncatedJSON(r.random() * 0.99),
    lambda r: HTML(r.choice((200, 500, 503))),
    lambda r: Garbage(r.randint(1, 5_000)),
    lambda r: Delay(r.random() * 0.03),
    lambda r: SlowDrip(r.randint(1_000, 4_000), r.random() * 0.004),
    lambda _: StaleConnection(),
    lambda r: ContentType(r.choice(("text/html", "application/octet-stream"))),
)
"""Faults that a retry may overcome, and some that are none."""

SHAPES: Sequence[Make] = (
    lambda r: PageSize(r.choice((0, 0, 1, 3, 7, 19, 25))),
    lambda r: NextPageShape(
        r.choice(("absolute", "path", "query", "bare")), r.choice(("null", "empty", "absent"))
    ),
)
"""What the service may do at any time, and is right."""

GRAVE: Sequence[Make] = (
    lambda r: Status(r.choice((400, 401, 403, 404, 408, 418, 422, 501, 599))),
    lambda r: Status(r.choice((301, 302, 307)), "", {"Location": "https://elsewhere.example/"}),
    lambda r: Status(r.choice((200, 201, 203)), r.choice(("", "{}", "[]", "7", '{"data":[{"id":1}]}'))),
    lambda r: TooManyRequests(r.choice((300, "99999999999", timedelta(hours=1)))),
    lambda _: DuplicatePage(),
    lambda _: LoopingNextPage(),
    lambda r: ForeignNextPage(r.choice(("https://timezest.example", "http://127.0.0.1:9"))),
)
"""Faults that end a stream."""

BOMB: Make = lambda _: GzipBomb(17)  # noqa: E731 - a fault like those above


def script(rng: random.Random, requests: int) -> list[Fault | None]:
    """Decide the fate of each of so many requests."""
    passing, shapes = rng.choice((0.02, 0.1, 0.3)), rng.choice((0.0, 0.1, 0.5))
    grave, bomb = rng.choice((0.0, 0.01, 0.03)), rng.choice((0.0, 0.0, 0.002))
    weights = (bomb, grave, shapes, passing)
    faults: list[Fault | None] = []
    for _ in range(requests):
        chance = rng.random()
        makers: Sequence[Make] = ()
        for weight, kind in zip(weights, ((BOMB,), GRAVE, SHAPES, PASSING), strict=True):
            chance -= weight
            if chance < 0:
                makers = kind
                break
        faults.append(rng.choice(makers)(rng) if makers else None)
    return faults


def records() -> list[dict[str, Any]]:
    """Make records with ties, bursts and gaps in their times."""
    rng = random.Random(4)
    second, made = 1_700_000_000, []
    for number in range(RECORDS):
        second -= rng.choice((0, 0, 0, 1, 30, 600, 86_400))
        made.append(
            {
                "id": f"sreq_{number:05}",
                "created_at": second,
                "status": rng.choice(STATUSES),
                "end_user_email": f"user{rng.randint(0, 9)}@example.com",
            }
        )
    return made


@frozen
class Filter:
    """A filter, and by a plain function what it means."""

    expression: tql.Expression[Any] | None
    admits: Callable[[dict[str, Any]], bool] = field(default=lambda _: True)


ALL = Filter(None)
FILTERS: Sequence[Filter] = (
    ALL,
    Filter(F.status == "new", lambda one: one["status"] == "new"),
    Filter(
        (F.status == "new") | F.end_user_email.like("user3") | (F.created_at < 1_690_000_000),
        lambda one: (
            one["status"] == "new" or "user3" in one["end_user_email"] or one["created_at"] < 1_690_000_000
        ),
    ),
    Filter(
        (F.status.in_(["new", "sent", "closed"])) | (F.end_user_email != "user5@example.com"),
        lambda one: (
            one["status"] in {"new", "sent", "closed"} or one["end_user_email"] != "user5@example.com"
        ),
    ),
)


@frozen
class Weather:
    """One run: what is read and how, and what goes wrong meanwhile."""

    seed: int
    filter: Filter
    backwards: bool
    concurrency: int
    way: str
    timeout: float
    deadline: float | None
    max_attempts: int
    budget: tuple[int, float]
    keeps_client: bool
    rng: random.Random = field(repr=False)

    @classmethod
    def of(cls, seed: int) -> Weather:
        rng = random.Random(seed)
        backwards = rng.random() < 0.1
        return cls(
            seed=seed,
            filter=ALL if rng.random() < 0.6 else rng.choice(FILTERS),
            backwards=backwards,
            concurrency=1 if backwards else rng.choice((1, 3, 8)),
            way=rng.choice(("records", "records", "pages", "batches")),
            timeout=rng.choice((0.02, 0.5, 30.0)),
            deadline=rng.choice((None, None, 0.03, 0.3, 3.0)),
            max_attempts=rng.choice((1, 2, 5)),
            budget=rng.choice(((1_000_000, 0.02), (1_000_000, 0.02), (25, 0.02))),
            keeps_client=rng.random() < 0.5,
            rng=rng,
        )


def seeds(count: int, shard: int, shards: int) -> range:
    """Share the seeds of ``support.examples(count)`` runs between tests, so that workers share the time."""
    return range(shard, support.examples(count), shards)
