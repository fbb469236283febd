r"""From a node to TQL text: the one place that quotes.

The ``~`` form is sent, since in the space form the first value swallows the rest of the filter. A value is
put in double quotes where anything in it could be read as syntax, with ``\`` before ``"`` and ``\``; what
needs quotes beyond white space, comma, ``~``, ``"`` and ``\`` (the empty text, parentheses, the words AND,
OR, NOT, and what is syntax in other languages) is our own caution, unverified against the service.
"""

from __future__ import annotations

import re
from typing import Any, Final

from timezest_async.errors import FilterError, UnsupportedFilterError
from timezest_async.tql.building import Raw
from timezest_async.tql.nodes import And, Expression, Or, Predicate
from timezest_async.tql.values import Value

FOREIGN: Final = re.compile(
    r"[&|=<>\[\]{};]|\A[!*%'\u2018-\u201e\u00ab\u00bb`]|[*%]\Z|\A(?i:null|none|nil)\Z"
)
"""What people mean as syntax and TQL reads as part of a value."""
_NEEDS_QUOTES: Final = re.compile(rf'[\s,~"\\()]|\A(?i:and|or|not)?\Z|{FOREIGN.pattern}')
_ESCAPED: Final = re.compile(r'(["\\])')


def render(expression: Expression[Any]) -> str:
    """Write an AND-only expression as TQL text in the ``~`` form.

    Args:
        expression: A predicate, raw text, or an ``And`` of these.

    Raises:
        UnsupportedFilterError: There is an ``Or`` inside: TQL has none. ``tql.plan`` finds the queries that
            say it together.
        FilterError: It is not an expression.
    """
    if isinstance(expression, And):
        return "~AND~".join([_render_leaf(term) for term in expression.terms])
    return _render_leaf(expression)


def _render_leaf(expression: Expression[Any]) -> str:
    if isinstance(expression, Predicate):
        return f"{expression.attribute.path}~{expression.operator}~{render_value(expression.value)}"
    if isinstance(expression, Raw):
        return expression.text
    if isinstance(expression, Or):
        raise UnsupportedFilterError(
            f"TQL has no OR, so one query cannot say this | of {len(expression.terms)} expressions; "
            "tql.plan(...) gives the queries that say it together"
        )
    raise FilterError(
        f'tql.render() takes an expression such as F.status == "new", not {expression!r}; tql.parse(...) '
        "reads text"
    )


def render_value(value: Value) -> str:
    """Write a canonical value as TQL text, quoted where it has to be."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, tuple):
        return ",".join([quote(text) for text in value])
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def quote(text: str) -> str:
    """Return text in double quotes where a reader could take any of it for syntax."""
    if _NEEDS_QUOTES.search(text):
        return '"' + _ESCAPED.sub(r"\\\1", text) + '"'
    return text
