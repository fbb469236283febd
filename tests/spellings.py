"""The spellings in which a secret may come back, and how to see through each of them."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

from tests.secret_search import Search

Spell = Callable[[str], str]


def each(character_as: Callable[[int], str]) -> Spell:
    return lambda text: "".join(character_as(ord(one)) for one in text)


def _some(character_as: Callable[[int], str]) -> Spell:
    return lambda text: "".join(
        character_as(ord(one)) if place % 3 else one for place, one in enumerate(text)
    )


SPELLINGS: dict[str, Spell] = {
    "as it is": lambda text: text,
    "upper case": str.upper,
    "lower case": str.lower,
    "percent": lambda text: quote(text, safe=""),
    "percent, all": each(lambda code: f"%{code:02x}"),
    "percent, mixed": _some(lambda code: f"%{code:02X}"),
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent, thrice": lambda text: quote(quote(each(lambda code: f"%{code:02X}")(text))),
    "JSON": each(lambda code: f"\\u{code:04x}"),
    "JSON, mixed": _some(lambda code: f"\\u{code:04X}"),
    "JSON in JSON": each(lambda code: f"\\\\u{code:04x}"),
    "slashes": lambda text: text.replace("/", "\\/"),
    "backslashes": each(lambda code: f"\\{chr(code)}" if not chr(code).isalnum() else chr(code)),
    "hex escapes": each(lambda code: f"\\x{code:02x}"),
    "HTML": html.escape,
    "HTML, decimal": each(lambda code: f"&#{code};"),
    "HTML, padded": each(lambda code: f"&#{code:05d};"),
    "HTML, hexadecimal": each(lambda code: f"&#x{code:X};"),
    "HTML, escaped": each(lambda code: f"&amp;#{code};"),
    "HTML, named": lambda text: text.replace("+", "&plus;").replace("/", "&sol;").replace("=", "&equals;"),
    "quoted-printable": each(lambda code: f"={code:02X}"),
    "hexadecimal": lambda text: text.encode().hex(),
    "HEXADECIMAL": lambda text: text.encode().hex().upper(),
    **{
        f"base64 after {before} bytes": lambda text, before=before: base64.b64encode(  # type: ignore[misc]
            b"\xfb" * before + text.encode() + b"!!"
        ).decode()
        for before in range(3)
    },
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"??>{text}>>??".encode()).decode(),
    "base64, percent": lambda text: quote(base64.b64encode(f"Bearer {text}".encode()).decode(), safe=""),
    "base64 of percent": lambda text: base64.b64encode(quote(text, safe="").encode()).decode(),
}


class AnySpelling(Search):
    """Look for a secret with eyes that see through every spelling."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self._secret = secret.lower()
        self._hex = secret.encode().hex()

    def look(self, where: str, thing: str | bytes) -> None:
        super().look(where, thing)
        text = thing.decode("latin-1") if isinstance(thing, bytes) else thing
        if self.sees(text):
            self.found.append(f"{where}: {text[:400]}")

    def sees(self, text: str) -> bool:
        """Return whether the secret, or the first twelve characters of it, can be made out."""
        plain = _plain(text)
        return any(
            [
                self._secret[:12] in plain,
                self._hex[:24] in text.lower(),
                any(self._secret in _plain(decoded) for decoded in _decoded(text)),
            ]
        )


def _plain(text: str) -> str:
    for _ in range(5):
        text = html.unescape(unquote(text))
        text = re.sub(r"\\+(?:u00|x)([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)
        text = re.sub(r"=([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)
    return text.replace("\\", "").lower()


def _decoded(text: str) -> list[str]:
    """Decode all that may be base64, from each of four places on."""
    found = []
    for run in re.findall(r"[A-Za-z0-9+/_-]{16,}", unquote(text).replace("\\", "")):
        for start in range(4):
            piece = run[start:].translate(str.maketrans("-_", "+/"))
            piece = piece[: len(piece) - (len(piece) % 4 == 1)]
            found.append(base64.b64decode(piece + "=" * (-len(piece) % 4)).decode("latin-1"))
    return found
