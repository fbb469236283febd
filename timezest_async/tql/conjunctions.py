"""What predicates joined by AND say together: the planner's view of one query.

A conjunction keeps its facts by attribute, since only facts about the same attribute can narrow, repeat or
contradict each other. All of this errs on the side of asking: a fact is dropped only where the others
surely imply it, and a conjunction only where no record can satisfy it. Nulls need no care within an AND,
since any fact about an attribute says that it is not null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from timezest_async.tql.facts import ALWAYS, Fact, Key, Span, overlap, within
from timezest_async.tql.nodes import And, Expression, Predicate
from timezest_async.tql.operators import LEGAL, Kind, Operator


class Group:
    """Facts about one attribute, joined by AND.

    As it stands, for ids and raw text: equal facts are one, and opposite ones contradict each other. The
    sub-classes know more of other kinds. Adding one fact costs no walk over those there are, unless it
    makes some of them redundant.
    """

    __slots__ = ("facts",)

    def __init__(self) -> None:
        self.facts: dict[Key, Fact] = {}

    def copy(self) -> Self:
        """Make a group to add to."""
        group = type(self)()
        group.facts = self.facts.copy()
        return group

    def add(self, fact: Fact) -> bool:
        """Take one more fact; false where no record can satisfy all of them."""
        known = self.facts.get(fact.key)
        if known is not None:
            if fact.position < known.position:
                self.facts[fact.key] = fact
            return True
        if fact.operator is not None and (fact.path, fact.operator.negated, fact.key[2]) in self.facts:
            return False
        return self._narrow(fact)

    def implies(self, other: Group) -> bool:
        """Tell whether every record that satisfies this surely satisfies another group of the attribute."""
        for key, fact in other.facts.items():
            if key not in self.facts and not self._covers(fact):
                return False
        return True

    def _narrow(self, fact: Fact) -> bool:
        self.facts[fact.key] = fact
        return True

    def _covers(self, fact: Fact) -> bool:  # noqa: ARG002 - sub-classes look at it
        return False

    def _drop(self, facts: Iterable[Fact]) -> None:
        for fact in list(facts):
            del self.facts[fact.key]


class RangeGroup(Group):
    """Facts about a timestamp or number.

    Attributes:
        window: Holds every instant that all of the facts allow.
    """

    __slots__ = ("window",)

    def __init__(self) -> None:
        super().__init__()
        self.window: Span = ALWAYS

    def copy(self) -> Self:
        """Make a group to add to."""
        group = super().copy()
        group.window = self.window
        return group

    def _narrow(self, fact: Fact) -> bool:
        if fact.operator is Operator.NOT_EQ:
            return not overlap(self.window, fact.span) or super()._narrow(fact)
        low, high = max(self.window[0], fact.span[0]), min(self.window[1], fact.span[1])
        if low > high:
            return False
        if fact.operator is Operator.EQ or (low, high) != self.window:
            self._drop(old for old in self.facts.values() if _follows(old, fact.span))
            self.window = low, high
            super()._narrow(fact)
        return True

    def _covers(self, fact: Fact) -> bool:
        return _follows(fact, self.window)


def _follows(fact: Fact, window: Span) -> bool:
    """Tell whether a fact surely holds for all that lies in a window."""
    if fact.operator is Operator.EQ:
        return False
    return not overlap(window, fact.span) if fact.operator is Operator.NOT_EQ else within(window, fact.span)


class ListGroup(Group):
    """Facts about a text that may be one of several on a record, so that two equalities may both hold.

    Attributes:
        listing: The keys of the ``IN`` facts.
        excluded: The values that the ``NOT_IN`` facts list.
    """

    __slots__ = ("excluded", "listing")

    def __init__(self) -> None:
        super().__init__()
        self.listing: tuple[Key, ...] = ()
        self.excluded: frozenset[str | bool] = frozenset()

    def copy(self) -> Self:
        """Make a group to add to."""
        group = super().copy()
        group.listing, group.excluded = self.listing, self.excluded
        return group

    def listings(self) -> list[Fact]:
        """Give the ``IN`` facts."""
        return [self.facts[key] for key in self.listing]

    def _narrow(self, fact: Fact) -> bool:
        if fact.operator is Operator.IN:
            if fact.values <= self.excluded:
                return False
            self.listing = (*self.listing, fact.key)
        elif fact.operator is Operator.NOT_IN:
            if fact.values <= self.excluded:
                return True
            if not fact.values.isdisjoint(self.excluded):
                others = self.facts.values()
                self._drop(o for o in others if o.operator is Operator.NOT_IN and o.values <= fact.values)
            self.excluded |= fact.values
            if any(own.values <= self.excluded for own in self.listings()):
                return False
        return super()._narrow(fact)

    def _covers(self, fact: Fact) -> bool:
        if fact.operator is Operator.IN:
            return any(own.values <= fact.values for own in self.listings())
        return fact.operator is Operator.NOT_IN and fact.values <= self.excluded


class ChoiceGroup(ListGroup):
    """Facts about a text or boolean of which a record has one: all ``IN`` facts are intersected to one."""

    __slots__ = ()

    def _narrow(self, fact: Fact) -> bool:
        listing = self.listings()
        if fact.operator is Operator.IN:
            allowed = fact.values - self.excluded
            if listing:
                allowed &= listing[0].values
            listing = sorted([*listing, fact], key=lambda fact: fact.position)
        elif fact.operator is Operator.NOT_IN and listing:
            allowed = listing[0].values - fact.values
        else:
            return super()._narrow(fact)
        if not allowed:
            return False
        choice = listing[0]
        if choice.values != allowed:
            choice = choice.listing(value for value in choice.listed() if value in allowed)
        self._drop(old for old in self.facts.values() if old.values)
        self.facts[choice.key] = choice
        self.listing: tuple[Key, ...] = (choice.key,)
        self.excluded: frozenset[str | bool] = frozenset()
        return True

    def _covers(self, fact: Fact) -> bool:
        if not self.listing:
            return super()._covers(fact)
        chosen = self.facts[self.listing[0]].values
        if fact.operator is Operator.IN:
            return chosen <= fact.values
        return fact.operator is Operator.NOT_IN and chosen.isdisjoint(fact.values)


def _group_about(leaf: Expression[Any]) -> Group:
    if not isinstance(leaf, Predicate) or leaf.attribute.kind is Kind.ID:
        return Group()
    if Operator.GT in LEGAL[leaf.attribute.kind]:
        return RangeGroup()
    return ListGroup() if leaf.attribute.is_many_valued else ChoiceGroup()


def _group_of(facts: Iterable[Fact]) -> Group:
    """Make the group of facts that are known to be simplified."""
    facts = list(facts)
    group = _group_about(facts[0].leaf)
    for fact in facts:
        group.add(fact)
    return group


class Conjunction:
    """Facts joined by AND, simplified.

    Attributes:
        groups: The facts about each attribute, by its path. They are shared, and no more added to.
        paths: The attributes that there are facts about.
    """

    __slots__ = ("_keys", "groups", "paths")

    def __init__(self, groups: dict[str, Group]) -> None:
        self.groups: dict[str, Group] = groups
        self.paths: frozenset[str] = frozenset(groups)
        self._keys: frozenset[Key] | None = None

    @classmethod
    def of(cls, fact: Fact) -> Conjunction:
        """Make the conjunction of one fact."""
        return cls({fact.path: _group_of([fact])})

    @property
    def keys(self) -> frozenset[Key]:
        """What the facts say: equal for conjunctions that say the same."""
        if self._keys is None:
            self._keys = frozenset[Key]().union(*[group.facts for group in self.groups.values()])
        return self._keys

    def implies(self, other: Conjunction) -> bool:
        """Tell whether every record that satisfies this surely satisfies another one.

        Args:
            other: It has facts only about attributes that this one has facts about: no other is implied.
        """
        for path, group in other.groups.items():
            own = self.groups[path]
            if own is not group and not own.implies(group):
                return False
        return True

    def mergeable_facts(self) -> Iterator[Fact]:
        """Yield the ``IN`` facts, and ``EQ`` facts that mean the same, to which other values can be added."""
        for group in self.groups.values():
            if isinstance(group, ListGroup):
                yield from (fact for fact in group.listings() if fact.is_mergeable)

    def replacing(self, old: Fact, new: Fact) -> Conjunction:
        """Make a conjunction that says one thing instead of another about the same attribute."""
        facts = self.groups[old.path].facts.values()
        group = _group_of(new if fact.key == old.key else fact for fact in facts)
        return Conjunction(self.groups | {old.path: group})

    @property
    def positions(self) -> list[int]:
        """Where the facts first appear in the expression, ascending."""
        return [fact.position for fact in self._in_order()]

    def _in_order(self) -> list[Fact]:
        facts = [fact for group in self.groups.values() for fact in group.facts.values()]
        return sorted(facts, key=lambda fact: fact.position)

    def to_expression(self) -> Expression[Any]:
        """Write the facts as a predicate, raw text, or an ``And`` of these."""
        leaves = [fact.leaf for fact in self._in_order()]
        return leaves[0] if len(leaves) == 1 else And(leaves)


def conjoin(conjunctions: Iterable[Conjunction]) -> Conjunction | None:
    """Join conjunctions by AND; None where no record can satisfy them together."""
    gathered: dict[str, list[Group]] = {}
    for conjunction in conjunctions:
        for path, group in conjunction.groups.items():
            gathered.setdefault(path, []).append(group)
    groups: dict[str, Group] = {}
    for path, parts in gathered.items():
        groups[path] = group = max(parts, key=lambda part: len(part.facts))
        if len(parts) == 1:
            continue
        groups[path] = joined = group.copy()
        for part in parts:
            if part is not group and not all(map(joined.add, part.facts.values())):
                return None
    return Conjunction(groups)
