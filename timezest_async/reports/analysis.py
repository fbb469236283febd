"""From a stream of scheduling requests to a report, in one pass.

Memory: eight bytes for each booking (its lead time, of which exact quantiles are taken), about forty
more for each while the report is made, and a few hundred for each distinct status, week, appointment type,
technician (and status) and team. Nothing else grows with the number of requests.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

import attrs

from timezest_async.models import TICKET_TYPES, ResourceReference, SchedulingRequest, Status
from timezest_async.reports.figures import (
    LEAD_TIME_STEPS,
    BookingRate,
    LeadTime,
    TechnicianStatuses,
    Unbooked,
    Week,
    labels,
)
from timezest_async.reports.report import Report
from timezest_async.reports.spans import created_spans
from timezest_async.tql import Expression

_WAITING: Final = frozenset({Status.NEW, Status.SENT})
_STEP_ENDS: Final = [end for end, _ in LEAD_TIME_STEPS if end is not None]


def was_booked(request: SchedulingRequest) -> bool:
    """Return whether the customer ever chose a time: a request cancelled or closed afterwards counts."""
    return request.scheduled_at is not None or request.status == Status.SCHEDULED


@attrs.define
class _Tally:
    requests: int = 0
    booked: int = 0
    taken: int = 0


class Analysis:
    """Counts requests as they come.

    Args:
        zone: Whose weeks the weeks are.
        weeks: How many weeks the report shows.
        oldest: How many of the oldest unbooked requests it names.
        filter: Which requests are to come; weeks in which it admits none are not shown.
    """

    def __init__(
        self,
        *,
        zone: tzinfo = UTC,
        weeks: int = 12,
        oldest: int = 20,
        filter: Expression[Any] | None = None,
    ) -> None:
        self._spans = created_spans(filter)
        self._zone = zone
        self._week_count = weeks
        self._oldest_count = oldest
        self._total = 0
        self._booked = 0
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._weeks: dict[date, Counter[str]] = {}
        self._lead_times = array("q")
        self._types: dict[str | None, _Tally] = {}
        self._agents: dict[str | None, _Tally] = {}
        self._agent_statuses: dict[str | None, Counter[str]] = {}
        self._teams: dict[str | None, _Tally] = {}
        self._names: dict[str, str] = {}
        self._hours = [[0] * 24 for _ in range(7)]
        self._hours_unknown = 0
        self._waiting = 0
        self._unbooked: list[SchedulingRequest] = []

    def add(self, request: SchedulingRequest) -> None:
        """Count one request."""
        created_at = request.created_at
        self._total += 1
        self._first = created_at if self._first is None else min(self._first, created_at)
        self._last = created_at if self._last is None else max(self._last, created_at)
        self._weeks.setdefault(self._week_of(created_at), Counter())[str(request.status)] += 1
        booked = was_booked(request)
        if booked:
            self._booked += 1
            self._count_hour(request)
        if request.scheduled_at is not None:
            # Clocks differ: a booking cannot have come before its request.
            self._lead_times.append(max(0, int((request.scheduled_at - created_at).total_seconds())))
        self._count_rates(request, booked=booked)
        self._count_statuses(request)
        if request.status in _WAITING:
            self._waiting += 1
            self._unbooked.append(request)
            if len(self._unbooked) >= 2 * self._oldest_count + 64:
                self._keep_oldest()

    def _week_of(self, moment: datetime) -> date:
        try:
            day = moment.astimezone(self._zone).date()
        except OverflowError:
            # On the first or last day of the calendar another zone may have no date for it.
            day = moment.date()
        return day - timedelta(days=day.weekday())

    def _count_hour(self, request: SchedulingRequest) -> None:
        if request.status == Status.CANCELLED or request.selected_start_time is None:
            return
        try:
            start = request.local_start_time
        except OverflowError:
            start = None
        if start is None:
            self._hours_unknown += 1
        else:
            self._hours[start.weekday()][start.hour] += 1

    def _count_rates(self, request: SchedulingRequest, *, booked: bool) -> None:
        _count(self._types.setdefault(request.appointment_type_id, _Tally()), booked=booked)
        # A resource that is named twice was asked for once.
        for resource in {resource.id: resource for resource in request.resources}.values():
            self._note_name(resource)
            group = self._teams if resource.kind == "team" else self._agents
            _count(group.setdefault(resource.id, _Tally()), booked=booked)
        if booked:
            for agent in {agent.id: agent for agent in request.scheduled_agents}.values():
                self._note_name(agent)
                self._agents.setdefault(agent.id, _Tally()).taken += 1

    def _count_statuses(self, request: SchedulingRequest) -> None:
        asked = (resource.id for resource in request.resources if resource.kind != "team")
        took = (agent.id for agent in request.scheduled_agents)
        for key in {*asked, *took} or (None,):
            self._agent_statuses.setdefault(key, Counter())[str(request.status)] += 1

    def _note_name(self, reference: ResourceReference) -> None:
        # The first name met is kept: lists come newest first, so it is the newest.
        if reference.name and reference.id not in self._names:
            self._names[reference.id] = reference.name

    def _keep_oldest(self) -> None:
        self._unbooked.sort(key=lambda request: (request.created_at, request.id))
        del self._unbooked[self._oldest_count :]

    def report(
        self, *, source: str = "", names: Mapping[str, str] | None = None, now: datetime | None = None
    ) -> Report:
        """Sum up what was counted so far; more can be added afterwards.

        Args:
            source: What was read, to be shown.
            names: The names of appointment types, agents and teams by id, as the directory lists give them.
                Those of agents and teams are otherwise taken from the requests.
            now: When the report is made; by default, now.
        """
        names = {**self._names, **(names or {})}
        called = self._labels(names)
        self._keep_oldest()
        statuses: Counter[str] = Counter()
        for counts in self._weeks.values():
            statuses.update(counts)
        return Report(
            source=source,
            made_at=(now or datetime.now(UTC)).astimezone(self._zone),
            total=self._total,
            booked=self._booked,
            first_created_at=self._first,
            last_created_at=self._last,
            statuses={status: statuses[status] for status in _in_order(statuses)},
            weeks=self._last_weeks(),
            lead_time=self._lead_time(),
            appointment_types=_rates(self._types, names, called),
            technicians=_rates(self._agents, names, called, take_bookings=True),
            technician_statuses=self._technician_statuses(called),
            teams=_rates(self._teams, names, called),
            hours=tuple(tuple(day) for day in self._hours),
            hours_unknown=self._hours_unknown,
            waiting=self._waiting,
            oldest_unbooked=tuple(_unbooked(request, called) for request in self._unbooked),
        )

    def _labels(self, names: Mapping[str, str]) -> dict[str, str]:
        # Agents and teams are named beside each other where a request asks for both.
        groups = self._types.keys(), self._agents.keys() | self._teams.keys()
        types, resources = ([key for key in group if key is not None] for group in groups)
        return labels(types, names) | labels(resources, names)

    def _technician_statuses(self, called: Mapping[str, str]) -> tuple[TechnicianStatuses, ...]:
        standings = [
            TechnicianStatuses(
                id=key,
                label=_label(key, called),
                counts={status: counts[status] for status in _in_order(counts)},
            )
            for key, counts in self._agent_statuses.items()
        ]
        standings.sort(key=lambda one: (one.id is None, -one.total, one.label, one.id or ""))
        return tuple(standings)

    def _last_weeks(self) -> tuple[Week, ...]:
        if not self._weeks:
            return ()
        spans = [(self._week_at(first), self._week_at(last)) for first, last in self._spans]
        oldest = min([min(self._weeks), *(first for first, _ in spans)])
        weeks: list[Week] = []
        # From the newest back, so that what the filter leaves out takes no other week's place.
        for ordinal in range(max(self._weeks).toordinal(), max(0, oldest.toordinal() - 1), -7):
            start = date.fromordinal(ordinal)
            counts = self._weeks.get(start)
            if counts is None and not any(first <= start <= last for first, last in spans):
                continue
            counts = counts or Counter[str]()
            weeks.append(Week(start, {status: counts[status] for status in _in_order(counts)}))
            if len(weeks) == self._week_count:
                break
        return tuple(reversed(weeks))

    def _week_at(self, seconds: float) -> date:
        try:
            return self._week_of(datetime.fromtimestamp(seconds, UTC))
        except (OverflowError, ValueError, OSError):
            return date.min if seconds < 0 else date.max

    def _lead_time(self) -> LeadTime:
        steps = [0] * len(LEAD_TIME_STEPS)
        for seconds in self._lead_times:
            steps[bisect_right(_STEP_ENDS, seconds)] += 1
        ordered = sorted(self._lead_times)
        return LeadTime(len(ordered), _quantile(ordered, 50), _quantile(ordered, 90), tuple(steps))


def _count(tally: _Tally, *, booked: bool) -> None:
    tally.requests += 1
    tally.booked += booked


def _quantile(ordered: list[int], percent: int) -> int | None:
    """Take the smallest value that at least so many in a hundred do not exceed (nearest rank)."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def _in_order(counts: Mapping[str, int]) -> list[str]:
    documented = [status.value for status in Status]
    others = sorted(counts.keys() - set(documented))
    return [status for status in (*documented, *others) if counts.get(status)]


