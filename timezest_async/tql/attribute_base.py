"""What all attributes have in common: their place, ``==`` and ``!=``, and the choke point of all checks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeVar, cast

from timezest_async.errors import InvalidValueError, UnsupportedOperatorError
from timezest_async.tql.documentation import Documentation
from timezest_async.tql.ids import KINDS_OF_ID, is_surely_id
from timezest_async.tql.nodes import E, Predicate, Value
from timezest_async.tql.operators import LEGAL, METHODS, NO_NULL, SYMBOLS, Kind, Operator, kinds_taking

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    V = TypeVarWithDefault("V", default=Any)
else:
    V = TypeVar("V")

_INT64: Final = range(-(2**63), 2**63)

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
    """

    __slots__ = ("entity", "is_many_valued", "name", "path", "table")

    kind: ClassVar[Kind]

    table: type
    entity: str
    name: str
    path: str
    is_many_valued: bool

    def __init__(self, *, many_valued: bool = False) -> None:
        self.is_many_valued = many_valued

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = cast("str", Documentation(cls.__doc__))

    def bind(self, table: type, entity: str, name: str) -> None:
        """Give the attribute its place in the table that defines it."""
        self.table = table
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
            self._refuse_value(value, NO_NULL)
        if isinstance(value, Attribute):
            self._refuse_value(
                cast("object", value), "TQL compares an attribute with a value, not with another attribute"
            )
        return self._accept_one(operator, value)

    def _accept_one(self, operator: Operator, value: object) -> Value:
        raise NotImplementedError

    def _accept_list(self, operator: Operator, value: object) -> tuple[str, ...]:
        given = value
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            shown = [value] if isinstance(value, str) else ["new", "sent"]
            self._refuse_value(given, f"{operator} takes a list of texts, such as {shown!r}")
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
            is_number = isinstance(value, int) and not isinstance(value, bool) and value in _INT64
            hint = f'; write "{value}"' if is_number else ""
            self._refuse_value(value, f"takes text (str){hint}")
        if not value.isprintable():  # cheap, and true of nearly all text
            for position, character in enumerate(value):
                category = unicodedata.category(character)
                if category == "Cc":
                    self._refuse_value(value, f"has a control character at position {position}: remove it")
                if category == "Cs":
                    self._refuse_value(value, f"has a lone surrogate at position {position}: it is not text")
        text = str.__str__(value)
        if self.kind is not Kind.REFERENCE and is_surely_id(text):
            kind = KINDS_OF_ID[text[:5]]
            self._refuse_value(text, f"is the id of {kind.name}, which this never holds; {kind.way}")
        return text

    def _accept_int(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            hint = f"; write {value.strip()}" if isinstance(value, str) and value.strip().isdecimal() else ""
            self._refuse_value(value, f"takes a whole number (int){hint}")
        if value not in _INT64:
            self._refuse_value(value, "does not fit into 64 bits")
        return int(value)

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

    def _refuse_value(self, value: object, reason: str) -> NoReturn:
        raise InvalidValueError(f"`{self.path}`: {shown(value)}: {reason}", attribute=self.path, value=value)

    def __repr__(self) -> str:
        return f"F.{self.name}" if self.entity == "scheduling_request" else f"tql.{self.path}"

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.table, self.name)

    def __copy__(self) -> Attribute[E, V]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Attribute[E, V]:
        return self

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


def shown(value: object) -> str:
    """Write a refused value for an error message, where it may be of any length."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes
        return f"(a huge {type(value).__name__})"
    return text if len(text) <= 120 else f"{text[:120]}…"
