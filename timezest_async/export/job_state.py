"""What is kept beside an unfinished export, so that it can be resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import attrs

from timezest_async.errors import ConfigurationError, InvalidRequestError
from timezest_async.export.atomic_files import write_text
from timezest_async.export.checksums import Fingerprint, sealed, unsealed
from timezest_async.export.formats.columns import first_columns
from timezest_async.export.formats.selection import Compression, Format, OutputOptions
from timezest_async.pagination import Checkpoint

_VERSION: Final = 2
_UNSEALED: Final = 1
"""The version that had no checksums."""
_NOT_OURS: Final = (AttributeError, KeyError, RecursionError, TypeError, ValueError, InvalidRequestError)
"""What reading something else raises."""


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
        committed_size: How much of the output holds them: bytes of a file, parts of a folder, or rows of
            a table.
        digest: A checksum over that; empty where it is not known.
        first: The ``created_at`` (epoch seconds, UTC) of the first record, or None.
        last: That of the last one.
        unreadable: How many records could not be read and are kept beside it.
        unreadable_bytes: How much of the file of these is durable.
        unreadable_digest: A checksum over that.
        export: The name of the export, so that no other one's output is taken for this one's.
    """

    records: int
    checkpoint: Checkpoint
    committed_size: int = 0
    first: int | None = None
    last: int | None = None
    unreadable: int = 0
    unreadable_bytes: int = 0
    digest: str = ""
    unreadable_digest: str = ""
    export: str = ""

    def after(self, records: Sequence[Any]) -> Place:
        """Return the place some records further on, with the checkpoint and the size that it has."""
        if not records:
            return self
        first = self.first if self.records else _epoch(records[0])
        return attrs.evolve(self, records=self.records + len(records), first=first, last=_epoch(records[-1]))

    def continuing(self, place: Place) -> Place:
        """Return this place, what is durable of its output taken from another one."""
        return attrs.evolve(
            self,
            committed_size=place.committed_size,
            digest=place.digest,
            unreadable=place.unreadable,
            unreadable_bytes=place.unreadable_bytes,
            unreadable_digest=place.unreadable_digest,
        )

    def to_text(self) -> str:
        """Write it as JSON, with a checksum."""
        value = attrs.asdict(self, recurse=False) | {"checkpoint": self.checkpoint.to_text()}
        value["extent"] = value.pop("committed_size")
        return sealed(value)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what ``to_text`` wrote.

        Raises:
            ValueError: It is damaged.
        """
        value, is_sealed = unsealed(text)
        if is_sealed != ("export" in value):
            raise ValueError("it is damaged: it lacks its checksum")
        checkpoint = Checkpoint.from_text(value.pop("checkpoint"))
        return cls(checkpoint=checkpoint, committed_size=value.pop("extent"), **value)


def _epoch(record: Any) -> int | None:
    created_at = record.created_at
    return None if created_at is None else int(created_at.timestamp())


@attrs.frozen
class ExportSpec:
    """What an export was told to do; resuming goes on with the same.

    Attributes:
        start: The list, its queries, and where the list started.
        options: How records are written.
        limit: How many records at most; None for all.
        overwrite: Whether a finished file of the name is to be replaced.
        skip_unreadable: Whether records that cannot be read are kept beside the file.
        columns: The names of the columns; an export is gone on with by those that it was begun with.
    """

    start: Checkpoint
    options: OutputOptions
    limit: int | None = None
    overwrite: bool = False
    skip_unreadable: bool = False
    columns: tuple[str, ...] = ()

    def check_account(self, now: ExportSpec, target: Path) -> None:
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

    def check_same(self, now: ExportSpec, target: Path) -> None:
        """Refuse to go on with what was begun otherwise.

        Raises:
            ConfigurationError: ``now`` is not this spec; says in what.
        """
        pairs: list[tuple[str, object, object]] = [
            ("list", self.start.path, now.start.path),
            ("filter", self.start.queries, now.start.queries),
            ("start", self.start, now.start),
            ("limit", self.limit, now.limit),
            *(
                (field.name, getattr(self.options, field.name), getattr(now.options, field.name))
                for field in attrs.fields(OutputOptions)
            ),
        ]
        for what, was, is_now in pairs:
            if was != is_now:
                raise ConfigurationError(
                    f"{target} was begun with another {what}, {was!r}, not {is_now!r}: resume with the same, "
                    "or start anew with overwrite=True"
                )


@attrs.frozen
class ResumeState:
    """An export that was started and not finished.

    Attributes:
        spec: What it was told to do.
        phase: How far it is.
        place: What is durable (for a database, as it was at the start: it keeps its own place); None
            where nothing is yet.
        export: What it is called in its output; empty where it was begun before there were such names.
        whole: What the output is when it is ready; None where nobody noted it.
    """

    spec: ExportSpec
    phase: Phase = Phase.READING
    place: Place | None = None
    export: str = ""
    whole: Fingerprint | None = None

    def save(self, path: Path) -> None:
        """Write it to its file, durably."""
        spec = self.spec
        value: dict[str, Any] = {
            "timezest_export": _VERSION,
            "start": spec.start.to_text(),
            "shape": attrs.asdict(spec.options),
            "limit": spec.limit,
            "overwrite": spec.overwrite,
            "skip_unreadable": spec.skip_unreadable,
            "columns": spec.columns,
            "phase": self.phase,
            "place": None if self.place is None else self.place.to_text(),
            "export": self.export,
            "whole": None if self.whole is None else attrs.asdict(self.whole),
        }
        write_text(path, sealed(value), private=True)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read it from its file; None where there is no such file.

        Raises:
            ConfigurationError: The file is something else.
        """
        try:
            value, is_sealed = unsealed(path.read_bytes())
            _check_version(value["timezest_export"], is_sealed=is_sealed)
            start, options = Checkpoint.from_text(value["start"]), _options(value["shape"])
            spec = ExportSpec(
                start,
                options,
                value["limit"],
                value["overwrite"],
                value.get("skip_unreadable", False),
                tuple(value.get("columns") or first_columns(start.path, options.fields)),
            )
            place = None if value["place"] is None else Place.from_text(value["place"])
            whole = Fingerprint(**value["whole"]) if value.get("whole") else None
            unfinished = cls(spec, Phase(value["phase"]), place, value.get("export", ""), whole)
        except FileNotFoundError:
            return None
        except _NOT_OURS as error:
            raise ConfigurationError(
                f"{path} is not the checkpoint of an export by this version ({error}): start anew with "
                "overwrite=True"
            ) from None
        return unfinished