def _label(key: str | None, called: Mapping[str, str]) -> str:
    return "(none named)" if key is None else called.get(key, key)


def _rates(
    tallies: Mapping[str | None, _Tally],
    names: Mapping[str, str],
    called: Mapping[str, str],
    *,
    take_bookings: bool = False,
) -> tuple[BookingRate, ...]:
    rates = [
        BookingRate(
            id=key,
            name=None if key is None else names.get(key),
            label=_label(key, called),
            requests=tally.requests,
            booked=tally.booked,
            taken=tally.taken if take_bookings else None,
        )
        for key, tally in tallies.items()
    ]
    rates.sort(key=lambda rate: (-(rate.taken or 0), -rate.requests, rate.name or "", rate.id or ""))
    return tuple(rates)


def _unbooked(request: SchedulingRequest, called: Mapping[str, str]) -> Unbooked:
    type_id = request.appointment_type_id or ""
    return Unbooked(
        id=request.id,
        status=str(request.status),
        created_at=request.created_at,
        customer=request.end_user_name or "",
        email=request.end_user_email or "",
        appointment_type=called.get(type_id, type_id),
        resources=tuple(called.get(resource.id, resource.id) for resource in request.resources),
        tickets=tuple(
            entity.number
            for entity in request.associated_entities
            if entity.type in TICKET_TYPES and entity.number
        ),
    )
