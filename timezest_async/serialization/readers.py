"""Reading records from parsed JSON strictly: the functions that the converter hooks in.

Each record class is read by one function, generated from its attrs fields as straight-line code: this
runs for every record of every list, and a loop over the fields would take three times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any, NoReturn, cast, get_args, get_origin

import attrs

from timezest_async.models.record import ABSENT, NO_EXTRA, Record

Hook = Callable[[Any, Any], Any]
"""What cattrs calls a structure hook: a function of a value and the type it is to become."""

EARLIEST = int(datetime.min.replace(tzinfo=UTC).timestamp())
LATEST = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())


class StructureError(ValueError):
    """JSON that is not of the documented shape.

    Attributes:
        reason: What was expected, and what was there.
        path: Where, such as ``$.data[3].created_at``; ``$`` is the value that was to be structured.
    """

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path: str = path

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    def place_within(self, outer: str) -> None:
        """Note that what ``path`` starts from is itself found at ``outer``, such as ``$.data[3]``."""
        self.path = outer + self.path.removeprefix("$")


@attrs.frozen
class UnreadableRecord:
    """A record of a list that cannot be read, as JSON has it.

    Attributes:
        raw: The JSON value, parsed; of any type.
        reason: What is wrong with it and where, such as ``"$.data[3].status: expected a string, not 5"``.
    """

    raw: Any = attrs.field(hash=False)
    reason: str

    @property
    def id(self) -> str | None:
        """The record's id, where it has one."""
        raw: object = self.raw
        own = cast("dict[str, Any]", raw).get("id") if isinstance(raw, dict) else None
        return own if isinstance(own, str) else None


@attrs.frozen
class Rule:
    """How generated code reads a field.

    Attributes:
        accepts: A condition on ``value``.
        reads: An expression over ``value``; may use ``hook_{name}`` and ``item_{name}``.
        expected: What errors call a value that fits.
    """

    accepts: str
    reads: str
    expected: str


TEXT = Rule("type(value) is str", "value", "a string")
BOOLEAN = Rule("type(value) is bool", "value", "true or false")
NUMBER = Rule("type(value) is int", "value", "a whole number")
IDENTIFIER = Rule("type(value) is str or type(value) is int", "value", "a string or a whole number")
TIMESTAMP = Rule(
    f"type(value) is int and {EARLIEST} <= value <= {LATEST}",
    "from_timestamp(value, UTC)",
    "epoch seconds as a whole number, in the years 1 to 9999",
)
WORD = Rule("type(value) is str", "hook_{name}(value, value)", "a string")
ARRAY = Rule(
    "type(value) is list",
    "tuple(read_all(value, hook_{name}, item_{name}, '$.{name}')) if value else ()",
    "an array",
)
BY_HOOK = Rule(
    "value is not None and value is not ABSENT",
    "call(hook_{name}, value, item_{name}, '$.{name}')",
    "a value",
)

_PLAIN_RULES: dict[frozenset[Any], Rule] = {
    frozenset({str}): TEXT,
    frozenset({bool}): BOOLEAN,
    frozenset({int}): NUMBER,
    frozenset({int, str}): IDENTIFIER,
    frozenset({datetime}): TIMESTAMP,
}

_FIELD = """
    value = get({name!r}, ABSENT)
    if {accepts}:
        record.{name} = {reads}"""
_LACK_OF_FIELD = """
    elif value is None:
        record.{name} = None
    elif value is ABSENT:
        record.{name} = None
        absent += ({name!r},)"""
_LACK_OF_ARRAY = """
    elif value is None:
        record.{name} = ()
        nulls += ({name!r},)
    elif value is ABSENT:
        record.{name} = ()
        absent += ({name!r},)"""
_MISFIT = """
    else:
        refuse(value, {expected!r}, '$.{name}')"""
_READER = """
def read(wire, _):
    if type(wire) is not dict:
        refuse(wire, "an object")
    get = wire.get
    record = Mutable()
    absent = nulls = (){fields}
    record._absent = absent
    record._nulls = nulls
    if len(wire) + len(absent) == len(names):
        record.extra = NO_EXTRA
    else:
        record.extra = proxy({{name: wire[name] for name in wire if name not in names}})
    record.__class__ = Record
    return record
"""


