"""One class per kind of attribute, each with only the operators that its kind takes.

A type checker sees only the legal ones; at run time the illegal ones raise an error that names the legal
ones. All of them go through ``Attribute.operate`` and ``Attribute.accept``, where values are checked and
brought into canonical form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeAlias, TypeVar, cast

from timezest_async.errors import InvalidValueError, UnsupportedOperatorError
from timezest_async.tql.expressions import And, E, Expression, Predicate, Value
from timezest_async.tql.operators import LEGAL, Kind, Operator, kinds_taking

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    V = TypeVarWithDefault("V", default=Any)
else:
    V = TypeVar("V")

Moment: TypeAlias = int | datetime | date
"""What a timestamp is compared with: epoch seconds, an aware datetime, or a date (midnight UTC)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_FIRST_SECOND: Final = -62_135_596_800  # 0001-01-01
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59
_INT64: Final = range(-(2**63), 2**63)

_METHODS: Final = {
    "like": Operator.LIKE,
    "not_like": Operator.NOT_LIKE,
    "in_": Operator.IN,
    "not_in": Operator.NOT_IN,
    "between": Operator.GTE,
}


class Attribute(Generic[E, V]):
    """A filterable attribute of an entity; ``==`` and ``!=`` are what all kinds take.

    Attributes:
        entity: Such as ``"scheduling_request"``.
        name: Such as ``"status"``.
        path: Both, as TQL spells it: ``"scheduling_request.status"``.
        is_many_valued: Whether one record may hold several values, so that ``==`` means "any of them is"
            and ``!=`` "none of them is".
    """

    __slots__ = ("entity", "is_many_valued", "name", "path")

    kind: ClassVar[Kind]

    entity: str
    name: str
    path: str
    is_many_valued: bool

    def __init__(self, *, many_valued: bool = False) -> None:
        self.is_many_valued = many_valued

    def bind(self, entity: str, name: str) -> None:
        """Give the attribute its place in the table that defines it."""
        self.entity = entity
        self.name = name
        self.path = f"{entity}.{name}"

    @property
    def is_ticket_number(self) -> bool:
        """Whether ``#1234`` and ``1234`` are the same to EQ, and different to IN."""
        return False

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
        return Predicate(self, operator, value)

    def accept(self, operator: Operator, value: object) -> Value:
        """Check an operator and a value, and bring the value into canonical form.

        Raises:
            UnsupportedOperatorError: The kind does not take the operator.
            InvalidValueError: The value does not fit the kind.
        """
        if operator not in LEGAL[self.kind]:
            self._refuse_operator(operator)
        if operator is Operator.IN or operator is Operator.NOT_IN:
            return self._accept_list(operator, value)
        if isinstance(value, Enum):
            value = value.value
        if value is None:
            self._refuse_value(value, "TQL has no null: no comparison finds a record whose attribute is null")
        if isinstance(value, Attribute):
            self._refuse_value(
                cast("object", value), "TQL compares an attribute with a value, not with another attribute"
            )
        return self._accept_one(operator, value)

    def _accept_one(self, operator: Operator, value: object) -> Value:
        raise NotImplementedError

    def _accept_list(self, operator: Operator, value: object) -> tuple[str, ...]:
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            self._refuse_value(value, f"{operator} takes a list of texts, such as [{value!r}]")
        items = list(cast("Iterable[object]", value))
        if not items:
            self._refuse_value(
                items, f"{operator} takes at least one value; an empty list could match nothing"
            )
        texts = dict.fromkeys(
            self._accept_text(item.value if isinstance(item, Enum) else item) for item in items
        )
        # A set has another order in each process; the same filter should always read the same.
        return tuple(sorted(texts)) if isinstance(value, set | frozenset) else tuple(texts)

    def _accept_text(self, value: object) -> str:
        if not isinstance(value, str):
            hint = f'; write "{value}"' if isinstance(value, int) and not isinstance(value, bool) else ""
            self._refuse_value(value, f"takes text (str){hint}")
        if not value.isprintable():  # cheap, and true of nearly all text
            for position, character in enumerate(value):
                category = unicodedata.category(character)
                if category == "Cc":
                    self._refuse_value(value, f"has a control character at position {position}: remove it")
                if category == "Cs":
                    self._refuse_value(value, f"has a lone surrogate at position {position}: it is not text")
        return str.__str__(value)

    def _accept_int(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            hint = f"; write {value.strip()}" if isinstance(value, str) and value.strip().isdecimal() else ""
            self._refuse_value(value, f"takes a whole number (int){hint}")
        if value not in _INT64:
            self._refuse_value(value, "does not fit into 64 bits")
        return int(value)

    def _refuse_operator(self, operator: Operator) -> NoReturn:
        legal = ", ".join(LEGAL[self.kind])
        article = "an" if self.kind is Kind.ID else "a"
        raise UnsupportedOperatorError(
            f"`{self.path}` is {article} {self.kind} and takes {legal}; {operator} is for "
            f"{kinds_taking(operator)} attributes",
            attribute=self.path,
            operator=operator.value,
        )

    def _refuse_value(self, value: object, reason: str) -> NoReturn:
        raise InvalidValueError(f"`{self.path}`: {value!r}: {reason}", attribute=self.path, value=value)

    def __repr__(self) -> str:
        return f"F.{self.name}" if self.entity == "scheduling_request" else f"tql.{self.path}"

    def __reduce__(self) -> tuple[Any, ...]:
        from timezest_async.tql.schema import attribute_named  # noqa: PLC0415 - schema is made of attributes

        return attribute_named, (self.entity, self.name)

    def __copy__(self) -> Attribute[E, V]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Attribute[E, V]:
        return self

    if not TYPE_CHECKING:
        # Hidden from type checkers, which so reject what these would refuse at run time.

        def __getattr__(self, name: str) -> NoReturn:
            if name in _METHODS:
                self._refuse_operator(_METHODS[name])
            raise AttributeError(f"`{type(self).__name__}` attributes of a filter have no {name!r}")

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

    def __lt__(self, other: V) -> Predicate[E]:
        return self.operate(Operator.LT, other)

    def __le__(self, other: V) -> Predicate[E]:
        return self.operate(Operator.LTE, other)

    def __gt__(self, other: V) -> Predicate[E]:
        return self.operate(Operator.GT, other)

    def __ge__(self, other: V) -> Predicate[E]:
        return self.operate(Operator.GTE, other)

    def between(self, start: V, end: V) -> Expression[E]:
        """Match ``start <= attribute < end``: neighbouring ranges share no record."""
        return And((self.operate(Operator.GTE, start), self.operate(Operator.LT, end)))


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

    def _accept_one(self, operator: Operator, value: object) -> str:  # noqa: ARG002 - one signature for all kinds
        return self._accept_text(value)


class TicketNumber(String[E]):
    """A String that holds ticket numbers: EQ takes ``1234`` and ``#1234`` alike, IN only as written."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(many_valued=True)

    @property
    def is_ticket_number(self) -> bool:
        """Whether ``#1234`` and ``1234`` are the same to EQ, and different to IN: yes."""
        return True


class Id(Attribute[E, V]):
    """An id in a PSA: ``==`` and ``!=`` with an ``int`` (with a ``str`` for ServiceNow)."""

    __slots__ = ("value_type",)
    kind = Kind.ID

    value_type: type[V]

    def __init__(self, value_type: type[V]) -> None:
        super().__init__(many_valued=True)
        self.value_type = value_type

    def _accept_one(self, operator: Operator, value: object) -> str | int:  # noqa: ARG002 - as above
        return self._accept_text(value) if self.value_type is str else self._accept_int(value)


class Reference(_Listed[E, str]):
    """An id of TimeZest's own (``str``): ``==``, ``!=``, ``in_``, ``not_in``."""

    __slots__ = ()
    kind = Kind.REFERENCE

    def _accept_one(self, operator: Operator, value: object) -> str:  # noqa: ARG002 - as above
        return self._accept_text(value)


class Timestamp(_Ordered[E, Moment]):
    """A time: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``between``.

    Takes epoch seconds (``int``), an aware ``datetime``, or a ``date`` (midnight UTC). The service shows
    whole seconds, so a fraction is rounded to the whole second that means the same: up for ``<`` and
    ``>=``, down for ``<=`` and ``>``.
    """

    __slots__ = ()
    kind = Kind.TIMESTAMP

    def _accept_one(self, operator: Operator, value: object) -> int:
        if isinstance(value, datetime):
            return self._in_range(self._seconds_of(operator, value), value)
        if isinstance(value, date):
            return (value - _EPOCH.date()) // timedelta(days=1) * 86400
        if isinstance(value, str):
            self._refuse_value(value, "takes a datetime, a date or epoch seconds; tql.parse(...) reads text")
        if isinstance(value, float):
            self._refuse_value(
                value, "takes whole epoch seconds (int) or an aware datetime; a float loses seconds"
            )
        return self._in_range(self._accept_int(value), value)

    def _in_range(self, seconds: int, value: object) -> int:
        if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
            hint = " (these look like milliseconds)" if 10**11 < seconds < 10**14 else ""
            self._refuse_value(value, f"takes epoch seconds within the years 1 to 9999{hint}")
        return seconds

    def _seconds_of(self, operator: Operator, moment: datetime) -> int:
        if moment.utcoffset() is None:
            self._refuse_value(
                moment, "naive datetime: say which zone it is in, as in datetime(..., tzinfo=timezone.utc)"
            )
        seconds, fraction = divmod(moment - _EPOCH, _SECOND)
        if fraction and operator in {Operator.EQ, Operator.NOT_EQ}:
            self._refuse_value(moment, "has a fraction of a second, which no record's time can equal")
        return seconds + bool(fraction and operator in {Operator.LT, Operator.GTE})


class Boolean(Attribute[E, bool]):
    """A yes or no: ``==`` and ``!=`` with a ``bool``."""

    __slots__ = ()
    kind = Kind.BOOLEAN

    def _accept_one(self, operator: Operator, value: object) -> bool:  # noqa: ARG002 - as above
        if not isinstance(value, bool):
            self._refuse_value(value, "takes True or False")
        return value


class Number(_Ordered[E, int]):
    """A whole number: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``between``."""

    __slots__ = ()
    kind = Kind.NUMBER

    def _accept_one(self, operator: Operator, value: object) -> int:  # noqa: ARG002 - as above
        return self._accept_int(value)


KINDS: Final[Mapping[Kind, type[Attribute[Any, Any]]]] = {
    cls.kind: cls for cls in (String, Id, Reference, Timestamp, Boolean, Number)
}
"""The class of each kind."""
