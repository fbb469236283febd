"""When the requests that a filter admits may have been created."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any, TypeAlias

from timezest_async.tql import And, Expression, Operator, Predicate
from timezest_async.tql.traversal import fold

Span: TypeAlias = tuple[float, float]
"""The first and the last moment, in epoch seconds (UTC); infinite where nothing is said."""

ALWAYS: Span = (-inf, inf)


def created_spans(filter: Expression[Any] | None) -> tuple[Span, ...]:
    """Return the spans of ``created_at`` that a filter admits, oldest first; none where it admits nothing."""
    if filter is None:
        return (ALWAYS,)
    spans: list[Span] = fold(filter, _of_leaf, _of_junction)
    return tuple(spans)


def _of_leaf(leaf: Expression[Any]) -> list[Span]:
    if not isinstance(leaf, Predicate) or leaf.attribute.name != "created_at":
        return [ALWAYS]
    value: Any = leaf.value
    match leaf.operator:
        case Operator.EQ:
            return [(value, value)]
        case Operator.GT | Operator.GTE:
            return [(value, inf)]
        case Operator.LT:
            return [(-inf, value - 1)]
        case Operator.LTE:
            return [(-inf, value)]
        case _:
            return [ALWAYS]


def _of_junction(node: Expression[Any], terms: list[list[Span]]) -> list[Span]:
    if not isinstance(node, And):
        return _joined(span for term in terms for span in term)
    common = [ALWAYS]
    for term in terms:
        met = ((max(a, c), min(b, d)) for a, b in common for c, d in term)
        common = _joined(span for span in met if span[0] <= span[1])
    return common


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
