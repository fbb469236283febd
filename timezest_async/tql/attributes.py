"""One class per kind of attribute, each with only the operators that its kind takes.

A type checker sees only the legal ones; at run time the illegal ones raise an error that names the legal
ones. All of them go through ``Attribute.operate``: it coerces the value, then builds the predicate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, cast

from timezest_async.errors import UnsupportedOperatorError
from timezest_async.tql import values
from timezest_async.tql.documentation import Documentation
from timezest_async.tql.nodes import And, Expression, Predicate
from timezest_async.tql.operators import LEGAL, METHODS, SYMBOLS, Kind, Operator, kinds_taking
from timezest_async.tql.values import E, Moment, V, Value

_OPERATORS: Final = {method: operator for operator, method in METHODS.items()} | {"between": Operator.GTE}


class Attribute(Generic[E, V]):
    """A filterable attribute of an entity; ``==`` and ``!=`` are what all kinds take.

    Attributes:
        table: The class that defines it.
        entity: Such as ``"scheduling_request"``.
        name: Such as ``"status"``.
        path: Both, as TQL spells it: ``"scheduling_request.status"``.
        is_many_valued: Whether one record may hold several values, so that ``==`` means "any of them is"
            and ``!=`` "none of them is".
        is_ticket_number: Whether ``#1234`` and ``1234`` are the same to EQ, and different to IN.
    """

    __slots__ = ("entity", "is_many_valued", "name", "path", "table")

    kind: Kind
    is_ticket_number: bool = False

    table: type[E]
    entity: str
    name: str
    path: str
    is_many_valued: bool

    def __init__(self, *, many_valued: bool = False) -> None:
        self.is_many_valued = many_valued

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = cast("str", Documentation(cls.__doc__))

    def bind(self, table: type[Any], entity: str, name: str) -> None:
        """Set the attribute's place in the table that defines it."""
        self.table = table
        self.entity = entity
        self.name = name
        self.path = f"{entity}.{name}"

    def __eq__(self, other: V) -> Predicate[E]:  # type: ignore[override]  # the DSL's point
        return self.operate(Operator.EQ, other)

    def __ne__(self, other: V) -> Predicate[E]:  # type: ignore[override]  # as above
        return self.operate(Operator.NOT_EQ, other)

    def __hash__(self) -> int:
        return hash(self.path)

    def operate(self, operator: Operator, value: object) -> Predicate[E]:
        """Build the predicate ``attribute operator value``, checked.

        Raises:
            UnsupportedOperatorError: The kind does not take the operator.
            InvalidValueError: The value does not fit the kind.
        """
        return Predicate.of_coerced(self, operator, self.coerce(operator, value))

    def coerce(self, operator: Operator, value: object) -> Value:
        """Check an operator and a value, and bring the value into the form that predicates hold.

        Raises:
            UnsupportedOperatorError: The kind does not take the operator.
            InvalidValueError: The value does not fit the kind.
        """
        if operator not in LEGAL[self.kind]:
            self._refuse_operator(operator)
        if operator is Operator.IN or operator is Operator.NOT_IN:
            return values.coerce_list(self.path, operator, value, self._coerce_text)
        if isinstance(value, Attribute):
            values.refuse_value(
                self.path,
                cast("object", value),
                "TQL compares an attribute with a value, not with another attribute",
            )
        return self._coerce(operator, values.coerce_scalar(self.path, value))

    def _coerce(self, operator: Operator, value: object) -> Value:  # noqa: ARG002 - timestamps look at it
        return self._coerce_text(value)

    def _coerce_text(self, value: object) -> str:
        return values.coerce_text(self.path, value)

    def _refuse_operator(self, operator: Operator) -> NoReturn:
        legal = ", ".join(LEGAL[self.kind])
        raise UnsupportedOperatorError(
            f"`{self.path}` is {self._described()} and takes {legal}; {operator} is for "
            f"{kinds_taking(operator)} attributes",
            attribute=self.path,
            operator=operator.value,
        )

    def _described(self) -> str:
        return f"{'an' if self.kind is Kind.ID else 'a'} {self.kind}"

    def __repr__(self) -> str:
        return values.python_name(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.table, self.name)

    if not TYPE_CHECKING:
        # Hidden from type checkers, which so reject what these would refuse at run time.

        def __getattr__(self, name: str) -> NoReturn:
            if name in _OPERATORS:
                self._refuse_operator(_OPERATORS[name])
            if name.startswith("_"):  # asked for by copy, pickle, and the like
                raise AttributeError(name)
            methods = [METHODS.get(operator, SYMBOLS.get(operator)) for operator in LEGAL[self.kind]]
            raise AttributeError(f"{self!r} has no {name!r}: {self._described()} takes {', '.join(methods)}")

        def __lt__(self, other: object) -> Predicate[E]:
            return self.operate(Operator.LT, other)

        def __le__(self, other: object) -> Predicate[E]:
            return self.operate(Operator.LTE, other)

        def __gt__(self, other: object) -> Predicate[E]:
            return self.operate(Operator.GT, other)

        def __ge__(self, other: object) -> Predicate[E]:
            return self.operate(Operator.GTE, other)

        def __contains__(self, item: object) -> NoReturn:
            raise TypeError(
                f"`in` cannot be overloaded: write {self!r}.in_([...]) or {self!r}.like({item!r})"
            )

        def __iter__(self) -> NoReturn:
            raise TypeError(f"{self!r} is an attribute to filter on and holds no values to iterate over")

        def __bool__(self) -> NoReturn:
            raise TypeError(f"{self!r} has no truth value: compare it, as in {self!r} == ...")

        def _needs_comparison(self, _other: object = None) -> NoReturn:
            raise TypeError(
                f"&, | and ~ take comparisons, and bind tighter than == and <: put each comparison in "
                f"parentheses, as in ({self!r} == ...) & (...)"
            )

        __and__ = __rand__ = __or__ = __ror__ = __invert__ = _needs_comparison


