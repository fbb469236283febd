"""Expressions from functions rather than operators."""

from __future__ import annotations

from typing import Any, Self, cast

from timezest_async.errors import FilterError
from timezest_async.tql.nodes import And, Expression, Junction, Or, is_expression
from timezest_async.tql.values import E


def all_of(*expressions: Expression[E]) -> Expression[E]:
    """Join expressions with AND; a single one is returned as it is.

    Raises:
        FilterError: None is given: "everything" is said by giving no filter at all. Or something else than
            expressions.
    """
    return _join(And, "all_of", expressions)


def any_of(*expressions: Expression[E]) -> Expression[E]:
    """Join expressions with OR; a single one is returned as it is.

    Raises:
        FilterError: None is given, which would match nothing. Or something else than expressions.
    """
    return _join(Or, "any_of", expressions)


def _join(junction: type[Junction[E]], name: str, expressions: tuple[Expression[E], ...]) -> Expression[E]:
    if not expressions:
        raise FilterError(f"tql.{name}() needs at least one expression; for no filter, give None")
    for expression in expressions:
        if not is_expression(expression):
            raise FilterError(
                f"tql.{name}() takes expressions one by one, not {expression!r}: tql.{name}(*list)"
            )
    return expressions[0] if len(expressions) == 1 else junction(expressions)


class Raw(Expression[E]):
    """TQL text that is sent as it is, unread and unchecked."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        """Take the text, unless it is blank."""
        if not (isinstance(cast("object", text), str) and text.strip()):
            raise FilterError(
                f"tql.raw() takes TQL text such as 'scheduling_request.status~EQ~new', not {text!r}"
            )
        raw = object.__new__(cls)
        object.__setattr__(raw, "text", text)
        raw._prepare(None, is_negatable=False)
        return raw

    def _leaf_key(self) -> object:
        return self.text

    def _repr_parts(self) -> list[str | Expression[Any]]:
        return [f"tql.raw({self.text!r})"]

    def __reduce__(self) -> tuple[Any, ...]:
        return Raw, (self.text,)


def raw(text: str) -> Raw[Any]:
    """Send TQL text as it is, on your own responsibility: it is neither read nor checked nor quoted.

    ``&`` and ``|`` work on it; ``~`` and ``matches()`` raise ``UnsupportedFilterError``.
    """
    return Raw(text)
