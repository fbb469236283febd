"""Any filter as the AND-only queries that the service can answer, whose records together are its records.

The expression, whose negations stand at its leaves already, is brought into disjunctive normal form from
the leaves up. Each step is simplified before the next, so that what the expression's size promises and its
meaning does not keep is never written out. ``conjunctions`` knows what one query means; here is what
several mean together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from timezest_async.errors import FilterError, UnsupportedFilterError
from timezest_async.tql.atoms import Atom, Key, normalize
from timezest_async.tql.conjunctions import Conjunction, conjoin
from timezest_async.tql.nodes import And, Expression, Or, Predicate, is_expression
from timezest_async.tql.operators import Operator
from timezest_async.tql.traversal import fold, nodes

MAX_QUERIES: Final = 32
"""How many queries one filter may become unless told otherwise."""


@attrs.frozen
class Plan:
    """The queries that say a filter together; a record may be found by more than one of them.

    Attributes:
        queries: Predicates, raw text, or ``And`` of these, in the order of first appearance.
    """

    queries: tuple[Expression[Any], ...]

    @property
    def is_empty(self) -> bool:
        """Whether the filter can match nothing, so that nothing needs to be asked."""
        return not self.queries

    def __len__(self) -> int:
        return len(self.queries)

    def __iter__(self) -> Iterator[Expression[Any]]:
        return iter(self.queries)


def plan(expression: Expression[Any], *, max_queries: int = MAX_QUERIES) -> Plan:
    """Turn a filter into AND-only queries that together match exactly what it matches.

    Equalities and ``IN`` on one attribute are merged or intersected, bounds tightened, and queries dropped
    that can match nothing or only what another one matches. The result is small, but not always the
    smallest. Null attributes satisfy no comparison, so that ``x | ~x`` is not everything.

    Args:
        expression: Any filter, of any depth.
        max_queries: How many queries are acceptable, from 1 on.

    Raises:
        UnsupportedFilterError: More than ``max_queries`` would be needed, or so many on the way to the
            result that the rest is not worked out.
        FilterError: It is not an expression, or ``max_queries`` is not a whole number from 1 on.
    """
    if type(max_queries) is not int or max_queries < 1:
        raise FilterError(f"max_queries is a whole number from 1 on, not {max_queries!r}")
    if _is_simple(expression):
        return Plan((normalize(expression),))
    if not is_expression(expression):
        raise FilterError(
            f'tql.plan() takes an expression such as F.status == "new", not {expression!r}; tql.parse(...) '
            "reads text"
        )
    size = sum(1 for _ in nodes(expression))
    found = _Planner(size, max_queries).plan(expression)
    if found is None:
        raise _refusal(
            expression, f"more than {max_queries} queries (as far as it was worked out)", max_queries
        )
    if len(found) > max_queries:
        raise _refusal(expression, f"{len(found)} queries", max_queries)
    found.sort(key=lambda conjunction: conjunction.positions)
    return Plan(tuple([conjunction.to_expression() for conjunction in found]))


def _is_simple(expression: Expression[Any]) -> bool:
    """Return whether a filter is a query as it stands: a predicate, or one for each of several attributes."""
    if type(expression) is Predicate:
        return True
    if type(expression) is not And:
        return False
    attributes: set[str] = set()
    for term in expression.terms:
        if type(term) is not Predicate or term.operator is Operator.IN:
            return False
        attributes.add(term.attribute.path)
    return len(attributes) == len(expression.terms)


def _refusal(expression: Expression[Any], needed: str, max_queries: int) -> UnsupportedFilterError:
    choices = [node for node in nodes(expression) if isinstance(node, Or)]
    widest = max(choices, key=lambda node: len(node.terms))
    shown = " | ".join("(…)" if term.terms else f"({term!r})" for term in widest.terms[:5])
    if len(widest.terms) > 5 or len(shown) > 200:
        shown = f"{shown[:200]} …"
    return UnsupportedFilterError(
        f"TQL has no OR: without it, this filter takes {needed} (max_queries is {max_queries}); "
        f"its widest | joins {len(widest.terms)} expressions: {shown}"
    )


class _TooMuchError(Exception):
    """The allowance is used up."""


class _Planner:
    """One run of ``plan``, with an allowance of work, so that no filter can take long.

    Counted are conjunctions joined with or compared with one another. The allowance grows with the size of
    large filters (in nodes), and with the queries accepted. Nor may any part of the filter need very many
    conjunctions, although what it is joined with could contradict most of them.
    """

    def __init__(self, size: int, max_queries: int) -> None:
        self._allowance = max(1_600, 8 * size) + max_queries**2 // 4
        self._widest = 500 + 4 * max_queries
        self._position = 0

    def plan(self, expression: Expression[Any]) -> list[Conjunction] | None:
        """Return the conjunctions that say the expression together; None where that is too much work."""
        try:
            return fold(expression, self._leaf, self._join)
        except _TooMuchError:
            return None

    def _spend(self, steps: int) -> None:
        self._allowance -= steps
        if self._allowance < 0:
            raise _TooMuchError

    def _leaf(self, leaf: Expression[Any]) -> list[Conjunction]:
        self._position += 1
        return [Conjunction.of(Atom(normalize(leaf), self._position))]

    def _join(self, junction: Expression[Any], parts: list[list[Conjunction]]) -> list[Conjunction]:
        if isinstance(junction, Or):
            return self._simplify([conjunction for part in parts for conjunction in part])
        # What leaves no choice goes first: it may rule out many of the choices.
        certain = conjoin([part[0] for part in parts if len(part) == 1])
        if certain is None or not all(parts):
            return []
        joined = [certain]
        for part in _most_related_first((part for part in parts if len(part) > 1), set(certain.paths)):
            joined = self._distribute(joined, part)
        return joined

    def _distribute(self, left: list[Conjunction], right: list[Conjunction]) -> list[Conjunction]:
        """Join each with each by AND."""
        self._spend(len(left) * len(right))
        pairs = [conjoin((a, b)) for a in left for b in right]
        joined = [pair for pair in pairs if pair is not None]
        # Conjunctions about other attributes neither contradict nor absorb each other.
        return joined if _attributes(left).isdisjoint(_attributes(right)) else self._simplify(joined)

    def _simplify(self, conjunctions: list[Conjunction]) -> list[Conjunction]:
        """Merge and absorb conjunctions joined by OR until neither finds more."""
        while True:
            before = len(conjunctions)
            distinct: dict[frozenset[Key], Conjunction] = {}
            for conjunction in conjunctions:
                distinct.setdefault(conjunction.keys, conjunction)
            conjunctions = self._absorb(self._merge(list(distinct.values())))
            if len(conjunctions) == before:
                return conjunctions

    def _merge(self, conjunctions: list[Conjunction]) -> list[Conjunction]:
        """Make one ``IN`` of equalities and ``IN``s on one attribute in otherwise equal conjunctions."""
        alike: dict[tuple[str, frozenset[Key]], list[tuple[int, Atom]]] = {}
        for index, conjunction in enumerate(conjunctions):
            for atom in conjunction.mergeable_atoms():
                others = conjunction.keys - {atom.key}
                alike.setdefault((atom.path, others), []).append((index, atom))
        merged: dict[int, Conjunction | None] = {}
        for members in alike.values():
            free = [(index, atom) for index, atom in members if index not in merged]
            if len(free) > 1:
                free.sort(key=lambda member: member[1].position)
                index, first = free[0]
                values = dict.fromkeys(value for _, atom in free for value in atom.listed_values())
                merged |= dict.fromkeys([i for i, _ in free])
                merged[index] = conjunctions[index].replacing(first, first.with_values(values))
        candidates = [merged.get(index, c) for index, c in enumerate(conjunctions)]
        return [c for c in candidates if c is not None]

    def _absorb(self, conjunctions: list[Conjunction]) -> list[Conjunction]:
        """Leave out each conjunction that implies another one."""
        kept: list[Conjunction] = []
        for conjunction in conjunctions:
            self._spend(1 + len(kept) // 3)
            paths = conjunction.paths
            if not any(other.paths <= paths and conjunction.implies(other) for other in kept):
                kept = [other for other in kept if not (paths <= other.paths and other.implies(conjunction))]
                kept.append(conjunction)
            if len(kept) > self._widest:
                raise _TooMuchError
        return kept


def _most_related_first(parts: Iterable[list[Conjunction]], known: set[str]) -> Iterator[list[Conjunction]]:
    """Yield next what is most about the attributes known so far: what is may contradict or absorb it."""
    kin: dict[frozenset[str], list[list[Conjunction]]] = {}
    for part in parts:
        kin.setdefault(frozenset(_attributes(part)), []).append(part)
    while kin:
        attributes = max(kin, key=lambda paths: len(paths & known) / len(paths))
        yield from sorted(kin.pop(attributes), key=len)
        known |= attributes


def _attributes(conjunctions: Iterable[Conjunction]) -> set[str]:
    return set[str]().union(*[conjunction.paths for conjunction in conjunctions])
