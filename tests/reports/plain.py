"""The same figures by another way: several passes over JSON, nothing shared with the package."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Wire = dict[str, Any]

RAILS = {
    "Eastern Time (US & Canada)": "America/New_York",
    "Central Time (US & Canada)": "America/Chicago",
    "Mountain Time (US & Canada)": "America/Denver",
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Arizona": "America/Phoenix",
    "London": "Europe/London",
    "Amsterdam": "Europe/Amsterdam",
    "Sydney": "Australia/Sydney",
}


def booked(records: list[Wire]) -> list[Wire]:
    return [r for r in records if r.get("scheduled_at") is not None or r["status"] == "scheduled"]


def weeks(
    records: list[Wire], zone: ZoneInfo, count: int, spans: list[tuple[int, int]] | None = None
) -> list[tuple[str, dict[str, int]]]:
    """Return the last weeks; with spans (first and last second), only those which have some of one."""

    def monday(seconds: int) -> datetime:
        day = datetime.fromtimestamp(seconds, zone).replace(tzinfo=None)
        return datetime.strptime(f"{day:%G-%V-1}", "%G-%V-%u")  # noqa: DTZ007 - a day has no zone

    if not records:
        return []
    newest = monday(max(r["created_at"] for r in records))
    starts = [newest - timedelta(days=7 * back) for back in range(count if spans is None else 400)]
    if spans is not None:
        starts = [s for s in starts if any(monday(a) <= s <= monday(b) for a, b in spans)]
    starts = starts[:count][::-1]
    found = [
        (f"{s:%Y-%m-%d}", Counter(r["status"] for r in records if monday(r["created_at"]) == s))
        for s in starts
    ]
    return [(start, dict(counter)) for start, counter in found]


def lead_times(records: list[Wire]) -> list[int]:
    times = [
        max(r["scheduled_at"] - r["created_at"], 0) for r in records if r.get("scheduled_at") is not None
    ]
    return sorted(times)


def percentile(times: list[int], share: float) -> int | None:
    """The nearest rank, by its definition: the first value that enough of all do not exceed."""
    need = math.ceil(round(share * len(times), 6))
    return next((t for t in times if sum(other <= t for other in times) >= need), None)


def rates(records: list[Wire], kind: str) -> dict[str, tuple[int, int]]:
    done = {r["id"] for r in booked(records)}
    found: dict[str, list[str]] = {}
    for record in records:
        for resource in record["resources"]:
            if (resource.get("type") or resource.get("object")) == kind:
                found.setdefault(resource["id"], []).append(record["id"])
    return {key: (len(set(ids)), len(set(ids) & done)) for key, ids in found.items()}


def hours(records: list[Wire]) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    for record in booked(records):
        zone, start = record.get("selected_time_zone"), record.get("selected_start_time")
        if record["status"] != "cancelled" and zone and start is not None:
            local = datetime.fromtimestamp(start, UTC).astimezone(ZoneInfo(RAILS.get(zone, zone)))
            found[local.isoweekday() - 1, local.hour] += 1
    return found


def waiting(records: list[Wire]) -> list[Wire]:
    found = [r for r in records if r["status"] in ("new", "sent")]
    return sorted(found, key=lambda r: (r["created_at"], r["id"]))
