"""One class per kind of attribute, each with only the operators that its kind takes.

A type checker sees only the legal ones; at run time the illegal ones raise an error that names the legal
ones. All of them go through ``Attribute.operate`` and ``Attribute.accept``, where values are checked and
brought into canonical form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeAlias, cast

from timezest_async.tql.attribute_base import Attribute, V, shown
from timezest_async.tql.ids import KINDS_OF_ID, kind_of_id
from timezest_async.tql.nodes import And, E, Expression, Predicate
from timezest_async.tql.operators import Kind, Operator

Moment: TypeAlias = int | datetime | date
"""What a timestamp is compared with: epoch seconds, an aware datetime, or a date (midnight UTC)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_FIRST_SECOND: Final = -62_135_596_800  # 0001-01-01
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59


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
        """Match ``start <= attribute < end``: neighbouring ranges share no record.

        Raises:
            InvalidValueError: The range is empty, as where both are the same day, or a value does not fit.
        """
        first, last = self.operate(Operator.GTE, start), self.operate(Operator.LT, end)
        if cast("int", first.value) >= cast("int", last.value):
            self._refuse_value(
                (start, end), f"this range is empty, since its end is left out: {self._next_end(start, end)}"
            )
        return And((first, last))

    def _next_end(self, start: object, end: object) -> str:
        """Say what range was probably meant."""
        if start != end:
            return f"write .between({shown(end)}, {shown(start)})"
        return f"write {self!r} == {shown(start)} for this value alone"


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

    def _accept_text(self, value: object) -> str:
        text = super()._accept_text(value)
        kind = kind_of_id(text)
        if kind is not None and kind.prefix != self.prefix:
            wanted = KINDS_OF_ID[self.prefix].name
            self._refuse_value(
                text, f"is the id of {kind.name}, and this takes the id of {wanted}; {kind.way}"
            )
        return text

    def _accept_one(self, operator: Operator, value: object) -> str:  # noqa: ARG002 - as above
        return self._accept_text(value)


class Timestamp(_Ordered[E, Moment]):
    """A time: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``between``.

    Takes epoch seconds (``int``), an aware ``datetime``, or, to order by, a ``date`` (midnight UTC); for one
    whole day write ``.between(day, day + timedelta(days=1))``. The service shows
    whole seconds, so a fraction is rounded to the whole second that means the same: up for ``<`` and
    ``>=``, down for ``<=`` and ``>``.
    """

    __slots__ = ()
    kind = Kind.TIMESTAMP

    def _accept_one(self, operator: Operator, value: object) -> int:
        if isinstance(value, datetime):
            return self._in_range(self._seconds_of(operator, value), value)
        if isinstance(value, date):
            if operator in {Operator.EQ, Operator.NOT_EQ}:
                self._refuse_value(
                    value, f"is midnight UTC, which few times equal; {self._on_day(operator, value)}"
                )
            return (value - _EPOCH.date()) // timedelta(days=1) * 86400
        if isinstance(value, str):
            self._refuse_value(value, "takes a datetime, a date or epoch seconds; tql.parse(...) reads text")
        if isinstance(value, float):
            self._refuse_value(
                value, "takes whole epoch seconds (int) or an aware datetime; a float loses seconds"
            )
        return self._in_range(self._accept_int(value), value)

    def _on_day(self, operator: Operator, day: date) -> str:
        if day == date.max:
            return f"write {self!r} {'<' if operator is Operator.NOT_EQ else '>='} {_spelled(day)}"
        negation = "~" if operator is Operator.NOT_EQ else ""
        return (
            f"for the whole day (UTC) write {negation}{self!r}.between({_spelled(day)}, "
            f"{_spelled(day + timedelta(days=1))})"
        )

    def _next_end(self, start: object, end: object) -> str:
        if start == end and type(start) is date and start != date.max:
            return f"for one day write .between({_spelled(start)}, {_spelled(start + timedelta(days=1))})"
        return super()._next_end(start, end)

    def _in_range(self, seconds: int, value: object) -> int:
        if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
            is_long = isinstance(value, int) and 10**11 < value < 10**14
            hint = " (these look like milliseconds)" if is_long else ""
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


def _spelled(day: date) -> str:
    return f"date({day.year}, {day.month}, {day.day})"


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
