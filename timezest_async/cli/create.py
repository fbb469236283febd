"""``timezest create``: one scheduling request, once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from timezest_async import (
    AssociatedEntity,
    ConfigurationError,
    EntityType,
    F,
    InvalidRequestError,
    OutcomeUnknownError,
    SchedulingRequest,
    Status,
    TimeZestClient,
    TimeZestError,
    TriggerMode,
)
from timezest_async.cli import interrupts, terminal
from timezest_async.cli.connections import ApiKey, BaseUrl, connect
from timezest_async.cli.get import AsJson, show_request
from timezest_async.endpoints.creating import creation_parameters, likeness
from timezest_async.models import TICKET_TYPES

_FIELDS: Final = (
    "appointment_type_id",
    "trigger_mode",
    "resource_ids",
    "associated_entities",
    "end_user_name",
    "end_user_email",
    "end_user_company",
)
_OPEN: Final = (Status.NEW, Status.SENT, Status.SCHEDULED)


class Psa(StrEnum):
    """Where a ticket, contact or company is."""

    AUTOTASK = "autotask"
    CONNECTWISE = "connectwise"
    CONNECTWISE_PROJECT = "connectwise_project"
    HALO = "halo"
    SERVICE_NOW = "service_now"


_TICKETS: Final[Mapping[Psa, EntityType]] = {
    Psa.AUTOTASK: EntityType.AUTOTASK_TICKET,
    Psa.CONNECTWISE: EntityType.CONNECTWISE_PSA_SERVICE_TICKET,
    Psa.CONNECTWISE_PROJECT: EntityType.CONNECTWISE_PSA_PROJECT_TICKET,
    Psa.HALO: EntityType.HALO_PSA_TICKET,
    Psa.SERVICE_NOW: EntityType.SERVICE_NOW_TASK,
}
_CONTACTS: Final[Mapping[Psa, EntityType]] = {
    Psa.AUTOTASK: EntityType.AUTOTASK_CONTACT,
    Psa.CONNECTWISE: EntityType.CONNECTWISE_PSA_CONTACT,
    Psa.CONNECTWISE_PROJECT: EntityType.CONNECTWISE_PSA_CONTACT,
    Psa.HALO: EntityType.HALO_PSA_USER,
    Psa.SERVICE_NOW: EntityType.SERVICE_NOW_CONTACT,
}
_COMPANIES: Final[Mapping[Psa, EntityType]] = {
    Psa.AUTOTASK: EntityType.AUTOTASK_COMPANY,
    Psa.CONNECTWISE: EntityType.CONNECTWISE_PSA_COMPANY,
    Psa.CONNECTWISE_PROJECT: EntityType.CONNECTWISE_PSA_COMPANY,
    Psa.HALO: EntityType.HALO_PSA_CLIENT,
}


def create(
    *,
    appointment_type: Annotated[str | None, typer.Option(metavar="ID", help="Such as apty_…")] = None,
    trigger_mode: Annotated[
        TriggerMode | None,
        typer.Option(help="Whose workflow runs: the pod's, or (the default) that of Generate URL."),
    ] = None,
    resource: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="An agent or team; may be repeated.")
    ] = None,
    psa: Annotated[Psa | None, typer.Option(help="Where ticket, contact and company are.")] = None,
    ticket: Annotated[str | None, typer.Option(metavar="NUMBER", help="The ticket's number.")] = None,
    contact: Annotated[str | None, typer.Option(metavar="ID", help="The contact's id in the PSA.")] = None,
    company: Annotated[str | None, typer.Option(metavar="ID", help="The company's id in the PSA.")] = None,
    name: Annotated[str | None, typer.Option(help="The end user's name.")] = None,
    email: Annotated[str | None, typer.Option(help="The end user's e-mail.")] = None,
    end_user_company: Annotated[str | None, typer.Option(help="The end user's company.")] = None,
    from_json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Take all this from a JSON object instead.")
    ] = None,
    if_none_open: Annotated[
        bool,
        typer.Option(
            "--if-none-open", help="Give the ticket's new, sent or scheduled request, if there is one."
        ),
    ] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    base_url: BaseUrl = None,
) -> None:
    """Create a scheduling request."""
    options: dict[str, Any] = {
        "appointment_type_id": appointment_type,
        "trigger_mode": trigger_mode,
        "resource_ids": resource,
        "associated_entities": _entities(psa, ticket, contact, company),
        "end_user_name": name,
        "end_user_email": email,
        "end_user_company": end_user_company,
    }
    if from_json is None:
        if appointment_type is None or not resource:
            raise ConfigurationError("create needs --appointment-type and --resource, or --from-json FILE")
        arguments: dict[str, Any] = {**options, "trigger_mode": trigger_mode or TriggerMode.GENERATE_URL}
    else:
        if any(options.values()):
            raise ConfigurationError("--from-json says it all: give no other option of the request beside it")
        arguments = _read(from_json)
    parameters = creation_parameters(**arguments)
    if if_none_open:
        _check_ticket(parameters)
    request = interrupts.run(_create(parameters, api_key, base_url, if_none_open=if_none_open))
    show_request(request, as_json=as_json)


async def _create(
    parameters: Mapping[str, Any], api_key: str | None, base_url: str | None, *, if_none_open: bool
) -> SchedulingRequest:
    async with connect(api_key, base_url) as client:
        if if_none_open:
            open_one = F.status.in_(_OPEN) & likeness(parameters)
            found = await client.scheduling_requests.list(open_one).first()
            if found is not None:
                terminal.say(f"Nothing was created: this ticket has a request that is {found.status}.")
                return found
        try:
            return await client.scheduling_requests.create(**parameters)
        except OutcomeUnknownError as error:
            terminal.say(f"It may have been created, or not: {error}")
            await _say_candidates(client, error)
            raise typer.Exit(1) from None
        except asyncio.CancelledError:
            terminal.say("Interrupted: it may have been created, or not. Look before you create it again.")
            raise


async def _say_candidates(client: TimeZestClient, error: OutcomeUnknownError) -> None:
    try:
        candidates: list[SchedulingRequest] = await error.find_candidates(client)
    except TimeZestError as failure:
        terminal.say(f"What may be it cannot be listed either: {failure}")
        return
    terminal.say("These may be it:" if candidates else "There is nothing yet that may be it.")
    for one in candidates:
        who = one.end_user_email or one.end_user_name or ""
        terminal.say(f"  {one.id}  {one.created_at:%Y-%m-%d %H:%M:%S %Z}  {one.status}  {who}")


def _entities(
    psa: Psa | None, ticket: str | None, contact: str | None, company: str | None
) -> list[AssociatedEntity]:
    if psa is None:
        if ticket or contact or company:
            raise ConfigurationError(f"--ticket, --contact and --company need --psa: one of {', '.join(Psa)}")
        return []
    entities: list[AssociatedEntity] = []
    if ticket is not None:
        entities.append(AssociatedEntity(type=_TICKETS[psa], number=ticket))
    if contact is not None:
        entities.append(AssociatedEntity(type=_CONTACTS[psa], id=_id(psa, contact, "--contact")))
    if company is not None:
        if psa not in _COMPANIES:
            raise ConfigurationError(f"TimeZest knows no companies of {psa}: leave --company out")
        entities.append(AssociatedEntity(type=_COMPANIES[psa], id=_id(psa, company, "--company")))
    if not entities:
        raise ConfigurationError("--psa says where a --ticket, --contact or --company is: give one of them")
    return entities


def _id(psa: Psa, text: str, option: str) -> int | str:
    if psa is Psa.SERVICE_NOW:
        return text
    if not text.isdecimal():
        raise ConfigurationError(f"{option} takes the id in {psa}, a whole number such as 250, not {text!r}")
    return int(text)


def _read(source: str) -> dict[str, Any]:
    """Read the arguments of a create from a file or, for ``-``, from stdin.

    Raises:
        ConfigurationError: It cannot be read, or is no JSON object.
        InvalidRequestError: It has other keys than a create, or lacks some.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        value: Any = json.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{source} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{source} is to hold one JSON object, with {', '.join(_FIELDS)}")
    given = cast("dict[str, Any]", value)
    if unknown := [key for key in given if key not in _FIELDS]:
        raise InvalidRequestError(
            f"{source} has {', '.join(unknown)}, which a create does not take: it takes {', '.join(_FIELDS)}"
        )
    if lacking := [key for key in _FIELDS[:3] if key not in given]:
        raise InvalidRequestError(f"{source} lacks {', '.join(lacking)}")
    return {**dict.fromkeys(_FIELDS), "associated_entities": [], **given}


def _check_ticket(parameters: Mapping[str, Any]) -> None:
    """Check that the requests of the same ticket can be looked for.

    Raises:
        InvalidRequestError: There is no ticket, or one that is named by its id alone.
    """
    entities = parameters.get("associated_entities", ())
    if not any(entity["type"] in TICKET_TYPES and entity.get("number") for entity in entities):
        raise InvalidRequestError(
            "--if-none-open looks for requests of the same ticket: name a ticket by its number (--ticket)"
        )
