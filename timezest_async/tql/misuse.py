"""What people give for a filter that is not one, and the advice for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from timezest_async.errors import FilterError
from timezest_async.tql.attributes import Attribute
from timezest_async.tql.nodes import Expression, is_expression
from timezest_async.tql.planning import Plan
from timezest_async.tql.schema import SCHEMAS, Schema, attributes_of
from timezest_async.tql.values import safe_repr

EXAMPLES: Final[Mapping[str, str]] = {
    "scheduling_request": 'F.status == "new"',
    "agent": 'tql.agent.name == "Sam"',
    "team": 'tql.team.internal_name == "Tier 1"',
    "resource": 'tql.resource.internal_name == "Tier 1"',
    "appointment_type": "tql.appointment_type.duration_mins == 30",
}
"""A filter of each entity, for error messages."""


def checked_filter(value: object, entity: str) -> Expression[Any]:
    """Check that a value is a filter of the entity, and return it.

    Raises:
        FilterError: It is not; the message says what would be, made of the value where that can be.
    """
    if not is_expression(value):
        raise FilterError(
            f"a filter is an expression such as {EXAMPLES[entity]}, or TQL text, not {safe_repr(value)}: "
            f"{_advice(value, entity)}"
        )
    if value.entity not in {None, entity}:
        raise FilterError(
            f"this list is filtered by {entity} attributes ({EXAMPLES[entity]}), but the filter is about "
            f"{value.entity}: {value!r:.200}"
        )
    return value


def _advice(value: object, entity: str) -> str:
    if isinstance(value, bool):
        return (
            "a comparison that Python made False or True by itself has none of our attributes on its left, "
            "and `and`, `or` and `not` are written &, | and ~"
        )
    if isinstance(value, Mapping):
        return _as_comparisons(cast("Mapping[object, object]", value), entity)
    if isinstance(value, bytes | bytearray):
        return "decode it to text first"
    if isinstance(value, Attribute):
        return f"an attribute alone says nothing: compare it, as in {value!r} == ..."
    if isinstance(value, Schema):
        return f"compare one of its attributes, as in {EXAMPLES[entity]}"
    if isinstance(value, Plan):
        return "give the expression that the plan was made of"
    if isinstance(value, Iterable):
        return "join several: tql.all_of(*filters) where all are to hold, tql.any_of(*filters) where any is"
    if callable(value):
        return (
            "a function cannot be sent to the service: filter by its attributes, and test the records that "
            "come back with `if` where that is not enough"
        )
    return "compare an attribute with a value"


def _as_comparisons(wanted: Mapping[object, object], entity: str) -> str:
    table = SCHEMAS[entity]
    comparisons: list[str] = []
    for name, value in wanted.items():
        if name not in attributes_of(table):
            return f"compare attributes with values; there are {', '.join(attributes_of(table))}"
        attribute = attributes_of(table)[cast("str", name)]
        is_list = isinstance(value, list | tuple | set | frozenset)
        comparisons.append(f"{attribute!r}.in_({value!r})" if is_list else f"{attribute!r} == {value!r}")
    if not comparisons:
        return "for all records give no filter, or None"
    text = comparisons[0] if len(comparisons) == 1 else " & ".join(f"({part})" for part in comparisons)
    return f"write {text}" if len(text) <= 200 else "write its comparisons joined with &"
