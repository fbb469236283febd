"""Secrets, and how they are redacted from what others sent, however these spelt them.

Whatever came from outside goes through ``redact`` before it is cut short, formatted or kept.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from html.entities import html5
from typing import Any, Final, NoReturn, cast
from urllib.parse import quote

MASK: Final = "***"
_CASELESS_FROM: Final = 8
"""Characters from which on a key is known in any case (hosts are lower-cased), in base64 and in hexadecimal:
shorter ones would be found in innocent words."""
_CUT_FROM: Final = 6
"""Characters of a key that are redacted where the text ends in the middle of it."""
_FRAGMENT: Final = 20
"""Characters that one of the key's takes at most in HTML's longest name for it, and so may be left of it."""
_MOST: Final = 64
"""Characters of a key up to which such a cut is looked for."""


class Secret(str):
    """Text that shows in no repr, and so in no traceback with locals; it cannot be pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "An API key is neither pickled nor copied: it would end up where nobody looks after it."
        )


def masked(value: Any) -> Any:
    """Make text a ``Secret``, and leave anything else alone: for arguments that may hold a password."""
    return Secret(value) if isinstance(value, str) else value


def redact(text: str, secret: str) -> str:
    """Redact a secret in any spelling.

    Known are: any case, percent-encoding (of itself too), escapes of JSON and JavaScript, backslashes before
    any character, HTML's character references, quoted-printable, hexadecimal and base64 (both alphabets,
    alone or as a part); each of them also where the text breaks off in it.
    """
    return _pattern(str(secret)).sub(MASK, text) if secret else text


def redact_json(value: Any, secret: str) -> Any:
    """Redact a secret in all texts and names, and all numbers, of a JSON value.

    Raises:
        RecursionError: It is nested too deeply.
    """
    if isinstance(value, str):
        return redact(value, secret)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {redact(name, secret): redact_json(member, secret) for name, member in members.items()}
    if isinstance(value, list):
        return [redact_json(item, secret) for item in cast("list[object]", value)]
    if isinstance(value, int | float) and redact(text := str(value), secret) != text:
        return MASK
    return value


@lru_cache(maxsize=64)
def _pattern(secret: str) -> re.Pattern[str]:
    is_long = len(secret) >= _CASELESS_FROM
    spellings = [[_spelt(character, any_case=is_long) for character in secret]]
    if is_long:
        spellings.append([_caseless(f"{ord(character):02x}") for character in secret])
        texts = {secret, quote(secret, safe="")}
        spellings += [[_BASE64.get(one, one) for one in core] for text in texts for core in _base64(text)]
    return re.compile("|".join(map(_whole_or_cut, spellings)))


def _whole_or_cut(parts: list[str]) -> str:
    whole = "".join(parts)
    if len(parts) < _CASELESS_FROM:
        return whole
    rest = ""
    for part in reversed(parts[_CUT_FROM:_MOST]):
        rest = f"(?:{part}{rest})?"
    # The last character itself may be cut in the middle of its spelling.
    return f"{whole}|{''.join(parts[:_CUT_FROM])}{rest}[^\\s<>]{{0,{_FRAGMENT}}}\\Z"


def _spelt(character: str, *, any_case: bool) -> str:
    code = ord(character)
    digits = _caseless(f"{code:02x}")
    names = "|".join(_names(character))
    references = "|".join(
        filter(None, (f"#0{{0,6}}{code};?", f"#[xX]0{{0,6}}{digits};?", names and f"(?:{names})"))
    )
    alternatives = (
        _caseless(character) if any_case else re.escape(character),
        f"%(?:25){{0,4}}{digits}",
        f"={digits}",
        rf"\\{{1,8}}(?:[uU]\{{?0{{0,6}}|[xX]){digits}\}}?",
        f"&(?:amp;){{0,4}}(?:{references})",
        rf"\\{{1,8}}{re.escape(character)}",
    )
    return f"(?:{'|'.join(alternatives)})"


def _names(character: str) -> Iterator[str]:
    """Give HTML's names of a character, such as ``plus;``."""
    for name, meaning in html5.items():
        if meaning == character:
            yield re.escape(name)


def _caseless(text: str) -> str:
    return "".join(f"[{one.lower()}{one.upper()}]" if one.isalpha() else re.escape(one) for one in text)


def _base64(text: str) -> Iterator[str]:
    """Give what base64 makes of a text at each of its three places, without what neighbours change."""
    for before in range(3):
        encoded = b64encode(b"\0" * before + text.encode()).decode()
        yield encoded[-(-8 * before // 6) : 8 * (before + len(text.encode())) // 6]


_BASE64: Final = {"+": r"(?:[+-]|%(?:25){0,4}2[bB])", "/": r"(?:[/_]|\\{1,8}/|%(?:25){0,4}2[fF])"}
