"""What exports, incremental exports and reports ask of every format: a Writer and a Reader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.checksums import Fingerprint, new_digest
from timezest_async.export.job_state import Place, damaged
from timezest_async.models import Record, SchedulingRequest

__all__ = ["Reader", "Wire", "Writer", "at", "damaged", "require"]

Chunk = TypeVar("Chunk")

Wire = dict[str, Any]
"""A record in the shape that the service sends."""
_CHUNK: Final = 1 << 20


class Writer(ABC, Generic[Chunk]):
    """Writes one export. All but ``encode`` may block, and runs off the event loop, one call at a time."""

    keeps_place: ClassVar[bool] = False
    """Whether ``commit`` stores the place itself, together with the batch."""

    encodes_at: ClassVar[int] = 1
    """How many records are worth an ``encode``. Few do not hold up the event loop, nor live for long."""
    sidecars: ClassVar[tuple[str, ...]] = ()
    """Endings of the files that may stand beside the output's own."""

    @property
    @abstractmethod
    def whole(self) -> Path:
        """What is renamed to the target in the end."""

    @abstractmethod
    def create(self, place: Place) -> Place:
        """Start with nothing, in the place of whatever is there; return the place with its size."""

    @abstractmethod
    def restore(self, place: Place) -> Place | None:
        """Go back to what is durable, forgetting what was written beyond it.

        Returns:
            Where the output stands, with its checksum; None where nothing of it is durable, so that
            ``create`` is needed.

        Raises:
            ConfigurationError: The output is not what it was.
        """

    @abstractmethod
    def encode(self, records: Sequence[Record]) -> Chunk:
        """Make of a few hundred records what ``commit`` takes; runs in the event loop."""

    @abstractmethod
    def commit(self, chunks: Sequence[Chunk], place: Place) -> Place:
        """Write a batch and make it durable; return the place with its size.

        Raises:
            OSError: The disk is full, or fails.
        """

    def mark(self, records: Sequence[SchedulingRequest], moment: datetime, place: Place) -> Place:
        """Say in a finished file since when records are gone from the service.

        Args:
            records: What is known of them, which stands where the file has nothing of them.
            moment: When that was noticed (UTC).
            place: Where the file ends.
        """
        raise NotImplementedError("a file of this format is not added to")

    def finish(self, place: Place) -> Fingerprint:  # noqa: ARG002 - others look at it
        """Make ``whole`` of what was written, durably; can be done again after a crash.

        Args:
            place: Where all is durable.

        Returns:
            What ``whole`` is.

        Raises:
            ConfigurationError: The output is not what was written.
        """
        self.close()
        return Fingerprint.of(self.whole)

    @abstractmethod
    def close(self) -> None:
        """Release files; closing twice is fine."""


class Reader(ABC):
    """Reads a finished file.

    Args:
        source: The file.
    """

    damage: tuple[type[Exception], ...] = (ArithmeticError, EOFError, LookupError, TypeError, ValueError)
    """What it raises, its library's own errors included, where the file is damaged or something else."""

    def __init__(self, source: Path) -> None:
        self.source = source

    @abstractmethod
    def read(
        self, names: Sequence[str] | None = None, *, columns: Sequence[str] | None = None
    ) -> Iterator[Wire]:
        """Read the records; a null is left out where columns cannot tell it from a field that was absent.

        Args:
            names: The columns that are wanted, where that is less work; None for all.
            columns: The columns that the file has to have, where it has any; None for whatever it has.

        Raises:
            OSError: It cannot be opened.
            ConfigurationError: It needs a library that is not installed, or has no table of an export.
        """

    def checksum(self, columns: Sequence[str], length: int) -> str:  # noqa: ARG002 - of databases
        """Compute a checksum over what the file holds.

        Args:
            columns: The columns of a database, whose rows count in whatever order.
            length: How many bytes of any other file count.

        Returns:
            The version of what computes it, a colon, and the checksum.
        """
        digest = new_digest()
        with self.source.open("rb") as file:
            while data := file.read(min(length, _CHUNK)):
                digest.update(data)
                length -= len(data)
        return f"1:{digest.hexdigest()}"


def at(place: Place, committed_size: int, digest: str = "") -> Place:
    """Return a place where so much of the output is durable."""
    return attrs.evolve(place, committed_size=committed_size, digest=digest)


def require(module: str, extra: str) -> Any:
    """Import a library that an extra brings.

    Raises:
        ConfigurationError: It is not installed; says which extra brings it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in {module, module.partition(".")[0]}:
            raise
    raise ConfigurationError(f"this needs {module.partition('.')[0]}: pip install 'timezest-async[{extra}]'")
