"""Traversal of trees, without recursion: an expression may be thousands of levels deep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, cast


class Tree(Protocol):
    """A node of a tree."""

    @property
    def terms(self) -> Sequence[Any]:
        """The nodes right below, of the same type; none for a leaf."""
        ...


T = TypeVar("T", bound=Tree)
R = TypeVar("R")


def fold(root: T, leaf: Callable[[T], R], join: Callable[[T, list[R]], R]) -> R:
    """Compute a value from the leaves up, left to right, without recursion, once for each shared node.

    A value is let go when the last junction that needs it has its own, so that values as large as what lies
    below them do not add up.

    Args:
        root: Where to start.
        leaf: Returns the value of a leaf.
        join: Returns the value of a node from those of its terms, in order.
    """
    uses: dict[int, int] = {}
    for node in nodes(root):
        for term in node.terms:
            uses[id(term)] = uses.get(id(term), 0) + 1
    results: dict[int, R] = {}
    stack: list[T] = [root]
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


Step: TypeAlias = T | tuple[type[T], tuple[int, ...]]
"""A leaf, or the class of a node and which of the steps before it are its terms."""


def flatten(root: T) -> list[Step[T]]:
    """Return the steps that build a tree from its leaves up; ``unflatten`` takes them."""
    steps: list[Step[T]] = []

    def add(step: Step[T]) -> int:
        steps.append(step)
        return len(steps) - 1

    fold(root, add, lambda node, parts: add((type(node), tuple(parts))))
    return steps


def unflatten(steps: list[Step[T]]) -> T:
    """Build the tree that ``flatten`` took apart."""
    built: list[Any] = []
    for step in steps:
        built.append(
            cast("Any", step[0])([built[part] for part in step[1]]) if isinstance(step, tuple) else step
        )
    return cast("T", built[-1])


def structurally_equal(a: T, b: T, key: Callable[[T], object]) -> bool:
    """Return whether two trees have the same nodes in the same order, their leaves compared by a key."""
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


def format_tree(root: Tree, parts_of: Callable[[Any], Sequence[str | Tree]]) -> str:
    """Return a tree as text, given the text and terms that each node is written as."""
    pieces: list[str] = []
    stack: list[str | Tree] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
        else:
            stack.extend(reversed(parts_of(item)))
    return "".join(pieces)


def nodes(root: T) -> Iterator[T]:
    """Yield each distinct node from a root down, left to right, each before its terms."""
    seen: set[int] = set()
    stack: list[T] = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        stack.extend(reversed(node.terms))


def leaves(root: T) -> Iterator[T]:
    """Yield each distinct leaf below a root, left to right."""
    return (node for node in nodes(root) if not node.terms)
