"""Records vanish, and cursors with them: reading goes on by time, with nothing lost and nothing doubled."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import yarl
from hypothesis import given, settings, strategies as st

from tests.servers.list_service import CONVERTER, Service, evaluator, record
from tests.support import examples
from timezest_async import (
    APIStatusError,
    BadRequestError,
    Checkpoint,
    F,
    NotFoundError,
    PaginationError,
    TimeZestError,
    ValidationError,
    tql,
)
from timezest_async.endpoints import TeamsEndpoint

ERRORS: dict[str, type[APIStatusError] | None] = {
    "400": BadRequestError,
    "404": NotFoundError,
    "422": ValidationError,
    "begins again": None,
}


class Vanishing(Service):
    """Records vanish between requests; a cursor whose record has gone is answered as ``gone`` says."""

    def __init__(self, records: list[dict[str, Any]], gone: str, vanish: Callable[[], list[str]]) -> None:
        super().__init__(records, accepts=evaluator(records))
        self.gone = gone
        self.vanish = vanish

    def answer(self, url: yarl.URL) -> dict[str, Any]:
        leaving = set(self.vanish())
        self.records = [one for one in self.records if one["id"] not in leaving]
        cursor = url.query.get("starting_after", url.query.get("ending_before"))
        if cursor is not None and cursor not in {one["id"] for one in self.records}:
            cls = ERRORS[self.gone]
            if cls is not None:
                raise cls("no such record", status=int(self.gone), request_method="GET", request_path="/x")
            url = url.without_query_params("starting_after", "ending_before")
        return super().answer(url)


def made(count: int, in_a_second: int) -> list[dict[str, Any]]:
    records = [
        record(n, 1_000_000 - 5 * (n // in_a_second), status=("new", "sent", "scheduled")[n % 3])
        for n in range(count - 1)
    ]
    return [*records, record(count - 1, 5)]


FILTERS: dict[str, Any] = {
    "all": None,
    "one query": F.status != "sent",
    "several": (F.status == "new") | (F.status == "scheduled") | (F.created_at > 999_900),
}
HOWS: list[dict[str, Any]] = [{}, {"concurrency": 4}, {"ending_before": "sreq_149"}]


@settings(max_examples=examples(300))
@given(
    gone=st.sampled_from(sorted(ERRORS)),
    filter=st.sampled_from(sorted(FILTERS)),
    how=st.sampled_from(HOWS),
    in_a_second=st.sampled_from([1, 3, 30]),
    seed=st.integers(0, 2**32),
)
def test_nothing_is_lost_or_doubled(
    gone: str, filter: str, how: dict[str, Any], in_a_second: int, seed: int
) -> None:
    """Records that were handed over vanish at once, as those do that a caller deals with."""
    rng = random.Random(seed)
    records = made(150, in_a_second)
    got: list[str] = []
    dealt_with = 0

    def vanish() -> list[str]:
        # Some of what was handed over, the latest ones above all; not the record that the walk began at.
        nonlocal dealt_with
        news, dealt_with = len(got) > dealt_with, len(got)
        return [one for one in got[-rng.choice([1, 3, 40]) :] if news and rng.random() < 0.7]

    service = Vanishing(records, gone, vanish)
    accepts = evaluator(records)
    listed = service.list(FILTERS[filter], **how)
    wanted = [one["id"] for one in records if any(accepts(query, one) for query in listed.start.queries)]
    if "ending_before" in how:
        wanted = [one for one in wanted if one != "sreq_149"][::-1]

    async def read() -> None:
        place = listed.start
        while True:
            paginator = service.list(
                FILTERS[filter], checkpoint=place, **{k: v for k, v in how.items() if k == "concurrency"}
            )
            stop = rng.choice([None, 1, 7, 20, 33])
            async for one in paginator:
                got.append(one.id)
                if stop is not None and (stop := stop - 1) == 0:
                    break
            else:
                return
            place = Checkpoint.from_text(paginator.checkpoint.to_text())

    asyncio.run(read())
    assert len(got) == len(set(got))
    assert set(got) == set(wanted)
    if filter != "several":
        assert got == wanted


@settings(max_examples=examples(100))
@given(
    gone=st.sampled_from(sorted(ERRORS)),
    seed=st.integers(0, 2**32),
    filter=st.sampled_from([None, (tql.team.internal_name.like("a")) | (tql.team.internal_name.like("b"))]),
)
def test_nothing_of_a_list_without_order_is_lost_or_doubled(gone: str, seed: int, filter: Any) -> None:
    rng = random.Random(seed)
    teams = [{"id": f"team_{n}", "internal_name": rng.choice(["a", "b", "ab"])} for n in range(90)]
    rng.shuffle(teams)
    got: list[str] = []
    dealt_with = 0

    def vanish() -> list[str]:
        nonlocal dealt_with
        news, dealt_with = len(got) > dealt_with, len(got)
        return [one for one in got[-rng.choice([1, 3, 40]) :] if news and rng.random() < 0.7]

    def accepts(query: str, team: dict[str, Any]) -> bool:
        return not query or any(text in team["internal_name"] for text in query.rpartition("~")[2].split(","))

    service = Vanishing([], gone, vanish)
    service.records, service.accepts = list(teams), accepts
    endpoint = TeamsEndpoint(service, CONVERTER)  # type: ignore[arg-type]

    async def read() -> None:
        place = endpoint.list(filter).start
        while True:
            paginator = endpoint.list(filter).starting_at(place)
            stop = rng.choice([None, 1, 7, 20, 33])
            async for one in paginator:
                got.append(one.id)
                if stop is not None and (stop := stop - 1) == 0:
                    break
            else:
                return
            place = Checkpoint.from_text(paginator.checkpoint.to_text())

    asyncio.run(read())
    assert sorted(got) == sorted(one["id"] for one in teams)


OLD_CHECKPOINTS = {
    "serial": '{"timezest_checkpoint":1,"path":"/scheduling_requests","queries":[""],"backwards":false,'
    '"position":{"after":"sreq_41"}}',
    "backwards": '{"timezest_checkpoint":1,"path":"/scheduling_requests","queries":[""],"backwards":true,'
    '"position":{"after":"sreq_41"}}',
    "concurrent": '{"timezest_checkpoint":1,"path":"/scheduling_requests","queries":[""],"backwards":false,'
    '"position":{"pieces":[{"lo":999700,"hi":null,"cursor":null,"after":"sreq_41","disordered":false},'
    '{"lo":null,"hi":999700,"cursor":null,"after":null,"disordered":false}]}}',
    "merged": '{"timezest_checkpoint":1,"path":"/scheduling_requests","queries":['
    '"scheduling_request.status~EQ~new","scheduling_request.created_at~GT~999000"],"backwards":false,"position":{"parts":[{"after":"sreq_39"},'
    '{"after":"sreq_41"}],"second":999795,"seen":["sreq_41"]}}',
    "serial, with its second": '{"timezest_checkpoint":1,"path":"/scheduling_requests","queries":[""],'
    '"backwards":false,'
    '"position":{"after":"sreq_41","second":999795,"seen":["sreq_41"]},"account":"an account"}',
    "concurrent, with two cursors": '{"timezest_checkpoint":1,"path":"/scheduling_requests","queries":[""],'
    '"backwards":false,"position":{"pieces":[{"lo":999700,"hi":null,"cursor":null,"after":"sreq_41","disordered":false,'
    '"second":999795,"seen":["sreq_41"]},{"lo":null,"hi":999700,"cursor":"sreq_60","after":null,'
    '"disordered":true,"second":999700,"since":"sreq_60","seen":["sreq_60"]}]},"account":"an account"}',
}
"""As earlier versions wrote them."""


@pytest.mark.parametrize("way", OLD_CHECKPOINTS)
def test_checkpoints_of_earlier_versions_are_read(way: str) -> None:
    service = Vanishing(made(150, 1), "404", list)
    place = Checkpoint.from_text(OLD_CHECKPOINTS[way])
    got = [one.id for one in asyncio.run(service.list(checkpoint=place).to_list())]
    expected = range(40, -1, -1) if way == "backwards" else range(42, 150)
    assert got == [f"sreq_{n}" for n in expected]


@pytest.mark.parametrize("gone", ["400", "404", "422"])
def test_where_the_place_is_not_known_the_services_answer_is_raised(gone: str) -> None:
    service = Vanishing(made(150, 1)[50:], gone, list)
    cls = ERRORS[gone]
    assert cls is not None
    for place in (Checkpoint.from_text(OLD_CHECKPOINTS["serial"]), None):
        with pytest.raises(cls) as caught:
            asyncio.run(service.list(checkpoint=place, starting_after=None if place else "sreq_41").to_list())
        assert caught.value.checkpoint is not None
    assert len(service.asked) == 2


def test_a_service_that_refuses_every_cursor_is_read_by_time() -> None:
    service = Vanishing(made(150, 1), "404", list)
    cut = service.answer

    def answer(url: yarl.URL) -> dict[str, Any]:
        if "starting_after" in url.query:
            raise NotFoundError("no", status=404, request_method="GET", request_path="/x")
        return cut(url)

    service.answer = answer  # type: ignore[method-assign]
    for concurrency in (1, 4):
        got = [one.id for one in asyncio.run(service.list(concurrency=concurrency).to_list())]
        assert got == [f"sreq_{n}" for n in range(150)]


def test_a_service_that_always_begins_again_is_an_error() -> None:
    service = Service(made(150, 1))
    service.answer = lambda _url: (
        Service.answer(service, service.base_url) | {"next_page": f"?x={len(service.asked)}"}
    )  # type: ignore[method-assign]
    for concurrency in (1, 4):
        got: list[str] = []

        async def read() -> None:
            async for one in service.list(concurrency=concurrency):  # noqa: B023
                got.append(one.id)  # noqa: B023

        with pytest.raises(PaginationError):
            asyncio.run(read())
        assert got == [f"sreq_{n}" for n in range(20)]


@pytest.mark.parametrize("position", [{"second": "5"}, {"second": 10**20}, {"seen": [5]}, {"since": 5}])
def test_a_damaged_place_is_refused(position: dict[str, Any]) -> None:
    text = json.loads(OLD_CHECKPOINTS["serial"])
    text["position"] |= {"second": 5, "seen": ["sreq_41"]} | position
    with pytest.raises(TimeZestError, match="damaged"):
        asyncio.run(Service([]).list(checkpoint=Checkpoint.from_text(json.dumps(text))).to_list())
