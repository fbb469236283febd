"""Parquet, and Arrow tables: a folder of parts, put together in the end.

A Parquet file cannot be appended to. The parts are of Arrow's own format, which costs little to write and to
read once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import accumulate, chain
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

from timezest_async.export.atomic_files import create, remove, sync_file, sync_folder, write_new
from timezest_async.export.checksums import Fingerprint, new_digest
from timezest_async.export.formats.base import Reader, Wire, Writer, at, damaged, require
from timezest_async.export.formats.cells import bounded_getter, extra_text
from timezest_async.export.formats.columns import Kind, Table, to_wire
from timezest_async.export.job_state import Place
from timezest_async.export.output_files import Identity
from timezest_async.models import Record
from timezest_async.serialization.json_text import well_formed

# pyarrow has no type hints.
ArrowSchema: TypeAlias = Any
ArrowArray: TypeAlias = Any
ArrowBatch: TypeAlias = Any
ArrowTable: TypeAlias = Any


class ArrowColumns:
    """Makes Arrow batches of records.

    Args:
        path: The list whose records they are.
        table: The columns.

    Attributes:
        schema: The Arrow schema.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """

    def __init__(self, path: str, table: Table) -> None:
        self._pa: Any = require("pyarrow", "parquet")
        self._parts = [
            (bounded_getter(column, path), column.kind, self._type(column.kind)) for column in table.columns
        ]
        self.schema: ArrowSchema = self._pa.schema(
            [(column.name, kind) for column, (_, _, kind) in zip(table.columns, self._parts, strict=True)]
        )

    def batch(self, records: Sequence[Record]) -> ArrowBatch:
        """Make one batch of some records; the more, the less for each."""
        arrays = [self._array(list(map(get, records)), kind, type_) for get, kind, type_ in self._parts]
        return self._pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def table(self, batches: Iterable[ArrowBatch]) -> ArrowTable:
        """Put batches together, without copying."""
        return self._pa.Table.from_batches(batches, schema=self.schema)

    def _array(self, values: list[Any], kind: Kind, type_: Any) -> ArrowArray:
        if kind.members:
            return self._structs(values, kind, type_)
        if kind is Kind.EXTRA:
            values = [extra_text(value) for value in values]
        if kind is Kind.TEXT:
            return self._texts(values)
        if kind is Kind.TEXTS:
            return self._lists(values, type_)
        return self._pa.array(values, type=type_)

    def _texts(self, values: list[Any]) -> ArrowArray:
        try:
            return self._pa.array(values, type=self._pa.string())
        except (TypeError, UnicodeEncodeError):  # a whole number among them, or half an emoji
            return self._pa.array(list(map(_utf8, values)), type=self._pa.string())

    def _lists(self, values: list[Any], type_: Any) -> ArrowArray:
        try:
            return self._pa.array(values, type=type_)
        except (TypeError, UnicodeEncodeError):
            lists = [None if items is None else list(map(_utf8, items)) for items in values]
            return self._pa.array(lists, type=type_)

    def _structs(self, values: list[Sequence[Record]], kind: Kind, type_: Any) -> ArrowArray:
        items = list(chain.from_iterable(values))
        members = [self._texts(list(map(attrgetter(name), items))) for name in kind.members]
        members.append(self._texts([extra_text(item.extra) for item in items]))
        offsets = self._pa.array(accumulate(map(len, values), initial=0), type=self._pa.int32())
        structs = self._pa.StructArray.from_arrays(members, fields=list(type_.value_type))
        return self._pa.ListArray.from_arrays(offsets, structs, type=type_)

    def _type(self, kind: Kind) -> Any:
        pa = self._pa
        if kind.members:
            return pa.list_(pa.struct([(name, pa.string()) for name in (*kind.members, "extra")]))
        return {
            Kind.INTEGER: pa.int64(),
            Kind.BOOLEAN: pa.bool_(),
            Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
            Kind.TEXTS: pa.list_(pa.string()),
        }.get(kind, pa.string())


def _utf8(value: Any) -> str | None:
    return None if value is None else well_formed(str(value))


_ROW_GROUP: Final = 10_000
"""Rows that are read together, and so held in memory together when the parts are put together."""
_READ_TOGETHER: Final = 1_000
_COMPRESSION: Final = "zstd"


class ParquetWriter(Writer[ArrowBatch]):
    """Writes a part for each batch."""

    encodes_at = 200

    def __init__(self, output: Path, path: str, table: Table) -> None:
        self._folder = output
        self._identity = Identity(output)
        self._arrow = ArrowColumns(path, table)
        self._pa: Any = require("pyarrow", "parquet")
        self._ipc: Any = require("pyarrow.ipc", "parquet")
        self._parquet: Any = require("pyarrow.parquet", "parquet")

    @property
    def whole(self) -> Path:
        """The file that ``finish`` makes of the parts."""
        return self._folder / "whole.parquet"

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06}.arrow"

    def create(self, place: Place) -> Place:
        """Make an empty folder."""
        remove(self._folder)
        self._folder.mkdir(mode=0o700)
        sync_folder(self._folder.parent)
        self._identity.note()
        return at(place, 0)

    def restore(self, place: Place) -> Place | None:
        """Remove what is beyond the durable parts."""
        durable = set(self._parts(place))
        present = set(self._folder.iterdir()) if self._folder.is_dir() else set[Path]()
        if missing := sorted(durable - present):
            raise damaged(self._folder, f"{missing[0].name} is missing from it")
        for stray in present - durable:
            remove(stray)
        for _ in self._tables(place):
            pass
        self._identity.note()
        return at(place, place.committed_size, self._digest(place))

    def encode(self, records: Sequence[Record]) -> ArrowBatch:
        """Make an Arrow batch."""
        return self._arrow.batch(records)

    def commit(self, chunks: Sequence[ArrowBatch], place: Place) -> Place:
        """Write a part."""
        number = place.committed_size + 1
        sink = self._pa.BufferOutputStream()
        with self._ipc.new_file(sink, self._arrow.schema) as writer:
            for batch in chunks:
                writer.write_batch(batch)
        data: bytes = sink.getvalue().to_pybytes()
        self._identity.check()
        remove(self._part(number))
        write_new(self._part(number), data)
        sync_folder(self._folder)
        return at(place, number, _chained(place.digest, data))

    def finish(self, place: Place) -> Fingerprint:
        """Put the parts together, some at a time."""
        remove(self.whole)
        os.close(create(self.whole))
        with self._parquet.ParquetWriter(self.whole, self._arrow.schema, compression=_COMPRESSION) as writer:
            for table in self._row_groups(place):
                writer.write_table(table, row_group_size=_ROW_GROUP)
        with self._parquet.ParquetFile(self.whole) as file:
            if file.metadata.num_rows != place.records:
                raise damaged(self.whole, "it lacks records")
        sync_file(self.whole)
        sync_folder(self._folder)
        return super().finish(place)

    def _tables(self, place: Place) -> Iterator[ArrowTable]:
        """Read the durable parts, each once it is seen to be what was written.

        Raises:
            ConfigurationError: One is not, or they have other records than was noted.
        """
        # Before any is parsed: damaged ones may end the process.
        if place.digest not in {"", self._digest(place)}:
            raise damaged(self._folder, "what was written was changed since")
        rows = 0
        for part in self._parts(place):
            try:
                with self._ipc.open_file(self._pa.BufferReader(self._read(part))) as reader:
                    table = reader.read_all()
                if not place.digest:
                    table.validate(full=True)
            except (self._pa.ArrowException, OSError) as error:
                raise damaged(part, str(error).partition("\n")[0]) from None
            rows += table.num_rows
            yield table
        if rows != place.records:
            raise damaged(self._folder, f"it has {rows:,} records where {place.records:,} were durable")

    def _parts(self, place: Place) -> list[Path]:
        return [self._part(number) for number in range(1, place.committed_size + 1)]

    def _digest(self, place: Place) -> str:
        return reduce(_chained, map(self._read, self._parts(place)), "")

    def _read(self, part: Path) -> bytes:
        try:
            return part.read_bytes()
        except FileNotFoundError:
            raise damaged(self._folder, f"{part.name} is missing from it") from None

    def _row_groups(self, place: Place) -> Iterator[ArrowTable]:
        tables: list[ArrowTable] = []
        rows = 0
        for table in self._tables(place):
            tables.append(table)
            rows += tables[-1].num_rows
            if rows >= _ROW_GROUP:
                yield self._pa.concat_tables(tables)
                tables, rows = [], 0
        if tables:
            yield self._pa.concat_tables(tables)

    def close(self) -> None:
        """Nothing stays open between batches."""


def _chained(digest: str, data: bytes) -> str:
    """Return the checksum over parts, from that over all but the last, and the last."""
    chained = new_digest()
    chained.update(digest.encode())
    chained.update(data)
    return chained.hexdigest()


class ParquetReader(Reader):
    """Reads a Parquet file, or a folder of them."""

    def read(
        self,
        names: Sequence[str] | None = None,
        *,
        columns: Sequence[str] | None = None,  # noqa: ARG002 - a Parquet file is not added to
    ) -> Iterator[Wire]:
        """Read some rows at a time."""
        parquet = require("pyarrow.parquet", "parquet")
        for part in sorted(self.source.glob("*.parquet")) if self.source.is_dir() else [self.source]:
            with parquet.ParquetFile(part) as file:
                for batch in file.iter_batches(batch_size=_READ_TOGETHER, columns=names):
                    yield from map(to_wire, batch.to_pylist())
