"""Queries as they are kept in memory: text is written where a URL or a checkpoint needs it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final

import attrs

from timezest_async import tql
from timezest_async.errors import FilterError

_CREATED_AT: Final = tql.scheduling_request.created_at
_LOWER_BOUNDS: Final = {tql.Operator.GT, tql.Operator.GTE, tql.Operator.EQ}
_UPPER_BOUNDS: Final = {tql.Operator.LT, tql.Operator.LTE, tql.Operator.EQ}


@attrs.frozen
class Query:
    """An AND-only query of one list.

    Attributes:
        text: Its TQL, ``""`` for all records.
        expression: What it says; None for all records, and for text that is sent as the user wrote it.
    """

    text: str = ""
    expression: tql.Expression[Any] | None = None

    @classmethod
    def of(cls, expression: tql.Expression[Any]) -> Query:
        """Make a query of an AND-only expression."""
        text = tql.render(expression)
        return cls(text, expression) if expression.is_negatable else cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Query:
        """Read a query back from a checkpoint."""
        try:
            expression = tql.parse(text) if text else None
            if expression is None or tql.render(expression) != text:
                return cls(text)
        except FilterError:
            return cls(text)
        return cls(text, expression)

    @property
    def is_narrowable(self) -> bool:
        """Whether bounds can be added to it, as they cannot to raw text."""
        return self.expression is not None or not self.text

    @property
    def floor(self) -> int | None:
        """The oldest ``created_at`` (epoch seconds, UTC) that it admits; None where it does not say so."""
        return max(self._bounds(_LOWER_BOUNDS), default=None)

    @property
    def ceiling(self) -> int | None:
        """The newest ``created_at`` (epoch seconds, UTC) that it admits; None where it does not say so."""
        return min(self._bounds(_UPPER_BOUNDS), default=None)

    @property
    def subject(self) -> str:
        """What it asks for, whenever that was created."""
        if self.expression is None:
            return self.text
        terms = self.expression.terms if isinstance(self.expression, tql.And) else (self.expression,)
        return "~AND~".join(sorted(tql.render(term) for term in terms if not _is_of_time(term)))

    def _bounds(self, operators: AbstractSet[tql.Operator]) -> list[int]:
        leaves = () if self.expression is None else tql.leaves(self.expression)
        return [
            leaf.value
            for leaf in leaves
            if isinstance(leaf, tql.Predicate)
            and _is_of_time(leaf)
            and leaf.operator in operators
            and isinstance(leaf.value, int)
        ]

    def narrowed(self, lo: int | None, hi: int | None) -> Query:
        """Add bounds of ``created_at`` (epoch seconds, UTC): from ``lo`` on, and before ``hi``."""
        bounds: list[tql.Expression[Any]] = [
            tql.Predicate(_CREATED_AT, operator, second)
            for operator, second in ((tql.Operator.GTE, lo), (tql.Operator.LT, hi))
            if second is not None
        ]
        if not bounds:
            return self
        return Query.of(tql.all_of(*bounds if self.expression is None else (self.expression, *bounds)))


def _is_of_time(term: tql.Expression[Any]) -> bool:
    return isinstance(term, tql.Predicate) and term.attribute.path == _CREATED_AT.path
