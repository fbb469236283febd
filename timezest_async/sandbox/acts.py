"""What end users and the team do to a scheduling request, as far as the record shows it.

Two habits of the real service are not known, and so are options: whether cancelling clears the times of
the appointment, and whether booking again moves ``scheduled_at``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.record_store import Store

_NOTHING_BOOKED: Final[Mapping[str, Any]] = {
    "scheduled_at": None,
    "selected_start_time": None,
    "selected_time_zone": None,
    "scheduled_agents": [],
}


@frozen
class Habits:
    """How the service keeps its records.

    Attributes:
        cancelling_clears_times: Whether a cancelled request loses its times and agents.
        rebooking_moves_scheduled_at: Whether choosing another time counts as booking, too.
    """

    cancelling_clears_times: bool = False
    rebooking_moves_scheduled_at: bool = True


@frozen
class Acts:
    """What end users and the team do to stored records; each act returns the record as it is then.

    Attributes:
        store: The records.
        clock: Epoch seconds.
        habits: The service's habits.
    """

    store: Store
    clock: Callable[[], float]
    habits: Habits = field(factory=Habits)

    def record(self, id: str, entity: str = "scheduling_request") -> Json:
        """Read a record.

        Raises:
            KeyError: There is no such record.
        """
        body = self.store.get(entity, id)
        if body is None:
            raise KeyError(id)
        record: Json = json.loads(body)
        return record

    def update(self, id: str, entity: str = "scheduling_request", /, **changes: Any) -> Json:
        """Change fields of a record; ``updated_at`` becomes now unless it is among them."""
        changed: Json = {**self.record(id, entity), "updated_at": int(self.clock()), **changes}
        self.store.replace(entity, changed)
        return changed

    def book(self, id: str, start_time: datetime | int, time_zone: str | None = None) -> Json:
        """Choose a time, or another one."""
        changes = _booking(
            self.record(id),
            start_time=start_time,
            time_zone=time_zone,
            agents=list(self.store.records("agent")),
            now=int(self.clock()),
            habits=self.habits,
        )
        return self.update(id, **changes)

    def cancel(self, id: str) -> Json:
        """Cancel the appointment, or the request for one."""
        return self.update(id, **_cancelling(self.record(id), self.habits))

    def close(self, id: str) -> Json:
        """Close the request."""
        return self.update(id, status="closed")


def _booking(
    record: Json,
    *,
    start_time: datetime | int,
    time_zone: str | None,
    agents: Sequence[Json],
    now: int,
    habits: Habits,
) -> Json:
    """Return what changes when the end user chooses a time.

    Args:
        record: The request as it is.
        start_time: When the appointment starts: aware, or epoch seconds.
        time_zone: The end user's time zone; None leaves the one that is there.
        agents: Who may take it, if a team was asked for.
        now: Epoch seconds.
        habits: The service's habits.

    Raises:
        ValueError: The request is closed, or the time is naive.
    """
    if record["status"] == "closed":
        raise ValueError(f"{record['id']} is closed, and can no longer be booked")
    if isinstance(start_time, datetime):
        if start_time.utcoffset() is None:
            raise ValueError(f"{start_time!r} has no time zone: write datetime(..., tzinfo=UTC)")
        start_time = int(start_time.timestamp())
    moves = habits.rebooking_moves_scheduled_at or record["status"] != "scheduled"
    return {
        "status": "scheduled",
        "scheduled_at": now if moves else record.get("scheduled_at", now),
        "selected_start_time": start_time,
        "selected_time_zone": time_zone or record.get("selected_time_zone") or "UTC",
        "scheduled_agents": _takers(record.get("resources") or [], agents),
    }


def _cancelling(record: Json, habits: Habits) -> Json:
    """Return what changes when the end user or the team cancels.

    Raises:
        ValueError: The request is closed.
    """
    if record["status"] == "closed":
        raise ValueError(f"{record['id']} is closed, and can no longer be cancelled")
    return {"status": "cancelled", **(_NOTHING_BOOKED if habits.cancelling_clears_times else {})}


def _takers(resources: Sequence[Json], agents: Sequence[Json]) -> list[Json]:
    """Choose the agents: those asked for, and one of all there are where it was a team."""
    chosen: dict[str, Json] = {}
    for resource in resources:
        if "team" not in {resource.get("type"), resource.get("object")}:
            chosen[resource["id"]] = resource
        elif agents:
            first = agents[0]
            chosen[first["id"]] = {"type": "agent", "id": first["id"], "name": first["name"]}
    return list(chosen.values())
