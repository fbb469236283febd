"""What a sandbox, and the faults it is given, can be made with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox.quirks import QUIRKS

_Rule = tuple[Callable[[Any], bool], str]


def _at_least(least: int) -> _Rule:
    return (lambda value: type(value) is int and value >= least), f"a whole number from {least}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and 0 <= value < math.inf


def _is_rate(value: Any) -> bool:
    try:
        most, seconds = value
    except (TypeError, ValueError):
        return False
    return type(most) is int and most > 0 and _is_seconds(seconds) and seconds > 0


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and value != "" and all("!" <= character <= "~" for character in value)


def _is_port(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 65_535


def _are_quirks(value: Any) -> bool:
    try:
        return not isinstance(value, str) and set(value) <= QUIRKS.keys()
    except TypeError:
        return False


_RULES: Final[Mapping[str, _Rule]] = {
    "port": (_is_port, "a whole number from 0 to 65535"),
    "control": (lambda value: value is None or _is_port(value), "a port from 0 to 65535, or None"),
    "api_key": (_is_key, "visible ASCII characters without spaces"),
    "read_only_key": (lambda value: value is None or _is_key(value), "visible ASCII without spaces, or None"),
    "records": _at_least(0),
    "rate_limit": (lambda value: value is None or _is_rate(value), "a pair such as (180, 60.0), or None"),
    "retry_after": (lambda value: value in {"none", "seconds", "date"}, "'none', 'seconds' or 'date'"),
    "latency": (_is_seconds, "a number of seconds from 0"),
    "page_size": _at_least(1),
    "quirks": (_are_quirks, f"a set of {', '.join(QUIRKS)}"),
    "seconds": (_is_seconds, "a number of seconds from 0"),
    "probability": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
}


def check_arguments(**arguments: object) -> None:
    """Check arguments of a ``Sandbox`` or of a fault, by their names.

    Raises:
        ConfigurationError: One is invalid; the message says what would be right, and repeats no key.
    """
    for name, value in arguments.items():
        fits, right = _RULES[name]
        if not fits(value):
            shown = "" if name.endswith("_key") else f", not {value!r:.60}"
            raise ConfigurationError(f"{name} takes {right}{shown}")
    if "api_key" in arguments and arguments["api_key"] == arguments.get("read_only_key"):
        raise ConfigurationError("read_only_key is the api_key, which may create too: give another one")
