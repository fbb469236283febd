"""The nodes of a filter: predicates joined by AND and OR.

All nodes are frozen and hashable and never change after they are built. There is no NOT node: ``~`` uses
De Morgan's laws, which SQL's three-valued logic keeps, and reaches the predicates only as far as somebody
looks. No function here recurses, so that a filter built by a program may be thousands of levels deep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeGuard, cast

from timezest_async.errors import FilterError, UnsupportedFilterError
from timezest_async.tql.operators import METHODS, SYMBOLS, Operator
from timezest_async.tql.traversal import flatten, fold, format_tree, structurally_equal, unflatten
from timezest_async.tql.values import ComparedAttribute, E, Value

_NO_TRUTH = (
    "a filter has no truth value: write & for `and`, | for `or`, ~ for `not`, F.created_at.between(a, b) for "
    "a < F.created_at < b, F.status.in_([...]) for membership, and put each comparison in parentheses"
)


class Expression(Generic[E]):
    """Any filter: a ``Predicate``, ``And``, ``Or``, or raw TQL.

    ``E`` names the entity to type checkers, so that a filter on agents is not given to a list of teams.
    Build one with ``F`` and the other attribute tables of ``timezest_async.tql``; join with ``&`` and
    ``|``, negate with ``~``.
    """

    __slots__ = ("_hash", "_negation", "entity", "is_negatable")

    entity: str | None
    """The entity filtered, such as ``"scheduling_request"``; None for raw TQL, which fits any."""
    is_negatable: bool
    """Whether ``~`` works: false where raw TQL is inside."""

    _hash: int | None
    _negation: Expression[E] | None

    @property
    def terms(self) -> tuple[Expression[E], ...]:
        """What is joined here: two or more terms, or none in a predicate or raw text."""
        return ()

    def __and__(self, other: Expression[E]) -> Expression[E]:
        return And((self, operand(other, "&")))

    def __or__(self, other: Expression[E]) -> Expression[E]:
        return Or((self, operand(other, "|")))

    if not TYPE_CHECKING:
        # Reached by `1 & expression`, as `F.a == 1 & (F.b == 2)` is read by Python.
        def __rand__(self, other: object) -> NoReturn:
            operand(other, "&")

        def __ror__(self, other: object) -> NoReturn:
            operand(other, "|")

    def __invert__(self) -> Expression[E]:
        negation = self._negation
        if negation is None:
            if not self.is_negatable:
                raise UnsupportedFilterError(
                    "~ cannot look inside tql.raw(...): write the raw text the other way round, or use F"
                )
            negation = self._negate()
            _set(negation, "_negation", self)
            _set(self, "_negation", negation)
        return negation

    def matches(self, record: Any) -> bool:
        """Return whether a record satisfies this filter, as the service would.

        SQL's logic holds for what a record does not have: a null attribute satisfies no comparison,
        negated or not, so that neither ``e`` nor ``~e`` matches such a record.

        Args:
            record: A ``SchedulingRequest``, ``Agent``, ``Team`` or ``AppointmentType``.

        Raises:
            UnsupportedFilterError: There is raw TQL inside, or the record is of another entity.
        """
        if _matcher is None:  # pragma: no cover - the package registers it when imported
            raise UnsupportedFilterError("timezest_async.matching is not imported, so nothing can be matched")
        return _matcher(self, record)

    def same_as(self, other: object) -> bool:
        """Return whether another expression has the same structure: same nodes, same order, same values."""
        return is_expression(other) and structurally_equal(self, other, lambda leaf: leaf._leaf_key())

    def __eq__(self, other: object) -> bool:
        return is_expression(other) and hash(self) == hash(other) and self.same_as(other)

    def __hash__(self) -> int:
        if self._hash is None:
            fold(
                self,
                lambda leaf: leaf._hashed(leaf._leaf_key()),
                lambda node, parts: node._hashed(tuple(parts)),
            )
        return self._hash  # type: ignore[return-value]  # the fold has filled it

    def _prepare(self, entity: str | None, *, is_negatable: bool) -> None:
        _set(self, "entity", entity)
        _set(self, "is_negatable", is_negatable)
        _set(self, "_hash", None)
        _set(self, "_negation", None)

    def _hashed(self, key: object) -> int:
        value = hash((type(self).__name__, key))
        _set(self, "_hash", value)
        return value

    def __bool__(self) -> NoReturn:
        raise TypeError(_NO_TRUTH)

    def __repr__(self) -> str:
        """Return the Python that builds this expression."""
        return format_tree(self, lambda node: node._repr_parts())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: build another expression instead")

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def _negate(self) -> Expression[E]:
        raise NotImplementedError

    def _leaf_key(self) -> object:
        raise NotImplementedError

    def _repr_parts(self) -> list[str | Expression[Any]]:
        raise NotImplementedError


_set = object.__setattr__


class Predicate(Expression[E]):
    """One comparison: ``attribute OPERATOR value``.

    Args:
        attribute: An attribute of one of the tables, such as ``F.status``.
        operator: One that the attribute's kind takes.
        value: Whatever the attribute takes; it is kept as the attribute coerces it (``Value``).
    """

    __slots__ = ("attribute", "operator", "value")

    attribute: ComparedAttribute[E]
    operator: Operator
    value: Value

    # All nodes are made in __new__, which leaves no half-made node behind where something is refused.
    def __new__(cls, attribute: ComparedAttribute[E], operator: Operator, value: object) -> Self:
        """Build the predicate, checked."""
        try:
            coerce = attribute.coerce
        except AttributeError:
            raise FilterError(
                f"a Predicate is about an attribute such as F.status, not {attribute!r}"
            ) from None
        if type(operator) is not Operator:
            if operator not in list(Operator):
                raise FilterError(f"{operator!r} is no operator; there are {', '.join(Operator)}")
            operator = Operator(operator)
        return cls.of_coerced(attribute, operator, coerce(operator, value))

    @classmethod
    def of_coerced(cls, attribute: ComparedAttribute[E], operator: Operator, value: Value) -> Self:
        """Build the predicate from a value that the attribute has coerced for the operator."""
        predicate = object.__new__(cls)
        _set(predicate, "attribute", attribute)
        _set(predicate, "operator", operator)
        _set(predicate, "value", value)
        predicate._prepare(attribute.entity, is_negatable=True)
        return predicate

    def _negate(self) -> Predicate[E]:
        return self.with_operator(self.operator.negated, self.value)

    def with_operator(self, operator: Operator, value: Value) -> Predicate[E]:
        """Build a predicate on the same attribute from a coerced value."""
        return self.of_coerced(self.attribute, operator, value)

    def _leaf_key(self) -> object:
        # The type keeps 1 apart from True, which Python holds equal.
        return self.attribute.path, self.operator, type(self.value), self.value

    def _repr_parts(self) -> list[str | Expression[Any]]:
        symbol = SYMBOLS.get(self.operator)
        if symbol is not None:
            return [f"{self.attribute!r} {symbol} {self.value!r}"]
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return [f"{self.attribute!r}.{METHODS[self.operator]}({value!r})"]

    def __reduce__(self) -> tuple[Any, ...]:
        return Predicate, (self.attribute, self.operator, self.value)


class Junction(Expression[E]):
    """What ``And`` and ``Or`` share: two or more terms, none of them of the same class (they are merged)."""

    __slots__ = ("_terms",)

    _terms: tuple[Expression[E], ...] | None
    _symbol: ClassVar[str]
    _function: ClassVar[str]
    dual: ClassVar[type[Junction[Any]]]
    """The class that ``~`` turns this one into."""

    def __new__(cls, terms: Iterable[Expression[E]]) -> Self:
        """Join expressions, each about the same entity."""
        flat: list[Expression[E]] = []
        entity: str | None = None
        negatable = True
        for term in terms if isinstance(terms, tuple) else _as_list(terms, cls.__name__):
            if not is_expression(term):
                raise FilterError(f'{cls.__name__} joins expressions such as F.status == "new", not {term!r}')
            if term.entity is not None and term.entity != entity:
                if entity is not None:
                    raise FilterError(
                        f"one filter is about one entity, but this one names {entity} and {term.entity}: "
                        "filter each list by its own attributes"
                    )
                entity = term.entity
            negatable = negatable and term.is_negatable
            if type(term) is cls:
                flat.extend(term.terms)
            else:
                flat.append(term)
        if len(flat) < 2:
            raise FilterError(
                f"{cls.__name__} joins two or more expressions, not {len(flat)}: "
                f"tql.{cls._function}(...) also takes one"
            )
        return cls._make(tuple(flat), entity, is_negatable=negatable)

    @classmethod
    def _make(
        cls, terms: tuple[Expression[E], ...] | None, entity: str | None, *, is_negatable: bool
    ) -> Self:
        junction = object.__new__(cls)
        _set(junction, "_terms", terms)
        junction._prepare(entity, is_negatable=is_negatable)
        return junction

    @property
    def terms(self) -> tuple[Expression[E], ...]:
        """The terms joined, two or more, none of this class itself."""
        if self._terms is None:
            # Made by ~: the terms are negated when first looked at, one level at a time.
            negation: Any = self._negation
            _set(self, "_terms", tuple(~term for term in negation.terms))
        return self._terms  # type: ignore[return-value]  # filled just above

    def _negate(self) -> Expression[E]:
        return self.dual._make(None, self.entity, is_negatable=True)

    def _repr_parts(self) -> list[str | Expression[Any]]:
        # Python's own parser recurses on long chains of operators; a call's arguments it does not.
        start, between, end = (
            ("(", f") {self._symbol} (", ")")
            if len(self.terms) <= 20
            else (f"tql.{self._function}(", ", ", ")")
        )
        parts: list[str | Expression[Any]] = [start]
        for term in self.terms:
            parts += (term, between)
        parts[-1] = end
        return parts

    def __reduce__(self) -> tuple[Any, ...]:
        # As a flat list: pickle would recurse into terms.
        return unflatten, (flatten(self),)


class And(Junction[E]):
    """All terms hold."""

    __slots__ = ()
    _symbol = "&"
    _function = "all_of"


class Or(Junction[E]):
    """At least one term holds."""

    __slots__ = ()
    _symbol = "|"
    _function = "any_of"


And.dual = Or
Or.dual = And


def is_expression(value: object) -> TypeGuard[Expression[Any]]:
    """Return whether a value is a filter."""
    return isinstance(value, Expression)


def _as_list(terms: Iterable[Expression[E]], junction: str) -> list[Expression[E]]:
    if not isinstance(cast("object", terms), Iterable):
        raise FilterError(f"{junction} joins several expressions: give it a list of them, not {terms!r}")
    return list(terms)


def operand(value: Expression[E], symbol: str) -> Expression[E]:
    """Check that what is to be joined is a filter, and return it.

    Raises:
        TypeError: It is not: most likely a comparison without parentheses.
    """
    if not is_expression(value):
        raise TypeError(
            f"{symbol} joins filters, not {value!r}: put each comparison in parentheses, as in "
            f'(F.status == "new") {symbol} (F.created_at >= 1690000000)'
        )
    return value


_matcher: Callable[[Expression[Any], Any], bool] | None = None


def register_matcher(matcher: Callable[[Expression[Any], Any], bool]) -> None:
    """Set what ``Expression.matches`` calls: models lie above this room, so they come to it."""
    global _matcher  # noqa: PLW0603 - the one upward link of the package
    _matcher = matcher
