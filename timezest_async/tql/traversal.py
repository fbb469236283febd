"""Ways through a tree of expressions, without recursion: it may be thousands of levels deep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from timezest_async.tql.nodes import Expression, Junction

R = TypeVar("R")


def fold(
    root: Expression[Any],
    leaf: Callable[[Expression[Any]], R],
    join: Callable[[Expression[Any], list[R]], R],
) -> R:
    """Compute a value from the leaves up, left to right, without recursion, once for each shared node.

    A value is let go when the last junction that needs it has its own, so that values as large as what lies
    below them do not add up.

    Args:
        root: Where to start.
        leaf: Gives the value of a predicate or raw text.
        join: Gives the value of a junction from those of its terms, in order.
    """
    uses: dict[int, int] = {}
    for node in nodes(root):
        for term in node.terms:
            uses[id(term)] = uses.get(id(term), 0) + 1
    results: dict[int, R] = {}
    stack: list[Expression[Any]] = [root]
    while stack:
        node = stack[-1]
        if id(node) in results:
            stack.pop()
        elif not node.terms:
            results[id(node)] = leaf(node)
        elif pending := [term for term in node.terms if id(term) not in results]:
            stack.extend(reversed(pending))
        else:
            results[id(node)] = join(node, [results[id(term)] for term in node.terms])
            for term in node.terms:
                uses[id(term)] -= 1
                if not uses[id(term)]:
                    del results[id(term)]
    return results[id(root)]


Step: TypeAlias = "Expression[Any] | tuple[type[Junction[Any]], tuple[int, ...]]"
"""A leaf, or a kind of junction and which of the steps before it are its terms."""


def steps_to(root: Expression[Any]) -> list[Step]:
    """List how to build a tree from its leaves up; ``build`` does it."""
    steps: list[Step] = []

    def add(step: Step) -> int:
        steps.append(step)
        return len(steps) - 1

    fold(
        root,
        add,
        lambda node, parts: add((cast("type[Junction[Any]]", type(node)), tuple(parts))),
    )
    return steps


def build(steps: list[Step]) -> Expression[Any]:
    """Build the tree that ``steps_to`` listed."""
    built: list[Expression[Any]] = []
    for step in steps:
        built.append(step[0]([built[part] for part in step[1]]) if isinstance(step, tuple) else step)
    return built[-1]


def alike(a: Expression[Any], b: Expression[Any], key: Callable[[Expression[Any]], object]) -> bool:
    """Tell whether two trees have the same nodes in the same order, their leaves compared by a key."""
    pairs = [(a, b)]
    compared: set[tuple[int, int]] = set()  # nodes may be shared, and so be met again
    while pairs:
        a, b = pairs.pop()
        if a is b or (id(a), id(b)) in compared:
            continue
        compared.add((id(a), id(b)))
        if type(a) is not type(b) or len(a.terms) != len(b.terms):
            return False
        if not a.terms and key(a) != key(b):
            return False
        pairs.extend(zip(a.terms, b.terms, strict=True))
    return True


def spell(
    root: Expression[Any], parts_of: Callable[[Expression[Any]], Sequence[str | Expression[Any]]]
) -> str:
    """Write a tree, given the pieces of text and the terms that each node is written as, in order."""
    pieces: list[str] = []
    stack: list[str | Expression[Any]] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
        else:
            stack.extend(reversed(parts_of(item)))
    return "".join(pieces)


def nodes(root: Expression[Any]) -> Iterator[Expression[Any]]:
    """Yield each distinct node from a root down, left to right, each before its terms."""
    seen: set[int] = set()
    stack: list[Expression[Any]] = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        stack.extend(reversed(node.terms))


def leaves(root: Expression[Any]) -> Iterator[Expression[Any]]:
    """Yield each distinct predicate and raw text node below a root, left to right."""
    return (node for node in nodes(root) if not node.terms)
