"""Records as msgspec encodes them fastest: the JSON objects of ``to_dict``, made in a third of the time.

Records of one class that lack the same fields have one *form*: a struct of the fields that are there, and a
function, generated as straight-line code, that fills it from a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final, get_args, get_origin

import attrs
import msgspec

from timezest_async.models import Record
from timezest_async.models.record import to_json
from timezest_async.serialization.json_text import exact_bytes, holds_infinity

Make = Callable[[Any], Any]

_encoder: Final = msgspec.json.Encoder()

_MAX_FORMS: Final = 500
"""Forms of one class beyond which no more are made, should the service send ever other fields."""

_absent_of: Callable[[Any], tuple[str, ...]] = attrgetter("_absent")

_MAKE = """
def make(record):
    return Form({values})
"""
_TIME = (
    "int(value.timestamp()) if type(value := record.{name}) is datetime "
    "else None if value is None else to_json(value)"
)
_RECORDS = (
    "[forms_{name}[absent_of(item)](item) if item.__class__ is class_{name} and not item.extra "
    "else unusual(item) for item in record.{name}]"
)
_ARRAY = "None if record._nulls and {name!r} in record._nulls else "
_EXTRA = "record.extra[{name!r}]"


class _Forms(dict[tuple[str, ...], Make]):
    """The forms of one class, by the names of the fields that are left out."""

    def __init__(self, cls: Any) -> None:
        super().__init__()
        self._cls = cls

    def __missing__(self, absent: tuple[str, ...]) -> Make:
        if len(self) >= _MAX_FORMS:
            return _to_dict
        made = self[absent] = _make_form(self._cls, absent, ())
        return made


def wire_form(record: Record) -> Any:
    """Return what msgspec encodes as the record's JSON object."""
    if record.extra:
        return _with_extra(record)
    cls: Any = type(record)
    return _forms(cls)[_absent_of(record)](record)


def wire_array(records: Iterable[Record]) -> bytes:
    """Encode records as a JSON array."""
    records = list(records)
    try:
        return _encoder.encode([wire_form(record) for record in records])
    except (UnicodeEncodeError, RecursionError):
        return exact_bytes([record.to_dict() for record in records])


def wire_lines(records: Iterable[Record]) -> bytes:
    """Encode records as JSON lines."""
    records = list(records)
    try:
        return _encoder.encode_lines([wire_form(record) for record in records])
    except (UnicodeEncodeError, RecursionError):
        return b"".join(exact_bytes(record.to_dict()) + b"\n" for record in records)


@cache
def _forms(cls: Any) -> _Forms:
    return _Forms(cls)


def _with_extra(record: Record) -> Any:
    if holds_infinity(record.extra.values()):
        return msgspec.Raw(exact_bytes(record.to_dict()))
    key = type(record), _absent_of(record), tuple(record.extra)
    make = _EXTENDED.get(key)
    if make is None:
        if len(_EXTENDED) >= _MAX_FORMS:
            return _to_dict(record)
        try:
            make = _make_form(*key)
        except ValueError:  # a name that msgspec's structs cannot have
            make = _to_dict
        _EXTENDED[key] = make
    return make(record)


_EXTENDED: Final[dict[tuple[type[Record], tuple[str, ...], tuple[str, ...]], Make]] = {}


def _unusual(item: Any) -> Any:
    # Of any record: what its JSON object is makes no difference.
    return wire_form(item) if isinstance(item, Record) else to_json(item)  # pyright: ignore[reportUnknownArgumentType]


def _to_dict(record: Record) -> Any:
    return record.to_dict()


def _make_form(cls: Any, absent: tuple[str, ...], extra: tuple[str, ...]) -> Make:
    attrs.resolve_types(cls)
    scope: dict[str, Any] = {
        "absent_of": _absent_of,
        "datetime": datetime,
        "to_json": to_json,
        "unusual": _unusual,
    }
    fields: list[Any] = []
    values: list[str] = []
    for name in cls.field_names:
        if name in absent:
            continue
        kinds = _kinds(attrs.fields_dict(cls)[name].type)
        item = next((get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple), None)
        if item is not None and issubclass(item, Record):
            scope |= {f"class_{name}": item, f"forms_{name}": _forms(item)}  # pyright: ignore[reportUnknownArgumentType]  # as below
            values.append((_ARRAY + _RECORDS).format(name=name))
        else:
            value = _TIME if datetime in kinds else "record.{name}"
            values.append(((_ARRAY if item is not None else "") + value).format(name=name))
        fields.append((name, Any))
    for number, name in enumerate(extra):
        fields.append((f"extra_{number}", Any, msgspec.field(name=name)))
        values.append(_EXTRA.format(name=name))
    scope["Form"] = msgspec.defstruct(cls.__name__, fields, gc=False)
    exec(_MAKE.format(values=", ".join(values)), scope)  # noqa: S102  # made of names that are quoted or our own
    make: Make = scope["make"]
    return make


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return (annotation,) if get_origin(annotation) is tuple else get_args(annotation) or (annotation,)
