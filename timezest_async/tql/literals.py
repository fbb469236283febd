"""From the text of a value to the Python value, by the kind of the attribute."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final, cast

from timezest_async.errors import InvalidValueError
from timezest_async.tql.attributes import Attribute, Id
from timezest_async.tql.operators import EQUALITY, Kind, Operator
from timezest_async.tql.values import safe_repr

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,4000}")  # Python refuses to read longer ones
_RELATIVE: Final = re.compile(r"([+-]?)([0-9]{1,12})([wdhms])", re.IGNORECASE | re.ASCII)
_UNITS: Final[Mapping[str, int]] = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME: Final = re.compile(
    _DATE.pattern + r"[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.]([0-9]+))?)?"
    r"(?:([Zz])|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?"
)


def read_value(attribute: Attribute[Any, Any], operator: Operator, text: str, now: int) -> object:
    """Read the text of one value as what the attribute is compared with.

    Args:
        attribute: Gives the kind: texts stay as they are, PSA ids and numbers become ``int``, ``true`` and
            ``false`` in any case ``bool``, epoch seconds and ``30d`` ``int``, ``2026-01-01`` a ``date``, and
            ISO 8601 with its zone an aware ``datetime``.
        operator: Compares them: a day as a whole, or how long ago, equals no time.
        text: Without quotes and escapes.
        now: What ``30d`` counts from, in epoch seconds.

    Raises:
        InvalidValueError: The text is not of that kind.
    """
    try:
        if attribute.kind is Kind.TIMESTAMP:
            if operator in EQUALITY:
                _check_instant(attribute.name, operator, text)
            return _moment(text, now)
        read = _READERS.get(attribute.kind)
        if read is None or (isinstance(attribute, Id) and cast("type", attribute.value_type) is str):
            return text
        return read(text)
    except ValueError as error:
        raise InvalidValueError(
            f"`{attribute.path}`: {safe_repr(text)}: {error}", attribute=attribute.path, value=text
        ) from None


def _check_instant(name: str, operator: Operator, text: str) -> None:
    if match := _DATE.fullmatch(text):
        day = date(*map(int, match.groups()))
        if day == date.max:
            raise ValueError(f"is midnight UTC, which few times equal; write {name} >= {day}")
        whole = f"{name} >= {day} AND {name} < {day + timedelta(days=1)}"
        if operator is Operator.NOT_EQ:
            whole = f"NOT ({whole})"
        raise ValueError(f"is midnight UTC, which few times equal; for the whole day (UTC) write {whole}")
    if _RELATIVE.fullmatch(text):
        raise ValueError(f"is one second, which few times equal; write {name} >= {text}, or < {text}")


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("takes a whole number, such as 209116")
    return int(text)


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in {"true", "false"}:
        raise ValueError("takes true or false")
    return word == "true"


def _moment(text: str, now: int) -> int | date | datetime:
    if _WHOLE.fullmatch(text):
        return int(text)
    if match := _RELATIVE.fullmatch(text):
        sign, count, unit = match.groups()
        seconds = int(count) * _UNITS[unit.lower()]
        return now + seconds if sign == "+" else now - seconds
    if match := _DATE.fullmatch(text):
        return date(*map(int, match.groups()))
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(
            "takes epoch seconds, a date such as 2026-01-01, a time such as 2026-01-01T12:00:00Z, or how "
            "long ago in w, d, h, m or s, such as 30d (and +7d for ahead)"
        )
    year, month, day, hour, minute, second, fraction, utc, sign, zone_hours, zone_minutes = match.groups()
    if not (utc or sign):
        raise ValueError("says no time zone: add Z for UTC, or an offset such as +02:00")
    zone = UTC
    if sign:
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    # Digits beyond the microsecond count for nothing but that there is a fraction at all.
    digits: str = fraction or ""
    microsecond = int(digits[:6].ljust(6, "0")) or int(digits.strip("0") != "")
    return datetime(
        int(year), int(month), int(day), int(hour), int(minute), int(second or 0), microsecond, zone
    )


_READERS: Final[Mapping[Kind, Callable[[str], object]]] = {
    Kind.ID: _whole,
    Kind.NUMBER: _whole,
    Kind.BOOLEAN: _boolean,
}
