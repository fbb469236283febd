"""Whether a record satisfies a filter: the one room that knows both the query language and the records.

What each attribute means on a record is decided here (the service documents little of it):

- ``agent`` is any agent in ``resources`` or ``scheduled_agents``, ``team`` any team in ``resources``.
- PSA ids and ticket numbers are those of the associated entities of the fitting types.
- These are many-valued: EQ, IN and LIKE hold if any of the values fits, NOT_EQ, NOT_IN and NOT_LIKE if there
  are values and none fits.
- EQ and NOT_EQ on ticket numbers overlook one leading ``#`` on either side; IN, NOT_IN, LIKE and NOT_LIKE
  look at the number as it is written.
- LIKE is a substring, ignoring case. Times are compared in whole seconds.
- ``resource.internal_name`` is an agent's name too; an agent has no ``external_name``.
- A field that is null or left out satisfies nothing, negated or not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, Final, TypeAlias, cast

from timezest_async.errors import UnsupportedFilterError
from timezest_async.models import (
    Agent,
    AppointmentType,
    AssociatedEntity,
    EntityType,
    SchedulingRequest,
    Team,
)
from timezest_async.tql.nodes import And, Expression, Predicate, register_matcher
from timezest_async.tql.operators import NEGATIVE, Kind, Operator
from timezest_async.tql.schema import SCHEMAS, attributes_of
from timezest_async.tql.traversal import fold
from timezest_async.tql.values import ComparedAttribute

_Values: TypeAlias = list[Any]
_Step: TypeAlias = Callable[[Any, list[bool]], bool]

_RECORDS: Final[Mapping[str, tuple[type, ...]]] = {
    "scheduling_request": (SchedulingRequest,),
    "agent": (Agent,),
    "team": (Team,),
    "resource": (Agent, Team),
    "appointment_type": (AppointmentType,),
}


def matches(expression: Expression[Any], record: Any) -> bool:
    """Return whether a record satisfies a filter; ``Expression.matches`` calls this.

    Args:
        expression: Of any depth; what is shared within it is looked at once.
        record: A ``SchedulingRequest``, ``Agent``, ``Team`` or ``AppointmentType``: of the entity that the
            expression filters. Filters on resources take agents and teams.

    Raises:
        UnsupportedFilterError: There is raw TQL inside, or the record is of another entity.
    """
    steps = _steps_of(expression)
    if not isinstance(record, _RECORDS[cast("str", expression.entity)]):
        raise UnsupportedFilterError(
            f"this filter is about {expression.entity} and matches no {type(record).__name__}: give it a "
            f"{' or '.join(cls.__name__ for cls in _RECORDS[cast('str', expression.entity)])}"
        )
    results: list[bool] = []
    for step in steps:
        results.append(step(record, results))
    return results[-1]


_MAX_COMPILED: Final = 128
_compiled: Final[dict[int, tuple[Expression[Any], tuple[_Step, ...]]]] = {}


def _steps_of(expression: Expression[Any]) -> tuple[_Step, ...]:
    # One filter meets many records. Looked up by identity, which costs the same for any tree; what is
    # kept keeps its expression alive, so that no other one gets its id.
    known = _compiled.get(id(expression))
    if known is not None:
        return known[1]
    steps = _compile(expression)
    if len(_compiled) >= _MAX_COMPILED:
        _compiled.clear()
    _compiled[id(expression)] = expression, steps
    return steps


def _compile(expression: Expression[Any]) -> tuple[_Step, ...]:
    """Return what to compute, each step from the record and the results of the steps before it."""
    if not expression.is_negatable:
        raise UnsupportedFilterError(
            "tql.raw(...) is sent unread, so nothing can be matched against it: write the filter with F, or "
            "read it with tql.parse(...)"
        )
    steps: list[_Step] = []

    def add(step: _Step) -> int:
        steps.append(step)
        return len(steps) - 1

    fold(
        expression,
        lambda leaf: add(_test_of(cast("Predicate[Any]", leaf))),
        lambda node, parts: add(_junction(node, parts)),
    )
    return tuple(steps)


def _junction(node: Expression[Any], parts: list[int]) -> _Step:
    # There is no NOT node, so "true or not" is enough: null and false differ only below a negation.
    quantifier = all if isinstance(node, And) else any
    return lambda _record, results: quantifier([results[part] for part in parts])


def _test_of(predicate: Predicate[Any]) -> _Step:
    attribute, comparison = predicate.attribute, predicate.operator
    read = _READERS[attribute.path]
    if comparison in NEGATIVE:
        fits = _fitting(attribute, comparison.negated, predicate.value)
        return lambda record, _: bool(values := read(record)) and not any(map(fits, values))
    fits = _fitting(attribute, comparison, predicate.value)
    return lambda record, _: any(map(fits, read(record)))


_ORDER: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    # partial() puts the filter's value first, so each stands turned round.
    Operator.LT: operator.gt,
    Operator.LTE: operator.ge,
    Operator.GT: operator.lt,
    Operator.GTE: operator.le,
}


def _fitting(attribute: ComparedAttribute[Any], comparison: Operator, value: Any) -> Callable[[Any], bool]:
    """Return the test of one value of the attribute, which is never None."""
    if comparison is Operator.IN:
        return frozenset(value).__contains__
    if comparison is Operator.LIKE:
        part = value.casefold()
        return lambda text: part in text.casefold()
    if comparison in _ORDER:
        return partial(_ORDER[comparison], value)
    if attribute.is_ticket_number:
        number = value.removeprefix("#")
        return lambda text: bool(text.removeprefix("#") == number)
    if attribute.kind is Kind.ID:
        # An id that arrives as text is the same id.
        digits = str(value)
        return lambda identifier: str(identifier) == digits
    return partial(operator.eq, value)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def _field(name: str) -> Callable[[Any], _Values]:
    get = attrgetter(name)
    return lambda record: [] if (value := get(record)) is None else [value]


def _time(name: str) -> Callable[[Any], _Values]:
    get = attrgetter(name)
    return lambda record: [] if (moment := get(record)) is None else [(moment - _EPOCH) // _SECOND]


def _of_entities(field: str, *types: EntityType) -> Callable[[SchedulingRequest], _Values]:
    get: Callable[[AssociatedEntity], Any] = attrgetter(field)
    wanted = frozenset(types)
    return lambda record: [
        value
        for entity in record.associated_entities
        if entity.type in wanted and (value := get(entity)) is not None
    ]


def _agents(record: SchedulingRequest) -> _Values:
    return [item.id for item in (*record.resources, *record.scheduled_agents) if item.kind == "agent"]


def _teams(record: SchedulingRequest) -> _Values:
    return [item.id for item in record.resources if item.kind == "team"]


_agent_name: Final = _field("name")
_team_internal_name: Final = _field("internal_name")
_team_external_name: Final = _field("external_name")

_SPECIAL: Final[Mapping[str, Callable[[Any], _Values]]] = {
    "scheduling_request.autotask_company_id": _of_entities("id", EntityType.AUTOTASK_COMPANY),
    "scheduling_request.autotask_contact_id": _of_entities("id", EntityType.AUTOTASK_CONTACT),
    "scheduling_request.autotask_ticket_number": _of_entities("number", EntityType.AUTOTASK_TICKET),
    "scheduling_request.connectwise_psa_company_id": _of_entities("id", EntityType.CONNECTWISE_PSA_COMPANY),
    "scheduling_request.connectwise_psa_contact_id": _of_entities("id", EntityType.CONNECTWISE_PSA_CONTACT),
    "scheduling_request.connectwise_psa_ticket_number": _of_entities(
        "number", EntityType.CONNECTWISE_PSA_SERVICE_TICKET, EntityType.CONNECTWISE_PSA_PROJECT_TICKET
    ),
    "scheduling_request.connectwise_psa_project_ticket_number": _of_entities(
        "number", EntityType.CONNECTWISE_PSA_PROJECT_TICKET
    ),
    "scheduling_request.connectwise_psa_service_ticket_number": _of_entities(
        "number", EntityType.CONNECTWISE_PSA_SERVICE_TICKET
    ),
    "scheduling_request.halo_psa_client_id": _of_entities("id", EntityType.HALO_PSA_CLIENT),
    "scheduling_request.halo_psa_user_id": _of_entities("id", EntityType.HALO_PSA_USER),
    "scheduling_request.halo_psa_ticket_number": _of_entities("number", EntityType.HALO_PSA_TICKET),
    "scheduling_request.service_now_task_number": _of_entities("number", EntityType.SERVICE_NOW_TASK),
    "scheduling_request.service_now_task_id": _of_entities("id", EntityType.SERVICE_NOW_TASK),
    "scheduling_request.service_now_contact_id": _of_entities("id", EntityType.SERVICE_NOW_CONTACT),
    "scheduling_request.agent": _agents,
    "scheduling_request.team": _teams,
    "resource.internal_name": lambda record: (
        _agent_name(record) if isinstance(record, Agent) else _team_internal_name(record)
    ),
    "resource.external_name": lambda record: [] if isinstance(record, Agent) else _team_external_name(record),
}
"""How to read what no field of the record holds by itself; the values found, none of them None."""

_READERS: Final[Mapping[str, Callable[[Any], _Values]]] = {
    attribute.path: _SPECIAL.get(attribute.path)
    or (_time if attribute.kind is Kind.TIMESTAMP else _field)(attribute.name)
    for table in SCHEMAS.values()
    for attribute in attributes_of(table).values()
}

register_matcher(matches)
