"""What an examination finds."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import attrs


class Verdict(StrEnum):
    """Whether an assumption is true of the service."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    CANNOT_BE_TOLD = "cannot be told"


@attrs.frozen
class Finding:
    """What was found out about one assumption; it holds no text of any record.

    Attributes:
        name: What the check is called.
        assumption: What is taken for granted.
        verdict: Whether it is so.
        seen: What was seen, or why nothing could be.
        depends: What of this package depends on it.
    """

    name: str
    assumption: str
    verdict: Verdict
    seen: str
    depends: str


@attrs.frozen
class Diagnosis:
    """All that was found out about a service.

    Attributes:
        findings: In the order of the checks.
        requests: How many requests it took.
        version: Of this package.
    """

    findings: Sequence[Finding]
    requests: int
    version: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it. It names no person, address or key, so that it can be handed on."""
        return attrs.asdict(self, value_serializer=lambda _, __, value: _plain(value))


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Verdict) else value
