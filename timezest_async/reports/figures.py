"""The parts of a report as plain values: no names of files, colours or widths."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

import attrs

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

LEAD_TIME_STEPS: Final = (
    (60, "under a minute"),
    (900, "1 to 15 min"),
    (3_600, "15 to 60 min"),
    (14_400, "1 to 4 h"),
    (86_400, "4 to 24 h"),
    (172_800, "1 to 2 days"),
    (345_600, "2 to 4 days"),
    (604_800, "4 to 7 days"),
    (1_209_600, "1 to 2 weeks"),
    (None, "longer"),
)
"""The steps of the histogram: seconds below which a lead time belongs to the step, and its name."""


@attrs.frozen
class Week:
    """The requests created in one week.

    Attributes:
        start: Its Monday.
        counts: How many requests, by their status now; statuses without any are left out.
    """

    start: date
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many requests, whatever their status."""
        return sum(self.counts.values())


@attrs.frozen
class LeadTime:
    """How long customers took from a request's creation to their booking.

    Attributes:
        bookings: How many requests were booked at a known time.
        median: Seconds: half of the bookings took no longer; None where there are none.
        p90: Seconds: nine in ten took no longer; None where there are none.
        steps: How many bookings fall into each of ``LEAD_TIME_STEPS``.
    """

    bookings: int
    median: int | None
    p90: int | None
    steps: tuple[int, ...]


@attrs.frozen
class BookingRate:
    """How many requests of a kind were booked.

    Attributes:
        id: The id of the appointment type, agent or team; None for requests that name none.
        name: Its name, where one is known.
        label: What to call it: the name, else the id; both, where another looks the same.
        requests: How many requests asked for it.
        booked: How many of these the customer booked a time for, cancelled since or not.
        taken: How many bookings fell to this technician, those that asked for a team included; None for
            what takes no bookings.
    """

    id: str | None
    name: str | None
    label: str
    requests: int
    booked: int
    taken: int | None = None

    @property
    def rate(self) -> float | None:
        """The share of requests that were booked, 0 to 1; None where nothing was asked for."""
        return self.booked / self.requests if self.requests else None


@attrs.frozen
class TechnicianStatuses:
    """Where the requests of one technician stand.

    Attributes:
        id: The agent's id; None for requests that name no technician.
        label: As in ``BookingRate``.
        counts: How many requests asked for the technician or were taken by them, by status now; statuses
            without any are left out.
    """

    id: str | None
    label: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many requests, whatever their status."""
        return sum(self.counts.values())


@attrs.frozen
class Unbooked:
    """A request that still waits for its customer.

    Attributes:
        id: The request's id.
        status: ``new`` or ``sent``.
        created_at: When it was created (UTC).
        customer: The end user's name.
        email: The end user's e-mail address.
        appointment_type: The label of the appointment type.
        resources: Who was asked for, by their labels.
        tickets: The numbers of the tickets it belongs to.
    """

    id: str
    status: str
    created_at: datetime
    customer: str
    email: str
    appointment_type: str
    resources: tuple[str, ...]
    tickets: tuple[str, ...]


def labels(ids: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Return what to call each of some records, by id.

    Args:
        ids: Those that are called by their names beside each other.
        names: The names that are known.

    Returns:
        The name, the id where there is none, or both where others look the same.
    """
    called = {key: names.get(key) or key for key in ids}
    looks = Counter(map(_look, called.values()))
    return {
        key: name if name == key or looks[_look(name)] == 1 else f"{name.rstrip()} ({key})"
        for key, name in called.items()
    }


def _look(name: str) -> str:
    """Reduce a name to what a reader sees of it."""
    seen = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFKC", name))
    return " ".join(seen.split()).casefold()