def _check_version(version: object, *, is_sealed: bool) -> None:
    if version not in {_UNSEALED, _VERSION}:
        raise ValueError(f"it is of version {version!r}")
    if is_sealed != (version == _VERSION):
        raise ValueError("it is damaged: it lacks its checksum")


def _options(value: Mapping[str, Any]) -> OutputOptions:
    fields, compression = value["fields"], value["compression"]
    return OutputOptions(
        Format(value["format"]),
        None if compression is None else Compression(compression),
        None if fields is None else tuple(fields),
        value["raw_csv"],
    )


def damaged(output: Path, reason: str) -> ConfigurationError:
    """Make the error for an output that is not what its checkpoint says."""
    return ConfigurationError(f"{output} cannot be resumed, {reason}: start anew with overwrite=True")


@attrs.frozen
class ExportPaths:
    """The names that belong to an export's file.

    Attributes:
        target: The file when it is finished.
        partial: What is written until then: a file, or for Parquet a folder of parts.
        state: Where ``ResumeState`` is kept.
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
        """Return the names for a target.

        Raises:
            ConfigurationError: It has no name.
        """
        if not target.name:
            raise ConfigurationError(f"{target} is a folder: name a file")
        partial = target.with_name(f"{target.name}.partial")
        return cls(
            target,
            partial,
            partial.with_name(f"{partial.name}.checkpoint"),
            partial.with_name(f"{partial.name}.lock"),
            target.with_name(f"{target.name}.unreadable.jsonl"),
            partial.with_name(f"{partial.name}.unreadable.jsonl"),
        )
