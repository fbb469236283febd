"""Ways through a tree of expressions, without recursion: it may be thousands of levels deep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from timezest_async.tql.expressions import Expression

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
