"""Records as Arrow tables, for Parquet and in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, TypeAlias

from timezest_async.export.formats.base import require
from timezest_async.export.formats.cells import bounded_getter, extra_text
from timezest_async.export.formats.columns import Kind, Table
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
