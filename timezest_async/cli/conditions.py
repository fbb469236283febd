"""Filters as the commands take them: TQL text, or plain options for whoever would rather not write any."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Final

import attrs
import typer

from timezest_async import (
    AgentRole,
    ConfigurationError,
    Expression,
    F,
    InvalidValueError,
    Operator,
    Predicate,
    Status,
    UnsupportedFilterError,
    tql,
)
from timezest_async.cli import terminal
from timezest_async.cli.options import refuse
from timezest_async.models.time_zones import find_zone

_RELATIVE: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _statuses() -> list[str]:
    return list(Status)


@attrs.frozen
class Conditions:
    """What scheduling requests are to have; several values of one kind are alternatives.

    Attributes:
        status: Statuses.
        since: The earliest ``created_at``: a date, a time or a span before now such as ``90d``.
        until: What ``created_at`` is to be before.
        company: Ids of companies in whichever PSA.
        ticket: Numbers of tickets in whichever PSA.
        email: E-mail addresses of end users.
        agent: Ids of agents.
        tz: The time zone of dates and times that name none.
        now: What a span is before.
    """

    status: Annotated[
        list[str] | None,
        typer.Option(help="Such as sent; may be repeated.", autocompletion=_statuses),
    ] = None
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Created at 2026-01-31 or later; or 90d, 12h ago.")
    ] = None
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Created before.")] = None
    company: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Its id in whichever PSA; may be repeated.")
    ] = None
    ticket: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER", help="In whichever PSA; may be repeated.")
    ] = None
    email: Annotated[list[str] | None, typer.Option(help="The end user's; may be repeated.")] = None
    agent: Annotated[list[str] | None, typer.Option(metavar="ID", help="May be repeated.")] = None
    tz: Annotated[str, typer.Option(metavar="ZONE", help="The zone of --since and --until.")] = "UTC"
    now: datetime = attrs.field(factory=lambda: datetime.now(UTC))

    def filter(
        self,
        text: str | None,
        entity: str,
        given: Collection[str],
        warn: Callable[[str], None] = terminal.print_status,
    ) -> Expression[Any] | None:
        """Join them with a filter in text form.

        Args:
            text: The filter, if there is one.
            entity: What is filtered.
            given: The options that the command line gave.
            warn: Tells of what can hardly be meant; see ``warn_of``.

        Returns:
            What is to hold; None for everything.

        Raises:
            FilterError: The text is unfit.
            ConfigurationError: A value cannot be read, or the options are not for this entity.
        """
        if entity != "scheduling_request":
            own = {field.name for field in attrs.fields(Conditions)}
            refuse(own.intersection(given), "these are of scheduling requests; filter other lists by TQL")
        terms: list[Expression[Any]] = [] if text is None else [tql.parse(text, entity, now=self.now)]
        terms += self.terms()
        if not terms:
            return None
        expression = tql.all_of(*terms)
        warn_of(expression, warn)
        return expression

    def terms(self) -> list[Expression[Any]]:
        """Return them as expressions, which all are to hold.

        Raises:
            ConfigurationError: A value cannot be read.
        """
        zone = zone_named(self.tz)
        terms: list[Expression[Any]] = []
        if statuses := self.status:
            terms.append(_of("--status", lambda: F.status.in_(statuses)))
        if (since := self.since) is not None:
            terms.append(_of("--since", lambda: F.created_at >= self._moment(since, "--since", zone)))
        if (until := self.until) is not None:
            terms.append(_of("--until", lambda: F.created_at < self._moment(until, "--until", zone)))
        if companies := self.company:
            terms.append(_of("--company", lambda: tql.any_of(*map(_company, companies))))
        if tickets := self.ticket:
            terms.append(_of("--ticket", lambda: tql.any_of(*map(_ticket, tickets))))
        if emails := self.email:
            terms.append(_of("--email", lambda: F.end_user_email.in_(emails)))
        if agents := self.agent:
            terms.append(_of("--agent", lambda: F.agent.in_(agents)))
        return terms

    def _moment(self, text: str, option: str, zone: tzinfo) -> datetime:
        try:
            if (span := span_of(text)) is not None:
                return (self.now - span).replace(microsecond=0)
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            # Beyond the years 1 to 9999, in UTC, there is no such time.
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ConfigurationError(
                f"{option} takes a date such as 2026-01-31, a time such as 2026-01-31T08:00, or how long "
                f"ago, such as 90d, 12h, 30m or 4w, not {text!r}"
            ) from None


def _of(option: str, make: Callable[[], Expression[Any]]) -> Expression[Any]:
    """Return an option's expression, whose errors name the option rather than an attribute.

    Raises:
        ConfigurationError: The attribute does not take the value.
    """
    try:
        return make()
    except InvalidValueError as error:
        raise ConfigurationError(f"{option}: {str(error).removeprefix(f'`{error.attribute}`: ')}") from None


def _company(text: str) -> Expression[Any]:
    if not text.isdecimal():
        raise ConfigurationError(f"--company takes the id of a company in its PSA, such as 250, not {text!r}")
    number = int(text)
    return tql.any_of(
        F.autotask_company_id == number,
        F.connectwise_psa_company_id == number,
        F.halo_psa_client_id == number,
    )


def _ticket(number: str) -> Expression[Any]:
    return tql.any_of(
        F.autotask_ticket_number == number,
        F.connectwise_psa_ticket_number == number,
        F.halo_psa_ticket_number == number,
        F.service_now_task_number == number,
    )


def span_of(text: str) -> timedelta | None:
    """Read a span such as ``30m``, ``12h``, ``90d`` or ``4w``; None where it is none."""
    if (match := _RELATIVE.fullmatch(text)) is None:
        return None
    count, unit = match.groups()
    return timedelta(**{_UNITS[unit]: int(count)})


def zone_named(name: str) -> tzinfo:
    """Return a time zone by its Rails or IANA name.

    Raises:
        ConfigurationError: There is none.
    """
    zone = UTC if name == "UTC" else find_zone(name)
    if zone is None:
        raise ConfigurationError(f"there is no time zone {name!r}: name one such as Europe/London")
    return zone


_DOCUMENTED: Final[Mapping[str, type[StrEnum]]] = {
    "scheduling_request.status": Status,
    "agent.role": AgentRole,
}
"""Attributes that hold one of a few words, as far as these are documented."""


def read_filter(text: str, entity: str = "scheduling_request") -> Expression[Any]:
    """Read TQL text, and warn on stderr as ``warn_of`` does.

    Raises:
        FilterError: It cannot be read.
    """
    expression = tql.parse(text, entity=entity)
    warn_of(expression)
    return expression


def warn_of(expression: Expression[Any], warn: Callable[[str], None] = terminal.print_status) -> None:
    """Warn on stderr of words that the service does not document, and of what nothing can match.

    Args:
        expression: The filter.
        warn: Writes a line.
    """
    for leaf in tql.leaves(expression):
        if isinstance(leaf, Predicate) and leaf.attribute.path in _DOCUMENTED:
            _warn_of_words(leaf, list(_DOCUMENTED[leaf.attribute.path]), warn)
    with suppress(UnsupportedFilterError):  # who sends it says so
        if tql.plan(expression).is_empty:
            warn("Warning: nothing can match this filter: its conditions contradict each other")


def _warn_of_words(leaf: Predicate[Any], words: list[str], warn: Callable[[str], None]) -> None:
    values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    is_part = leaf.operator in {Operator.LIKE, Operator.NOT_LIKE}
    name = leaf.attribute.name
    for value in map(str, values):
        if value in words or (is_part and any(value.casefold() in word for word in words)):
            continue
        near = get_close_matches(value.casefold(), words, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        warn(f"Warning: {name} {value!r} is none of the documented {', '.join(words)}{meant}")
