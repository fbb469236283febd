"""What can happen to a scheduling request, told from two readings of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias, cast

import attrs

from timezest_async.models import SchedulingRequest, Status

Wire: TypeAlias = Mapping[str, Any]
"""A scheduling request as the JSON object that the service sends."""

FINAL_STATUSES: Final = (Status.CANCELLED, Status.CLOSED)
"""The statuses in which a request is taken to stay; any other, unknown ones too, is open."""

GRACE: Final = timedelta(days=7)
"""How long after its appointment a booked request is still followed."""

_ABSENT: Final = object()


class ChangeKind(StrEnum):
    """What happened. Several things between two looks are one change, named by where they ended."""

    CREATED = "created"
    """It was not there before; it may have been booked already."""
    BOOKED = "booked"
    """A time was chosen where there was none, or after a cancellation."""
    REBOOKED = "rebooked"
    """Another time was chosen."""
    CANCELLED = "cancelled"
    CLOSED = "closed"
    REOPENED = "reopened"
    """It was cancelled or closed, and can be booked again."""
    UPDATED = "updated"
    """Something else differs, such as the status (sent after new), a name or an agent."""
    VANISHED = "vanished"
    """The service has it no longer."""


@attrs.frozen
class Change:
    """One change of a scheduling request.

    Attributes:
        kind: What happened.
        before: The request as it was read before; None where it was not known.
        after: As it was read now; None where it has vanished.
        fields: The names of the fields that differ; all of them where one of the two is None.
        seq: Its number in the state; grows from change to change.
        seen_at: When it was seen (UTC), which is up to a look's interval after it happened.
    """

    kind: ChangeKind
    before: SchedulingRequest | None
    after: SchedulingRequest | None
    fields: tuple[str, ...]
    seq: int
    seen_at: datetime

    @property
    def request(self) -> SchedulingRequest:
        """The request as it is now; one that has vanished, as it was."""
        return cast("SchedulingRequest", self.before if self.after is None else self.after)

    def to_dict(self) -> dict[str, Any]:
        """Give it as a JSON object; ``seen_at`` is in epoch seconds, as in records."""
        return {
            "seq": self.seq,
            "kind": self.kind.value,
            "id": self.request.id,
            "seen_at": int(self.seen_at.timestamp()),
            "fields": list(self.fields),
            "before": None if self.before is None else self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
        }


def differing(before: Wire | None, after: Wire | None) -> tuple[str, ...]:
    """Name the fields that differ; one that is absent differs from a null."""
    before, after = before or {}, after or {}
    names = dict.fromkeys([*after, *before])
    return tuple(name for name in names if before.get(name, _ABSENT) != after.get(name, _ABSENT))


def kind_of(before: Wire | None, after: Wire | None) -> ChangeKind:
    """Name what happened between two readings that differ."""
    if after is None:
        return ChangeKind.VANISHED
    if before is None:
        return ChangeKind.CREATED
    was, status = before["status"], after["status"]
    if status == Status.SCHEDULED and was != status:
        kind = ChangeKind.BOOKED
    elif status == Status.SCHEDULED and is_rebooked(before, after):
        kind = ChangeKind.REBOOKED
    elif status == Status.CANCELLED and was != status:
        kind = ChangeKind.CANCELLED
    elif status == Status.CLOSED and was != status:
        kind = ChangeKind.CLOSED
    elif was in FINAL_STATUSES and status not in FINAL_STATUSES:
        kind = ChangeKind.REOPENED
    else:
        kind = ChangeKind.UPDATED
    return kind


def is_rebooked(before: Wire, after: Wire) -> bool:
    """Return whether a time was chosen again, which may be the same one."""
    return any(before.get(name) != after.get(name) for name in ("selected_start_time", "scheduled_at"))


def is_settled(request: Wire, now: datetime) -> bool:
    """Return whether nothing more is expected of a request.

    Args:
        request: The request.
        now: The service's time.
    """
    if request["status"] != Status.SCHEDULED:
        return request["status"] in FINAL_STATUSES
    times = (request.get(name) for name in ("selected_start_time", "scheduled_at", "created_at"))
    moment = next(time for time in times if time is not None)
    return bool(moment < (now - GRACE).timestamp())
