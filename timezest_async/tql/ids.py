"""The ids of TimeZest's own things, told apart by what they begin with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class KindOfId(NamedTuple):
    """What an id is of.

    Attributes:
        prefix: What the id begins with.
        name: What has such ids, for error messages.
        way: Where such an id is of use.
    """

    prefix: str
    name: str
    way: str


KINDS_OF_ID: Final[Mapping[str, KindOfId]] = {
    kind.prefix: kind
    for kind in (
        KindOfId("agnt_", "an agent", 'scheduling requests are filtered by F.agent == "agnt_…"'),
        KindOfId("team_", "a team", 'scheduling requests are filtered by F.team == "team_…"'),
        KindOfId(
            "apty_",
            "an appointment type",
            'scheduling requests are filtered by F.appointment_type_id == "apty_…"',
        ),
        KindOfId("sreq_", "a scheduling request", "client.scheduling_requests.get(...) takes it"),
    )
}
"""The kinds of id, by their prefix."""

_SURE: Final = re.compile(r"(?=\w*[a-z])(?=\w*[A-Z])(?=\w*[0-9])[A-Za-z0-9]{16,}\Z")


def kind_of_id(text: str) -> KindOfId | None:
    """Return what an id is of, or None where its prefix does not say."""
    return KINDS_OF_ID.get(text[:5])


def is_surely_id(text: str) -> bool:
    """Return whether a text can only be an id: names and slugs may begin like one."""
    return text[:5] in KINDS_OF_ID and _SURE.match(text, 5) is not None
