"""A report: its figures, and the tables of them that the terminal, the page and the CSV files show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from timezest_async.reports.figures import (
    LEAD_TIME_STEPS,
    WEEKDAYS,
    BookingRate,
    LeadTime,
    TechnicianStatuses,
    Unbooked,
    Week,
)
from timezest_async.reports.tables import Column, Table, Tables


def _tables(report: Report) -> Tables:
    return Tables(
        figures=_figures(report),
        statuses=_statuses(report),
        weeks=_weeks(report),
        lead_times=_lead_times(report),
        appointment_types=_appointment_types(report),
        technicians=_technicians(report),
        technician_statuses=_technician_statuses(report),
        teams=_teams(report),
        hours=_hours(report),
        oldest_unbooked=_oldest_unbooked(report),
    )


@attrs.frozen
class Report:
    """What ``Analysis.report`` came to.

    Attributes:
        source: What was read, for the reader: a filter, or the names of files.
        made_at: When the report was made, in the time zone of the report.
        total: How many requests were read.
        booked: For how many of them a time was booked, cancelled since or not.
        first_created_at: The oldest creation (UTC); None where nothing was read.
        last_created_at: The newest creation (UTC); None where nothing was read.
        statuses: How many requests stand where; the documented statuses first.
        weeks: The last weeks up to that of the newest creation, oldest first; quiet ones included, but not
            those in which the filter admits none.
        lead_time: From creation to booking.
        appointment_types: Booking rates, the most asked for first.
        technicians: Booking rates of agents, the busiest first.
        technician_statuses: Where each technician's requests stand, the most first. A request that several
            asked for or took counts for each.
        teams: Booking rates of teams, the most asked for first.
        hours: Appointments by weekday (Monday first) and hour, on the customers' own clocks. Cancelled ones
            are left out.
        hours_unknown: How many appointments are missing there, since their time zone is not known.
        waiting: How many requests are new or sent.
        oldest_unbooked: The oldest of these, oldest first.
        tables: All of it as tables.
    """

    source: str
    made_at: datetime
    total: int
    booked: int
    first_created_at: datetime | None
    last_created_at: datetime | None
    statuses: Mapping[str, int]
    weeks: tuple[Week, ...]
    lead_time: LeadTime
    appointment_types: tuple[BookingRate, ...]
    technicians: tuple[BookingRate, ...]
    technician_statuses: tuple[TechnicianStatuses, ...]
    teams: tuple[BookingRate, ...]
    hours: tuple[tuple[int, ...], ...]
    hours_unknown: int
    waiting: int
    oldest_unbooked: tuple[Unbooked, ...]
    tables: Tables = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_tables, takes_self=True)
    )

    @property
    def week_statuses(self) -> list[str]:
        """The statuses that occur in the weeks shown, the documented ones first."""
        return [status for status in self.statuses if any(status in week.counts for week in self.weeks)]

    @property
    def busy_hours(self) -> range:
        """The hours from the first to the last with an appointment, on whatever day."""
        busy = [hour for hour in range(24) if any(day[hour] for day in self.hours)]
        return range(busy[0], busy[-1] + 1) if busy else range(0)


def _figures(report: Report) -> Table:
    lead_time = report.lead_time
    rows: tuple[tuple[str, Any], ...] = (
        ("requests", report.total),
        ("booked", report.booked),
        ("booking_rate", _share(report.booked, report.total)),
        ("waiting", report.waiting),
        ("bookings_with_lead_time", lead_time.bookings),
        ("median_lead_time_seconds", lead_time.median),
        ("p90_lead_time_seconds", lead_time.p90),
        ("first_created_at", report.first_created_at),
        ("last_created_at", report.last_created_at),
        ("made_at", report.made_at),
        ("source", report.source),
    )
    return Table("figures", "Figures", "", (Column("Figure", "figure"), Column("Value", "value")), rows)


def _statuses(report: Report) -> Table:
    return Table(
        "statuses",
        "Status",
        f"Where the {report.total:,} requests stand now.",
        (
            Column("Status", "status", "status"),
            Column("Share", "share", "share"),
            Column("Requests", "requests", "count"),
        ),
        tuple((status, _share(count, report.total), count) for status, count in report.statuses.items()),
    )


def _weeks(report: Report) -> Table:
    names = report.week_statuses
    return Table(
        "weeks",
        "Status by week",
        "Requests by the week of their creation (weeks start on Monday) and their status now.",
        (
            Column("Week of", "week", "date"),
            *(Column(name, name, "count") for name in names),
            Column("All", "requests", "count"),
        ),
        tuple(
            (week.start, *(week.counts.get(name, 0) for name in names), week.total) for week in report.weeks
        ),
    )


def _lead_times(report: Report) -> Table:
    lead_time = report.lead_time
    return Table(
        "lead_times",
        "From creation to booking",
        f"How long customers took to choose a time, of {lead_time.bookings:,} bookings, cancelled ones too.",
        (
            Column("Took", "took"),
            Column("Below seconds", "below_seconds", "count", only_csv=True),
            Column("Share", "share", "share"),
            Column("Bookings", "bookings", "count"),
        ),
        tuple(
            (name, end, _share(count, lead_time.bookings), count)
            for (end, name), count in zip(LEAD_TIME_STEPS, lead_time.steps, strict=True)
        ),
    )


def _appointment_types(report: Report) -> Table:
    return _rates(
        "appointment_types",
        "Booking rate by appointment type",
        "Of the requests that asked for it, those for which a time was chosen, cancelled since or not.",
        "Appointment type",
        report.appointment_types,
    )


def _technicians(report: Report) -> Table:
    return _rates(
        "technicians",
        "Booking rate by technician",
        "The rate is of requests that asked for this technician. Bookings taken also count those that asked "
        "for a team.",
        "Technician",
        report.technicians,
    )


def _teams(report: Report) -> Table:
    return _rates(
        "teams", "Booking rate by team", "Of the requests that asked for this team.", "Team", report.teams
    )


def _rates(key: str, title: str, note: str, what: str, rates: Sequence[BookingRate]) -> Table:
    with_taken = any(rate.taken is not None for rate in rates)
    columns = (
        Column("Id", "id", only_csv=True),
        Column(what, "name"),
        Column("Rate", "rate", "share", of="requests"),
        Column("Asked", "requests", "count", only_csv=True),
        Column("Booked", "booked", "count"),
        *([Column("Taken", "taken", "count")] if with_taken else []),
    )
    rows = tuple(
        (
            rate.id,
            rate.label,
            rate.rate,
            rate.requests,
            rate.booked,
            *([rate.taken] if with_taken else []),
        )
        for rate in rates
    )
    return Table(key, title, note, columns, rows)


def _technician_statuses(report: Report) -> Table:
    present = {status for one in report.technician_statuses for status in one.counts}
    names = [status for status in report.statuses if status in present]
    named = any(one.id is not None for one in report.technician_statuses)
    return Table(
        "technician_statuses",
        "Status by technician",
        "Requests that asked for this technician or were taken by them, by their status now. One that names "
        "several counts for each.",
        (
            Column("Id", "id", only_csv=True),
            Column("Technician", "name"),
            *(Column(name, name, "count") for name in names),
            Column("All", "requests", "count"),
        ),
        tuple(
            (one.id, one.label, *(one.counts.get(name, 0) for name in names), one.total)
            for one in (report.technician_statuses if named else ())
        ),
    )


def _hours(report: Report) -> Table:
    missing = ""
    if report.hours_unknown:
        are, they = ("is", "its") if report.hours_unknown == 1 else ("are", "their")
        missing = f" {report.hours_unknown:,} {are} missing: {they} time zone is not known."
    return Table(
        "hours",
        "Busiest hours",
        f"When appointments start, on the customers' own clocks. Cancelled ones are left out.{missing}",
        (Column("Hour", "hour"), *(Column(day, day.lower(), "count") for day in WEEKDAYS)),
        tuple((f"{hour:02}:00", *(day[hour] for day in report.hours)) for hour in range(24)),
    )


def _oldest_unbooked(report: Report) -> Table:
    more = report.waiting - len(report.oldest_unbooked)
    rows = [
        (
            max(0, int((report.made_at - request.created_at).total_seconds())),
            request.status,
            request.customer or request.email,
            request.email,
            request.appointment_type,
            ", ".join(request.resources),
            ", ".join(request.tickets),
            request.created_at,
            request.id,
        )
        for request in report.oldest_unbooked
    ]
    return Table(
        "oldest_unbooked",
        "Oldest unbooked",
        "Requests that are new or sent, longest waiting first." + (f" {more:,} more wait." if more else ""),
        (
            Column("Waiting", "waiting_seconds", "duration"),
            Column("Status", "status", "status"),
            Column("Customer", "customer"),
            Column("E-mail", "email", only_csv=True),
            Column("Appointment type", "appointment_type"),
            Column("With", "resources"),
            Column("Ticket", "tickets", "code"),
            Column("Created", "created_at", "moment", only_csv=True),
            Column("Id", "id", only_csv=True),
        ),
        tuple(rows),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
