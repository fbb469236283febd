"""When a request is sent again, and how long after.

Which errors deserve it, each error says itself (``retryable``); a create's errors are sorted before
they come here. stamina does the repeating, so that its testing mode, its instrumentation and
``set_active(False)`` work as its users know them. Only its own way of logging is left out: retries are
logged here, with what is asked and why it failed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from timezest_async.errors import APIStatusError, RateLimitedError, TimeZestError

T = TypeVar("T")

_logger = logging.getLogger("timezest_async")

FIRST_BACK_OFF = 0.1
"""Seconds; the upper bound of the back-off before retry n is this times two to the n."""
MAX_BACK_OFF = 8.0
"""Seconds that no back-off exceeds, unless the service asks for more."""
RETRY_AFTER_SPREAD = 0.1
"""Seconds at most by which Retry-After is exceeded, so that not everybody comes back at once."""
MAX_RETRY_AFTER = 120.0
"""Seconds of Retry-After beyond which nobody waits who has set no deadline."""


def back_off(retry: int, retry_after: float | None, random: Callable[[], float]) -> float:
    """Return the seconds to wait before retry ``retry`` (1, 2, …).

    Args:
        retry: Which retry it is.
        retry_after: What the service asked for, in seconds, or None.
        random: Returns numbers from 0 to 1.
    """
    if retry_after is not None:
        return retry_after + RETRY_AFTER_SPREAD * random()
    return random() * min(MAX_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(retry, 16))


def not_worth_waiting(wait: float, retry_after: float | None, remaining: float | None) -> bool:
    """Return whether waiting cannot help: it would outlast the deadline, or be unreasonably long.

    Args:
        wait: The seconds to be waited.
        retry_after: The part of it that the service asked for, or None.
        remaining: Seconds up to the deadline; None where there is none.
    """
    if remaining is not None:
        return max(wait, retry_after or 0.0) >= remaining
    return retry_after is not None and retry_after > MAX_RETRY_AFTER


def is_testing() -> bool:
    """Return whether stamina's testing mode removes every back-off."""
    # Lazy, as below: only a failure needs it.
    import stamina  # noqa: PLC0415

    return stamina.is_testing()


def is_active() -> bool:
    """Return whether stamina sends again, and waits before that."""
    import stamina  # noqa: PLC0415

    return stamina.is_active() and not stamina.is_testing()


async def with_retries(
    attempt: Callable[[int], Awaitable[T]],
    *,
    max_attempts: int,
    random: Callable[[], float],
    remaining: Callable[[], float | None],
    asked: str,
) -> T:
    """Make attempts until one succeeds, or its error is one that stays.

    Each retry is logged to ``timezest_async`` at INFO, giving up at WARNING.

    Args:
        attempt: Makes attempt number 1, 2, … and raises a TimeZestError where it fails.
        max_attempts: How many attempts there are at most.
        random: Returns numbers from 0 to 1.
        remaining: Returns the seconds up to the deadline, or None.
        asked: Method and route, for the log.

    Raises:
        TimeZestError: The last attempt's.
    """
    try:
        return await attempt(1)
    except TimeZestError as error:
        if not error.retryable:
            raise
        failure = error

    number = 1

    def delay(error: Exception) -> bool | float:
        if not isinstance(error, TimeZestError) or not error.retryable:
            return False
        retry_after = error.retry_after if isinstance(error, APIStatusError) else None
        wait = back_off(number, retry_after, random)
        if not_worth_waiting(wait, retry_after, remaining()):
            return False
        # After a 429 the limiter itself does the waiting, with this request at the head of its line:
        # slept here, it would come back to a line that has moved on.
        return 0.0 if isinstance(error, RateLimitedError) else wait

    # Entered only now: it costs more than a request that succeeds can afford.
    import stamina  # noqa: PLC0415

    logging.getLogger("stamina").addFilter(_is_not_ours)
    trials = stamina.retry_context(on=delay, attempts=max_attempts, timeout=None)
    try:
        async for trial in trials.with_name(f"{_OURS}{asked}", (), {}):
            with trial:
                number = trial.num
                if number == 1:
                    raise failure
                log_retry(asked, failure.retries_taken + 1, failure)
                try:
                    return await attempt(number)
                except TimeZestError as error:
                    failure = error
                    raise
    except TimeZestError:
        # Refusals for the budget are not among stamina's attempts, but the error counts them.
        if taken := failure.retries_taken:
            _logger.warning("%s: attempt %d failed (%s); given up.", asked, taken + 1, _reason(failure))
        raise
    raise AssertionError("stamina ends with a result or an error")  # pragma: no cover


def log_retry(asked: str, number: int, error: TimeZestError) -> None:
    """Log that a request is sent again.

    Args:
        asked: Method and route.
        number: Which attempt failed.
        error: Why.
    """
    _logger.info("%s: attempt %d failed (%s); sent again.", asked, number, _reason(error))


def _reason(error: TimeZestError) -> str:
    """Return an error in one line: what a service says must not look like lines of a log."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


_OURS = "timezest_async: "


def _is_not_ours(record: logging.LogRecord) -> bool:
    """Drop what stamina logs of our retries, a bare word on stderr where nobody has configured logging."""
    return not str(getattr(record, "stamina.callable", "")).startswith(_OURS)
