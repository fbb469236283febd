"""What is kept beside an unfinished export, so that it can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import attrs

from timezest_async.errors import ConfigurationError, InvalidRequestError
from timezest_async.export.columns import first_columns
from timezest_async.export.durable import write_text
from timezest_async.export.formats import Compression, Format, Shape
from timezest_async.pagination import Checkpoint

_VERSION = 1


class Phase(StrEnum):
    """How far an export is."""

    READING = "reading"
    READ = "read"
    """All records are durable; what remains may be done again from the start."""
    READY = "ready"
    """The output is whole; only its name remains to be given."""


@attrs.frozen
class Place:
    """What is durable.

    Attributes:
        records: How many records.
        checkpoint: What goes on after the last of them.
        extent: How much of the output holds them: bytes of a file, or parts of a folder.
        first: The ``created_at`` (epoch seconds, UTC) of the first record, or None.
        last: That of the last one.
        unreadable: How many records could not be read and are kept beside it.
        unreadable_bytes: How much of the file of these is durable.
    """

    records: int
    checkpoint: Checkpoint
    extent: int = 0
    first: int | None = None
    last: int | None = None
    unreadable: int = 0
    unreadable_bytes: int = 0

    def after(self, records: Sequence[Any]) -> Place:
        """Give the place some records further on, with the checkpoint and the extent that it has."""
        if not records:
            return self
        first = self.first if self.records else _epoch(records[0])
        return attrs.evolve(self, records=self.records + len(records), first=first, last=_epoch(records[-1]))

    def to_text(self) -> str:
        """Write it as JSON."""
        return json.dumps(attrs.asdict(self, recurse=False) | {"checkpoint": self.checkpoint.to_text()})

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what ``to_text`` wrote."""
        value = json.loads(text)
        return cls(**value | {"checkpoint": Checkpoint.from_text(value["checkpoint"])})


def _epoch(record: Any) -> int | None:
    created_at = record.created_at
    return None if created_at is None else int(created_at.timestamp())


@attrs.frozen
class Order:
    """What an export was told to do; resuming goes on with the same.

    Attributes:
        start: The list, its queries, and where the list started.
        shape: How records are written.
        limit: How many records at most; None for all.
        overwrite: Whether a finished file of the name is to be replaced.
        skip_unreadable: Whether records that cannot be read are kept beside the file.
        columns: The names of the columns; an export is gone on with by those that it was begun with.
    """

    start: Checkpoint
    shape: Shape
    limit: int | None = None
    overwrite: bool = False
    skip_unreadable: bool = False
    columns: tuple[str, ...] = ()

    def check_account(self, now: Order, target: Path) -> None:
        """Refuse to go on with another account's records.

        Raises:
            ConfigurationError: The account is another; one that is not known is any.
        """
        if self.start.account not in {None, now.start.account}:
            raise ConfigurationError(
                f"{target} was begun with another API key or another service, whose records would be mixed "
                "with these: resume with the same, give other_key=True for a new key of the same account, or "
                "start anew with overwrite=True"
            )

    def check_same(self, now: Order, target: Path) -> None:
        """Refuse to go on with what was begun otherwise.

        Raises:
            ConfigurationError: ``now`` is not this order; says in what.
        """
        pairs: list[tuple[str, object, object]] = [
            ("list", self.start.path, now.start.path),
            ("filter", self.start.queries, now.start.queries),
            ("start", self.start, now.start),
            ("limit", self.limit, now.limit),
            *(
                (field.name, getattr(self.shape, field.name), getattr(now.shape, field.name))
                for field in attrs.fields(Shape)
            ),
        ]
        for what, was, is_now in pairs:
            if was != is_now:
                raise ConfigurationError(
                    f"{target} was begun with another {what}, {was!r}, not {is_now!r}: resume with the same, "
                    "or start anew with overwrite=True"
                )


@attrs.frozen
class Unfinished:
    """An export that was started and not finished.

    Attributes:
        order: What it was told to do.
        phase: How far it is.
        place: What is durable (for a database, as it was at the start: it keeps its own place); None
            where nothing is yet.
    """

    order: Order
    phase: Phase = Phase.READING
    place: Place | None = None

    def save(self, path: Path) -> None:
        """Write it to its file, durably."""
        order = self.order
        value: dict[str, Any] = {
            "timezest_export": _VERSION,
            "start": order.start.to_text(),
            "shape": attrs.asdict(order.shape),
            "limit": order.limit,
            "overwrite": order.overwrite,
            "skip_unreadable": order.skip_unreadable,
            "columns": order.columns,
            "phase": self.phase,
            "place": None if self.place is None else self.place.to_text(),
        }
        write_text(path, json.dumps(value, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read it from its file; None where there is no such file.

        Raises:
            ConfigurationError: The file is something else.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            _check_version(value["timezest_export"])
            start, shape = Checkpoint.from_text(value["start"]), _shape(value["shape"])
            order = Order(
                start,
                shape,
                value["limit"],
                value["overwrite"],
                value.get("skip_unreadable", False),
                tuple(value.get("columns") or first_columns(start.path, shape.fields)),
            )
            place = None if value["place"] is None else Place.from_text(value["place"])
            unfinished = cls(order, Phase(value["phase"]), place)
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError, InvalidRequestError) as error:
            raise ConfigurationError(
                f"{path} is not the checkpoint of an export by this version ({error}): start anew with "
                "overwrite=True"
            ) from None
        return unfinished


def _check_version(version: object) -> None:
    if version != _VERSION:
        raise ValueError(f"it is of version {version!r}")


def _shape(value: Mapping[str, Any]) -> Shape:
    fields, compression = value["fields"], value["compression"]
    return Shape(
        Format(value["format"]),
        None if compression is None else Compression(compression),
        None if fields is None else tuple(fields),
        value["raw_csv"],
    )


@attrs.frozen
class Names:
    """The names that belong to an export's file.

    Attributes:
        target: The file when it is finished.
        partial: What is written until then: a file, or for Parquet a folder of parts.
        state: Where ``Unfinished`` is kept.
        lock: What the writing process holds.
        unreadable: The file of records that could not be read, where these are to be skipped.
        partial_unreadable: The same until it is finished.
    """

    target: Path
    partial: Path
    state: Path
    lock: Path
    unreadable: Path
    partial_unreadable: Path

    @classmethod
    def of(cls, target: Path) -> Self:
        """Give the names for a target."""
        partial = target.with_name(f"{target.name}.partial")
        return cls(
            target,
            partial,
            partial.with_name(f"{partial.name}.checkpoint"),
            partial.with_name(f"{partial.name}.lock"),
            target.with_name(f"{target.name}.unreadable.jsonl"),
            partial.with_name(f"{partial.name}.unreadable.jsonl"),
        )
