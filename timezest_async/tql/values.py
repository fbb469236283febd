"""From Python values to what an attribute and an operator take: checked, and in the form that nodes hold.

Every function is given the attribute's path, such as ``"scheduling_request.status"``, for its errors.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar

from timezest_async.errors import InvalidValueError
from timezest_async.tql.operators import EQUALITY, NO_NULL, Kind, Operator

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    E = TypeVarWithDefault("E", default=Any)
    V = TypeVarWithDefault("V", default=Any)
else:
    E, V = TypeVar("E"), TypeVar("V")

Value: TypeAlias = str | int | bool | tuple[str, ...]
"""A coerced value: timestamps are epoch seconds, ``IN`` lists are tuples of distinct texts."""

Moment: TypeAlias = int | datetime | date
"""What a timestamp is compared with: epoch seconds, an aware datetime, or a date (midnight UTC)."""

_INT64: Final = range(-(2**63), 2**63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_FIRST_SECOND: Final = -62_135_596_800  # 0001-01-01
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59


class ComparedAttribute(Protocol[E]):
    """What a predicate, and whoever reads it, knows of an attribute; see ``Attribute``."""

    kind: Kind
    is_ticket_number: bool
    table: type[E]
    entity: str
    name: str
    path: str
    is_many_valued: bool

    def coerce(self, operator: Operator, value: object, /) -> Value:
        """Check an operator and a value, and bring the value into the form that predicates hold."""
        ...


class IdType(NamedTuple):
    """One of TimeZest's own types of id, told apart by what they begin with.

    Attributes:
        prefix: What the id begins with.
        name: What has such ids, for error messages.
        usage: Where such an id is of use.
    """

    prefix: str
    name: str
    usage: str


ID_TYPES: Final[Mapping[str, IdType]] = {
    id_type.prefix: id_type
    for id_type in (
        IdType("agnt_", "an agent", 'scheduling requests are filtered by F.agent == "agnt_…"'),
        IdType("team_", "a team", 'scheduling requests are filtered by F.team == "team_…"'),
        IdType(
            "apty_",
            "an appointment type",
            'scheduling requests are filtered by F.appointment_type_id == "apty_…"',
        ),
        IdType("sreq_", "a scheduling request", "client.scheduling_requests.get(...) takes it"),
    )
}
"""The types of id, by their prefix."""

_UNMISTAKABLE: Final = re.compile(r"(?=\w*[a-z])(?=\w*[A-Z])(?=\w*[0-9])[A-Za-z0-9]{16,}\Z")


def id_type_of(text: str) -> IdType | None:
    """Return what an id is of, or None where its prefix does not say."""
    return ID_TYPES.get(text[:5])


def python_name(path: str) -> str:
    """Return how Python code names an attribute, such as ``F.status`` or ``tql.agent.name``."""
    entity, _, name = path.partition(".")
    return f"F.{name}" if entity == "scheduling_request" else f"tql.{path}"


def safe_repr(value: object) -> str:
    """Return the repr of a refused value for an error message: it may be of any length."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes
        return f"(a huge {type(value).__name__})"
    return text if len(text) <= 120 else f"{text[:120]}…"


def refuse_value(path: str, value: object, reason: str) -> NoReturn:
    """Raise the error that says why a value does not fit the attribute."""
    raise InvalidValueError(f"`{path}`: {safe_repr(value)}: {reason}", attribute=path, value=value)


def coerce_scalar(path: str, value: object) -> object:
    """Return a value that is not a list, enum members as what they stand for; None is refused."""
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        refuse_value(path, value, NO_NULL)
    return value


def coerce_list(
    path: str, operator: Operator, value: Any, coerce_item: Callable[[object], str]
) -> tuple[str, ...]:
    """Return the distinct texts of a list, one or more, in their order."""
    given: object = value
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        example = [value] if isinstance(value, str) else ["new", "sent"]
        refuse_value(path, value, f"{operator} takes a list of texts, such as {example!r}")
    items: list[Any] = list(value)
    if not items:
        refuse_value(path, items, f"{operator} takes at least one value; an empty list could match nothing")
    texts = dict.fromkeys(coerce_item(item.value if isinstance(item, Enum) else item) for item in items)
    # A set has another order in each process; the same filter should always read the same.
    return tuple(sorted(texts)) if isinstance(value, set | frozenset) else tuple(texts)


def coerce_text(path: str, value: object) -> str:
    """Return text that is surely not one of TimeZest's own ids."""
    text = _printable_text(path, value)
    if text[:5] in ID_TYPES and _UNMISTAKABLE.match(text, 5):  # names and slugs may begin like an id
        id_type = ID_TYPES[text[:5]]
        refuse_value(path, text, f"is the id of {id_type.name}, which this never holds; {id_type.usage}")
    return text


