"""Checks of arguments that several rooms need."""

from __future__ import annotations

from typing import Any, Final

from timezest_async.errors import ConfigurationError

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
    if (
        not isinstance(value, bool)
        and isinstance(value, int | float)
        and (0 < value <= LONGEST or (zero_allowed and value == 0))
    ):
        return float(value)
    least = "0 or more" if zero_allowed else "above 0"
    raise ConfigurationError(f"{name} is {value!r}: give a number of seconds, {least}.")


def check_count(name: str, value: Any, *, minimum: int = 1) -> int:
    """Return a whole number of at least ``minimum``, or raise ConfigurationError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ConfigurationError(f"{name} is {value!r}: give a whole number, {minimum} or more.")
    return value
