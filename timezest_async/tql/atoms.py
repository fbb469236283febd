"""What one predicate says, in the form in which the planner compares predicates.

Predicates that are written differently and mean the same have the same key here.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any, Final, TypeAlias, cast

from timezest_async.tql.nodes import Expression, Predicate
from timezest_async.tql.operators import LEGAL, Kind, Operator

Key: TypeAlias = tuple[str, Operator | None, Any]
"""Attribute path, operator and value: equal for leaves that mean the same."""

Interval: TypeAlias = tuple[float, float]
"""The first and the last instant of a stretch, in halves (see ``_interval``)."""

UNBOUNDED: Final = (-inf, inf)
"""The interval that nothing is known about."""

_EQUALITIES: Final = {Operator.EQ: Operator.IN, Operator.NOT_EQ: Operator.NOT_IN}


def normalize(leaf: Expression[Any]) -> Expression[Any]:
    """Write a one-element ``IN`` as ``EQ``, except on ticket numbers, where the two differ."""
    if (
        isinstance(leaf, Predicate)
        and leaf.operator is Operator.IN
        and isinstance(leaf.value, tuple)
        and len(leaf.value) == 1
        and not leaf.attribute.is_ticket_number
    ):
        return leaf.with_operator(Operator.EQ, leaf.value[0])
    return leaf


class Atom:
    """A predicate or raw text, with what it is compared by.

    Attributes:
        leaf: The node to send.
        position: Where the node first appears in the expression: atoms of a query keep that order.
        path: The attribute's full name; empty for raw text, about which nothing is known.
        operator: ``IN`` or ``NOT_IN`` also where the leaf says ``EQ`` or ``NOT_EQ`` and means the same.
        values: What ``IN`` or ``NOT_IN`` lists; empty for other operators.
        interval: What an atom about a timestamp or number speaks of.
        key: Equal for atoms that mean the same.
        is_mergeable: Whether an ``IN`` can list its values together with those of another.
    """

    __slots__ = ("interval", "is_mergeable", "key", "leaf", "operator", "path", "position", "values")

    path: str
    operator: Operator | None
    key: Key

    def __init__(self, leaf: Expression[Any], position: int) -> None:
        self.leaf: Expression[Any] = leaf
        self.position: int = position
        self.values: frozenset[str | bool] = frozenset()
        self.interval: Interval = UNBOUNDED
        self.is_mergeable: bool = False
        if isinstance(leaf, Predicate):
            self._read(leaf)
        else:
            self.path, self.operator, self.key = "", None, ("", None, leaf)

    def _read(self, predicate: Predicate[Any]) -> None:
        attribute, operator, value = predicate.attribute, predicate.operator, predicate.value
        meaning: object = value
        if isinstance(value, tuple):
            meaning = self.values = frozenset(value)
        elif isinstance(value, str):
            if attribute.is_ticket_number and operator in _EQUALITIES:
                meaning = value.removeprefix("#")
            elif operator in _EQUALITIES and Operator.IN in LEGAL[attribute.kind]:
                operator = _EQUALITIES[operator]
                meaning = self.values = frozenset((value,))
        elif isinstance(value, bool):
            # There is no IN on these, but `!= True` says what `== False` says.
            meaning = self.values = frozenset((value if operator is Operator.EQ else not value,))
            operator = Operator.IN
        elif attribute.kind is not Kind.ID:
            self.interval = _interval(operator, value, is_whole=attribute.kind is Kind.NUMBER)
        self.path = attribute.path
        self.operator = operator
        self.key = (attribute.path, operator, meaning)
        self.is_mergeable = operator is Operator.IN and Operator.IN in LEGAL[attribute.kind]

    def listed_values(self) -> tuple[str, ...]:
        """Return the values of a mergeable atom in the order written."""
        value = cast("str | tuple[str, ...]", cast("Predicate[Any]", self.leaf).value)
        return value if isinstance(value, tuple) else (value,)

    def with_values(self, values: Iterable[str]) -> Atom:
        """Return the atom that lists other values, one or more, in the place of this mergeable one."""
        predicate = cast("Predicate[Any]", self.leaf)
        return Atom(normalize(predicate.with_operator(Operator.IN, tuple(values))), self.position)


def _interval(operator: Operator, value: int, *, is_whole: bool) -> Interval:
    """Return the instants that a comparison speaks of, in halves.

    ``2 * n`` stands for exactly ``n`` and ``2 * n + 1`` for all that lies between ``n`` and ``n + 1``, since
    the service may keep times finer than the whole seconds it shows (LIVE_API.md, unverified). Whether EQ
    then looks at the time kept or at the one shown is unknown, so its interval covers both.
    """
    point = 2 * value
    beside = 2 if is_whole else 1
    if operator is Operator.LT:
        return -inf, point - beside
    if operator is Operator.LTE:
        return -inf, point
    if operator is Operator.GT:
        return point + beside, inf
    if operator is Operator.GTE:
        return point, inf
    return point, point + 2 - beside


def overlap(a: Interval, b: Interval) -> bool:
    """Return whether two stretches share an instant."""
    return a[0] <= b[1] and b[0] <= a[1]


def within(inner: Interval, outer: Interval) -> bool:
    """Return whether a stretch lies in another one."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]
