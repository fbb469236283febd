"""Which times an end user can choose from, and in which time zones.

The real service asks calendars; here the offers are those of an office that is always free, within the
window that the request was created with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from timezest_async.sandbox.filter_columns import Json

ZONES: Final[Mapping[str, str]] = {
    "Eastern Time (US & Canada)": "America/New_York",
    "Central Time (US & Canada)": "America/Chicago",
    "Mountain Time (US & Canada)": "America/Denver",
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Arizona": "America/Phoenix",
    "London": "Europe/London",
    "Amsterdam": "Europe/Amsterdam",
    "Sydney": "Australia/Sydney",
}
"""Zones by the names that the real service gives them, each with its IANA name."""

_OPENS, _CLOSES, _STEP = time(9), time(17), timedelta(minutes=30)
_DAYS: Final = 10
_Moment = TypeVar("_Moment", date, time)


def zone_of(name: object) -> ZoneInfo | None:
    """Return a zone by its name in the service's style or by its IANA name; None where it is neither."""
    with suppress(KeyError, ValueError, OSError):
        return ZoneInfo(ZONES.get(name, name)) if isinstance(name, str) and name else None
    return None


def minutes_of(record: Json, appointment_type: Json) -> int:
    """Return how long an appointment takes, in minutes."""
    for found in (record.get("duration_mins"), appointment_type.get("duration_mins")):
        if type(found) is int and found > 0:
            return found
    return 30


def offered_times(record: Json, minutes: int, zone: ZoneInfo, now: float) -> list[int]:
    """List the times an appointment may start: every half hour that an office is open, on ten working days.

    Args:
        record: The scheduling request; its window, where it has one, takes the place of office hours.
        minutes: How long the appointment takes.
        zone: Whose clock the office goes by.
        now: Epoch seconds; what has passed is not offered.

    Returns:
        Epoch seconds, ascending.
    """
    opens = (_read(time, record.get("earliest_time")) or _OPENS).replace(tzinfo=None)
    closes = (_read(time, record.get("latest_time")) or _CLOSES).replace(tzinfo=None)
    offers: list[int] = []
    with suppress(OverflowError):  # the calendar ends
        for day in _working_days(record, datetime.fromtimestamp(now, zone).date()):
            start, end = datetime.combine(day, opens), datetime.combine(day, closes)
            while start + timedelta(minutes=minutes) <= end:
                moment = start.replace(tzinfo=zone).astimezone(UTC)
                # Clocks that are put forward leave out some times.
                if moment.timestamp() > now and moment.astimezone(zone).replace(tzinfo=None) == start:
                    offers.append(int(moment.timestamp()))
                start += _STEP
    return offers


def _working_days(record: Json, today: date) -> Iterator[date]:
    day = max(today, _read(date, record.get("earliest_date")) or today)
    last = _read(date, record.get("latest_date")) or date.max
    found = 0
    while day <= last and found < _DAYS:
        if day.weekday() < 5:
            found += 1
            yield day
        day += timedelta(days=1)


def _read(kind: type[_Moment], text: Any) -> _Moment | None:
    with suppress(TypeError, ValueError):
        return kind.fromisoformat(text)
    return None
