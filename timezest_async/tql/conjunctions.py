"""What predicates joined by AND say together: the planner's view of one query.

A conjunction keeps its atoms by attribute, since only atoms about the same attribute can narrow, repeat or
contradict each other. All of this errs on the side of asking: an atom is dropped only where the others
surely imply it, and a conjunction only where no record can satisfy it. Nulls need no care within an AND,
since any atom about an attribute says that it is not null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from timezest_async.tql.atoms import UNBOUNDED, Atom, Interval, Key, overlap, within
from timezest_async.tql.nodes import And, Expression, Predicate
from timezest_async.tql.operators import LEGAL, Kind, Operator


class AttributeConstraint:
    """Atoms about one attribute, joined by AND.

    As it stands, for ids and raw text: equal atoms are one, and opposite ones contradict each other. The
    sub-classes know more of other kinds. Adding one atom costs no walk over those there are, unless it
    makes some of them redundant.
    """

    __slots__ = ("atoms",)

    def __init__(self) -> None:
        self.atoms: dict[Key, Atom] = {}

    def copy(self) -> Self:
        """Return a constraint to add to."""
        constraint = type(self)()
        constraint.atoms = self.atoms.copy()
        return constraint

    def add(self, atom: Atom) -> bool:
        """Take one more atom; false where no record can satisfy all of them."""
        known = self.atoms.get(atom.key)
        if known is not None:
            if atom.position < known.position:
                self.atoms[atom.key] = atom
            return True
        if atom.operator is not None and (atom.path, atom.operator.negated, atom.key[2]) in self.atoms:
            return False
        return self._narrow(atom)

    def implies(self, other: AttributeConstraint) -> bool:
        """Return whether every record that satisfies this surely satisfies another one of the attribute."""
        for key, atom in other.atoms.items():
            if key not in self.atoms and not self._covers(atom):
                return False
        return True

    def _narrow(self, atom: Atom) -> bool:
        self.atoms[atom.key] = atom
        return True

    def _covers(self, atom: Atom) -> bool:  # noqa: ARG002 - sub-classes look at it
        return False

    def _drop(self, atoms: Iterable[Atom]) -> None:
        for atom in list(atoms):
            del self.atoms[atom.key]


class RangeConstraint(AttributeConstraint):
    """Atoms about a timestamp or number.

    Attributes:
        interval: Holds every instant that all of the atoms allow.
    """

    __slots__ = ("interval",)

    def __init__(self) -> None:
        super().__init__()
        self.interval: Interval = UNBOUNDED

    def copy(self) -> Self:
        """Return a constraint to add to."""
        constraint = super().copy()
        constraint.interval = self.interval
        return constraint

    def _narrow(self, atom: Atom) -> bool:
        if atom.operator is Operator.NOT_EQ:
            return not overlap(self.interval, atom.interval) or super()._narrow(atom)
        low, high = max(self.interval[0], atom.interval[0]), min(self.interval[1], atom.interval[1])
        if low > high:
            return False
        if atom.operator is Operator.EQ or (low, high) != self.interval:
            self._drop(old for old in self.atoms.values() if _is_implied(old, atom.interval))
            self.interval = low, high
            super()._narrow(atom)
        return True

    def _covers(self, atom: Atom) -> bool:
        return _is_implied(atom, self.interval)


def _is_implied(atom: Atom, interval: Interval) -> bool:
    """Return whether an atom surely holds for all that lies in an interval."""
    if atom.operator is Operator.EQ:
        return False
    return (
        not overlap(interval, atom.interval)
        if atom.operator is Operator.NOT_EQ
        else within(interval, atom.interval)
    )


class MultiValueConstraint(AttributeConstraint):
    """Atoms about a text that may be one of several on a record, so that two equalities may both hold.

    Attributes:
        in_keys: The keys of the ``IN`` atoms.
        excluded: The values that the ``NOT_IN`` atoms list.
    """

    __slots__ = ("excluded", "in_keys")

    def __init__(self) -> None:
        super().__init__()
        self.in_keys: tuple[Key, ...] = ()
        self.excluded: frozenset[str | bool] = frozenset()

    def copy(self) -> Self:
        """Return a constraint to add to."""
        constraint = super().copy()
        constraint.in_keys, constraint.excluded = self.in_keys, self.excluded
        return constraint

    def in_atoms(self) -> list[Atom]:
        """Return the ``IN`` atoms."""
        return [self.atoms[key] for key in self.in_keys]

    def _narrow(self, atom: Atom) -> bool:
        if atom.operator is Operator.IN:
            if atom.values <= self.excluded:
                return False
            self.in_keys = (*self.in_keys, atom.key)
        elif atom.operator is Operator.NOT_IN:
            if atom.values <= self.excluded:
                return True
            if not atom.values.isdisjoint(self.excluded):
                others = self.atoms.values()
                self._drop(o for o in others if o.operator is Operator.NOT_IN and o.values <= atom.values)
            self.excluded |= atom.values
            if any(own.values <= self.excluded for own in self.in_atoms()):
                return False
        return super()._narrow(atom)

    def _covers(self, atom: Atom) -> bool:
        if atom.operator is Operator.IN:
            return any(own.values <= atom.values for own in self.in_atoms())
        return atom.operator is Operator.NOT_IN and atom.values <= self.excluded


class SingleValueConstraint(MultiValueConstraint):
    """Atoms about a text or boolean of which a record has one: all ``IN`` atoms are intersected to one."""

    __slots__ = ()

    def _narrow(self, atom: Atom) -> bool:
        listing = self.in_atoms()
        if atom.operator is Operator.IN:
            allowed = atom.values - self.excluded
            if listing:
                allowed &= listing[0].values
            listing = sorted([*listing, atom], key=lambda atom: atom.position)
        elif atom.operator is Operator.NOT_IN and listing:
            allowed = listing[0].values - atom.values
        else:
            return super()._narrow(atom)
        if not allowed:
            return False
        choice = listing[0]
        if choice.values != allowed:
            choice = choice.with_values(value for value in choice.listed_values() if value in allowed)
        self._drop(old for old in self.atoms.values() if old.values)
        self.atoms[choice.key] = choice
        self.in_keys: tuple[Key, ...] = (choice.key,)
        self.excluded: frozenset[str | bool] = frozenset()
        return True

    def _covers(self, atom: Atom) -> bool:
        if not self.in_keys:
            return super()._covers(atom)
        chosen = self.atoms[self.in_keys[0]].values
        if atom.operator is Operator.IN:
            return chosen <= atom.values
        return atom.operator is Operator.NOT_IN and chosen.isdisjoint(atom.values)


def _empty_constraint(leaf: Expression[Any]) -> AttributeConstraint:
    if not isinstance(leaf, Predicate) or leaf.attribute.kind is Kind.ID:
        return AttributeConstraint()
    if Operator.GT in LEGAL[leaf.attribute.kind]:
        return RangeConstraint()
    return MultiValueConstraint() if leaf.attribute.is_many_valued else SingleValueConstraint()


def _constraint_of(atoms: Iterable[Atom]) -> AttributeConstraint:
    """Return the constraint of atoms that are known to be simplified."""
    atoms = list(atoms)
    constraint = _empty_constraint(atoms[0].leaf)
    for atom in atoms:
        constraint.add(atom)
    return constraint


class Conjunction:
    """Atoms joined by AND, simplified.

    Attributes:
        constraints: The atoms about each attribute, by its path. They are shared, and no more added to.
        paths: The attributes that there are atoms about.
    """

    __slots__ = ("_keys", "constraints", "paths")

    def __init__(self, constraints: dict[str, AttributeConstraint]) -> None:
        self.constraints: dict[str, AttributeConstraint] = constraints
        self.paths: frozenset[str] = frozenset(constraints)
        self._keys: frozenset[Key] | None = None

    @classmethod
    def of(cls, atom: Atom) -> Conjunction:
        """Return the conjunction of one atom."""
        return cls({atom.path: _constraint_of([atom])})

    @property
    def keys(self) -> frozenset[Key]:
        """What the atoms say: equal for conjunctions that say the same."""
        if self._keys is None:
            self._keys = frozenset[Key]().union(
                *[constraint.atoms for constraint in self.constraints.values()]
            )
        return self._keys

    def implies(self, other: Conjunction) -> bool:
        """Return whether every record that satisfies this surely satisfies another one.

        Args:
            other: It has atoms only about attributes that this one has atoms about: no other is implied.
        """
        for path, constraint in other.constraints.items():
            own = self.constraints[path]
            if own is not constraint and not own.implies(constraint):
                return False
        return True

    def mergeable_atoms(self) -> Iterator[Atom]:
        """Yield the ``IN`` atoms, and ``EQ`` atoms that mean the same, to which other values can be added."""
        for constraint in self.constraints.values():
            if isinstance(constraint, MultiValueConstraint):
                yield from (atom for atom in constraint.in_atoms() if atom.is_mergeable)

    def replacing(self, old: Atom, new: Atom) -> Conjunction:
        """Return a conjunction that says one thing instead of another about the same attribute."""
        atoms = self.constraints[old.path].atoms.values()
        constraint = _constraint_of(new if atom.key == old.key else atom for atom in atoms)
        return Conjunction(self.constraints | {old.path: constraint})

    @property
    def positions(self) -> list[int]:
        """Where the atoms first appear in the expression, ascending."""
        return [atom.position for atom in self._in_order()]

    def _in_order(self) -> list[Atom]:
        atoms = [atom for constraint in self.constraints.values() for atom in constraint.atoms.values()]
        return sorted(atoms, key=lambda atom: atom.position)

    def to_expression(self) -> Expression[Any]:
        """Write the atoms as a predicate, raw text, or an ``And`` of these."""
        leaves = [atom.leaf for atom in self._in_order()]
        return leaves[0] if len(leaves) == 1 else And(leaves)


def conjoin(conjunctions: Iterable[Conjunction]) -> Conjunction | None:
    """Join conjunctions by AND; None where no record can satisfy them together."""
    gathered: dict[str, list[AttributeConstraint]] = {}
    for conjunction in conjunctions:
        for path, constraint in conjunction.constraints.items():
            gathered.setdefault(path, []).append(constraint)
    constraints: dict[str, AttributeConstraint] = {}
    for path, parts in gathered.items():
        constraints[path] = constraint = max(parts, key=lambda part: len(part.atoms))
        if len(parts) == 1:
            continue
        constraints[path] = joined = constraint.copy()
        for part in parts:
            if part is not constraint and not all(map(joined.add, part.atoms.values())):
                return None
    return Conjunction(constraints)
