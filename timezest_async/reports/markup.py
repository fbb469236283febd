"""Markup that cannot be left unescaped: text becomes markup only by way of ``element``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

_VOID: Final = frozenset({"meta", "rect"})
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Markup that is safe to stand in the page as it is."""

    __slots__ = ()


Content = str | Markup | Sequence["Content"] | None


def text(value: str) -> Markup:
    """Escape text for any place in a page, and replace the characters that a page may not hold."""
    return Markup(escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value), quote=True))


def element(name: str, /, *content: Content, **attributes: str | float | None) -> Markup:
    """Build an element.

    Args:
        name: Its tag.
        content: What is in it: text, which is escaped, elements, or lists of these; None is nothing.
        attributes: Its attributes, escaped; None leaves one out. ``_`` stands for ``-``, and one at the end
            is dropped, as in ``class_``.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{''.join(_flat(content))}</{name}>")


def value(content: str) -> Markup:
    """Show a value from outside, kept from turning the direction of the text around it."""
    return element("bdi", content)


def _flat(content: Sequence[Content]) -> Iterator[Markup]:
    for item in content:
        if isinstance(item, Markup):
            yield item
        elif isinstance(item, str):
            yield text(item)
        elif item is not None:
            yield from _flat(item)
