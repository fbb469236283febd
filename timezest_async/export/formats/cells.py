"""What columns show of records, a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from timezest_async.export.formats.columns import TABLES, VANISHED_AT, Column, Kind, Table, iso_text
from timezest_async.models import Record, SchedulingRequest
from timezest_async.models.record import to_json
from timezest_async.serialization.encoding import wire_array
from timezest_async.serialization.json_text import exact_bytes, holds_infinity, json_bytes

Getter = Callable[[Any], Any]
"""A function of a record or of a field's value."""

RESOURCES: Final = "/resources"

_BEYOND: Final = 2**63


def field_getter(column: Column, path: str) -> Getter:
    """Make what gives a record's field as the record has it, or works out a derived column.

    Args:
        column: The column that shows it.
        path: The list; in that of resources some fields are only some records'.
    """
    name = column.name
    if column.is_derived:
        return _DERIVED[name]
    if path != RESOURCES or column.kind is Kind.EXTRA:
        return attrgetter(name)
    # A team's `name` is a property, not one of its fields.
    return lambda record: getattr(record, name) if name in record.field_names else None


def bounded_getter(column: Column, path: str) -> Getter:
    """Make a getter for formats whose whole numbers have 64 bits: what is beyond them moves to ``extra``."""
    get = field_getter(column, path)
    if column.kind is Kind.INTEGER:
        return lambda record: value if fits(value := get(record)) else None
    if column.kind is not Kind.EXTRA:
        return get
    integers = [
        (one.name, field_getter(one, path)) for one in TABLES[path].columns if one.kind is Kind.INTEGER
    ]
    if not integers:
        return get

    def extra(record: Any) -> Mapping[str, Any]:
        too_big = {name: value for name, get_it in integers if not fits(value := get_it(record))}
        known: Mapping[str, Any] = get(record)
        return {**known, **too_big} if too_big else known

    return extra


def fits(value: int | None) -> bool:
    """Return whether a whole number has 64 bits."""
    return value is None or -_BEYOND <= value < _BEYOND


def text(value: Any) -> str | None:
    """Return text; a whole number, where the service sends either, as its digits."""
    return None if value is None else str(value)


def extra_text(value: Mapping[str, Any]) -> str | None:
    """Return the unknown fields as JSON text, or None where there are none."""
    return extra_json(value).decode() if value else None


def extra_json(value: Mapping[str, Any], *, escapes: bool = True) -> bytes:
    """Return the unknown fields as a JSON object; see ``json_bytes``."""
    if holds_infinity(value.values()):
        return exact_bytes(value, escapes=escapes)
    return json_bytes(dict(value), escapes=escapes)


class FlatColumns:
    """Makes columns for formats without nesting or timestamps.

    Text columns hold a whole number where the service sent one.

    Args:
        path: The list whose records they are of.
        table: The columns.
        getter: Gives a record's field: ``field_getter`` or ``bounded_getter``.
    """

    def __init__(self, path: str, table: Table, getter: Callable[[Column, str], Getter]) -> None:
        self._parts = [(getter(column, path), _FLAT.get(column.kind)) for column in table.columns]

    def columns(self, records: Sequence[Record]) -> list[list[Any]]:
        """Return the values of each column."""
        return [
            list(map(get, records)) if show is None else [show(value) for value in map(get, records)]
            for get, show in self._parts
        ]


def _records_text(values: Iterable[Record]) -> str:
    return wire_array(values).decode() if values else "[]"


def _texts_text(value: Any) -> str | None:
    return None if value is None else json_bytes(to_json(value)).decode()


def _zone_name(request: SchedulingRequest) -> str | None:
    zone = request.time_zone
    return None if zone is None else zone.key


def _local_start(request: SchedulingRequest) -> str | None:
    start = request.local_start_time
    return None if start is None else start.isoformat()


def _nothing(request: SchedulingRequest) -> None:  # noqa: ARG001 - what was read is there
    return None


_DERIVED: Final[Mapping[str, Getter]] = {
    "time_zone": _zone_name,
    "local_start_time": _local_start,
    VANISHED_AT.name: _nothing,
}

_FLAT: Final[Mapping[Kind, Getter]] = {
    Kind.TIMESTAMP: iso_text,
    Kind.TEXTS: _texts_text,
    Kind.ENTITIES: _records_text,
    Kind.REFERENCES: _records_text,
    Kind.EXTRA: extra_text,
}
