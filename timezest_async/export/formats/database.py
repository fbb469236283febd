"""What SQLite and DuckDB have in common: a batch and its place are stored in one transaction."""

from __future__ import annotations

import errno
import re
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from timezest_async.errors import ConfigurationError, InvalidRequestError
from timezest_async.export.atomic_files import remove, sync_file, sync_folder
from timezest_async.export.checksums import Fingerprint
from timezest_async.export.formats.base import Reader, Wire, Writer, at
from timezest_async.export.formats.columns import TABLES, VANISHED_AT, Table, iso_text, to_wire
from timezest_async.export.job_state import Place, damaged
from timezest_async.export.output_files import Identity
from timezest_async.models import SchedulingRequest

Chunk = TypeVar("Chunk")

_OF_DAMAGE: Final = (ArithmeticError, LookupError, OSError, TypeError, ValueError)
"""What a library may raise over a damaged file besides its own errors."""
_PASSES: Final = re.compile(
    r"\b(is locked|lock on file|disk is full|no space|permission denied)\b", re.IGNORECASE
)
_PLACE: Final = "timezest_export_place"
_READ_TOGETHER: Final = 2_000


class DatabaseWriter(Writer[Chunk], Generic[Chunk]):
    """Writes one table of a database.

    Args:
        output: The database's file.
        table: The columns.
    """

    keeps_place = True
    names_of_tables: ClassVar[str]
    """The query for them."""
    _largest_empty: ClassVar[int] = 16_384
    """The bytes of a database without tables."""
    errors: type[Exception]
    """What its library raises."""

    def __init__(self, output: Path, table: Table) -> None:
        self._output = output
        self.table = table
        self._connection: Any = None
        self._identity = Identity(output)

    @abstractmethod
    def connect(self, path: Path) -> Any:
        """Open the database so that a transaction which was committed is durable."""

    @abstractmethod
    def declare(self) -> str:
        """Return the SQL that makes the table."""

    @abstractmethod
    def insert(self, connection: Any, chunks: Sequence[Chunk]) -> None:
        """Put records into the table."""

    @abstractmethod
    def add(self, connection: Any, chunks: Sequence[Chunk], place: Place) -> Place:
        """Put records into the table of an export; return the place with its rows, and their checksum."""

    @abstractmethod
    def check(self, connection: Any, place: Place) -> Place:
        """Read all that is in the database; return the place with its rows, and their checksum.

        Raises:
            ValueError: It is not what is durable; or what its library raises.
        """

    def forget(self, connection: Any, chunks: Sequence[Chunk]) -> None:
        """Remove what stands in the place of records that are to be put in."""

    @property
    def whole(self) -> Path:
        """The database itself."""
        return self._output

    def create(self, place: Place) -> Place:
        """Make the table in a new database."""
        for ending in ("", *self.sidecars):
            remove(self._output.with_name(self._output.name + ending))
        place = at(place, 0)
        with self.transaction() as connection:
            connection.execute(self.declare())
            connection.execute(f"CREATE TABLE {_PLACE} (place VARCHAR)")
            connection.execute(f"INSERT INTO {_PLACE} VALUES (?)", [place.to_text()])  # noqa: S608 - a constant
        self._own()
        sync_folder(self._output.parent)
        return place

    def restore(self, place: Place) -> Place | None:
        """Read the place; a transaction that was cut short is gone already.

        Args:
            place: That of the export's start: of its list, and with its name.
        """
        if not self._output.exists():
            return None
        with self._checked():
            connection = self.open()
            if (_PLACE,) not in connection.execute(self.names_of_tables).fetchall():
                # Nothing can have been written before the table of the place was.
                if self._output.stat().st_size > self._largest_empty:
                    raise ValueError("it has no place where to go on")
                self.close()
                return None
            [[text]] = connection.execute(f"SELECT place FROM {_PLACE}").fetchall()  # noqa: S608 - a constant
            durable = Place.from_text(text)
            begun, now = durable.checkpoint, place.checkpoint
            if (durable.export, begun.path, begun.queries) != (place.export, now.path, now.queries):
                raise ValueError("it is of another export")
            durable = self.check(connection, durable)
        self._own()
        return durable

    def commit(self, chunks: Sequence[Chunk], place: Place) -> Place:
        """Store records and place together."""
        self._identity.check()
        with self.transaction() as connection:
            place = self.add(connection, chunks, place)
            connection.execute(f"UPDATE {_PLACE} SET place = ?", [place.to_text()])  # noqa: S608 - a constant
        return place

    def upsert(self, chunks: Sequence[Chunk]) -> None:
        """Store records in a finished database, each in the place of one with its id."""
        with self.transaction() as connection:
            self.forget(connection, chunks)
            self.insert(connection, chunks)

    def mark(self, records: Sequence[SchedulingRequest], moment: datetime, place: Place) -> Place:
        """Say in a finished database since when requests are gone, where it does not say so yet."""
        from timezest_async.serialization.json_text import well_formed  # noqa: PLC0415 - needs msgspec

        name = VANISHED_AT.name
        statement = f"UPDATE {self.table.name} SET {name} = ? WHERE id = ? AND {name} IS NULL"  # noqa: S608 - constants
        with self.transaction() as connection:
            for record in records:
                connection.execute(statement, [iso_text(moment), well_formed(record.id)])
        return place

    def finish(self, place: Place) -> Fingerprint:
        """Take the place away, and look at all that is left."""
        if not self._output.exists():
            raise damaged(self._output, "it is gone")
        self._identity.check()
        with self.transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_PLACE}")
        self.close()
        with self._checked():
            self.check(self.open(), place)
            self.close()
        sync_file(self._output)
        return Fingerprint.of(self._output)

    def _own(self) -> None:
        """Note which file this is, and keep it and what stands beside it to its owner."""
        self._identity.note()
        for ending in ("", *self.sidecars):
            with suppress(FileNotFoundError):
                self._output.with_name(self._output.name + ending).chmod(0o600)

    def open(self) -> Any:
        """Return the connection, opening it first where that is needed."""
        if self._connection is None:
            self._connection = self.connect(self._output)
        return self._connection

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with self.translated():
                connection.close()

    @contextmanager
    def transaction(self) -> Generator[Any, None, None]:
        """Do what is within altogether, durably, or not at all."""
        with self.translated():
            connection = self.open()
            connection.execute("BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise

    def _roll_back(self, connection: Any) -> None:
        try:
            connection.execute("ROLLBACK")
        except self.errors:
            # A full disk may have ended the transaction already, and the database with it.
            self._connection = None
            connection.close()

    @contextmanager
    def _checked(self) -> Generator[None]:
        """Say of whatever goes wrong that the database is damaged, but of what may pass."""
        try:
            yield
        except ConfigurationError:
            raise
        except (self.errors, InvalidRequestError, *_OF_DAMAGE) as error:
            self.abandon()
            reason = str(error).partition("\n")[0]
            if _PASSES.search(reason):
                raise OSError(errno.EBUSY, reason, str(self._output)) from error
            raise damaged(self._output, reason) from None

    def abandon(self) -> None:
        """Close a database that is not as it should be, whatever it says to that."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self.errors):
                connection.close()

    @contextmanager
    def translated(self) -> Generator[None, None, None]:
        """Raise what the library raises as an OSError: what goes wrong here is the disk."""
        try:
            yield
        except self.errors as error:
            if "not a database" in str(error) or "not a valid" in str(error):
                raise ConfigurationError(
                    f"{self._output} is not a database of this format: {error}"
                ) from None
            raise OSError(errno.EIO, f"{type(self).__name__}: {error}", str(self._output)) from error


class DatabaseReader(Reader):
    """Reads the one table of an export from a database."""

    names_of_tables: ClassVar[str]
    """The query for them."""

    @abstractmethod
    def connected(self, *, writable: bool) -> AbstractContextManager[Any]:
        """Open the database; one that is writable is mended first of what a crash left half done."""

    def read(
        self, names: Sequence[str] | None = None, *, columns: Sequence[str] | None = None
    ) -> Iterator[Wire]:
        """Read some rows at a time."""
        with self.opened(columns) as (connection, table):
            cursor = connection.execute(f"SELECT {', '.join(names or '*')} FROM {table}")  # noqa: S608 - our names
            found = [description[0] for description in cursor.description]
            while rows := cursor.fetchmany(_READ_TOGETHER):
                for row in rows:
                    yield to_wire(dict(zip(found, row, strict=True)))

    @contextmanager
    def opened(self, columns: Sequence[str] | None) -> Generator[tuple[Any, str]]:
        """Open the database; yield the connection and the name of the table, which has these columns."""
        with self.connected(writable=columns is not None) as connection:
            present = {name for (name,) in connection.execute(self.names_of_tables).fetchall()}
            known = [table.name for table in TABLES.values() if table.name in present]
            if not known:
                raise ConfigurationError(
                    f"{self.source} has no table of an export, such as scheduling_requests"
                )
            if columns is not None:
                cursor = connection.execute(f"SELECT * FROM {known[0]} LIMIT 0")  # noqa: S608 - our name
                found = [description[0] for description in cursor.description]
                if found != list(columns):
                    raise ValueError(f"its columns are {', '.join(found)}")
            yield connection, known[0]
