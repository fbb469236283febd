"""Bytes as JSON: as lenient as must be, and never deeper than recursion can follow.

What is read once is shown, copied, compared and written by recursion.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 200
"""Levels of arrays and objects beyond which JSON is refused; the service's own have 5."""

_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = [1 if byte in b"[{" else -1 for byte in range(256)]
_STRING: Final = re.compile(rb'(?s)"(?:[^"\\]|\\.)*+(?:"|\Z)')


class NotJSONError(Exception):
    """The body is not JSON; the message says where and why."""


def parse_json(body: bytes) -> Any:
    """Parse JSON.

    Raises:
        NotJSONError: It is not JSON.
    """
    # Lazy: importing the package must not cost the import of its parser.
    import msgspec  # noqa: PLC0415

    if is_deep(body):
        raise NotJSONError(f"nested too deeply, beyond {MAX_DEPTH} levels")
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = str(error)
    # The stricter parser refuses lone surrogates (half an emoji, cut by some other program) and a
    # byte order mark: one such name must not make a whole page unreadable.
    try:
        return json.loads(body.decode("utf-8-sig", "surrogatepass"), parse_constant=_refuse_constant)
    except ValueError:
        raise NotJSONError(reason) from None


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def is_deep(body: bytes) -> bool:
    """Return whether JSON is nested deeper than ``MAX_DEPTH``."""
    return _goes_deep(body) and _goes_deep(_STRING.sub(b"", body))


def _goes_deep(body: bytes) -> bool:
    """Return whether brackets go so deep, those in strings too."""
    depths = accumulate(map(_STEPS.__getitem__, body.translate(None, _OTHERS)))
    return any(map(MAX_DEPTH.__lt__, depths))
