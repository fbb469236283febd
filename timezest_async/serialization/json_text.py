"""JSON text of whatever JSON can carry, where the fast encoder stops or would change a value.

Half an emoji (a lone surrogate, which has no UTF-8) is written as the escape that it came as; a number beyond
a double, which Python reads as infinite, as one; and nesting may be as deep as it was read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, cast

from timezest_async.models.record import to_json

REPLACEMENT: Final = "\ufffd"
"""Stands for a lone surrogate where there are no escapes."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_NOT_SHOWN: Final = re.compile(r"[^\x00-\x7e]")
_INFINITY: Final = "1e999"


def well_formed(text: str) -> str:
    """Put U+FFFD in the place of each lone surrogate, which UTF-8 cannot write."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def json_bytes(value: Any, *, escapes: bool = True) -> bytes:
    """Encode a value as JSON, such as unknown fields, or what ``wire_form`` gives.

    Args:
        value: Plain JSON values, and what msgspec encodes; where the fast encoder fails, the former only.
        escapes: Whether lone surrogates are written as escapes; else as U+FFFD.
    """
    try:
        return _encoder().encode(value)  # type: ignore[no-any-return]
    except (UnicodeEncodeError, RecursionError):
        return exact_bytes(value, escapes=escapes)


def readable(value: Any, *, indented: bool = True) -> str:
    """Write plain JSON values for people: in ASCII, which every terminal and code page takes.

    Args:
        value: Plain JSON values.
        indented: Whether to write a line for each; else one line for all.
    """
    written: list[str] = []
    level = 0
    for token in _tokens(value, escapes=True):
        sign, rest = token[0], token[1:]
        if sign in "{[" and rest not in {"}", "]"}:
            level += 1
        elif sign in "}]":
            level -= 1
        line = f"\n{'  ' * level}" if indented else " " if sign == "," else ""
        if sign in "}]":
            written.append(f"{line}{sign}")
        elif isinstance(token, _Token) and rest not in {"}", "]"}:
            written.append(f"{sign}{line}{rest}{' ' if rest else ''}")
        else:
            written.append(token)
    return _NOT_SHOWN.sub(_escape, "".join(written))


def _escape(one: re.Match[str]) -> str:
    # DEL is ASCII, which json leaves as it is, and a terminal does not.
    return "\\u007f" if one.group() == "\x7f" else json.dumps(one.group())[1:-1]


def exact_bytes(value: Any, *, escapes: bool = True) -> bytes:
    """Encode plain JSON values one by one, infinite numbers too, and however deep."""
    return "".join(_tokens(value, escapes=escapes)).encode()


def holds_infinity(values: Iterable[Any]) -> bool:
    """Return whether there is an infinite number among values or within them, which msgspec makes a null."""
    pending = [iter(values)]
    while pending:
        for value in pending.pop():
            if isinstance(value, float):
                if math.isinf(value):
                    return True
            elif isinstance(value, dict):
                pending.append(iter(cast("Mapping[str, Any]", value).values()))
            elif isinstance(value, list):
                pending.append(iter(cast("Sequence[Any]", value)))
    return False


@cache
def _encoder() -> Any:
    return _msgspec().json.Encoder()


def _msgspec() -> Any:
    import msgspec  # noqa: PLC0415 - importing the exports must not cost the import of an encoder

    return msgspec


class _Token(str):
    """Text that is JSON already."""

    __slots__ = ()


def _tokens(value: Any, *, escapes: bool) -> Iterator[str]:
    raw = _msgspec().Raw
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if type(item) is _Token:
            yield item
        elif isinstance(item, raw):
            yield bytes(item).decode()
        elif isinstance(item, Mapping):
            parts: list[Any] = []
            for name, member in cast("Mapping[str, Any]", item).items():
                comma = "," if parts else "{"
                parts += [_Token(f"{comma}{_scalar(name, escapes=escapes)}:"), member]
            pending += [_Token("}"), *reversed(parts)] if parts else [_Token("{}")]
        elif isinstance(item, (list, tuple)):
            parts = []
            for member in cast("Sequence[Any]", item):
                parts += [_Token("," if parts else "["), member]
            pending += [_Token("]"), *reversed(parts)] if parts else [_Token("[]")]
        else:
            yield _scalar(item, escapes=escapes)


def _scalar(value: Any, *, escapes: bool) -> str:
    if isinstance(value, float) and math.isinf(value):
        return _INFINITY if value > 0 else f"-{_INFINITY}"
    text = json.dumps(to_json(value), ensure_ascii=False)
    return _SURROGATE.sub(lambda half: f"\\u{ord(half.group()):04x}" if escapes else REPLACEMENT, text)
