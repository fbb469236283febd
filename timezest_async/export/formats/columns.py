"""What an exported record's columns are: the fields of its class, and what is worked out from them.

JSON lines do not use it but for their names: they keep the service's own shape.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from types import NoneType
from typing import Any, Final, cast, get_args, get_origin

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.models import (
    Agent,
    AppointmentType,
    AssociatedEntity,
    ResourceReference,
    SchedulingRequest,
    Team,
)


class Kind(Enum):
    """What a column holds; its type in each format is said in ``docs/export.md``."""

    TEXT = "text"
    INTEGER = "whole number"
    BOOLEAN = "true or false"
    TIMESTAMP = "UTC timestamp"
    TEXTS = "list of text"
    ENTITIES = "list of {type, id, number, extra}"
    REFERENCES = "list of {id, type, object, name, extra}"
    EXTRA = "JSON text"

    @property
    def members(self) -> tuple[str, ...]:
        """The members of each item of a nested column, but for ``extra``, which all have."""
        return _MEMBERS.get(self, ())


@attrs.frozen
class Column:
    """A column, named like the record's field that it shows.

    Attributes:
        name: Its name, and the field's.
        kind: What it holds.
        is_derived: Whether it is worked out from other fields, for whoever reads the table.
    """

    name: str
    kind: Kind
    is_derived: bool = False


@attrs.frozen
class Table:
    """The columns of one list's records.

    Attributes:
        name: The name of the table in a database.
        columns: All of them, in order.
    """

    name: str
    columns: tuple[Column, ...]


def _fields(record: type[Any]) -> tuple[Column, ...]:
    """Return a column for each field that the service names of a record, in the order of its class."""
    known = attrs.fields(attrs.resolve_types(record))
    return tuple(Column(field.name, _kind(field.type)) for field in known if not field.inherited)


def _kind(annotation: Any) -> Kind:
    if get_origin(annotation) is tuple:
        return _LISTS[get_args(annotation)[0]]
    types = set(get_args(annotation) or [annotation]) - {NoneType}
    # Where the service sends a whole number or text, it is text.
    return _SCALARS.get(types.pop(), Kind.TEXT) if len(types) == 1 else Kind.TEXT


def _merged(first: Iterable[Column], second: Iterable[Column]) -> Iterator[Column]:
    """Put the columns of two kinds of record together, each in its own order; what both have comes once."""
    rest = list(second)
    for column in first:
        if column in rest:
            yield from rest[: rest.index(column)]
            del rest[: rest.index(column) + 1]
        yield column
    yield from rest


def _table(path: str, columns: Iterable[Column], derived: Iterable[str]) -> Table:
    return Table(
        path.removeprefix("/"),
        (
            *columns,
            *(Column(name, Kind.TEXT, is_derived=True) for name in derived),
            # Fields that this version does not know go into one column, so that nothing is lost.
            Column("extra", Kind.EXTRA),
        ),
    )


_SCALARS: Final = {int: Kind.INTEGER, bool: Kind.BOOLEAN, datetime: Kind.TIMESTAMP}
_LISTS: Final = {AssociatedEntity: Kind.ENTITIES, ResourceReference: Kind.REFERENCES, str: Kind.TEXTS}

_MEMBERS: Final = {
    kind: tuple(column.name for column in _fields(item)) for item, kind in _LISTS.items() if item is not str
}

TABLES: Final[Mapping[str, Table]] = {
    path: _table(path, columns, derived)
    for path, columns, derived in (
        ("/scheduling_requests", _fields(SchedulingRequest), ("time_zone", "local_start_time")),
        ("/agents", _fields(Agent), ()),
        ("/teams", _fields(Team), ()),
        # What only the other kind has is null.
        ("/resources", tuple(_merged(_fields(Agent), _fields(Team))), ()),
        ("/appointment_types", _fields(AppointmentType), ()),
    )
}
"""By the path of the list."""

_KINDS: Final[Mapping[str, Kind]] = {
    column.name: column.kind for table in TABLES.values() for column in table.columns if not column.is_derived
}


VANISHED_AT: Final = Column("vanished_at", Kind.TIMESTAMP, is_derived=True)
"""When a request was noticed to be gone from the service: the last column of an incremental export."""


def choose_columns(path: str, fields: Sequence[str] | None) -> Table:
    """Return the table of a list, with all columns or with those named, in the order named.

    Args:
        path: The list, such as ``"/agents"``.
        fields: Names of columns; None for all.

    Raises:
        ConfigurationError: A name is none of the list's, or is given twice, or none is given.
    """
    table = TABLES[path]
    if fields is None:
        return table
    if isinstance(fields, str):
        raise ConfigurationError(f"fields takes a list of names, such as [{fields!r}], not text")
    by_name = {column.name: column for column in table.columns}
    chosen: dict[str, Column] = {}
    for name in fields:
        if name not in by_name:
            raise ConfigurationError(
                f"{table.name} have no field {name!r}{_suggestion(name, by_name)}: the fields are "
                f"{', '.join(by_name)}"
            )
        if name in chosen:
            raise ConfigurationError(f"the field {name!r} is given twice")
        chosen[name] = by_name[name]
    if not chosen:
        raise ConfigurationError("fields is empty: name at least one, or leave it out for all")
    return Table(table.name, tuple(chosen.values()))


def begun_columns(path: str, names: Sequence[str]) -> Table:
    """Return the table of an export that was begun with these columns, which may end in ``VANISHED_AT``.

    Raises:
        ConfigurationError: As for ``choose_columns``.
    """
    chosen = choose_columns(path, [name for name in names if name != VANISHED_AT.name])
    if VANISHED_AT.name in names:
        chosen = attrs.evolve(chosen, columns=(*chosen.columns, VANISHED_AT))
    return chosen


def first_columns(path: str, fields: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the columns of an export that was begun before it was noted what they are."""
    if fields is not None:
        return tuple(fields)
    return tuple(column.name for column in TABLES[path].columns if not column.is_derived)


def _suggestion(name: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def to_wire(row: Mapping[str, Any]) -> dict[str, Any]:
    """Bring columns back to the service's shape; a null is left out, since columns cannot tell the two."""
    wire: dict[str, Any] = {}
    for name, value in row.items():
        kind = _KINDS.get(name)
        if value is None or kind is None:
            continue
        if kind is Kind.EXTRA:
            wire |= _to_object(value)
        elif kind.members:
            wire[name] = [_to_item(item) for item in _parsed(value)]
        elif kind is Kind.TEXTS:
            wire[name] = _parsed(value)
        elif kind is Kind.TIMESTAMP:
            wire[name] = _to_epoch(value)
        elif kind is Kind.INTEGER:
            wire[name] = int(value)
        else:
            wire[name] = value
    return wire


def iso_text(value: datetime | None) -> str | None:
    """Return a timestamp such as ``2026-01-31T12:00:00Z``, which sorts as text and SQLite computes with."""
    return None if value is None else f"{value.isoformat()[:19]}Z"


def _to_item(item: Mapping[str, Any]) -> dict[str, Any]:
    members = {name: value for name, value in item.items() if value is not None and name != "extra"}
    return members | _to_object(item.get("extra") or {})


def _to_object(value: Any) -> dict[str, Any]:
    parsed = _parsed(value)
    if not isinstance(parsed, dict):
        raise ValueError(f"a JSON object was expected, not {value!r:.50}")  # noqa: TRY004 - bad data, not a bug
    return cast("dict[str, Any]", parsed)


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _to_epoch(value: Any) -> int:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
