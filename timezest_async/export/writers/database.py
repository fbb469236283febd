"""What SQLite and DuckDB have in common: a batch and its place are stored in one transaction."""

from __future__ import annotations

import errno
from abc import abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from timezest_async.errors import ConfigurationError
from timezest_async.export.columns import Table
from timezest_async.export.durable import remove, sync_folder
from timezest_async.export.states import Place
from timezest_async.export.writers.base import Writer

Chunk = TypeVar("Chunk")

_PLACE: Final = "timezest_export_place"


class DatabaseWriter(Writer[Chunk], Generic[Chunk]):
    """Writes one table of a database.

    Args:
        output: The database's file.
        table: The columns.
    """

    keeps_place = True
    names_of_tables: ClassVar[str]
    """The query for them."""
    errors: type[Exception]
    """What its library raises."""

    def __init__(self, output: Path, table: Table) -> None:
        self._output = output
        self.table = table
        self._connection: Any = None

    @abstractmethod
    def connect(self, path: Path) -> Any:
        """Open the database so that a transaction which was committed is durable."""

    @abstractmethod
    def declare(self) -> str:
        """Give the SQL that makes the table."""

    @abstractmethod
    def insert(self, connection: Any, chunks: Sequence[Chunk]) -> None:
        """Put records into the table."""

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
        with self.transaction() as connection:
            connection.execute(self.declare())
            connection.execute(f"CREATE TABLE {_PLACE} (place VARCHAR)")
            connection.execute(f"INSERT INTO {_PLACE} VALUES (?)", [place.to_text()])  # noqa: S608 - a constant
        sync_folder(self._output.parent)
        return place

    def restore(self, place: Place) -> Place | None:  # noqa: ARG002 - the database knows better
        """Read the place; a transaction that was cut short is gone already."""
        if not self._output.exists():
            return None
        with self.translated():
            connection = self.open()
            if (_PLACE,) not in connection.execute(self.names_of_tables).fetchall():
                self.close()
                return None
            row = connection.execute(f"SELECT place FROM {_PLACE}").fetchone()  # noqa: S608 - a constant
        return Place.from_text(row[0])

    def commit(self, chunks: Sequence[Chunk], place: Place) -> Place:
        """Store records and place together."""
        with self.transaction() as connection:
            self.insert(connection, chunks)
            connection.execute(f"UPDATE {_PLACE} SET place = ?", [place.to_text()])  # noqa: S608 - a constant
        return place

    def upsert(self, chunks: Sequence[Chunk]) -> None:
        """Store records in a finished database, each in the place of one with its id."""
        with self.transaction() as connection:
            self.forget(connection, chunks)
            self.insert(connection, chunks)

    def finish(self) -> None:
        """Take the place away, and close."""
        with self.transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_PLACE}")
        self.close()

    def open(self) -> Any:
        """Give the connection, opening it first where that is needed."""
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
    def translated(self) -> Generator[None, None, None]:
        """Raise what the library raises as an OSError: what goes wrong here is the disk."""
        try:
            yield
        except self.errors as error:
            if "not a database" in str(error) or "not a valid" in str(error):
                raise ConfigurationError(f"{self._output} is no database of this format: {error}") from None
            raise OSError(errno.EIO, f"{type(self).__name__}: {error}", str(self._output)) from error