class _Listed(Attribute[E, V]):
    """An attribute that takes ``IN`` and ``NOT_IN``."""

    __slots__ = ()

    def in_(self, values: Iterable[str]) -> Predicate[E]:
        """Match records whose attribute is one of the values."""
        return self.operate(Operator.IN, values)

    def not_in(self, values: Iterable[str]) -> Predicate[E]:
        """Match records whose attribute is none of the values (and not null)."""
        return self.operate(Operator.NOT_IN, values)


class _Ordered(Attribute[E, V]):
    """An attribute that takes ``<``, ``<=``, ``>`` and ``>=``."""

    __slots__ = ()

    if TYPE_CHECKING:
        # At run time all attributes have these, to refuse them where the kind does not take them.
        def __lt__(self, other: V) -> Predicate[E]: ...
        def __le__(self, other: V) -> Predicate[E]: ...
        def __gt__(self, other: V) -> Predicate[E]: ...
        def __ge__(self, other: V) -> Predicate[E]: ...

    def between(self, start: V, end: V) -> Expression[E]:
        """Match ``start <= attribute < end``: neighbouring ranges share no record.

        Raises:
            InvalidValueError: The range is empty, as where both are the same day, or a value does not fit.
        """
        first, last = self.operate(Operator.GTE, start), self.operate(Operator.LT, end)
        if cast("int", first.value) >= cast("int", last.value):
            values.refuse_empty_range(self.path, start, end)
        return And((first, last))


class String(_Listed[E, str]):
    """Text: ``==``, ``!=``, ``like``, ``not_like``, ``in_``, ``not_in``."""

    __slots__ = ()
    kind = Kind.STRING

    def like(self, part: str) -> Predicate[E]:
        """Match records whose attribute contains the text (taken to ignore case)."""
        return self.operate(Operator.LIKE, part)

    def not_like(self, part: str) -> Predicate[E]:
        """Match records whose attribute does not contain the text (and is not null)."""
        return self.operate(Operator.NOT_LIKE, part)


class TicketNumber(String[E]):
    """A String that holds ticket numbers: EQ takes ``1234`` and ``#1234`` alike, IN only as written."""

    __slots__ = ()
    is_ticket_number = True

    def __init__(self) -> None:
        super().__init__(many_valued=True)


class Id(Attribute[E, V]):
    """An id in a PSA: ``==`` and ``!=`` with an ``int`` (with a ``str`` for ServiceNow)."""

    __slots__ = ("value_type",)
    kind = Kind.ID

    value_type: type[V]

    def __init__(self, value_type: type[V]) -> None:
        super().__init__(many_valued=True)
        self.value_type = value_type

    def _coerce(self, operator: Operator, value: object) -> Value:  # noqa: ARG002 - as above
        return (values.coerce_text if self.value_type is str else values.coerce_int)(self.path, value)


class Reference(_Listed[E, str]):
    """An id of TimeZest's own (``str``): ``==``, ``!=``, ``in_``, ``not_in``.

    Attributes:
        prefix: What the ids begin with, such as ``"agnt_"``; ids of other things are refused.
    """

    __slots__ = ("prefix",)
    kind = Kind.REFERENCE

    prefix: str

    def __init__(self, prefix: str, *, many_valued: bool = False) -> None:
        super().__init__(many_valued=many_valued)
        self.prefix = prefix

    def _coerce_text(self, value: object) -> str:
        return values.coerce_reference(self.path, self.prefix, value)


class Timestamp(_Ordered[E, Moment]):
    """A time: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``between``.

    Takes epoch seconds (``int``), an aware ``datetime``, or, to order by, a ``date`` (midnight UTC); for one
    whole day write ``.between(day, day + timedelta(days=1))``. The service shows
    whole seconds, so a fraction is rounded to the whole second that means the same: up for ``<`` and
    ``>=``, down for ``<=`` and ``>``.
    """

    __slots__ = ()
    kind = Kind.TIMESTAMP

    def _coerce(self, operator: Operator, value: object) -> int:
        return values.coerce_timestamp(self.path, operator, value)


class Boolean(Attribute[E, bool]):
    """A yes or no: ``==`` and ``!=`` with a ``bool``."""

    __slots__ = ()
    kind = Kind.BOOLEAN

    def _coerce(self, operator: Operator, value: object) -> bool:  # noqa: ARG002 - as above
        return values.coerce_bool(self.path, value)


class Number(_Ordered[E, int]):
    """A whole number: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``between``."""

    __slots__ = ()
    kind = Kind.NUMBER

    def _coerce(self, operator: Operator, value: object) -> int:  # noqa: ARG002 - as above
        return values.coerce_int(self.path, value)
