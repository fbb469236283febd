"""State documents with a checksum, so that one that was damaged is never taken for another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, cast

_SEAL: Final = "checksum"
_STATE: Final = "state"


def sealed(state: Mapping[str, Any]) -> str:
    """Write a state document as JSON with a checksum over it.

    Args:
        state: Plain JSON values.
    """
    return json.dumps({_SEAL: _checksum(state), _STATE: state}, separators=(",", ":")) + "\n"


def unsealed(text: str | bytes) -> tuple[dict[str, Any], bool]:
    """Read what ``sealed`` wrote, or a document of before there were checksums.

    Returns:
        The state, and whether a checksum says that it is what was written; where there is none, the document
        says by its version whether that is as it should be.

    Raises:
        ValueError: It is damaged, or not a JSON object.
    """
    value: Any = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - bad data, not a bug
    document = cast("dict[str, Any]", value)
    if not document.keys() & {_SEAL, _STATE}:
        return document, False
    state: Any = document.get(_STATE)
    if document.keys() != {_SEAL, _STATE} or type(state) is not dict or document[_SEAL] != _checksum(state):
        raise ValueError("it is damaged: its checksum is another")
    return cast("dict[str, Any]", state), True


def _checksum(state: Any) -> str:
    text = json.dumps(state, separators=(",", ":"), sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()
