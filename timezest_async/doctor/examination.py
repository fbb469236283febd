"""All checks, one after the other."""

from __future__ import annotations

from timezest_async._version import __version__
from timezest_async.doctor.filter_checks import FILTER_CHECKS
from timezest_async.doctor.findings import Diagnosis, Finding, Verdict
from timezest_async.doctor.page_checks import PAGE_CHECKS, Check
from timezest_async.doctor.patient import CannotTellError, Patient
from timezest_async.transport import Transport

_BEYOND_READING = (
    (
        "re-booking moves scheduled_at",
        "scheduled_at moves when an end user books again",
        "only a second booking shows it: watch() notices by itself, and then reads the booked ones again",
        "watch() and changes() see re-bookings without reading all that is booked",
    ),
    (
        "lists are current",
        "a list shows what was created a moment ago",
        "only a create shows it",
        "create_once() looks for what it may have created, `settle` seconds later",
    ),
)


async def examine(transport: Transport) -> Diagnosis:
    """Ask a service whether what this package takes for granted is so.

    Args:
        transport: How the service is asked. It should make one attempt only, so that fewer than 20 requests
            are sent in all.

    Raises:
        TimeZestError: The service cannot be read at all.
    """
    patient = Patient(transport)
    await patient.greet()
    findings = [await _find(check, patient) for check in (*PAGE_CHECKS, *FILTER_CHECKS)]
    findings += [
        Finding(name, assumption, Verdict.CANNOT_BE_TOLD, seen, depends)
        for name, assumption, seen, depends in _BEYOND_READING
    ]
    return Diagnosis(findings, patient.requests, __version__)


async def _find(check: Check, patient: Patient) -> Finding:
    try:
        holds, seen = await check.decide(patient)
    except CannotTellError as error:
        verdict, seen = Verdict.CANNOT_BE_TOLD, str(error)
    else:
        verdict = Verdict.HOLDS if holds else Verdict.DOES_NOT_HOLD
    return Finding(check.name, check.assumption, verdict, seen, check.depends)
