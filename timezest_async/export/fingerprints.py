"""Checksums of files, by which they are known again."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Final

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
