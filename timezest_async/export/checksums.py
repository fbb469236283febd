"""Checksums by which files and state documents are known again, and one that was damaged is noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, cast

import attrs

_CHUNK: Final = 1 << 20


@attrs.frozen
class Fingerprint:
    """What a file was when it was looked at.

    Attributes:
        length: Its bytes.
        digest: A checksum over them, as hexadecimal digits.
    """

    length: int
    digest: str

    def is_of(self, found: Fingerprint) -> bool:
        """Return whether a file that was found is this one, as far as that was noted."""
        return self.length == found.length and self.digest in {"", found.digest}

    @classmethod
    def of(cls, path: Path) -> Fingerprint:
        """Read a file.

        Raises:
            OSError: It cannot be read.
        """
        digest = new_digest()
        length = 0
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                length += len(chunk)
        return cls(length, digest.hexdigest())


def new_digest() -> blake2b:
    """Begin a checksum."""
    return blake2b(digest_size=16)


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
