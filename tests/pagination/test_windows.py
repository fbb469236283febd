from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from benchmarks import window_simulator as simulator
from tests import support
from timezest_async.errors import InvalidRequestError
from timezest_async.pagination.positions import ConcurrentPosition, Cursor, WindowPosition, read_position
from timezest_async.pagination.windows.scheduler import WindowReader
from timezest_async.pagination.windows.spreads import Sampler, Spread
from timezest_async.pagination.windows.window import PageRequest

SECOND = 1000  # the service keeps milliseconds and shows whole seconds


def reread(state: ConcurrentPosition) -> ConcurrentPosition:
    """Send a state through a checkpoint's text."""
    position = read_position(json.loads(json.dumps(state.to_json())))
    assert isinstance(position, ConcurrentPosition)
    return position


class Service:
    """A list of records whose id is their rank from the oldest, so that newer ones change no id."""

    def __init__(self, milliseconds: list[int], chance: random.Random) -> None:
        self.milliseconds = sorted(milliseconds)
        self.chance = chance
        self.short_pages = False
        self.shuffled_pages = False
        self.ignores_bounds = False

    def insert(self) -> None:
        newest = self.milliseconds[-1] if self.milliseconds else 5_000_000
        self.milliseconds.append(newest + self.chance.choice([0, 1, 999, 5_000]))

    def answer(self, request: PageRequest) -> dict[str, Any]:
        low, high = 0, len(self.milliseconds)
        if not self.ignores_bounds:
            if request.lo is not None:
                low = bisect_left(self.milliseconds, request.lo * SECOND)
            if request.hi is not None:
                high = bisect_left(self.milliseconds, request.hi * SECOND)
        if request.cursor.after is not None:
            high = min(high, int(request.cursor.after))
        size = self.chance.choice([0, 1, 7, 20]) if self.short_pages else 20
        start = max(low, high - size)
        ids = list(range(high - 1, start - 1, -1))
        if self.shuffled_pages:
            self.chance.shuffle(ids)
        return {
            "times": [self.milliseconds[record] // SECOND for record in ids],
            "items": ids,
            "next_cursor": Cursor(str(start)) if start > low else None,
        }


def read(
    service: Service,
    *,
    concurrency: int | str,
    buffer_pages: int = 180,
    hints: Mapping[str, Any] | None = None,
    faults: float = 0.0,
    restarts: float = 0.0,
    inserts: float = 0.0,
    partial_restarts: bool = True,
) -> tuple[list[int], int]:
    """Read everything in a random order of events, checking what must hold at every step."""
    chance = service.chance
    options: dict[str, Any] = {"concurrency": concurrency, "buffer_pages": buffer_pages, **(hints or {})}
    core = WindowReader[int](**options)
    limit = 8 if concurrency == "auto" else concurrency
    handed: list[int] = []
    flying: list[PageRequest] = []
    bounds: dict[int, tuple[int | None, int | None]] = {}
    answered = 0
    while not core.finished:
        slots = chance.choice([None, 1, 3, 100])
        while len(flying) < chance.randint(1, 12) and (request := core.next_request(slots)) is not None:
            assert bounds.setdefault(request.window, (request.lo, request.hi)) == (request.lo, request.hi)
            assert request.window not in {other.window for other in flying}
            flying.append(request)
        assert len(flying) == core.in_flight <= limit
        assert core.buffered_pages + core.in_flight <= buffer_pages
        if flying and chance.random() < 0.8:
            request = flying.pop(chance.randrange(len(flying)))
            if chance.random() < faults:
                core.request_failed(request)
            else:
                core.page_arrived(request, seconds=chance.random(), **service.answer(request))
                answered += 1
        if chance.random() < inserts:
            service.insert()
        if flying and chance.random() < 0.5:
            continue  # a slow consumer
        batch = core.take_ready()
        if batch and chance.random() < restarts:
            some = chance.randint(0, len(batch)) if partial_restarts else chance.choice([0, len(batch)])
            handed += batch[:some]
            state = core.state(handed_over=some, cursor=Cursor(str(batch[some - 1])) if some else None)
            core = WindowReader[int](state=reread(state), **options)
            flying, bounds = [], {}
        else:
            handed += batch
            if chance.random() < restarts / 3:
                core = WindowReader[int](state=reread(core.state()), **options)
                flying, bounds = [], {}
        # With nothing on its way and nothing ready, something must be worth asking for.
        if not core.finished and not flying and not batch:
            again = core.next_request(100)
            assert again is not None
            flying.append(again)
            bounds.setdefault(again.window, (again.lo, again.hi))
    return handed, answered


@st.composite
def record_times(draw: st.DrawFn) -> list[int]:
    """Milliseconds: clusters of any density, ties and silences, several hundred records at most."""
    times: list[int] = []
    at = 1_000_000_000_000
    for _ in range(draw(st.integers(0, 5))):
        count = draw(st.integers(1, 150))
        spacing = draw(st.sampled_from([0, 1, 30, 700, 1_000, 60_000, 86_400_000]))
        chance = random.Random(draw(st.integers(0, 1_000)))
        for _ in range(count):
            at -= chance.choice([0, spacing, 2 * spacing])
            times.append(at)
        at -= draw(st.sampled_from([0, 1, 1_000, 86_400_000, 31_536_000_000]))
    return times


services = st.builds(Service, record_times(), st.integers(0, 2**32).map(random.Random))
shapes = st.fixed_dictionaries(
    {
        "concurrency": st.one_of(st.integers(1, 12), st.just("auto")),
        "buffer_pages": st.sampled_from([1, 2, 5, 30, 180]),
    }
)


def learnt(milliseconds: Sequence[int], floor: int | None = None) -> Spread | None:
    sampler = Sampler(20)
    for start in range(0, len(milliseconds), 20):
        page = sorted(milliseconds, reverse=True)[start : start + 20]
        sampler.add([time // SECOND for time in page])
    return sampler.spread(floor)


@st.composite
def hinted_services(draw: st.DrawFn) -> tuple[Service, dict[str, Any]]:
    """A service, and hints at its list: right ones, stale ones, and some of other lists."""
    times = sorted(draw(record_times()))
    oldest, newest = (times[0] // SECOND, times[-1] // SECOND) if times else (0, 0)
    sources = {
        "nothing": [],
        "this list": times,
        "when it was shorter": times[: len(times) * 2 // 3],
        "a part of it": times[len(times) // 4 :: 3],
        "another list": draw(record_times()),
        "much later": [time + 2**36 for time in times],
        "one second": [oldest * SECOND] * 300,
    }
    spread = learnt(sources[draw(st.sampled_from(sorted(sources)))])
    far = st.sampled_from([None, -(10**9), -10_000, 0, 1, 10_000, 10**9])
    floor, ceiling = draw(far), draw(far)
    hints = {
        "spread": spread,
        "floor": None if floor is None else oldest + floor,
        "ceiling": None if ceiling is None else newest + ceiling,
    }
    return Service(times, random.Random(draw(st.integers(0, 2**32)))), hints


@given(hinted_services(), shapes, st.sampled_from([0.0, 0.3]))
@settings(max_examples=support.examples(4_000))
def test_equals_the_serial_list(
    hinted: tuple[Service, dict[str, Any]], shape: dict[str, Any], faults: float
) -> None:
    service, hints = hinted
    total = len(service.milliseconds)
    handed, answered = read(service, **shape, faults=faults, hints=hints)
    assert handed == list(range(total - 1, -1, -1))
    opening = 8 if shape["concurrency"] == "auto" else shape["concurrency"]
    assert answered <= 1.2 * total / 20 + 8 + opening


@given(hinted_services(), shapes, st.sampled_from([0.0, 0.2]))
@settings(max_examples=support.examples(3_000))
def test_goes_on_exactly_where_it_was_left(
    hinted: tuple[Service, dict[str, Any]], shape: dict[str, Any], inserts: float
) -> None:
    service, hints = hinted
    total = len(service.milliseconds)
    handed, _ = read(service, **shape, faults=0.1, restarts=0.2, inserts=inserts, hints=hints)
    # Newer records may appear while the first page has not been handed over, never in between.
    assert handed == list(range(len(handed) - 1, -1, -1))
    assert total <= len(handed) <= len(service.milliseconds)


@given(services, shapes, st.sampled_from([0.0, 0.2]))
@settings(max_examples=support.examples(2_000))
def test_short_and_empty_pages_are_not_the_end(
    service: Service, shape: dict[str, Any], restarts: float
) -> None:
    service.short_pages = True
    handed, _ = read(service, **shape, restarts=restarts)
    assert handed == list(range(len(service.milliseconds) - 1, -1, -1))


@given(services, shapes, st.sampled_from([0.0, 0.2]))
@settings(max_examples=support.examples(2_000))
def test_pages_out_of_order_lose_and_double_nothing(
    service: Service, shape: dict[str, Any], restarts: float
) -> None:
    service.shuffled_pages = True
    handed, _ = read(service, **shape, restarts=restarts, partial_restarts=False)
    assert sorted(handed) == list(range(len(service.milliseconds)))


@given(services, shapes)
@settings(max_examples=support.examples(1_000))
def test_a_service_that_ignores_the_bounds_costs_time_but_no_record(
    service: Service, shape: dict[str, Any]
) -> None:
    service.ignores_bounds = True
    handed, _ = read(service, **shape)
    assert handed == list(range(len(service.milliseconds) - 1, -1, -1))


@pytest.mark.parametrize("name", simulator.DISTRIBUTIONS)
@pytest.mark.parametrize("concurrency", [2, 8, 16])
def test_long_lists_of_every_distribution(name: str, concurrency: int) -> None:
    times = simulator.records(name, 600, 1)
    found = simulator.run(times, latency=0.4, concurrency=concurrency, inserts=0.02, buffer_pages=60)
    assert found.requests <= 1.10 * found.pages
    assert found.peak_buffer <= 60


def averages(pages: int, **options: Any) -> dict[str, tuple[float, ...]]:
    options = {"latency": 0.4, "limit": None, "period": 60.0, **options}
    seeds = options.pop("seeds", 2)
    return {name: simulator.measure(name, pages, seeds, **options) for name in simulator.DISTRIBUTIONS}


def test_short_lists_cost_a_few_more_requests() -> None:
    for pages in (0, 1, 2, 5, 10, 20, 35, 49):
        extra = [found[3] for found in averages(pages).values()]
        assert max(extra) <= (0 if pages <= 2 else 8)
        assert mean(extra) <= 3 + pages / 16


@pytest.mark.parametrize("pages", [100, 400])
def test_longer_lists_cost_a_tenth_more_at_most(pages: int) -> None:
    assert mean(found[2] for found in averages(pages).values()) <= 1.10


WANTED = [(20, True, 2.8, 1.13), (50, True, 1.8, 1.10), (160, True, 1.5, 1.08)]
WANTED += [(50, False, 2.5, 1.12), (160, False, 1.65, 1.08)]


@pytest.mark.parametrize(("pages", "bounded", "time", "requests"), WANTED)
def test_is_near_the_optimum_where_latency_binds(
    pages: int, *, bounded: bool, time: float, requests: float
) -> None:
    found = averages(pages, limit=180, bounded=bounded, seeds=20 if support.FULL else 2)
    slack = 1.0 if support.FULL else 1.1
    assert mean(cell[0] for cell in found.values()) <= time * slack
    assert mean(cell[2] - 1 for cell in found.values()) <= (requests - 1) * slack


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("pages", [100, 140, 160])
def test_a_list_that_fits_the_budget_never_waits_for_it(pages: int, *, bounded: bool) -> None:
    for name in simulator.DISTRIBUTIONS:
        times = simulator.records(name, pages, 3)
        found = simulator.run(times, latency=0.4, concurrency=8, seed=3, floor=times[0] if bounded else None)
        assert found.requests <= 180, name


@pytest.mark.parametrize("pages", [20, 160])
def test_a_second_reading_is_near_the_optimum(pages: int) -> None:
    ratios = []
    for name in simulator.DISTRIBUTIONS.keys() - {"ties", "dense_second", "bursts"}:
        times = simulator.records(name, pages, 1)
        spread = simulator.run(times, latency=0.4, concurrency=8).spread
        assert spread is not None
        found = simulator.run(times, latency=0.4, concurrency=8, spread=spread)
        ratios.append(found.seconds / simulator.optimum(found, 8, 0.4, 180, 60.0))
    assert max(ratios) <= 1.5
    assert mean(ratios) <= 1.25


@pytest.mark.parametrize("pages", [20, 100])
def test_a_spread_of_another_list_does_no_harm(pages: int) -> None:
    with_it, without = [], []
    for name in simulator.DISTRIBUTIONS:
        times = simulator.records(name, pages, 1)
        other = simulator.run(simulator.records("shrinking", 150, 2), latency=0.4, concurrency=8).spread
        without.append(simulator.run(times, latency=0.4, concurrency=8))
        with_it.append(simulator.run(times, latency=0.4, concurrency=8, spread=other))
    assert mean(one.seconds for one in with_it) <= 1.15 * mean(one.seconds for one in without)
    assert all(one.requests <= other.requests + 12 for one, other in zip(with_it, without, strict=True))


def test_is_at_the_rate_bound_where_the_budget_binds() -> None:
    found = averages(1000, limit=180, seeds=1)
    assert mean(cell[0] for cell in found.values()) <= 1.10
    assert mean(cell[2] for cell in found.values()) <= 1.05


@pytest.mark.parametrize("latency", [0.05, 0.1, 0.2, 0.3, 0.36, 1.0] if support.FULL else [0.05, 0.3, 1.0])
def test_auto_never_loses_to_one_reader_on_average(latency: float) -> None:
    for band, count in (((1, 170), 300), ((170, 200), 100), ((200, 1_000), 30)):
        assert mean(simulator.compare_with_serial(latency, band, support.examples(count))) <= 1.02, band


def test_one_second_of_thousands_is_read_without_useless_requests() -> None:
    service = Service([1_000_000_500] * 4_000 + [2_000_000_000, 500_000_000], random.Random(1))
    handed, answered = read(service, concurrency=8)
    assert handed == list(range(4_001, -1, -1))
    assert answered <= 201 * 1.1


def test_a_full_buffer_waits_for_the_consumer() -> None:
    core = WindowReader[int](concurrency=2, buffer_pages=1)
    first = core.next_request()
    assert first is not None
    assert core.next_request() is None
    core.page_arrived(first, times=[9] * 20, items=list(range(20)), next_cursor=Cursor("c"))
    assert core.next_request() is None
    assert len(core.take_ready()) == 20
    assert core.next_request() == PageRequest(first.window, Cursor("c"), None, None)


def test_one_record_beyond_the_bound_does_not_end_a_unsorted_window() -> None:
    core = WindowReader[int](state=ConcurrentPosition((WindowPosition(95, None),)), concurrency=1)
    pages = [([100, 90, 97], Cursor("b")), ([96, 80], Cursor("c")), ([95, 70], None)]
    kept: list[int] = []
    for times, cursor in pages:
        request = core.next_request()
        assert request is not None
        core.page_arrived(request, times=times, items=times, next_cursor=cursor)
        kept += core.take_ready()
        core = WindowReader[int](state=core.state(), concurrency=1)
    assert kept == [100, 97, 96, 95]
    assert core.finished


def test_a_failed_request_is_asked_again_as_it_was() -> None:
    core = WindowReader[int](concurrency=4)
    first = core.next_request()
    assert first is not None
    core.request_failed(first)
    assert core.next_request() == first


def test_what_is_not_in_flight_cannot_arrive() -> None:
    core = WindowReader[int]()
    request = core.next_request()
    assert request is not None
    core.page_arrived(request, times=[1], items=[1], next_cursor=Cursor("c"))
    with pytest.raises(ValueError, match="not in flight"):
        core.page_arrived(request, times=[1], items=[1], next_cursor=Cursor("c"))
    with pytest.raises(ValueError, match="not in flight"):
        core.request_failed(request)


def test_a_finished_reading_resumes_finished() -> None:
    core = WindowReader[int]()
    request = core.next_request()
    assert request is not None
    core.page_arrived(request, times=[2, 1], items=[1, 0], next_cursor=None)
    assert not core.finished
    assert list(core.take_ready()) == [1, 0]
    assert core.finished
    assert core.next_request() is None
    assert core.state() == ConcurrentPosition(())
    assert WindowReader[int](state=core.state()).finished
    resumed = WindowReader[int](state=core.state(handed_over=1, cursor=Cursor("1")))
    again = resumed.next_request()
    assert again is not None
    assert again.cursor.after == "1"
    with pytest.raises(ValueError, match="cursor"):
        core.state(handed_over=1)


@pytest.mark.parametrize(
    "state",
    [
        {"pieces": None},
        {"pieces": [{}]},
        {"pieces": [{"lo": "1", "hi": None, "cursor": None, "after": None, "disordered": False}]},
        {"pieces": [{"lo": 1, "hi": None, "cursor": 3, "after": None, "disordered": False}]},
    ],
)
def test_a_state_of_another_shape_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="damaged"):
        read_position(state)


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"buffer_pages": 0}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidRequestError, match="count from 1"):
        WindowReader[int](**wrong)
