"""What a process asks Redis: who waits, what became of whom, and what Redis may have forgotten."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

import attrs

from timezest_async.budget.pauses import FIRST_PAUSE, LONGEST_PAUSE
from timezest_async.budget.redis.script import MICROSECONDS, Question
from timezest_async.budget.redis.state import LastAnswer, Memory, News, Terms
from timezest_async.budget.slots import LOST_GRACE
from timezest_async.errors import TimeZestError

PATIENCE = 0.5
"""Seconds by which a process may ask later than promised before others go first."""
SETTLING = 1.0
"""Seconds by which the others may tell later than promised what Redis has forgotten, or never knew."""
CLOCK_TOLERANCE = 0.05
"""Seconds by which Redis's clock may seem to jump, beside what the network adds."""
MOST_IN_LINE = 250
"""Requests of one process in the common line: what one question carries. Others wait behind them."""
NEVER_SENT = -1


@attrs.define(eq=False)
class Waiter:
    """A request that waits for its turn.

    Attributes:
        number: Its place among those of this process that have no ticket, or the same.
        name: Its name in Redis, and then that of its slot.
        ticket: Its place among all; 0 until Redis has given it one.
        outcome: None once it may be sent, or what went wrong.
        within: Seconds that it can wait.
        latest: When, by the coordinator's clock, it is too late for it.
        pause: The number of the last pause before its slot.
    """

    number: int
    name: str
    ticket: int
    outcome: asyncio.Future[TimeZestError | None]
    within: float
    latest: float
    pause: int = 0

    def place(self) -> tuple[float, int]:
        """Return what to sort by."""
        return self.ticket or math.inf, self.number


def question(
    client: str,
    fresh: str,
    terms: Terms,
    memory: Memory,
    last_answer: LastAnswer,
    *,
    now: float,
    unreported: Mapping[str, bool],
    news: News,
    wanted: Sequence[Waiter],
    unsure: bool,
) -> Question:
    """Put a question together.

    Args:
        client: Who asks.
        fresh: What to call Redis's memory should it be new.
        terms: The budget's.
        memory: What this process has sent.
        last_answer: What it knows of Redis.
        now: The time, by the process's clock.
        unreported: Names of requests to tell of, each with whether it was sent.
        news: What else became of requests.
        wanted: Who waits, first come first.
        unsure: Whether others may have sent what Redis does not know.
    """
    window = _microseconds(terms.window)
    # Whoever has nothing to remember does not mind what Redis has forgotten.
    known = last_answer.epoch if memory or now - last_answer.heard_at < terms.window else ""
    return Question(
        client=client,
        epoch=known,
        replaces=last_answer.replaces,
        fresh=fresh,
        seen=last_answer.seen,
        earliest=last_answer.seen + _microseconds(now - last_answer.heard_at) if known else 0,
        latest=last_answer.seen + _microseconds(now - last_answer.asked_at) if known else 0,
        slack=_microseconds(CLOCK_TOLERANCE + last_answer.round_trip),
        settling=_microseconds(terms.poll + SETTLING) if unsure else 0,
        max_requests=terms.max_requests,
        period=_microseconds(terms.period),
        settled=[
            (name, _microseconds(memory.counts_for(name)) if sent else NEVER_SENT)
            for name, sent in unreported.items()
        ],
        pause=_microseconds(news.pause),
        answered=news.answered,
        lost=news.lost,
        refused=news.refused,
        unsaid=news.unsaid,
        first_pause=_microseconds(FIRST_PAUSE * terms.period),
        longest_pause=_microseconds(LONGEST_PAUSE * terms.period),
        wanted=[(waiter.name, waiter.ticket, _to_spare(waiter, now)) for waiter in wanted],
        hold=_microseconds(terms.lease + LOST_GRACE) + window,
        window=window,
        poll=_microseconds(terms.poll),
        patience=_microseconds(PATIENCE),
    )


def _to_spare(waiter: Waiter, now: float) -> int:
    """Return the microseconds that a request can still wait, or -1."""
    return -1 if waiter.latest == math.inf else max(0, _microseconds(waiter.latest - now))


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
