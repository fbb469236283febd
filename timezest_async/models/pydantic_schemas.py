"""What pydantic, and so FastAPI, makes of records: their own JSON objects, unknown fields included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from pydantic_core import CoreSchema, core_schema

_SCALARS: dict[Any, Callable[[], CoreSchema]] = {
    str: core_schema.str_schema,
    int: core_schema.int_schema,
    bool: core_schema.bool_schema,
}


def schema_of(record: type[Any], read: Callable[[Any, Any], Any]) -> CoreSchema:
    """Make the schema of a class of records: an instance is taken as it is, a JSON object is read.

    Args:
        record: The class.
        read: Makes a record of a JSON object and the class; raises ValueError.
    """

    def validate(value: Any) -> Any:
        if isinstance(value, record):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"a {record.__name__} is a JSON object, not {type(value).__name__}")  # noqa: TRY004 - pydantic tells it so
        return read(cast("Mapping[str, Any]", value), record)

    return core_schema.no_info_plain_validator_function(
        validate,
        ref=f"{record.__module__}.{record.__qualname__}:{id(record)}",
        serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.to_dict()),
    )


def json_object_of(record: type[Any]) -> CoreSchema:
    """Make the schema of the JSON object of a class of records, as its typed dictionary has it."""
    (typed,) = get_args(cast("Any", record).__orig_bases__[0])
    return _object(typed)


def _object(typed: Any) -> CoreSchema:
    fields = {
        name: core_schema.typed_dict_field(_value(hint), required=name in typed.__required_keys__)
        for name, hint in get_type_hints(typed).items()
    }
    return core_schema.typed_dict_schema(fields, extra_behavior="allow")


def _value(hint: Any) -> CoreSchema:
    if get_origin(hint) in {Union, UnionType}:
        parts = [_value(part) for part in get_args(hint) if part is not NoneType]
        schema = parts[0] if len(parts) == 1 else core_schema.union_schema(list(parts))
        return core_schema.nullable_schema(schema) if NoneType in get_args(hint) else schema
    if get_origin(hint) is list:
        return core_schema.list_schema(_value(get_args(hint)[0]))
    return _SCALARS[hint]() if hint in _SCALARS else _object(hint)
