"""Random filters, for the tests of every room: hypothesis strategies, and a plain generator for big counts.

The narrow values are few and near each other, so that facts repeat, touch and contradict; the wide ones are
whatever an attribute takes.
"""

from __future__ import annotations

import random
from typing import Any, TypeAlias

from hypothesis import strategies as st

from timezest_async import tql
from timezest_async.tql.operators import LEGAL, Kind, Operator
from timezest_async.tql.schema import SCHEMAS, attributes_of

ENTITIES = tuple(SCHEMAS)
ATTRIBUTES = {entity: tuple(attributes_of(table).values()) for entity, table in SCHEMAS.items()}

NARROW_TEXTS = ("new", "sent", "ne", "#12", "12")
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799

Tree: TypeAlias = tuple[Any, ...]
"""``("leaf", attribute, operator, value)``, ``("not", tree)``, ``("and", *trees)`` or ``("or", *trees)``."""


def texts(max_size: int = 30) -> st.SearchStrategy[str]:
    """Any text that a value may hold: neither control characters nor lone surrogates."""
    awkward = st.sampled_from(
        [
            "",
            "AND",
            "or",
            "Not",
            "a~b",
            'say "hi"',
            "back\\slash",
            "a,b",
            "(x)",
            " pad ",
            "#1",
            "\u00a0",
            "\u2028",
        ]
    )
    return awkward | st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=max_size)


def values(attribute: Any, operator: Operator) -> st.SearchStrategy[Any]:
    """Any value that the attribute takes with the operator."""
    if operator.takes_list:
        return st.lists(texts(), min_size=1, max_size=5)
    if attribute.kind is Kind.BOOLEAN:
        return st.booleans()
    if attribute.kind is Kind.TIMESTAMP:
        return st.integers(FIRST_SECOND, LAST_SECOND)
    if attribute.kind is Kind.NUMBER or (attribute.kind is Kind.ID and attribute.value_type is int):
        return st.integers(-(2**63), 2**63 - 1)
    return texts()


@st.composite
def predicates(draw: st.DrawFn, entity: str = "scheduling_request") -> Any:
    """One comparison with any value."""
    attribute = draw(st.sampled_from(ATTRIBUTES[entity]))
    operator = draw(st.sampled_from(LEGAL[attribute.kind]))
    return attribute.operate(operator, draw(values(attribute, operator)))


def conjunctions(entity: str = "scheduling_request", max_size: int = 5) -> st.SearchStrategy[Any]:
    """What one query can say."""
    return st.lists(predicates(entity), min_size=1, max_size=max_size).map(lambda terms: tql.all_of(*terms))


def expressions(entity: str = "scheduling_request", max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any filter on the entity."""
    return st.recursive(
        predicates(entity),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=4).map(lambda terms: tql.all_of(*terms))
            | st.lists(inner, min_size=1, max_size=4).map(lambda terms: tql.any_of(*terms))
            | inner.map(lambda term: ~term)
        ),
        max_leaves=max_leaves,
    )


def of_any_entity(strategy: Any) -> st.SearchStrategy[Any]:
    """Draw the entity first, then from ``strategy(entity)``."""
    return st.sampled_from(ENTITIES).flatmap(strategy)


def random_value(rng: random.Random, attribute: Any, operator: Operator) -> Any:
    """A narrow value that the attribute takes with the operator."""
    if operator.takes_list:
        return rng.sample(NARROW_TEXTS, rng.randint(1, 3))
    if attribute.kind is Kind.BOOLEAN:
        return rng.random() < 0.5
    if attribute.kind in {Kind.TIMESTAMP, Kind.NUMBER}:
        return rng.randint(4, 8)
    if attribute.kind is Kind.ID and attribute.value_type is int:
        return rng.randint(1, 3)
    return rng.choice(NARROW_TEXTS)


def random_tree(rng: random.Random, attributes: Any, leaves: int) -> Tree:
    """A tree of so many leaves, of narrow values."""
    if leaves == 1:
        attribute = rng.choice(attributes)
        operator = rng.choice(LEGAL[attribute.kind])
        tree: Tree = ("leaf", attribute, operator, random_value(rng, attribute, operator))
    else:
        parts = rng.randint(2, min(4, leaves))
        cuts = sorted(rng.sample(range(1, leaves), parts - 1))
        sizes = [b - a for a, b in zip([0, *cuts], [*cuts, leaves], strict=True)]
        tree = (rng.choice(("and", "or")), *[random_tree(rng, attributes, size) for size in sizes])
    return ("not", tree) if rng.random() < 0.2 else tree


def build(tree: Tree) -> Any:
    """The expression that a tree describes."""
    if tree[0] == "leaf":
        _, attribute, operator, value = tree
        return attribute.operate(operator, value)
    if tree[0] == "not":
        return ~build(tree[1])
    join = tql.all_of if tree[0] == "and" else tql.any_of
    return join(*[build(part) for part in tree[1:]])
