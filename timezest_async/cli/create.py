"""``timezest create``: one scheduling request, once."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, cast

import typer

from timezest_async import (
    ConfigurationError,
    Created,
    InvalidRequestError,
    OutcomeUnknownError,
    SchedulingRequest,
    TimeZestClient,
    TimeZestError,
    TriggerMode,
)
from timezest_async.cli import interrupts, terminal
from timezest_async.cli.connections import Service
from timezest_async.cli.create_once import LostAnswers, Once, say_how
from timezest_async.cli.get import AsJson, show_request
from timezest_async.cli.options import grouped
from timezest_async.cli.psas import Psa, entities_of
from timezest_async.cli.wording import in_options
from timezest_async.endpoints.creating import creation_parameters
from timezest_async.endpoints.open_requests import open_requests
from timezest_async.models import CONTACT_TYPES, TICKET_TYPES

T = TypeVar("T")

_FIELDS: Final = (
    "appointment_type_id",
    "trigger_mode",
    "resource_ids",
    "associated_entities",
    "end_user_name",
    "end_user_email",
    "end_user_company",
    "duration_mins",
    "earliest_date",
    "earliest_time",
    "latest_date",
    "latest_time",
)
_DAYS: Final = ("earliest_date", "latest_date")
_TIMES: Final = ("earliest_time", "latest_time")
_OPTIONS: Final = {
    "appointment_type_id": "--appointment-type",
    "each of resource_ids": "--resource",
    "resource_ids": "--resource",
    "end_user_name": "--name",
    "end_user_email": "--email",
    "end_user_company": "--end-user-company",
    "duration_mins": "--duration-mins",
    **{name: f"--{name.replace('_', '-')}" for name in (*_DAYS, *_TIMES)},
}
"""How the options of a create are called, by the names of its fields."""


@grouped
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
    duration_mins: Annotated[
        int | None,
        typer.Option("--duration-mins", "--duration", metavar="N", help="How long it takes, in minutes."),
    ] = None,
    earliest_date: Annotated[
        str | None, typer.Option(metavar="DATE", help="The first day to choose, such as 2026-01-31.")
    ] = None,
    earliest_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="The earliest time of day, such as 09:30.")
    ] = None,
    latest_date: Annotated[str | None, typer.Option(metavar="DATE", help="The last day.")] = None,
    latest_time: Annotated[str | None, typer.Option(metavar="TIME", help="The latest time of day.")] = None,
    from_json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Take all this from a JSON object instead.")
    ] = None,
    if_none_open: Annotated[
        bool,
        typer.Option(
            "--if-none-open",
            help="Give the open request of the ticket, or of the end user where there is no ticket, if there"
            " is one: new, sent or scheduled ahead.",
        ),
    ] = False,
    once: Once,
    as_json: AsJson = False,
    service: Service,
) -> None:
    """Create a scheduling request."""
    once.check()
    options: dict[str, Any] = {
        "appointment_type_id": appointment_type,
        "trigger_mode": trigger_mode,
        "resource_ids": resource,
        "associated_entities": entities_of(psa, ticket, contact, company),
        "end_user_name": name,
        "end_user_email": email,
        "end_user_company": end_user_company,
        "duration_mins": duration_mins,
        "earliest_date": earliest_date,
        "earliest_time": earliest_time,
        "latest_date": latest_date,
        "latest_time": latest_time,
    }
    if from_json is None:
        if appointment_type is None or not resource:
            raise ConfigurationError("create needs --appointment-type and --resource, or --from-json FILE")
        arguments: dict[str, Any] = {**options, "trigger_mode": trigger_mode or TriggerMode.GENERATE_URL}
        names = _OPTIONS
    else:
        if any(value not in (None, []) for value in options.values()):
            raise ConfigurationError("--from-json says it all: give no other option of the request beside it")
        arguments, names = _read(from_json), {}
    try:
        arguments |= _window(arguments)
        parameters = creation_parameters(**arguments)
    except InvalidRequestError as error:
        raise ConfigurationError(in_options(str(error), names)) from None
    if if_none_open:
        try:
            open_requests(parameters)
        except InvalidRequestError as error:
            raise ConfigurationError(f"--if-none-open: {error}") from None
    made = interrupts.run(_create(arguments, parameters, service, names, once, if_none_open=if_none_open))
    how = made.how if if_none_open or once.once is not None else None
    show_request(made.request, as_json=as_json, how=how)


async def _create(
    arguments: Mapping[str, Any],
    parameters: Mapping[str, Any],
    service: Service,
    names: Mapping[str, str],
    once: Once,
    *,
    if_none_open: bool,
) -> Created:
    async with service.connected(None if once.once is None else LostAnswers()) as client:
        requests = client.scheduling_requests
        if if_none_open and once.once is None:
            found = await requests.find_open(parameters)
            if found is not None:
                whose = "ticket" if TICKET_TYPES & _types(parameters) else "end user"
                terminal.print_status(
                    f"Nothing was created: this {whose} has a request that is {found.status}."
                )
                return Created(found, "found")
        try:
            if once.once is None:
                made = Created(await requests.create(**arguments), "created")
            else:
                async with once.opened() as journal:
                    made = await requests.create_once(
                        journal, key=once.once, unless_open=if_none_open, **cast("Any", arguments)
                    )
        except OutcomeUnknownError as error:
            terminal.print_status(f"It may have been created, or not: {in_options(str(error))}")
            await _print_candidates(client, error)
            raise typer.Exit(1) from None
        except asyncio.CancelledError:
            goes_on = "The same command, run again, goes on from here."
            look = "Look before you create it again."
            terminal.print_status(
                f"Interrupted: it may have been created, or not. {look if once.once is None else goes_on}"
            )
            raise
        # Whatever becomes of the connection and of stdout, this was done, and is not to be done again.
        say_how(made)
        if made.how == "created":
            _print_overridden(made.request, parameters, names)
        return made


def _types(parameters: Mapping[str, Any]) -> set[str]:
    """Return the types of the entities that a create names."""
    return {entity["type"] for entity in parameters.get("associated_entities", ())}


def _print_overridden(
    request: SchedulingRequest, parameters: Mapping[str, Any], names: Mapping[str, str]
) -> None:
    """Say where an entity has another end user than was given, since the service goes by the entity."""
    types = _types(parameters)
    whose = "contact" if types & CONTACT_TYPES else "ticket's contact"
    for field in ("end_user_name", "end_user_email"):
        given, has = parameters.get(field), getattr(request, field)
        if given is not None and has and given.casefold() != has.casefold():
            terminal.print_status(
                f"The {whose} has overridden {names.get(field, field)}: it is {has}, not {given}."
            )


async def _print_candidates(client: TimeZestClient, error: OutcomeUnknownError) -> None:
    try:
        candidates: list[SchedulingRequest] = await error.find_candidates(client)
    except TimeZestError as failure:
        terminal.print_status(f"What may be it cannot be listed either: {failure}")
        return
    terminal.print_status("These may be it:" if candidates else "There is nothing yet that may be it.")
    for one in candidates:
        who = one.end_user_email or one.end_user_name or ""
        terminal.print_status(f"  {one.id}  {one.created_at:%Y-%m-%d %H:%M:%S %Z}  {one.status}  {who}")


def _window(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Read the days and times of day, which are text until here.

    Raises:
        InvalidRequestError: One is not written as it has to be.
    """
    said: dict[str, Any] = {}
    for name in _DAYS:
        if (text := arguments[name]) is not None:
            said[name] = _parsed(date.fromisoformat, r"\d{4}-\d\d-\d\d", text)
            if said[name] is None:
                raise InvalidRequestError(f"{name} takes a day such as 2026-01-31, not {text!r:.100}")
    for name in _TIMES:
        if (text := arguments[name]) is not None:
            said[name] = _parsed(time.fromisoformat, r"\d\d:\d\d(:\d\d)?", text)
            if said[name] is None:
                raise InvalidRequestError(f"{name} takes a time of day such as 09:30, not {text!r:.100}")
    return said


def _parsed(read: Callable[[str], T], form: str, text: object) -> T | None:
    if isinstance(text, str) and re.fullmatch(form, text, re.ASCII):
        with suppress(ValueError):
            return read(text)
    return None


def _read(source: str) -> dict[str, Any]:
    """Read the arguments of a create from a file or, for ``-``, from stdin.

    Raises:
        ConfigurationError: It cannot be read, or is not a JSON object.
        InvalidRequestError: It has other keys than a create, or lacks some.
    """
    name = "stdin" if source == "-" else source
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        # Windows' shells write a byte order mark.
        value: Any = json.loads(text.removeprefix("\ufeff"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{name} is to hold one JSON object, with {', '.join(_FIELDS)}")
    given = cast("dict[str, Any]", value)
    if unknown := [key for key in given if key not in _FIELDS]:
        raise InvalidRequestError(
            f"{name} has {', '.join(unknown)}, which a create does not take: it takes {', '.join(_FIELDS)}"
        )
    if lacking := [key for key in _FIELDS[:3] if key not in given]:
        raise InvalidRequestError(f"{name} lacks {', '.join(lacking)}")
    return {**dict.fromkeys(_FIELDS), "associated_entities": [], **given}
