"""The service's clock, as far as its answers tell it: ours may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

_PLAUSIBLE_YEARS = range(2000, 2500)


class ServiceClock:
    """Tells the time that the service has, by the ``Date`` of its latest answer.

    Attributes:
        offset: How far the service's clock is ahead of ours; None before any answer has told.
    """

    def __init__(self) -> None:
        self.offset: timedelta | None = None

    def observe(self, headers: Mapping[str, str]) -> None:
        """Compare the clocks, as soon as an answer's headers are there."""
        date = http_date(headers.get("Date", ""))
        if date is not None and date.year in _PLAUSIBLE_YEARS:
            self.offset = date - datetime.now(UTC)

    def now(self) -> datetime:
        """Return the time (UTC): the service's where it is known, else ours."""
        return datetime.now(UTC) + (self.offset or timedelta())


@lru_cache(maxsize=8)
def http_date(text: str) -> datetime | None:
    """Read a date of HTTP; None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
