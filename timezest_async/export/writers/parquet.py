"""Parquet: a folder of parts, put together in the end, since a Parquet file cannot be appended to.

The parts are of Arrow's own format, which costs little to write and to read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from timezest_async.export.columns import Table
from timezest_async.export.durable import remove, sync_file, sync_folder
from timezest_async.export.states import Place
from timezest_async.export.writers.arrow import ArrowBatch, ArrowColumns, ArrowTable
from timezest_async.export.writers.base import Writer, at, damaged, require
from timezest_async.models import Record

_ROW_GROUP: Final = 10_000
"""Rows that are read together, and so held in memory together when the parts are put together."""
_COMPRESSION: Final = "zstd"


class ParquetWriter(Writer[ArrowBatch]):
    """Writes a part for each batch."""

    encodes_at = 200

    def __init__(self, output: Path, path: str, table: Table) -> None:
        self._folder = output
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
        self._folder.mkdir()
        sync_folder(self._folder.parent)
        return at(place, 0)

    def restore(self, place: Place) -> Place | None:
        """Remove what is beyond the durable parts."""
        durable = {self._part(number) for number in range(1, place.extent + 1)}
        present = set(self._folder.iterdir()) if self._folder.is_dir() else set[Path]()
        if missing := sorted(durable - present):
            raise damaged(self._folder, f"{missing[0].name} is missing from it")
        for stray in present - durable:
            remove(stray)
        return place

    def encode(self, records: Sequence[Record]) -> ArrowBatch:
        """Make an Arrow batch."""
        return self._arrow.batch(records)

    def commit(self, chunks: Sequence[ArrowBatch], place: Place) -> Place:
        """Write a part."""
        number = place.extent + 1
        with (
            self._pa.OSFile(str(self._part(number)), "wb") as file,
            self._ipc.new_file(file, self._arrow.schema) as writer,
        ):
            for batch in chunks:
                writer.write_batch(batch)
        sync_file(self._part(number))
        sync_folder(self._folder)
        return at(place, number)

    def finish(self) -> None:
        """Put the parts together, some at a time."""
        with self._parquet.ParquetWriter(self.whole, self._arrow.schema, compression=_COMPRESSION) as writer:
            for table in self._row_groups():
                writer.write_table(table, row_group_size=_ROW_GROUP)
        sync_file(self.whole)
        sync_folder(self._folder)

    def _row_groups(self) -> Iterator[ArrowTable]:
        tables: list[ArrowTable] = []
        rows = 0
        for part in sorted(self._folder.glob("part-*.arrow")):
            with self._pa.memory_map(str(part)) as file, self._ipc.open_file(file) as reader:
                tables.append(reader.read_all())
            rows += tables[-1].num_rows
            if rows >= _ROW_GROUP:
                yield self._pa.concat_tables(tables)
                tables, rows = [], 0
        if tables:
            yield self._pa.concat_tables(tables)

    def close(self) -> None:
        """Nothing stays open between batches."""
