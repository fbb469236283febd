"""Plans and the evaluator agree on records: what the queries find together is what the filter matches."""

from __future__ import annotations

import random
from typing import Any

from tests import strategies, support
from timezest_async import errors, tql
from timezest_async.models import EntityType, SchedulingRequest
from timezest_async.serialization.converter import make_converter

CONVERTER = make_converter()


def random_request(rng: random.Random) -> SchedulingRequest:
    """A record whose fields hold the narrow values, or null."""

    def text() -> str | None:
        return rng.choice((*strategies.NARROW_TEXTS, None))

    def time() -> int | None:
        return rng.choice((None, *range(3, 10)))

    def resources() -> list[dict[str, Any]]:
        return [
            {"type": rng.choice(("agent", "team")), "id": rng.choice(strategies.NARROW_TEXTS), "name": "x"}
            for _ in range(rng.randint(0, 3))
        ]

    wire = {
        "id": "sreq_1",
        "status": rng.choice(strategies.NARROW_TEXTS),
        "created_at": rng.randint(3, 9),
        "scheduled_at": time(),
        "selected_start_time": time(),
        "appointment_type_id": text(),
        "end_user_name": text(),
        "end_user_email": text(),
        "resources": resources(),
        "scheduled_agents": resources(),
        "associated_entities": [
            {
                "type": str(rng.choice(list(EntityType))),
                "id": rng.randint(1, 3),
                "number": f"#{rng.randint(11, 13)}",
            }
            for _ in range(rng.randint(0, 4))
        ],
    }
    return CONVERTER.structure(wire, SchedulingRequest)


def test_the_queries_find_what_the_filter_matches() -> None:
    rng = random.Random(3)
    attributes = strategies.ATTRIBUTES["scheduling_request"]
    records = [random_request(rng) for _ in range(500)]
    matched = planned = 0
    count = support.examples(20_000)
    for _ in range(count):
        some = rng.sample(attributes, rng.randint(1, 4))
        expression = strategies.build(strategies.random_tree(rng, some, rng.randint(1, 10)))
        try:
            plans = [(filter_, tql.plan(filter_)) for filter_ in (expression, ~expression)]
        except errors.UnsupportedFilterError:
            continue
        planned += 1
        for record in rng.sample(records, 8):
            found = [
                (filter_.matches(record), any(query.matches(record) for query in plan))
                for filter_, plan in plans
            ]
            assert all(one == other for one, other in found), (expression, record)
            assert found != [(True, True), (True, True)], (expression, record)
            matched += found[0][0]
    assert planned > count * 0.9
    assert matched > count