def coerce_reference(path: str, prefix: str, value: object) -> str:
    """Return an id of TimeZest's own, refusing those known to have another prefix."""
    text = _printable_text(path, value)
    id_type = id_type_of(text)
    if id_type is not None and id_type.prefix != prefix:
        wanted = ID_TYPES[prefix].name
        refuse_value(
            path, text, f"is the id of {id_type.name}, and this takes the id of {wanted}; {id_type.usage}"
        )
    return text


def _printable_text(path: str, value: object) -> str:
    if not isinstance(value, str):
        is_number = isinstance(value, int) and not isinstance(value, bool) and value in _INT64
        hint = f'; write "{value}"' if is_number else ""
        refuse_value(path, value, f"takes text (str){hint}")
    if not value.isprintable():  # cheap, and true of nearly all text
        for position, character in enumerate(value):
            category = unicodedata.category(character)
            if category == "Cc":
                refuse_value(path, value, f"has a control character at position {position}: remove it")
            if category == "Cs":
                refuse_value(path, value, f"has a lone surrogate at position {position}: it is not text")
    return str.__str__(value)


def coerce_int(path: str, value: object) -> int:
    """Return a whole number of at most 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int):
        hint = f"; write {value.strip()}" if isinstance(value, str) and value.strip().isdecimal() else ""
        refuse_value(path, value, f"takes a whole number (int){hint}")
    if value not in _INT64:
        refuse_value(path, value, "does not fit into 64 bits")
    return int(value)


def coerce_bool(path: str, value: object) -> bool:
    """Return True or False, refusing what is merely truthy."""
    if not isinstance(value, bool):
        refuse_value(path, value, "takes True or False")
    return value


def coerce_timestamp(path: str, operator: Operator, value: object) -> int:
    """Return epoch seconds, a fraction rounded to the whole second that means the same to the operator."""
    if isinstance(value, datetime):
        return _in_range(path, _seconds_of(path, operator, value), value)
    if isinstance(value, date):
        if operator in EQUALITY:
            refuse_value(
                path, value, f"is midnight UTC, which few times equal; {_on_day(path, operator, value)}"
            )
        return (value - _EPOCH.date()) // _DAY * 86400
    if isinstance(value, str):
        refuse_value(path, value, "takes a datetime, a date or epoch seconds; tql.parse(...) reads text")
    if isinstance(value, float):
        refuse_value(
            path, value, "takes whole epoch seconds (int) or an aware datetime; a float loses seconds"
        )
    return _in_range(path, coerce_int(path, value), value)


def _seconds_of(path: str, operator: Operator, moment: datetime) -> int:
    if moment.utcoffset() is None:
        refuse_value(
            path, moment, "naive datetime: say which zone it is in, as in datetime(..., tzinfo=timezone.utc)"
        )
    seconds, fraction = divmod(moment - _EPOCH, _SECOND)
    if fraction and operator in EQUALITY:
        refuse_value(path, moment, "has a fraction of a second, which no record's time can equal")
    return seconds + bool(fraction and operator in {Operator.LT, Operator.GTE})


def _in_range(path: str, seconds: int, value: object) -> int:
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        is_long = isinstance(value, int) and 10**11 < value < 10**14
        hint = " (these look like milliseconds)" if is_long else ""
        refuse_value(path, value, f"takes epoch seconds within the years 1 to 9999{hint}")
    return seconds


def _on_day(path: str, operator: Operator, day: date) -> str:
    name = python_name(path)
    if day == date.max:
        return f"write {name} {'<' if operator is Operator.NOT_EQ else '>='} {_date_repr(day)}"
    negation = "~" if operator is Operator.NOT_EQ else ""
    return f"for the whole day (UTC) write {negation}{name}{_between_days(day)}"


def refuse_empty_range(path: str, start: object, end: object) -> NoReturn:
    """Raise the error that says which range was probably meant."""
    if start != end:
        meant = f"write .between({safe_repr(end)}, {safe_repr(start)})"
    elif type(start) is date and start != date.max:
        meant = f"for one day write {_between_days(start)}"
    else:
        meant = f"write {python_name(path)} == {safe_repr(start)} for this value alone"
    refuse_value(path, (start, end), f"this range is empty, since its end is left out: {meant}")


def _between_days(day: date) -> str:
    return f".between({_date_repr(day)}, {_date_repr(day + _DAY)})"


def _date_repr(day: date) -> str:
    return f"date({day.year}, {day.month}, {day.day})"