def make_reader(cls: Any, find_hook: Callable[[Any], Hook], is_strict: Callable[[Any], bool]) -> Hook:
    """Make the function that reads one kind of record from parsed JSON.

    Args:
        cls: The record class.
        find_hook: Gives the hook for a type.
        is_strict: Tells whether the hook for a type is this package's own, so that the generated code
            may do the same in place instead of calling it.

    Returns:
        A function of the JSON value and the class that returns the record or raises StructureError.
    """
    attrs.resolve_types(cls)
    scope: dict[str, Any] = {
        "ABSENT": ABSENT,
        "Mutable": mutable_class(cls),
        "NO_EXTRA": NO_EXTRA,
        "Record": cls,
        "UTC": UTC,
        "call": _call,
        "from_timestamp": datetime.fromtimestamp,
        "names": frozenset(cls.field_names),
        "proxy": MappingProxyType,
        "read_all": read_all,
        "refuse": refuse,
    }
    fields = ""
    for name in cls.field_names:
        field = attrs.fields_dict(cls)[name]
        rule, hook, item = _choose_rule(field.type, find_hook, is_strict)
        scope |= {f"hook_{name}": hook, f"item_{name}": item}
        lack = _LACK_OF_FIELD if field.default is ABSENT else ""
        template = _FIELD + (_LACK_OF_ARRAY if name in cls.array_names else lack) + _MISFIT
        fields += template.format(
            name=name, accepts=rule.accepts, reads=rule.reads.format(name=name), expected=rule.expected
        )
    exec(_READER.format(fields=fields), scope)  # noqa: S102  # made of our own classes' field names only
    return cast("Hook", scope["read"])


def _choose_rule(
    annotation: Any, find_hook: Callable[[Any], Hook], is_strict: Callable[[Any], bool]
) -> tuple[Rule, Any, Any]:
    """Choose how to read a field of this type, with the hook and the type that the rule needs."""
    kinds = alternatives(annotation)
    array = next((kind for kind in kinds if get_origin(kind) is tuple), None)
    if array is not None:
        item = get_args(array)[0]
        return ARRAY, find_hook(item), item
    word = next((kind for kind in kinds if issubclass(kind, StrEnum)), None)
    if word is not None and is_strict(word):
        return WORD, enum_lookup(word), word
    if word is None and all(map(is_strict, kinds)):
        return _PLAIN_RULES[kinds], None, None
    if word is not None or len(kinds) == 1:
        kind = word or next(iter(kinds))
        return BY_HOOK, find_hook(kind), kind

    def read_by_type(value: Any, _: Any) -> Any:
        if type(value) not in kinds:
            refuse(value, IDENTIFIER.expected)
        return find_hook(type(value))(value, type(value))

    return BY_HOOK, read_by_type, None


def alternatives(annotation: Any) -> frozenset[Any]:
    """Return the types that a field may have by its annotation, None apart."""
    choices: tuple[Any, ...] = (annotation,) if get_origin(annotation) is tuple else get_args(annotation)
    return frozenset(choices or (annotation,)) - {NoneType}


def enum_lookup(words: type[StrEnum]) -> Callable[[str, Any], Any]:
    """Return a function of a text and a default that gives the member of that text."""
    return {str(member): member for member in words}.get


@cache
def mutable_class(cls: Any) -> Any:
    """Make the mutable class beside a record class.

    A frozen class has its fields set by one slow call each. It has the same slots, is filled by
    plain assignment, and becomes the record by a change of ``__class__``: a tenth of the time.
    """
    methods = ("__init__", "__setattr__", "__delattr__")
    plain = {name: getattr(object, name) for name in methods}
    return type("Mutable", (Record,), {"__slots__": cls.__slots__, **plain})


def read_all(values: Iterable[Any], hook: Hook, cls: Any, path: str) -> list[Any]:
    """Read each item of an array that was found at ``path``."""
    items: list[Any] = []
    try:
        for value in values:
            items.append(hook(value, cls))  # noqa: PERF401  # its length tells which item failed
    except StructureError as error:
        error.place_within(f"{path}[{len(items)}]")
        raise
    return items


def _call(hook: Hook, value: Any, cls: Any, path: str) -> Any:
    try:
        return hook(value, cls)
    except StructureError as error:
        error.place_within(path)
        raise


def refuse(value: object, expected: str, path: str = "$") -> NoReturn:
    """Raise the error for a value that is not what was expected, or ABSENT."""
    if value is ABSENT:
        raise StructureError(f"missing, expected {expected}", path)
    names: dict[type, str] = {bool: "a boolean", NoneType: "null", dict: "an object", list: "an array"}
    shown = names.get(type(value)) or f"{value!r:.60}"
    raise StructureError(f"expected {expected}, not {shown}", path)
