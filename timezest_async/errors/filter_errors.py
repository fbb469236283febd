"""What is wrong with a filter."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any, ClassVar

from timezest_async.errors.roots import TimeZestError, restore


class FilterError(TimeZestError, ValueError):
    """A filter cannot be built, read or sent; nothing was sent.

    Attributes:
        text: The line of TQL text that was read, where the filter came as text.
        column: Where in it the trouble starts, counted from 1, in characters.
    """

    text: str | None = None
    column: int | None = None


class UnknownAttributeError(FilterError, AttributeError):
    """The entity has no filterable attribute of this name.

    Attributes:
        entity: The entity asked, such as ``"scheduling_request"``.
        attribute: The name that was not found.
        suggestion: The nearest attribute that exists, or None.
    """

    def __init__(self, message: str, *, entity: str, attribute: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.entity = entity
        self.attribute = attribute
        self.suggestion = suggestion


class UnsupportedOperatorError(FilterError, AttributeError, TypeError):
    """The attribute's kind does not take this operator.

    It is an ``AttributeError`` and a ``TypeError`` as well, since ``F.created_at.like`` and
    ``F.status < "x"`` are what leads to it.

    Attributes:
        attribute: The full name, such as ``"scheduling_request.created_at"``.
        operator: The operator refused, in TQL's spelling.
    """

    def __init__(self, message: str, *, attribute: str, operator: str) -> None:
        super().__init__(message)
        self.attribute = attribute
        self.operator = operator


class InvalidValueError(FilterError):
    """The value does not fit the attribute.

    Attributes:
        attribute: The full name, such as ``"scheduling_request.status"``.
        value: The value refused.
    """

    def __init__(self, message: str, *, attribute: str, value: object) -> None:
        super().__init__(message)
        self.attribute = attribute
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        # A refused value may be anything, unpicklable things included; its repr says enough elsewhere.
        state = self.__dict__.copy()
        if not isinstance(self.value, str | int | float | bytes | datetime | None):
            state["value"] = repr(self.value)
        return restore, (type(self), self.args, state)


class UnsupportedFilterError(FilterError):
    """The filter is meaningful but cannot be said to the service as asked."""


class FilterSyntaxError(FilterError):
    """Filter text that cannot be read.

    Attributes:
        text: The line of text that was read.
        column: Where the trouble starts, counted from 1, in characters.
        reason: What is wrong.
        hint: What would be right, or None.
    """

    _MARGIN: ClassVar[int] = 60

    def __init__(self, reason: str, *, text: str, column: int, hint: str | None = None) -> None:
        super().__init__(reason)
        self.text: str | None = text
        self.column: int | None = column
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text, place = self.text or "", (self.column or 1) - 1
        start = max(0, place - self._MARGIN)
        shown = text[start : place + self._MARGIN]
        before, after = "…" if start else "", "…" if start + len(shown) < len(text) else ""
        caret = " " * (len(before) + sum(map(_columns, text[start:place]))) + "^"
        lines = [f"{self.reason} (column {place + 1})", f"  {before}{shown}{after}", f"  {caret}"]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


def _columns(character: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
