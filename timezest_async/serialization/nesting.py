"""How deep JSON is nested: what is read once is shown, copied, compared and written by recursion."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

MAX_DEPTH: Final = 200
"""Levels of arrays and objects beyond which JSON is refused; the service's own have 5."""

_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = [1 if byte in b"[{" else -1 for byte in range(256)]
_STRING: Final = re.compile(rb'(?s)"(?:[^"\\]|\\.)*+(?:"|\Z)')


def is_deep(body: bytes) -> bool:
    """Tell whether JSON is nested deeper than ``MAX_DEPTH``."""
    return _goes_deep(body) and _goes_deep(_STRING.sub(b"", body))


def _goes_deep(body: bytes) -> bool:
    """Tell whether brackets go so deep, those in strings too."""
    depths = accumulate(map(_STEPS.__getitem__, body.translate(None, _OTHERS)))
    return any(map(MAX_DEPTH.__lt__, depths))
