"""What an exported record's columns are: the one table of them, per list of the service.

JSON lines do not use it but for their names: they keep the service's own shape.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

import attrs

from timezest_async.errors import ConfigurationError


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
        if self is Kind.ENTITIES:
            return ("type", "id", "number")
        return ("id", "type", "object", "name") if self is Kind.REFERENCES else ()


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


def _columns(*derived: str, **kinds: Kind) -> tuple[Column, ...]:
    return (
        *(Column(name, kind) for name, kind in kinds.items()),
        *(Column(name, Kind.TEXT, is_derived=True) for name in derived),
        # Fields that this version does not know go into one column, so that nothing is lost.
        Column("extra", Kind.EXTRA),
    )


TABLES: Final[Mapping[str, Table]] = {
    "/scheduling_requests": Table(
        "scheduling_requests",
        _columns(
            "time_zone",
            "local_start_time",
            id=Kind.TEXT,
            object=Kind.TEXT,
            appointment_type_id=Kind.TEXT,
            end_user_email=Kind.TEXT,
            end_user_name=Kind.TEXT,
            associated_entities=Kind.ENTITIES,
            resources=Kind.REFERENCES,
            scheduled_agents=Kind.REFERENCES,
            scheduled_at=Kind.TIMESTAMP,
            scheduling_url=Kind.TEXT,
            selected_start_time=Kind.TIMESTAMP,
            selected_time_zone=Kind.TEXT,
            status=Kind.TEXT,
            created_at=Kind.TIMESTAMP,
            updated_at=Kind.TIMESTAMP,
            duration_mins=Kind.INTEGER,
            earliest_date=Kind.TEXT,
            earliest_time=Kind.TEXT,
            latest_date=Kind.TEXT,
            latest_time=Kind.TEXT,
            guests_list=Kind.TEXTS,
        ),
    ),
    "/agents": Table(
        "agents",
        _columns(
            id=Kind.TEXT,
            object=Kind.TEXT,
            name=Kind.TEXT,
            email=Kind.TEXT,
            role=Kind.TEXT,
            schedulable=Kind.BOOLEAN,
            two_factor_enabled=Kind.BOOLEAN,
            url_slug=Kind.TEXT,
            created_at=Kind.TIMESTAMP,
            updated_at=Kind.TIMESTAMP,
        ),
    ),
    "/teams": Table(
        "teams",
        _columns(
            id=Kind.TEXT,
            object=Kind.TEXT,
            internal_name=Kind.TEXT,
            external_name=Kind.TEXT,
            team_type=Kind.TEXT,
            url_slug=Kind.TEXT,
            created_at=Kind.TIMESTAMP,
            updated_at=Kind.TIMESTAMP,
        ),
    ),
    "/resources": Table(
        "resources",
        # An agent's columns and a team's; what only the other kind has is null.
        _columns(
            id=Kind.TEXT,
            object=Kind.TEXT,
            name=Kind.TEXT,
            email=Kind.TEXT,
            role=Kind.TEXT,
            schedulable=Kind.BOOLEAN,
            two_factor_enabled=Kind.BOOLEAN,
            internal_name=Kind.TEXT,
            external_name=Kind.TEXT,
            team_type=Kind.TEXT,
            url_slug=Kind.TEXT,
            created_at=Kind.TIMESTAMP,
            updated_at=Kind.TIMESTAMP,
        ),
    ),
    "/appointment_types": Table(
        "appointment_types",
        _columns(
            id=Kind.TEXT,
            object=Kind.TEXT,
            internal_name=Kind.TEXT,
            external_name=Kind.TEXT,
            duration_mins=Kind.INTEGER,
            url_slug=Kind.TEXT,
            created_at=Kind.TIMESTAMP,
            updated_at=Kind.TIMESTAMP,
        ),
    ),
}
"""By the path of the list."""


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


def first_columns(path: str, fields: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the columns of an export that was begun before it was noted what they are."""
    if fields is not None:
        return tuple(fields)
    return tuple(column.name for column in TABLES[path].columns if not column.is_derived)


def _suggestion(name: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
