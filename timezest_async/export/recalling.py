"""Where an incremental export stands before a run: its state, its file, and that they belong together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import check_name, remove
from timezest_async.export.changes import recent_since, watching
from timezest_async.export.finished import fingerprint, read_back
from timezest_async.export.formats.columns import choose_columns
from timezest_async.export.formats.selection import Format, Shape, choose_format
from timezest_async.export.job_state import Names
from timezest_async.export.seen import NEEDED, PATH, Seen, State


def recall(memory: Path, new: State, target: Path, *, other_key: bool) -> State:
    """Read the state, or begin one.

    Raises:
        ConfigurationError: It is of another export, or does not go with the files that are there.
    """
    names = Names.of(target)
    if memory.absolute() in {name.absolute() for name in attrs.astuple(names)}:
        raise ConfigurationError(f"{memory} belongs to the export itself: name another file for its state")
    check_name(target)
    known = State.load(memory)
    if known is None:
        for path in (target, names.partial, names.state):
            if path.exists():
                raise ConfigurationError(
                    f"{path} exists, but {memory}, which would tell what it has, does not: name the state "
                    "it was made with, or another file"
                )
        new.save(memory)
        return new
    if known.account not in {None, new.account} and not other_key:
        raise ConfigurationError(
            f"{memory} is of another API key or another service, whose requests would be mixed with these: "
            "go on with the same, give other_key=True for a new key of the same account, or name another "
            "state and file"
        )
    known = attrs.evolve(known, account=new.account)
    for name, value in new.key.items():
        was = known.key.get(name)
        if was != value:
            what = "another filter" if name == "queries" else f"other {name}"
            raise ConfigurationError(
                f"{memory} is of an export with {what}, {was!r}, not {value!r}: give the same, or name "
                "another state and file"
            )
    return known


def forget_unbegun(memory: Path, target: Path) -> None:
    """Remove the state where the first run read nothing: what it was begun with may have been wrong."""
    if not Names.of(target).state.exists() and not target.exists():
        remove(memory)


def learn(known: State, target: Path, format: Format, overlap: timedelta) -> State:
    """Read from the file of the first run what to remember."""
    seen: dict[str, Seen] = {}
    high_water = count = 0
    for request_id, one in read_back(target, format, known.columns):
        count += 1
        high_water = max(high_water, one.created_at)
        if known.settled is not None or one.is_open or one.created_at >= recent_since(high_water, overlap):
            seen[request_id] = one
    known = attrs.evolve(known, records=count, length=target.stat().st_size)
    known = attrs.evolve(known, digest=fingerprint(target, format, known))
    return watching(known, seen, high_water, overlap)


def shape_of(
    target: Path, format: Format | str | None, fields: Sequence[str] | None, *, raw_csv: bool
) -> Shape:
    """Settle how the file is written.

    Raises:
        ConfigurationError: It cannot be brought up to date like this.
    """
    chosen, compression = choose_format(target, format)
    if chosen is Format.PARQUET or compression is not None:
        raise ConfigurationError(
            "an incremental export adds to its file: choose SQLite or DuckDB, or JSON lines or CSV without "
            "compression"
        )
    columns = {column.name for column in choose_columns(PATH, fields).columns}
    if lacking := [name for name in NEEDED if name not in columns]:
        raise ConfigurationError(
            f"an incremental export compares {', '.join(NEEDED)}: add {', '.join(lacking)} to fields"
        )
    return Shape(chosen, None, None if fields is None else tuple(fields), raw_csv)
