"""Filters as the service reads them: TQL text into a condition of SQL.

A reader of its own, apart from ``timezest_async.tql``. It knows what the service knows: predicates
joined by AND, and nothing more. A value runs to the next ``~``, which is why, in the form written
with spaces, the first value swallows the rest of the filter (as observed).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

from timezest_async.sandbox.filter_columns import ATTRIBUTES, OPERATORS, Attribute, storable

_HEAD: Final = re.compile(r"([a-z_]+)\.([a-z_]+)(?:~| +)([A-Z_]+)(?:~| +)")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*+)"')
_ESCAPE: Final = re.compile(r'\\(["\\])')
_BARE: Final = re.compile(r'[^~,"\\()]+')
_JOINT: Final = re.compile(r"~AND(?:~| +)")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RESERVED: Final = frozenset({"and", "or", "not"})
_COMPARISONS: Final = {"EQ": "=", "NOT_EQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_GROUP: Final = 100


class UnreadableFilterError(ValueError):
    """The service would answer 400 to this filter."""


@frozen
class Predicate:
    """One comparison, as it was read.

    Attributes:
        attribute: The name without the entity.
        operator: In TQL's spelling.
        values: One text, or several for IN and NOT_IN.
    """

    attribute: str
    operator: str
    values: tuple[str, ...]


@frozen
class Condition:
    """A condition of SQL over the columns of a record, with its parameters in order."""

    sql: str
    parameters: tuple[Any, ...]


def read(entity: str, text: str) -> tuple[Predicate, ...]:
    """Split a filter into its predicates.

    Args:
        entity: The entity whose list is filtered; it must be the prefix of every attribute, in the singular
            or the plural.
        text: The filter, as it arrived in the URL, decoded.

    Returns:
        The predicates in order.

    Raises:
        UnreadableFilterError: Where the service would answer 400.
    """
    predicates: list[Predicate] = []
    position = 0
    while True:
        head = _HEAD.match(text, position)
        if head is None:
            raise UnreadableFilterError(text)
        prefix, name, operator = head.groups()
        values, position = _read_values(text, head.end())
        attribute = ATTRIBUTES[entity].get(name)
        # The vendor's TQL page shows plural prefixes too. That the service takes them is unverified.
        if prefix not in {entity, f"{entity}s"}:
            raise UnreadableFilterError(text)
        if attribute is None or operator not in OPERATORS[attribute.kind]:
            raise UnreadableFilterError(text)
        if len(values) > 1 and operator not in {"IN", "NOT_IN"}:
            raise UnreadableFilterError(text)
        predicates.append(Predicate(name, operator, values))
        if position == len(text):
            return tuple(predicates)
        joint = _JOINT.match(text, position)
        if joint is None:
            raise UnreadableFilterError(text)
        position = joint.end()


def _read_values(text: str, position: int) -> tuple[tuple[str, ...], int]:
    values: list[str] = []
    while True:
        if quoted := _QUOTED.match(text, position):
            values.append(_ESCAPE.sub(r"\1", quoted[1]))
            position = quoted.end()
        elif (bare := _BARE.match(text, position)) and bare[0].strip().lower() not in _RESERVED:
            values.append(bare[0])
            position = bare.end()
        else:
            raise UnreadableFilterError(text)
        if not text.startswith(",", position):
            return tuple(values), position
        position += 1


@lru_cache(maxsize=1024)
def compile_filter(entity: str, text: str) -> Condition:
    """Translate a filter into SQL.

    Args:
        entity: As for ``read``.
        text: As for ``read``.

    Returns:
        The condition, over the columns that ``filter_columns.COLUMNS`` names. It uses the SQL function
        ``contains(text, folded)``, which the store defines.

    Raises:
        UnreadableFilterError: Where the service would answer 400.
    """
    conditions: list[str] = []
    parameters: list[Any] = []
    for predicate in read(entity, text):
        attribute = ATTRIBUTES[entity][predicate.attribute]
        sql, needed = _translate(attribute, predicate)
        conditions.append(sql)
        parameters += needed
    return Condition(_conjunction(conditions), tuple(parameters))


def _translate(attribute: Attribute, predicate: Predicate) -> tuple[str, Sequence[Any]]:
    values: list[Any] = [_convert(attribute.kind, text) for text in predicate.values]
    operator = predicate.operator
    if attribute.kind == "ticket" and operator in {"EQ", "NOT_EQ"}:
        bare = values[0].removeprefix("#")
        values = [f"#{bare}"] if bare.startswith("#") else [bare, f"#{bare}"]
    marks = ", ".join("?" * len(values))
    if operator in {"LIKE", "NOT_LIKE"}:
        values = [values[0].casefold()]
        test = "contains({0}, ?)"
    elif attribute.many or operator in {"IN", "NOT_IN"}:
        test = f"{{0}} IN ({marks})"
    else:
        return f"{predicate.attribute} {_COMPARISONS[operator]} ?", values
    negated = operator.startswith("NOT_")
    column = predicate.attribute
    if attribute.many:
        # A column of SQL's null logic by hand: EXISTS over nothing is false, and its negation true.
        some = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE {test.format('value')})"  # noqa: S608 - names are of the table
        return (f"({column} IS NOT NULL AND NOT {some})" if negated else some), values
    return ("NOT " if negated else "") + test.format(column), values


def _convert(kind: str, text: str) -> str | int | float:
    if kind in {"id", "number"}:
        if not _INTEGER.fullmatch(text):
            raise UnreadableFilterError(text)
        # The many-valued columns hold texts; `007` is the id 7.
        return str(int(text)) if kind == "id" else int(text)
    if kind == "boolean":
        if text not in {"true", "false"}:
            raise UnreadableFilterError(text)
        return int(text == "true")
    if kind == "timestamp":
        return _timestamp(text)
    return storable(text)


def _timestamp(text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        if _DATE.match(text) and text[10:11] == "T":
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        pass
    raise UnreadableFilterError(text)


def _conjunction(conditions: Sequence[str]) -> str:
    # SQLite refuses expressions nested deeper than 1,000, and `a AND b AND …` nests once a term.
    groups = [" AND ".join(conditions[start : start + _GROUP]) for start in range(0, len(conditions), _GROUP)]
    return groups[0] if len(groups) == 1 else " AND ".join(f"({group})" for group in groups)
