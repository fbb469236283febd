"""Judge how well one list is read by several readers: the client's own core in virtual time.

    python benchmarks/window_simulator.py [--quick]

Each run reads one list from a simulated service: 20 records a page, latency with 30% jitter, the exact budget
of 180 requests in any sliding 60 s (a slot is held while in flight, then for 60 s from the response on), and
asserts that the stream is the serial one. Printed per distribution of record times, on average:

- t/opt: time over that of as many independent requests as there are full pages, always C in flight under the
  budget; a second that holds n records is a chain of n/20 requests for anyone, and counts so;
- t/ser: time over that of one reader, same list, latency and budget;
- r/p: requests over full pages; extra: their difference.

Bounded lists have a lower bound on ``created_at`` in their filter, at their oldest record; second readings
know how the records were spread over time when the list was read before, and stale ones when it was a tenth
shorter.

The last table compares ``concurrency="auto"`` with one reader over many lengths, since the budget comes in
minutes: a few requests more, just below a multiple of 180 pages, cost a minute.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, cos, log, pi
from pathlib import Path
from statistics import mean
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from timezest_async.pagination.positions import Cursor
from timezest_async.pagination.windows.scheduler import WindowReader
from timezest_async.pagination.windows.spreads import Sampler, Spread
from timezest_async.pagination.windows.tuning import Tuning
from timezest_async.pagination.windows.window import PageRequest

PAGE = 20
DAY = 86_400
YEAR = 365 * DAY
NOW = 1_760_000_000


# --- distributions: ascending created_at of n records ------------------------------------------------------
def uniform(n: int, rng: random.Random) -> list[int]:
    return sorted(NOW - rng.randrange(2 * YEAR) for _ in range(n))


def bursts(n: int, rng: random.Random) -> list[int]:
    starts = [NOW - rng.randrange(2 * YEAR) for _ in range(max(1, n // 60))]
    return sorted(rng.choice(starts) + rng.randrange(600) for _ in range(n))


def ties(n: int, rng: random.Random) -> list[int]:
    return sorted(NOW - rng.randrange(2 * YEAR) // DAY * DAY for _ in range(n))


def dense_second(n: int, rng: random.Random) -> list[int]:
    second = NOW - rng.randrange(2 * YEAR)
    return sorted([second] * (n // 4) + uniform(n - n // 4, rng))


def year_gaps(n: int, rng: random.Random) -> list[int]:
    return sorted(NOW - rng.randrange(5) * 2 * YEAR - rng.randrange(30 * DAY) for _ in range(n))


def growing(n: int, rng: random.Random) -> list[int]:
    """Ever denser towards the newest, as a growing company's list is."""
    return sorted(NOW - int(3 * YEAR * -log(1 - rng.random() * 0.98) / 4) for _ in range(n))


def shrinking(n: int, rng: random.Random) -> list[int]:
    """Ever denser towards the oldest."""
    return sorted(NOW - 3 * YEAR + int(3 * YEAR * -log(1 - rng.random() * 0.98) / 4) for _ in range(n))


