"""What filters are taken to mean to the service."""

from __future__ import annotations

from collections.abc import Iterator

from timezest_async.doctor.page_checks import Check
from timezest_async.doctor.patient import PREFIX, CannotTellError, Json, Patient
from timezest_async.tql.rendering import quote

_NOBODIES = 175  # 4 kB


async def _or(patient: Patient) -> tuple[bool, str]:
    answer = await patient.ask(filter=f"{PREFIX}status~EQ~new~OR~{PREFIX}status~EQ~sent")
    return answer.is_refused, f"answered {answer.status}"


async def _updated_at(patient: Patient) -> tuple[bool, str]:
    answer = await patient.ask(filter=f"{PREFIX}updated_at~GTE~1")
    return answer.is_refused, f"answered {answer.status}"


async def _plural(patient: Patient) -> tuple[bool, str]:
    answer = await patient.ask(filter="scheduling_requests.status~EQ~new")
    return not answer.is_refused, f"answered {answer.status}"


async def _escapes(patient: Patient) -> tuple[bool, str]:
    answer = await patient.ask(filter=f"{PREFIX}end_user_name~NOT_EQ~{quote(chr(34) + chr(92))}")
    return not answer.is_refused, f"answered {answer.status}"


async def _quotes(patient: Patient) -> tuple[bool, str]:
    for record, name in patient.texts("end_user_name"):
        if " " in name and not set('"\\') & set(name):
            return await _found(patient, record, f"{PREFIX}end_user_name~EQ~{quote(name)}")
    raise CannotTellError("no name with a space among the newest")


async def _like(patient: Patient) -> tuple[bool, str]:
    for record, email in patient.texts("end_user_email"):
        if email.isascii() and email.swapcase() != email:
            return await _found(patient, record, f"{PREFIX}end_user_email~LIKE~{quote(email.swapcase())}")
    raise CannotTellError("no e-mail address among the newest")


async def _ticket_eq(patient: Patient) -> tuple[bool, str]:
    record, number = next(_tickets(patient))
    return await _found(patient, record, f"{PREFIX}connectwise_psa_ticket_number~EQ~{number}")


async def _ticket_in(patient: Patient) -> tuple[bool, str]:
    record, number = next(_tickets(patient))
    return await _not_found(patient, record, f"{PREFIX}connectwise_psa_ticket_number~IN~{number}")


async def _long_in(patient: Patient) -> tuple[bool, str]:
    for record, email in patient.texts("end_user_email"):
        nobody = [f"nobody{number:04d}@example.com" for number in range(_NOBODIES)]
        values = ",".join([*nobody, quote(email)])
        return await _found(patient, record, f"{PREFIX}end_user_email~IN~{values}")
    raise CannotTellError("no e-mail address among the newest")


async def _null(patient: Patient) -> tuple[bool, str]:
    for record in patient.first.records:
        if "scheduled_at" in record and record["scheduled_at"] is None:
            return await _not_found(patient, record, f"{PREFIX}scheduled_at~NOT_EQ~1")
    raise CannotTellError("all of the newest are booked")


async def _agent(patient: Patient) -> tuple[bool, str]:
    for record, entry in patient.entries("resources", "scheduled_agents"):
        if "agent" in {entry.get("type"), entry.get("object")} and isinstance(entry.get("id"), str):
            return await _found(patient, record, f"{PREFIX}agent~EQ~{quote(entry['id'])}")
    raise CannotTellError("no agent among the newest")


async def _whole_seconds(patient: Patient) -> tuple[bool, str]:
    for record in patient.first.records:
        return await _found(patient, record, f"{PREFIX}created_at~EQ~{record.get('created_at')}")
    raise CannotTellError("the account has no scheduling requests")


async def _found(patient: Patient, record: Json, filter: str) -> tuple[bool, str]:
    found = await patient.finds(record, filter)
    if found is None:
        return False, "the filter is refused"
    return found, "the record is found" if found else "the record is not found"


async def _not_found(patient: Patient, record: Json, filter: str) -> tuple[bool, str]:
    found = await patient.finds(record, filter)
    if found is None:
        raise CannotTellError("the filter is refused")
    return not found, "the record is found" if found else "the record is not found"


def _tickets(patient: Patient) -> Iterator[tuple[Json, str]]:
    """Give records with the number of a ConnectWise ticket, without its ``#``."""
    for record, entity in patient.entries("associated_entities"):
        number = entity.get("number")
        if str(entity.get("type")).startswith("connectwise_psa/") and isinstance(number, str):
            bare = number.removeprefix("#")
            if bare != number and bare.isascii() and bare.isdecimal():
                yield record, bare
    raise CannotTellError("no ConnectWise ticket among the newest")


FILTER_CHECKS = (
    Check(
        "OR",
        "filters have no OR",
        "nothing breaks: a filter with OR is read as several queries, which one request could replace",
        _or,
    ),
    Check(
        "updated_at",
        "updated_at cannot be filtered on",
        "nothing breaks: watch() asks by booking times and tickets, which one filter could replace",
        _updated_at,
    ),
    Check(
        "plural prefix",
        "attributes may have a plural prefix",
        "nothing breaks: the singular is sent",
        _plural,
    ),
    Check(
        "escapes",
        'a backslash escapes " and \\ in a quoted value',
        "filters on values with these signs are refused (BadRequestError)",
        _escapes,
    ),
    Check(
        "quotes",
        "a value with a space stands in double quotes",
        "filters on such values find nothing",
        _quotes,
    ),
    Check(
        "LIKE and case",
        "LIKE ignores case",
        "F.….like() finds less than filter.matches(record) says",
        _like,
    ),
    Check(
        "ticket EQ",
        "EQ on a ticket number overlooks its #",
        "F.connectwise_psa_ticket_number == 1234 finds nothing: write it with #",
        _ticket_eq,
    ),
    Check(
        "ticket IN",
        "IN on ticket numbers minds the #",
        "F.….in_() finds more than filter.matches(record) says",
        _ticket_in,
    ),
    Check(
        "long filters",
        "a filter of 4 kB is taken",
        "nothing breaks: watch() asks for tickets in shorter lists, with more requests",
        _long_in,
    ),
    Check(
        "null and NOT_EQ",
        "null satisfies no comparison",
        "negated filters find requests that nobody booked; filter.matches(record) says no",
        _null,
    ),
    Check(
        "agent",
        "`agent` finds by the id of an agent",
        "F.agent is refused or finds nothing",
        _agent,
    ),
    Check(
        "whole seconds",
        "a time is what it shows, without a fraction",
        "F.created_at == t finds nothing; ranges are not touched",
        _whole_seconds,
    ),
)
