"""What columns show of records, a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import msgspec

from timezest_async.export.columns import Column, Kind, Table
from timezest_async.export.wire import wire_form
from timezest_async.models import Record
from timezest_async.models.record import to_json

Getter = Callable[[Any], Any]
"""A function of a record or of a field's value."""

RESOURCES: Final = "/resources"

_encode: Final = msgspec.json.Encoder().encode


def field_getter(column: Column, path: str) -> Getter:
    """Make what gives a record's field as the record has it.

    Args:
        column: The column that shows it.
        path: The list; in that of resources some fields are only some records'.
    """
    name = column.name
    if path != RESOURCES or column.kind is Kind.EXTRA:
        return attrgetter(name)
    # A team's `name` is a property, not one of its fields.
    return lambda record: getattr(record, name) if name in record.field_names else None


def text(value: Any) -> str | None:
    """Give text; a whole number, where the service sends either, as its digits."""
    return None if value is None else str(value)


def extra_text(value: Mapping[str, Any]) -> str | None:
    """Give the unknown fields as JSON text, or None where there are none."""
    return _encode(dict(value)).decode() if value else None


class FlatColumns:
    """Makes columns for formats without nesting or timestamps.

    Text columns hold a whole number where the service sent one.

    Args:
        path: The list whose records they are of.
        table: The columns.
    """

    def __init__(self, path: str, table: Table) -> None:
        self._parts = [(field_getter(column, path), _FLAT.get(column.kind)) for column in table.columns]

    def columns(self, records: Sequence[Record]) -> list[list[Any]]:
        """Give the values of each column."""
        return [
            list(map(get, records)) if show is None else [show(value) for value in map(get, records)]
            for get, show in self._parts
        ]


def _iso(value: datetime | None) -> str | None:
    """Give a timestamp such as ``2026-01-31T12:00:00Z``, which sorts as text and SQLite computes with."""
    return None if value is None else f"{value.isoformat()[:19]}Z"


def _records_text(values: Iterable[Record]) -> str:
    return _encode([wire_form(value) for value in values]).decode() if values else "[]"


def _texts_text(value: Any) -> str | None:
    return None if value is None else _encode(to_json(value)).decode()


_FLAT: Final[Mapping[Kind, Getter]] = {
    Kind.TIMESTAMP: _iso,
    Kind.TEXTS: _texts_text,
    Kind.ENTITIES: _records_text,
    Kind.REFERENCES: _records_text,
    Kind.EXTRA: extra_text,
}
