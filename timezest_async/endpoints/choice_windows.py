"""When the end user may choose a time, as a create says it: bounds on the day and on the time of day."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, Final

import attrs

from timezest_async.errors import InvalidRequestError

TIME_FORMAT: Final = "%H:%M"
"""How the service is told a time of day. Unverified: published clients write this, and ``%H:%M:%S``."""
_MOST_MINUTES: Final = 2**31 - 1


@attrs.frozen
class ChoiceWindow:
    """The arguments of a create that say how long the appointment takes, and when it may be.

    Attributes:
        duration_mins: How long it takes, in minutes.
        earliest_date: The first day.
        earliest_time: The earliest time of day, on the clock that the service goes by.
        latest_date: The last day.
        latest_time: The latest time of day.
    """

    duration_mins: int | None = None
    earliest_date: date | None = None
    earliest_time: time | None = None
    latest_date: date | None = None
    latest_time: time | None = None

    def parameters(self) -> dict[str, Any]:
        """Check it, and give the JSON to send: only what is given.

        Raises:
            InvalidRequestError: A value has another type, or the window ends before it begins.
        """
        said: dict[str, Any] = {}
        if self.duration_mins is not None:
            said["duration_mins"] = _minutes(self.duration_mins)
        for name in ("earliest_date", "latest_date"):
            if (day := getattr(self, name)) is not None:
                said[name] = _day(day, name)
        for name in ("earliest_time", "latest_time"):
            if (clock := getattr(self, name)) is not None:
                said[name] = _clock(clock, name)
        self._check_order()
        return said

    def _check_order(self) -> None:
        first, last = self.earliest_date, self.latest_date
        if first is not None and last is not None and first != last:
            if first > last:
                raise InvalidRequestError(
                    f"earliest_date is {first}, which is after latest_date, {last}: swap them"
                )
            return  # with two days, the window may well end at an earlier time of day than it begins
        begin, end = self.earliest_time, self.latest_time
        if begin is not None and end is not None and begin >= end:
            raise InvalidRequestError(
                f"earliest_time is {begin:%H:%M}, which is not before latest_time, {end:%H:%M}: that leaves "
                "no time to choose"
            )


def _minutes(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_MINUTES:
        raise InvalidRequestError(
            f"duration_mins takes a whole number of minutes, 1 or more, such as 30, not {_shown(value)}"
        )
    return int(value)


def _day(value: object, name: str) -> str:
    if isinstance(value, datetime):
        raise InvalidRequestError(
            f"{name} takes a day without a time, such as date(2026, 1, 31), not {_shown(value)}: "
            f"use .date() for it, and .time() for {name.replace('date', 'time')}"
        )
    if not isinstance(value, date):
        raise InvalidRequestError(
            f"{name} takes a datetime.date, such as date(2026, 1, 31), not {_shown(value)}"
        )
    return value.isoformat()


def _clock(value: object, name: str) -> str:
    if not isinstance(value, time):
        raise InvalidRequestError(f"{name} takes a datetime.time, such as time(9, 30), not {_shown(value)}")
    if value.tzinfo is not None:
        raise InvalidRequestError(
            f"{name} takes a time of day without a time zone, such as time(9, 30): the service takes none, "
            f"so that of {_shown(value)} would be lost"
        )
    text = value.strftime(TIME_FORMAT)
    if datetime.strptime(text, TIME_FORMAT).time() != value:  # noqa: DTZ007 - a time of day has no zone
        raise InvalidRequestError(
            f"{name} is sent as {text}: {value.isoformat()} is finer than that, so give {name}=time("
            f"{value.hour}, {value.minute})"
        )
    return text


def _shown(value: object) -> str:
    try:
        return f"{value!r:.100}"
    except ValueError:  # an integer of more digits than Python writes
        return f"a number of type {type(value).__name__}"
