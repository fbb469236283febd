"""Exported files as records again, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from timezest_async.errors import ConfigurationError
from timezest_async.export.formats import make_reader
from timezest_async.export.formats.base import Wire
from timezest_async.export.formats.selection import choose_format
from timezest_async.models import SchedulingRequest
from timezest_async.serialization.converter import structure
from timezest_async.serialization.readers import StructureError

_ARRAYS: Final = ("associated_entities", "resources", "scheduled_agents")


def read_requests(path: Path) -> Iterator[SchedulingRequest]:
    """Read the scheduling requests of an exported file.

    Args:
        path: The file; its ending tells its format, as in ``timezest export``. Fields that were left out of
            the export are absent, but ``id``, ``status`` and ``created_at`` are needed.

    Raises:
        ConfigurationError: It cannot be read, or holds something else; says where.
    """
    for number, wire in enumerate(read_wire(path), 1):
        for name in _ARRAYS:
            if wire.get(name) is None:
                wire[name] = []
        try:
            yield structure(wire, SchedulingRequest)
        except StructureError as error:
            found = wire.get("object", "scheduling_request")
            if found == "scheduling_request":
                reason = f"is not a scheduling request: {error} (id, status and created_at are needed)"
            else:
                reason = f"is of kind {found!r:.50}: such files are given by --names"
            raise ConfigurationError(f"{path}: record {number} {reason}") from None


def read_names(path: Path) -> dict[str, str]:
    """Read the names of an exported file of agents, teams, resources or appointment types, by id.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    names: dict[str, str] = {}
    for wire in read_wire(path):
        name = wire.get("external_name") or wire.get("internal_name") or wire.get("name")
        if isinstance(name, str) and isinstance(key := wire.get("id"), str):
            names[key] = name
    return names


def read_wire(path: Path) -> Iterator[Wire]:
    """Read the records of an exported file, in the shape that the service sends.

    Raises:
        ConfigurationError: The file cannot be read; says where.
    """
    try:
        kind, compression = choose_format(path)
    except ConfigurationError:
        raise ConfigurationError(
            f"the format cannot be told from the name {path.name!r}: rename the file to end in .jsonl, .csv, "
            ".parquet, .sqlite or .duckdb"
        ) from None
    reader = make_reader(path, kind, compression)
    try:
        yield from reader.read()
    except ConfigurationError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from None
    except reader.damage as error:
        raise ConfigurationError(f"{path} is damaged, or not an export of this format: {error}") from None
