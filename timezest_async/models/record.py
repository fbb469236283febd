"""What all records share: unknown fields, absent fields, and the way back to JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast

import attrs


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent.ABSENT
"""The default of every field that the service may leave out or send as null."""

NO_EXTRA: Mapping[str, Any] = MappingProxyType({})

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    D = TypeVarWithDefault("D", default=Any)
else:
    D = TypeVar("D")

_Word = TypeVar("_Word", bound=StrEnum)


def _freeze(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(extra)) if extra else NO_EXTRA


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class Record(Generic[D]):
    """Something that the service sends as a JSON object.

    Fields bear the service's names. A field that was left out reads None (an array: as an empty tuple) and
    stays left out of ``to_dict()``; a null reads likewise and stays a null. ``attrs.evolve`` makes a field
    that was absent present by giving it a value; given None (an array: nothing in it) it stays absent. ``D``
    is the type of the JSON object.

    Attributes:
        field_names: The names of the fields that the service sends, in the order of the class.
        array_names: Those of them that are arrays.
        extra: The fields that this version of the package does not know, by name; read-only.
    """

    field_names: ClassVar[tuple[str, ...]] = ()
    array_names: ClassVar[frozenset[str]] = frozenset()

    extra: Mapping[str, Any] = attrs.field(default=NO_EXTRA, converter=_freeze, hash=False)
    # In the order of the fields, so that equal records have equal tuples.
    _absent: tuple[str, ...] = attrs.field(default=(), alias="_absent")
    # The arrays that came as null, likewise.
    _nulls: tuple[str, ...] = attrs.field(default=(), alias="_nulls")

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        shared = {field.name for field in attrs.fields(Record)}
        own = [field for field in attrs.fields(cls) if field.name not in shared]
        cls.field_names = tuple(field.name for field in own)
        cls.array_names = frozenset(field.name for field in own if str(field.type).startswith("tuple["))

    def __attrs_post_init__(self) -> None:
        names = self.field_names
        if clash := sorted(self.extra.keys() & set(names)):
            raise ValueError(
                f"extra may not hold {clash[0]!r}: {type(self).__name__} has a field of this name."
            )
        absent: list[str] = []
        nulls: list[str] = []
        for name in names:
            value = getattr(self, name)
            is_array = name in self.array_names
            if value is ABSENT or (not value and name in self._absent and (is_array or value is None)):
                absent.append(name)
            elif is_array and (value is None or (not value and name in self._nulls)):
                nulls.append(name)
            if value is ABSENT or value is None:
                object.__setattr__(self, name, () if is_array else None)
        object.__setattr__(self, "_absent", tuple(absent))
        object.__setattr__(self, "_nulls", tuple(nulls))

    def to_dict(self) -> D:
        """Return the JSON object that the service would send for this record, unknown fields included.

        Returns:
            A new dictionary of plain JSON values; changing it does not change the record.
        """
        absent, nulls = self._absent, self._nulls
        wire: dict[str, Any] = {}
        for name in self.field_names:
            value = getattr(self, name)
            if value and type(value) is not str:
                wire[name] = to_json(value)
            elif name not in absent:
                wire[name] = None if name in nulls else to_json(value)
        if self.extra:
            wire.update(_copy(self.extra))
        return cast("D", wire)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from timezest_async.models.pydantic_schemas import schema_of  # noqa: PLC0415 - needs pydantic

        assert _reader is not None, "the package registers it when imported"  # noqa: S101
        return schema_of(cls, _reader)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        from timezest_async.models.pydantic_schemas import json_object_of  # noqa: PLC0415 - needs pydantic

        return {**handler(json_object_of(cls)), "additionalProperties": True, "title": cls.__name__}

    def __repr__(self) -> str:
        shown = [
            f"{name}={None if name in self._nulls else _show(getattr(self, name))}"
            for name in self.field_names
            if name not in self._absent
        ]
        if self.extra:
            shown.append(f"extra={dict(self.extra)!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping neither pickles nor deep-copies, so it travels as a dict.
        values = {name: getattr(self, name) for name in self.field_names}
        return _restore, (type(self), values, dict(self.extra), self._absent, self._nulls)

    def __replace__(self, **changes: Any) -> Self:
        return attrs.evolve(self, **changes)


_reader: Callable[[Any, Any], Any] | None = None


def register_reader(reader: Callable[[Any, Any], Any]) -> None:
    """Say what makes a record of a JSON object and a class; the room that reads JSON is above this one."""
    global _reader  # noqa: PLW0603 - set once, when the package is imported
    _reader = reader


def _restore(
    cls: type[Record],
    values: Mapping[str, Any],
    extra: Mapping[str, Any],
    absent: tuple[str, ...],
    nulls: tuple[str, ...] = (),  # pickles of earlier versions have none
) -> Record:
    """Rebuild a pickled or copied record as it was, whatever a user's converter had put into it."""
    record = object.__new__(cls)
    names = cls.field_names
    absent = tuple(name for name in names if name in absent or name not in values)
    for name in names:
        value = values.get(name)
        object.__setattr__(record, name, () if value is None and name in cls.array_names else value)
    object.__setattr__(record, "extra", _freeze(extra))
    object.__setattr__(record, "_absent", absent)
    object.__setattr__(record, "_nulls", nulls)
    return record


def to_json(value: Any) -> Any:
    """Turn the value of a field into what JSON carries for it.

    Datetimes become epoch seconds, records their ``to_dict()``, tuples lists and enum members their
    text; anything else is JSON already.
    """
    if isinstance(value, tuple):
        return [to_json(item) for item in cast("Iterable[Any]", value)]
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, Record):
        return value.to_dict()  # pyright: ignore[reportUnknownVariableType]  # the JSON object of any record
    if isinstance(value, Enum):
        return value.value
    return value


def _copy(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Copy JSON values with all that is in them; however deep, which ``copy.deepcopy`` cannot."""
    copied = dict(extra)
    pending: list[Any] = [copied]
    while pending:
        outer = pending.pop()
        for place in list(outer) if hasattr(outer, "keys") else range(len(outer)):
            if type(outer[place]) in {dict, list}:
                outer[place] = outer[place].copy()
                pending.append(outer[place])
    return copied


def _show(value: Any) -> str:
    if isinstance(value, Enum):
        return repr(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(value)


def utc(value: datetime) -> datetime:
    """Bring a hand-made timestamp to UTC and whole seconds, which is what the service keeps.

    Raises:
        TypeError: It is not a datetime.
        ValueError: It has no time zone.
    """
    if not isinstance(value, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a checker
        raise TypeError(f"A timestamp is an aware datetime, not {value!r}.")
    if value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone; write datetime(..., tzinfo=UTC).")
    return value.astimezone(UTC).replace(microsecond=0)


def utc_or_none(value: datetime | None) -> datetime | None:
    """Do as ``utc`` does, and let None and ABSENT through."""
    return value if value is None or value is ABSENT else utc(value)


def as_tuple(values: Iterable[Any] | None) -> tuple[Any, ...]:
    """Make a tuple of a hand-made array, and let None and ABSENT through for the record to heed."""
    return cast("tuple[Any, ...]", values) if values is None or values is ABSENT else tuple(values)


def enum_or_str(words: type[_Word], value: Any) -> Any:
    """Turn a known text into its enum member; leave any other value alone, None and ABSENT included."""
    try:
        return words(value)
    except ValueError:
        return value
