"""Between the service's JSON and records: a strict cattrs converter that users can extend.

Strict means that nothing is coerced: a value of another JSON type than the documented one raises
``StructureError``, which names the place. cattrs alone would make ``"None"`` of ``None``, True of
``"false"``, 1 of ``1.9``, a time in 1970 of ``true`` and an empty list of ``{}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
import cattrs

from timezest_async.models.directory import Agent, Resource, Team
from timezest_async.models.enums import AgentRole, EntityType, Status, TeamType, TriggerMode
from timezest_async.models.record import Record, register_reader, to_json
from timezest_async.serialization.readers import (
    BOOLEAN,
    EARLIEST,
    LATEST,
    NUMBER,
    TEXT,
    TIMESTAMP,
    Hook,
    alternatives,
    make_reader,
    read_all,
    refuse,
)

_T = TypeVar("_T")

_WORDS = (AgentRole, EntityType, Status, TeamType, TriggerMode)

_RESOURCES_BY_NAME: dict[str, type[Agent | Team]] = {"agent": Agent, "team": Team}
_RESOURCES_BY_PREFIX: dict[str, type[Agent | Team]] = {"agnt": Agent, "team": Team}


def make_converter() -> cattrs.Converter:
    """Make a converter between parsed JSON and the records of this package."""
    converter = cattrs.Converter(detailed_validation=False)
    configure_converter(converter)
    return converter


def configure_converter(converter: cattrs.Converter) -> None:
    """Teach a converter the records of this package, and to be strict.

    Strictness holds for everything that it structures: ``str``, ``int``, ``bool``, ``datetime`` (which
    are epoch seconds then), lists and tuples. Register hooks of your own afterwards, for any of these,
    an enum or a record class; they take effect within records too.

    Args:
        converter: The converter to change.
    """
    for kind, hook in _STRICT_HOOKS.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_factory(_is_array, _make_array_hook)
    converter.register_structure_hook_factory(is_record, _make_record_hook)
    converter.register_structure_hook(Resource, partial(_structure_resource, converter))
    for kind in (datetime, *_WORDS):
        converter.register_unstructure_hook(kind, to_json)
    converter.register_unstructure_hook_factory(is_record, _make_record_unstructure_hook)


@cache
def default_converter() -> cattrs.Converter:
    """Return the converter that all share who bring none of their own: making one costs milliseconds."""
    return make_converter()


def structure(value: Any, cls: type[_T]) -> _T:
    """Structure parsed JSON as ``cls``, such as a record class.

    Raises:
        StructureError: The value is not of the documented shape.
    """
    return default_converter().structure(value, cls)


def _structure_plain(kind: type, expected: str, value: Any, cls: Any) -> Any:
    if type(value) is not kind:
        refuse(value, expected)
    # cattrs hands a hook the subclasses of its type too, such as a user's own StrEnum.
    return value if cls is kind else cls(value)


def _structure_datetime(value: Any, _: Any) -> datetime:
    if type(value) is not int or not EARLIEST <= value <= LATEST:
        refuse(value, TIMESTAMP.expected)
    return datetime.fromtimestamp(value, UTC)


def _structure_word(value: Any, cls: Any) -> Any:
    if type(value) is not str or value not in set(cls):
        refuse(value, f"one of {', '.join(cls)}")
    return cls(value)


_STRICT_HOOKS: dict[Any, Hook] = {
    str: partial(_structure_plain, str, TEXT.expected),
    bool: partial(_structure_plain, bool, BOOLEAN.expected),
    int: partial(_structure_plain, int, NUMBER.expected),
    datetime: _structure_datetime,
    **dict.fromkeys(_WORDS, _structure_word),
}


def _is_array(cls: Any) -> bool:
    return get_origin(cls) in {list, tuple, Sequence} and get_args(cls)[1:] in {(), (...,)}


def _make_array_hook(cls: Any, converter: cattrs.Converter) -> Hook:
    item = get_args(cls)[0]
    hook = converter.get_structure_hook(item)
    build: Any = list if get_origin(cls) is list else tuple

    def structure_array(value: Any, _: Any) -> Any:
        if type(value) is not list:
            refuse(value, "an array")
        return build(read_all(cast("Iterable[Any]", value), hook, item, "$"))

    return structure_array


def is_record(cls: Any) -> bool:
    """Return whether a type is a record class."""
    return isinstance(cls, type) and issubclass(cls, Record) and cls is not Record


def _make_record_hook(cls: Any, converter: cattrs.Converter) -> Hook:
    is_own = partial(has_own_hook, converter)
    if all(map(is_own, _types_within(cls))):
        return _own_reader(cls)
    return make_reader(cls, converter.get_structure_hook, is_own)


def has_own_hook(converter: cattrs.Converter, kind: Any) -> bool:
    """Return whether a converter structures a type, and all that is in it, by no hook of a user's."""
    return converter.get_structure_hook(kind) is _own_hook(kind)


def _own_hook(kind: Any) -> Hook | None:
    return _own_reader(kind) if is_record(kind) else _STRICT_HOOKS.get(kind)


@cache
def _own_reader(cls: Any) -> Hook:
    return make_reader(cls, cast("Callable[[Any], Hook]", _own_hook), lambda _: True)


def _types_within(cls: Any) -> set[Any]:
    """Return the types of a record's fields, of the items of arrays where they are these."""
    attrs.resolve_types(cls)
    kinds = {kind for name in cls.field_names for kind in alternatives(attrs.fields_dict(cls)[name].type)}
    return {get_args(kind)[0] if _is_array(kind) else kind for kind in kinds}


def _structure_resource(converter: cattrs.Converter, value: Any, _: Any) -> Agent | Team:
    """Tell an agent from a team by ``object``, else by ``type``, else by the prefix of the id.

    A resource of a kind that is not known is read as an agent, whose fields may all be absent but the id:
    what it is stands in ``object``, and what else it has in ``extra``.
    """
    if type(value) is not dict:
        refuse(value, "an object")
    wire = cast("dict[str, Any]", value)
    cls = (
        _RESOURCES_BY_NAME.get(_text(wire, "object"))
        or _RESOURCES_BY_NAME.get(_text(wire, "type"))
        or _RESOURCES_BY_PREFIX.get(_text(wire, "id").partition("_")[0])
        or Agent
    )
    resource: Agent | Team = converter.get_structure_hook(cls)(wire, cls)
    return resource


def _text(wire: Mapping[str, Any], name: str) -> str:
    value = wire.get(name)
    return value if isinstance(value, str) else ""


def _make_record_unstructure_hook(cls: Any, converter: cattrs.Converter) -> Callable[[Any], Any]:
    def unstructure_value(value: Any) -> Any:
        if isinstance(value, tuple):
            return [converter.unstructure(item) for item in cast("Iterable[Any]", value)]
        return converter.unstructure(value)

    def unstructure(record: Record) -> dict[str, Any]:
        names = set(cls.field_names)
        return {
            name: unstructure_value(getattr(record, name)) if name in names and value is not None else value
            for name, value in record.to_dict().items()
        }

    return unstructure


register_reader(structure)