def business_hours(n: int, rng: random.Random) -> list[int]:
    found: list[int] = []
    days = max(7, min(700, n // 10))
    while len(found) < n:
        day = rng.randrange(days)
        if day % 7 < 5:
            found.append(NOW - NOW % DAY - day * DAY + int(8 * 3600 + rng.random() * 9 * 3600))
    return sorted(found)


def steps(n: int, rng: random.Random) -> list[int]:
    """Stretches whose density differs by up to a thousand times."""
    found: list[int] = []
    at = NOW
    while len(found) < n:
        spacing = 10 ** rng.uniform(1, 4)
        for _ in range(rng.randrange(50, 500)):
            at -= int(rng.expovariate(1 / spacing))
            found.append(at)
    return sorted(found[:n])


def imported(n: int, rng: random.Random) -> list[int]:
    """A few years' use, and before it one bulk import within minutes."""
    return sorted(
        NOW - rng.randrange(YEAR) if rng.random() < 0.5 else NOW - YEAR - rng.randrange(600) for _ in range(n)
    )


def even(n: int, rng: random.Random) -> list[int]:
    start = NOW - rng.randrange(600)
    return [start - 600 * (n - i) for i in range(n)]


def msp(n: int, rng: random.Random) -> list[int]:
    """An MSP's list: office days that grow in number, holidays, campaigns."""
    found: list[int] = []
    days = max(20, n // 25)
    holiday = rng.randrange(26)
    while len(found) < n:
        day = int(days * rng.random() ** 2) if rng.random() < 0.6 else rng.randrange(days)
        if day % 7 >= 5 and rng.random() < 0.93:
            continue
        if day // 7 % 26 == holiday and rng.random() < 0.8:
            continue
        hour = rng.gauss(11.5, 2.6) if rng.random() < 0.5 else rng.gauss(15, 1.5)
        at = NOW - NOW % DAY - day * DAY + int(3600 * hour)
        campaign = rng.randint(10, 60) if rng.random() < 0.02 else 0
        found += [at + rng.randrange(300) for _ in range(campaign)] or [at]
    return sorted(rng.sample(found, n))


def regions(n: int, rng: random.Random) -> list[int]:
    """Two offices half a world apart, of which one opened later; seasons; each morning a scheduled batch."""
    found: list[int] = []
    days = max(30, n // 12)
    opened = rng.randrange(days // 3, days)
    while len(found) < n:
        day = rng.randrange(days)
        if day % 7 >= 5 or rng.random() > 0.6 + 0.4 * cos(2 * pi * day / 365):
            continue
        kind = rng.random()
        if kind < 0.15:
            seconds = 6 * 3600 + rng.randrange(60)
        elif kind < 0.6 and day < opened:
            seconds = 22 * 3600 + rng.randrange(8 * 3600)
        else:
            seconds = 7 * 3600 + rng.randrange(9 * 3600)
        found.append(NOW - NOW % DAY - (day + 2) * DAY + seconds)
    return sorted(found)


DISTRIBUTIONS: dict[str, Callable[[int, random.Random], list[int]]] = {
    f.__name__: f
    for f in (
        even,
        uniform,
        business_hours,
        bursts,
        ties,
        growing,
        shrinking,
        steps,
        imported,
        dense_second,
        year_gaps,
        msp,
        regions,
    )
}


# --- the simulated service and budget ----------------------------------------------------------------------
class Service:
    """Answers page requests over ascending times; a record's id is its index, so inserts change nothing."""

    def __init__(self, times: list[int]) -> None:
        self.times = times
        self.requests = 0

    def insert(self, at: int) -> None:
        self.times.append(max(at, self.times[-1] if self.times else at))

    def answer(self, request: PageRequest) -> tuple[list[int], list[int], Cursor | None]:
        self.requests += 1
        low = 0 if request.lo is None else bisect_left(self.times, request.lo)
        end = len(self.times) if request.hi is None else bisect_left(self.times, request.hi)
        if request.cursor.after is not None:
            end = min(end, int(request.cursor.after))
        start = max(low, end - PAGE)
        ids = list(range(end - 1, start - 1, -1))
        return [self.times[i] for i in ids], ids, Cursor(str(start)) if start > low else None


class Budget:
    """At most ``limit`` requests in any ``period`` seconds, counted from their responses."""

    def __init__(self, limit: int | None, period: float) -> None:
        self.limit, self.period = limit, period
        self.held = 0
        self.stamps: deque[float] = deque()

    def slots(self, now: float) -> int | None:
        if self.limit is None:
            return None
        while self.stamps and self.stamps[0] <= now:
            self.stamps.popleft()
        return self.limit - self.held - len(self.stamps)

    def take(self) -> None:
        self.held += 1

    def stamp(self, now: float) -> None:
        self.held -= 1
        if self.limit is not None:
            self.stamps.append(now + self.period)


@dataclass
class Outcome:
    seconds: float
    requests: int
    pages: int
    peak_buffer: int
    longest_chain: int
    spread: Spread | None = None


def run(
    times: list[int],
    *,
    latency: float,
    concurrency: int | Literal["auto"],
    limit: int | None = 180,
    period: float = 60.0,
    inserts: float = 0.0,
    seed: int = 0,
    floor: int | None = None,
    buffer_pages: int = 180,
    tuning: Tuning | None = None,
    spread: Spread | None = None,
) -> Outcome:
    """Read a list of ``times`` (ascending); ``inserts`` is the chance of a new record at each request."""
    rng = random.Random(seed)
    service, budget = Service(list(times)), Budget(limit, period)
    core = WindowReader[int](
        concurrency=concurrency,
        floor=floor,
        ceiling=NOW,
        spread=spread,
        buffer_pages=buffer_pages,
        tuning=tuning,
    )
    events: list[tuple[float, int, PageRequest | None]] = []
    answers: dict[PageRequest, tuple[float, tuple[list[int], list[int], Cursor | None]]] = {}
    now, count, peak = 0.0, 0, 0
    emitted: list[int] = []
    while not core.finished:
        while (slots := budget.slots(now)) is None or slots > 0:
            request = core.next_request(slots)
            if request is None:
                break
            budget.take()
            count += 1
            if rng.random() < inserts:
                service.insert(NOW + int(now))
            answers[request] = now, service.answer(request)
            heapq.heappush(events, (now + latency * rng.uniform(0.7, 1.3), count, request))
        else:
            if budget.stamps:
                heapq.heappush(events, (budget.stamps[0], -1, None))
        now, _, arrived = heapq.heappop(events)
        if arrived is not None:
            budget.stamp(now)
            sent_at, (seen, ids, cursor) = answers.pop(arrived)
            core.page_arrived(arrived, times=seen, items=ids, next_cursor=cursor, seconds=now - sent_at)
        peak = max(peak, core.buffered_pages)
        while batch := core.take_ready():
            emitted += batch
    if emitted != list(range(len(emitted) - 1, -1, -1)) or len(emitted) < len(times):
        raise AssertionError("the stream differs from the serial one")
    longest = max(Counter(times).values(), default=0) // PAGE
    return Outcome(now, service.requests, max(1, ceil(len(emitted) / PAGE)), peak, longest, core.spread())


def optimum(outcome: Outcome, concurrency: int, latency: float, limit: int | None, period: float) -> float:
    """Return the seconds for as many independent requests, ``concurrency`` at once, under the budget."""
    ends: deque[float] = deque()
    readers = [0.0] * concurrency
    for count in range(outcome.pages):
        start = heapq.heappop(readers)
        if limit is not None and count >= limit:
            start = max(start, ends.popleft() + period)
        ends.append(start + latency)
        heapq.heappush(readers, start + latency)
    return max(*ends, outcome.longest_chain * latency, latency)


def records(name: str, pages: int, seed: int) -> list[int]:
    """Return times that fill ``pages`` pages, the last one partly."""
    rng = random.Random(f"{name}{pages}{seed}")
    return DISTRIBUTIONS[name](max(0, pages * PAGE - rng.randrange(PAGE)), rng)


# --- the tables --------------------------------------------------------------------------------------------
def measure(
    name: str,
    pages: int,
    seeds: int,
    *,
    latency: float,
    limit: int | None,
    period: float,
    concurrency: int = 8,
    bounded: bool = False,
    known: float | None = None,
    tuning: Tuning | None = None,
) -> tuple[float, ...]:
    """Return the mean of t/opt, t/ser, r/p and extra over some seeds.

    Args:
        bounded: Whether the filter has a lower bound.
        known: How much of the list was read before, the oldest records first; None for nothing.
    """
    rows = []
    for seed in range(seeds):
        times = records(name, pages, seed)
        found = run(
            times,
            latency=latency,
            concurrency=concurrency,
            limit=limit,
            period=period,
            seed=seed,
            floor=times[0] if bounded and times else None,
            tuning=tuning,
            spread=None if known is None else learnt(times[: round(len(times) * known)]),
        )
        best = optimum(found, concurrency, latency, limit, period)
        serial = optimum(found, 1, latency, limit, period)
        extra = found.requests - found.pages
        rows.append((found.seconds / best, found.seconds / serial, found.requests / found.pages, extra))
    return tuple(mean(column) for column in zip(*rows, strict=True))


def learnt(times: list[int]) -> Spread | None:
    """Return what one reading teaches of a list."""
    sampler = Sampler(PAGE)
    sampler.add(times[::-1])
    return sampler.spread()


def table(
    page_counts: list[int],
    seeds: int,
    *,
    limit: int | None,
    period: float = 60.0,
    bounded: bool = False,
    known: float | None = None,
) -> None:
    latency, concurrency = 0.4, 8
    budget = "no budget" if limit is None else f"{limit} requests in {period:g} s"
    kind = ", bounded" * bounded + ("" if known is None else ", second" if known == 1 else ", stale")
    print(f"\n{concurrency} readers, {latency} s a page, {budget}{kind}")
    print(f"{'pages':>16}" + "".join(f"{pages:>28}" for pages in page_counts))
    print(f"{'':>16}" + f"{'t/opt  t/ser    r/p  extra':>28}" * len(page_counts))
    cells = {
        name: [
            measure(
                name,
                pages,
                max(2, seeds if pages < 500 else seeds // 3),
                latency=latency,
                limit=limit,
                period=period,
                bounded=bounded,
                known=known,
            )
            for pages in page_counts
        ]
        for name in DISTRIBUTIONS
    }
    average = [
        tuple(mean(c) for c in zip(*column, strict=True)) for column in zip(*cells.values(), strict=True)
    ]
    for name, row in [*cells.items(), ("mean", average)]:
        print(
            f"{name:>16}" + "".join("{:9.2f}{:7.2f}{:7.3f}{:5.1f}".format(*cell) for cell in row), flush=True
        )


BANDS = ((1, 20), (20, 170), (170, 200), (200, 400), (400, 1000), (1000, 2000))


def compare_with_serial(latency: float, pages: tuple[int, int], runs: int) -> list[float]:
    """Return time of ``auto`` ÷ time of one reader, for lists of random length and distribution."""
    found = []
    for seed in range(runs):
        rng = random.Random(f"{pages}{seed}")
        times = records(rng.choice(list(DISTRIBUTIONS)), rng.randint(*pages), seed)
        serial = run(times, latency=latency, concurrency=1, seed=seed)
        found.append(run(times, latency=latency, concurrency="auto", seed=seed).seconds / serial.seconds)
    return found


def automatic(runs: int) -> None:
    print("\nconcurrency='auto', 180 requests in 60 s: time ÷ serial, mean (worst) by number of pages")
    print(f"{'latency':>16}" + "".join(f"{f'{first}-{last}':>16}" for first, last in BANDS))
    for latency in (0.05, 0.1, 0.2, 0.3, 0.36, 0.5, 1.0):
        rows = [
            compare_with_serial(latency, band, runs if band[1] < 500 else max(2, runs // 3)) for band in BANDS
        ]
        print(f"{latency:>14} s" + "".join(f"{mean(row):>9.2f} ({max(row):.2f})" for row in rows), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate the concurrent reading of one list.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs: a few seconds")
    seeds = 2 if parser.parse_args().quick else 20
    table([0, 1, 3, 10, 20, 35], seeds, limit=None)
    table([50, 100, 160, 400], seeds, limit=None)
    table([20, 50, 160], seeds, limit=180, bounded=True)
    table([50, 160], seeds, limit=180)
    table([20, 50, 160], seeds, limit=180, known=1.0)
    table([20, 50, 160], seeds, limit=180, known=0.9)
    table([160, 1000], seeds, limit=180, period=6.0)
    table([1000], seeds, limit=180)
    automatic(seeds * 4)


if __name__ == "__main__":
    main()
