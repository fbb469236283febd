"""Checks of arguments that several rooms need."""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from timezest_async.errors import ConfigurationError, InvalidRequestError

LONGEST: Final = 1e9
"""Seconds beyond which nothing is waited for: some 30 years."""


def key_problem(api_key: object) -> str | None:
    """Say what is wrong with an API key, without a word of it; None if nothing is."""
    if not isinstance(api_key, str):
        return f"The API key is {'missing' if api_key is None else 'not text but ' + type(api_key).__name__}."
    if not api_key.strip():
        return "The API key is empty."
    if api_key != api_key.strip():
        return "The API key begins or ends with white space, such as a line break: strip it."
    if any(character.isspace() for character in api_key):
        return "The API key contains white space: give the bare key, without 'Bearer' or quotes."
    if not all("!" <= character <= "~" for character in api_key):
        return (
            "The API key contains a character that no HTTP header may carry: only visible ASCII can be sent."
        )
    return None


def check_seconds(name: str, value: object, *, zero_allowed: bool = False) -> float:
    """Return a number of seconds above 0 (or at least 0), or raise ConfigurationError."""
    if _are_seconds(value) and (value > 0 or zero_allowed):
        return float(value)
    least = "from 0" if zero_allowed else "above 0"
    raise ConfigurationError(f"{name} is {value!r:.60}: give a number of seconds {least}.")


def check_count(name: str, value: Any, *, minimum: int = 1) -> int:
    """Return a whole number of at least ``minimum``, or raise ConfigurationError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ConfigurationError(f"{name} is {value!r}: give a whole number, {minimum} or more.")
    return value


def check_concurrency(concurrency: object) -> None:
    """Check a number of readers.

    Raises:
        InvalidRequestError: It is neither ``"auto"`` nor a whole number from 1.
    """
    if concurrency != "auto" and (type(concurrency) is not int or concurrency < 1):
        raise InvalidRequestError(f'concurrency takes a whole number from 1, or "auto", not {concurrency!r}')


def check_limit(limit: object) -> None:
    """Check a number of records.

    Raises:
        InvalidRequestError: It is neither None nor a whole number from 0.
    """
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidRequestError(f"limit takes a whole number from 0, or None for all, not {limit!r}")


def check_deadline(deadline: object, name: str = "deadline", absent: str = "the client's own") -> None:
    """Check the seconds for one call.

    Args:
        deadline: They, or None.
        name: What the argument is called.
        absent: What None stands for.

    Raises:
        InvalidRequestError: It is neither None nor a number above 0.
    """
    if deadline is not None and not (_are_seconds(deadline) and deadline > 0):
        raise InvalidRequestError(
            f"{name} takes a number of seconds above 0, or None for {absent}, not {deadline!r:.100}"
        )


def check_settle(settle: object) -> None:
    """Check the seconds within which a create shows.

    Raises:
        InvalidRequestError: It is not a number from 0.
    """
    if not _are_seconds(settle):
        raise InvalidRequestError(f"settle takes a number of seconds from 0, not {settle!r:.100}")


def _are_seconds(value: object) -> TypeGuard[float]:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= LONGEST
