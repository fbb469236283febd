"""Typed structs for the record classes, for msgspec to decode into, and the functions that copy them.

A struct has its record's fields as they stand in JSON: the same names, timestamps as ``int``, no field
beyond them. So what msgspec decodes into structs, strictly as it does by default, is checked already, and
what is left to do is straight-line code, generated from the attrs fields as in ``readers``.

Measured with pages of 20 records of 900 bytes (``python -m benchmarks decoding``; best CPU time of many):
85 µs a page by structs, 214 µs by way of dictionaries. One account, at the service's pace of three pages a
second, gains next to nothing, 0.4 ms of CPU a second. An export of hundreds of accounts on one core gains a
twelfth of its 77 µs a record, and reading alone would cost 15 µs a record instead of 9. So they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from types import GenericAlias, MappingProxyType
from typing import Annotated, Any, Final, get_args, get_origin

import attrs

from timezest_async.models.record import ABSENT, NO_EXTRA, Record
from timezest_async.serialization.readers import EARLIEST, LATEST, alternatives, enum_lookup, mutable_class

UnknownFields = tuple[tuple[Any, str], ...]
"""Fields that are in no class: each with the class that lacks it, and its name."""

# What a struct holds where a field was left out; told by identity only. It is a datetime to be able to stand
# among the timestamps when these are converted.
_LEFT_OUT: Final = datetime.min.replace(tzinfo=UTC)

_READ = """
def read(structs):
    records = []
    {loop}
        record = Mutable()
        absent = nulls = (){fields}
        record._absent = absent
        record._nulls = nulls
        {extra}
        record.__class__ = Record
        records.append(record)
    return records
"""
_LOOP = "for struct in structs:"
_LOOP_WITH_TIMES = """seconds = [time for struct in structs for time in ({gets})]
    times = iter(convert(seconds, Times, strict=False))
    for struct, {times} in zip(structs, {iterators}):"""
_FIELD = """
        value = {source}
        record.{name} = {reads}"""
_FIELD_OR_LACK = """
        value = {source}
        if struct.{name} is LEFT_OUT:
            record.{name} = None
            absent += ({name!r},)
        else:
            record.{name} = {reads}"""
_ARRAY = """
        value = struct.{name}
        if value is None:
            record.{name} = ()
            nulls += ({name!r},)
        elif value is LEFT_OUT:
            record.{name} = ()
            absent += ({name!r},)
        else:
            record.{name} = {reads}"""
_NO_EXTRA = "record.extra = NO_EXTRA"
_EXTRA = """extra = {{}}{unknown}
        record.extra = proxy(extra) if extra else NO_EXTRA"""
_UNKNOWN = """
        value = struct.{place}
        if value is not LEFT_OUT:
            extra[{place}] = value"""


def make_struct(cls: Any, unknown: UnknownFields) -> tuple[Any, Callable[[Sequence[Any]], list[Any]]]:
    """Make the struct of a record class.

    Args:
        cls: The record class.
        unknown: Fields that the structs are to take beyond those of the classes, for ``extra``.

    Returns:
        The struct, and a function that makes records of a list of them.

    Raises:
        ValueError: A name in ``unknown`` is beyond msgspec.
    """
    import msgspec  # noqa: PLC0415  # importing the package must not cost the import of its parser

    scope: dict[str, Any] = {
        "Mutable": mutable_class(cls),
        "LEFT_OUT": _LEFT_OUT,
        "NO_EXTRA": NO_EXTRA,
        "Record": cls,
        "Times": list[datetime | None],
        "convert": msgspec.convert,
        "proxy": MappingProxyType,
    }
    attrs.resolve_types(cls)
    wire: list[Any] = []
    times: list[str] = []
    fields = ""
    for name in cls.field_names:
        field = attrs.fields_dict(cls)[name]
        form: Any
        form, reads, helpers = _choose_form(field.type, name, unknown)
        scope |= helpers
        source = f"struct.{name}"
        if form is datetime:
            form = Annotated[int, msgspec.Meta(ge=EARLIEST, le=LATEST)]
            source = f"time_{name}"
            times.append(name)
        may_lack = field.default is ABSENT or name in cls.array_names
        wire.append((name, form | None, _LEFT_OUT) if may_lack else (name, form))
        template = _ARRAY if name in cls.array_names else _FIELD_OR_LACK if may_lack else _FIELD
        fields += template.format(name=name, source=source, reads=reads)
    extra = ""
    for number, name in enumerate(name for owner, name in unknown if owner is cls):
        place = f"unknown_{number}"
        wire.append((place, Any, msgspec.field(name=name, default=_LEFT_OUT)))
        extra += _UNKNOWN.format(place=place)
        scope[place] = name
    code = _READ.format(
        loop=_loop(times), fields=fields, extra=_EXTRA.format(unknown=extra) if extra else _NO_EXTRA
    )
    # No struct is part of a cycle, and they live for a moment only: the garbage collector may overlook them.
    struct = msgspec.defstruct(cls.__name__, wire, kw_only=True, forbid_unknown_fields=True, gc=False)
    exec(code, scope)  # noqa: S102  # made of our own classes' field names only
    return struct, scope["read"]


def _choose_form(annotation: Any, name: str, unknown: UnknownFields) -> tuple[Any, str, dict[str, Any]]:
    """Choose a field's type in JSON, an expression that makes the field of ``value``, and what that uses."""
    kinds = alternatives(annotation)
    array = next((kind for kind in kinds if get_origin(kind) is tuple), None)
    if array is not None:
        item = get_args(array)[0]
        if not issubclass(item, Record):
            return array, "value", {}
        struct, read = make_struct(item, unknown)
        made = f"tuple(read_{name}(value)) if value else ()"
        return GenericAlias(list, (struct,)), made, {f"read_{name}": read}
    word = next((kind for kind in kinds if issubclass(kind, StrEnum)), None)
    if word is not None:
        return str, f"word_{name}(value, value)", {f"word_{name}": enum_lookup(word)}
    return reduce(lambda first, second: first | second, kinds), "value", {}


def _loop(times: Sequence[str]) -> str:
    """Return the head of the loop over structs.

    The timestamps of all are converted together, in C: a quarter of the time of making each by itself.
    """
    if not times:
        return _LOOP
    return _LOOP_WITH_TIMES.format(
        gets="".join(f"struct.{name}, " for name in times),
        times=", ".join(f"time_{name}" for name in times),
        iterators=", ".join(["times"] * len(times)),
    )
