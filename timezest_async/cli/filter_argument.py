"""Filters as the commands take them: read, with a warning where they can hardly find what is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final

from timezest_async import AgentRole, Expression, Operator, Predicate, Status, UnsupportedFilterError, tql
from timezest_async.cli import terminal

_DOCUMENTED: Final[Mapping[str, type[StrEnum]]] = {
    "scheduling_request.status": Status,
    "agent.role": AgentRole,
}
"""Attributes that hold one of a few words, as far as these are documented."""


def read_filter(text: str, entity: str = "scheduling_request") -> Expression[Any]:
    """Read TQL text, and warn on stderr as ``warn_of`` does.

    Raises:
        FilterError: It cannot be read.
    """
    expression = tql.parse(text, entity=entity)
    warn_of(expression)
    return expression


def warn_of(expression: Expression[Any], say: Callable[[str], None] = terminal.say) -> None:
    """Warn on stderr of words that the service does not document, and of what nothing can match.

    Args:
        expression: The filter.
        say: Writes a line.
    """
    for leaf in tql.leaves(expression):
        if isinstance(leaf, Predicate) and leaf.attribute.path in _DOCUMENTED:
            _warn_of_words(leaf, list(_DOCUMENTED[leaf.attribute.path]), say)
    with suppress(UnsupportedFilterError):  # who sends it says so
        if tql.plan(expression).is_empty:
            say("Warning: nothing can match this filter: its conditions contradict each other")


def _warn_of_words(leaf: Predicate[Any], words: list[str], say: Callable[[str], None]) -> None:
    values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    is_part = leaf.operator in {Operator.LIKE, Operator.NOT_LIKE}
    name = leaf.attribute.name
    for value in map(str, values):
        if value in words or (is_part and any(value.casefold() in word for word in words)):
            continue
        near = get_close_matches(value.casefold(), words, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        say(f"Warning: {name} {value!r} is none of the documented {', '.join(words)}{meant}")
