"""What the package says to a Python program, said to somebody at a shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_OPTIONS: Final[Mapping[str, str]] = {
    "api_key": "--api-key",
    "base_url": "--base-url",
    "max_requests": "--max-requests",
    "RedisRateLimiter": "--redis",
    "format=...": "--format",
    "other_key=True": "--other-key",
    "overwrite=True": "--overwrite",
    "resume=True": "--resume FILE",
}
_PHRASES: Final[Mapping[str, str]] = {
    "redis is not a URL": "--redis is not a URL",
    ", or a redis.asyncio.Redis": "",
    "let each process go on with a share of its own: RedisRateLimiter(..., on_unavailable='local')": (
        "leave --redis out"
    ),
    ": await error.find_candidates(client)": "",
    ", or wait for it with wait=True": "",
}


def in_options(message: str, also: Mapping[str, str] | None = None) -> str:
    """Return a message that names options where a message names Python's parameters.

    Args:
        message: The message of an error.
        also: More parameters, and their options.
    """
    for phrase, said in _PHRASES.items():
        message = message.replace(phrase, said)
    options = {**_OPTIONS, **(also or {})}
    longest_first = "|".join(map(re.escape, sorted(options, key=len, reverse=True)))
    names = re.compile(rf"(?<![\w-])({longest_first})(?:=\.\.\.)?(?!\w)")
    return names.sub(lambda match: options[match[1]], message)
