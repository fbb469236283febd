"""The attribute tables against the reference page, and the classes against the operator table."""

from __future__ import annotations

import copy
import pickle
import pydoc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests import strategies
from timezest_async import errors, models, tql
from timezest_async.tql.operators import LEGAL
from timezest_async.tql.schema import SCHEMAS, attribute_named, attributes_of

F = tql.scheduling_request

EQUALITY = "EQ NOT_EQ"
TEXT = "EQ NOT_EQ LIKE NOT_LIKE IN NOT_IN"
LIST = "EQ NOT_EQ IN NOT_IN"
ORDER = "EQ NOT_EQ LT LTE GT GTE"

# Written from the reference page ("Supported TQL Attributes") and LIVE_API.md, apart from the package.
REFERENCE = {
    "scheduling_request": {
        "autotask_company_id": ("ID", EQUALITY),
        "autotask_contact_id": ("ID", EQUALITY),
        "autotask_ticket_number": ("String", TEXT),
        "connectwise_psa_company_id": ("ID", EQUALITY),
        "connectwise_psa_contact_id": ("ID", EQUALITY),
        "connectwise_psa_ticket_number": ("String", TEXT),
        "connectwise_psa_project_ticket_number": ("String", TEXT),
        "connectwise_psa_service_ticket_number": ("String", TEXT),
        "halo_psa_client_id": ("ID", EQUALITY),
        "halo_psa_user_id": ("ID", EQUALITY),
        "halo_psa_ticket_number": ("String", TEXT),
        "end_user_name": ("String", TEXT),
        "end_user_email": ("String", TEXT),
        "status": ("String", TEXT),
        "selected_start_time": ("Timestamp", ORDER),
        "scheduled_at": ("Timestamp", ORDER),
        "created_at": ("Timestamp", ORDER),
        "appointment_type_id": ("Reference", LIST),
        "agent": ("Reference", LIST),
        "team": ("Reference", LIST),
        "service_now_task_number": ("String", TEXT),
        "service_now_task_id": ("ID", EQUALITY),
        "service_now_contact_id": ("ID", EQUALITY),
    },
    "agent": {
        "name": ("String", TEXT),
        "email": ("String", TEXT),
        "role": ("String", TEXT),
        "url_slug": ("String", TEXT),
        "schedulable": ("Boolean", EQUALITY),
        "two_factor_enabled": ("Boolean", EQUALITY),
        "created_at": ("Timestamp", ORDER),
    },
    "team": {
        "internal_name": ("String", TEXT),
        "external_name": ("String", TEXT),
        "url_slug": ("String", TEXT),
    },
    "resource": {
        "internal_name": ("String", TEXT),
        "external_name": ("String", TEXT),
        "url_slug": ("String", TEXT),
    },
    "appointment_type": {
        "internal_name": ("String", TEXT),
        "external_name": ("String", TEXT),
        "url_slug": ("String", TEXT),
        "duration_mins": ("Number", ORDER),
    },
}
MANY_VALUED = {
    name
    for name, (kind, _) in REFERENCE["scheduling_request"].items()
    if kind == "ID" or name.endswith("_number") or name in {"agent", "team"}
}

HOW: dict[str, Callable[[Any, Any], Any]] = {
    "EQ": lambda a, v: a == v,
    "NOT_EQ": lambda a, v: a != v,
    "LT": lambda a, v: a < v,
    "LTE": lambda a, v: a <= v,
    "GT": lambda a, v: a > v,
    "GTE": lambda a, v: a >= v,
    "LIKE": lambda a, v: a.like(v),
    "NOT_LIKE": lambda a, v: a.not_like(v),
    "IN": lambda a, v: a.in_(v),
    "NOT_IN": lambda a, v: a.not_in(v),
}
METHODS = {"LIKE": "like", "NOT_LIKE": "not_like", "IN": "in_", "NOT_IN": "not_in"}
SAMPLES = {"String": "x", "Reference": "x", "ID": 7, "Timestamp": 7, "Boolean": True, "Number": 7}

ALL = [attribute for attributes in strategies.ATTRIBUTES.values() for attribute in attributes]


def sample(attribute: Any, operator: str) -> Any:
    if operator in {"IN", "NOT_IN"}:
        return ["x"]
    return "x" if attribute.name.startswith("service_now") else SAMPLES[attribute.kind]


def test_tables_follow_the_reference() -> None:
    tables = {
        entity: {name: (str(a.kind), " ".join(LEGAL[a.kind])) for name, a in attributes_of(table).items()}
        for entity, table in SCHEMAS.items()
    }
    assert tables == REFERENCE


def test_many_valued() -> None:
    assert {attribute.name for attribute in ALL if attribute.is_many_valued} == MANY_VALUED
    tickets = {name for name in MANY_VALUED if name.endswith("_number")}
    assert {attribute.name for attribute in ALL if attribute.is_ticket_number} == tickets


@pytest.mark.parametrize("operator", HOW)
@pytest.mark.parametrize("attribute", ALL, ids=repr)
def test_operators_of_the_class_are_those_of_the_table(attribute: Any, operator: str) -> None:
    _, legal = REFERENCE[attribute.entity][attribute.name]
    value = sample(attribute, operator)
    if operator in legal.split():
        predicate = HOW[operator](attribute, value)
        assert type(predicate) is tql.Predicate
        assert (predicate.attribute, predicate.operator) == (attribute, operator)
        assert predicate.value == (("x",) if value == ["x"] else value)
        assert predicate.same_as(tql.Predicate(attribute, tql.Operator(operator), value))
        return
    for build in (HOW[operator], lambda a, v: a.operate(tql.Operator(operator), v)):
        with pytest.raises(errors.UnsupportedOperatorError) as caught:
            build(attribute, value)
        assert ", ".join(legal.split()) in str(caught.value)
        assert (caught.value.attribute, caught.value.operator) == (attribute.path, operator)


@pytest.mark.parametrize("attribute", ALL, ids=repr)
def test_only_legal_methods_are_defined(attribute: Any) -> None:
    defined = {operator for operator, method in METHODS.items() if hasattr(type(attribute), method)}
    assert defined == set(METHODS) & set(LEGAL[attribute.kind])
    assert hasattr(type(attribute), "between") == ("LT" in LEGAL[attribute.kind])
    assert isinstance(attribute, getattr(tql, attribute.kind.capitalize()))


@pytest.mark.parametrize("attribute", ALL, ids=repr)
def test_attributes_keep_their_identity(attribute: Any) -> None:
    for other in (copy.copy(attribute), copy.deepcopy(attribute), pickle.loads(pickle.dumps(attribute))):
        assert other is attribute
    assert eval(repr(attribute), {"F": F, "tql": tql}) is attribute
    assert attribute_named(attribute.entity, attribute.name) is attribute
    assert hash(attribute) == hash(attribute.path)
    assert not hasattr(attribute, "__dict__")


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: iter(F.status), "no values to iterate over"),
        (lambda: bool(F.status), "has no truth value"),
        (lambda: F.status & F.team, "put each comparison in parentheses"),
        (lambda: ~F.status, "put each comparison in parentheses"),
        (lambda: F.status == "a" & (F.team == "b"), "put each comparison in parentheses"),
        (lambda: F.created_at == 1 | (F.team == "b"), "put each comparison in parentheses"),
    ],
)
def test_mistakes_of_python_teach(build: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(TypeError) as caught:
        build()
    assert fragment in str(caught.value)


def test_unknown_names() -> None:
    with pytest.raises(errors.UnknownAttributeError) as caught:
        _ = F.stauts
    assert caught.value.suggestion == "status"
    assert str(caught.value).endswith("does not exist; the nearest is F.status")
    with pytest.raises(errors.UnknownAttributeError, match=r"nearest is F\.\w+, and there are autotask"):
        _ = F.no_such_attribute
    with pytest.raises(errors.UnknownAttributeError, match="exists on the record"):
        _ = tql.team.created_at
    with pytest.raises(errors.FilterError, match="no entity"):
        attribute_named("agents", "name")
    assert not hasattr(F, "_ipython_display_")
    with pytest.raises(
        AttributeError, match="F.status has no 'lower': a String takes ==, !=, like, not_like"
    ):
        _ = F.status.lower
    assert not hasattr(F.status, "_ipython_display_")
    with pytest.raises(AttributeError):
        F.status = F.team


@pytest.mark.parametrize(
    ("table", "name", "meant"),
    [
        (F, "client", "halo_psa_client_id"),
        (F, "halo_client", "halo_psa_client_id"),
        (F, "cw_company_id", "connectwise_psa_company_id"),
        (F, "email", "end_user_email"),
        (F, "userEmail", "end_user_email"),
        (F, "customer_name", "end_user_name"),
        (F, "start", "selected_start_time"),
        (F, "createdAt", "created_at"),
        (F, "booked_at", "scheduled_at"),
        (F, "appointment_type", "appointment_type_id"),
        (F, "technician", "agent"),
        (F, "state", "status"),
        (F, "task_number", "service_now_task_number"),
        (tql.agent, "mfa", "two_factor_enabled"),
        (tql.agent, "slug", "url_slug"),
        (tql.agent, "is_schedulable", "schedulable"),
        (tql.team, "internal", "internal_name"),
        (tql.resource, "slug", "url_slug"),
        (tql.appointment_type, "duration", "duration_mins"),
    ],
)
def test_the_nearest_name_is_that_with_the_words_asked_for(table: Any, name: str, meant: str) -> None:
    with pytest.raises(errors.UnknownAttributeError) as caught:
        getattr(table, name)
    assert caught.value.suggestion == meant
    assert repr(getattr(table, meant)) in str(caught.value)


def test_names_that_are_as_near_are_all_told() -> None:
    with pytest.raises(errors.UnknownAttributeError, match=r"autotask_company_id, or F.connectwise"):
        _ = F.company


@pytest.mark.parametrize("attribute", ALL, ids=repr)
def test_help_says_what_an_attribute_holds(attribute: Any) -> None:
    shown = pydoc.render_doc(attribute, renderer=pydoc.plaintext)  # type: ignore[attr-defined]  # it is there
    text, _, kind = attribute.__doc__.partition("\n\n")
    assert text in shown
    assert kind == type(attribute).__doc__
    assert len(text) > 10


def test_help_names_the_statuses() -> None:
    assert not [word for word in models.Status if word not in F.status.__doc__]
    assert not [word for word in models.AgentRole if word not in tql.agent.role.__doc__]


class Status(Enum):
    NEW = "new"


class Sort(StrEnum):
    NEW = "new"


class Shout(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


def test_values_become_canonical() -> None:
    for value in (Status.NEW, Sort.NEW, Shout("new")):
        for predicate in (F.status == value, F.status.in_([value])):
            text = predicate.value[0] if isinstance(predicate.value, tuple) else predicate.value
            assert (type(text), text) == (str, "new")
    assert F.status.in_(["b", "a", "b"]).value == ("b", "a")
    assert F.status.in_({"b", "c", "a"}).value == ("a", "b", "c")
    assert F.status.in_(text for text in "ba").value == ("b", "a")
    assert F.created_at.between(3, 9).same_as((F.created_at >= 3) & (F.created_at < 9))


MOMENT = datetime(2023, 8, 9, 12, 58, 36, tzinfo=UTC)
HALF = MOMENT + timedelta(microseconds=500_000)
SECONDS = 1_691_585_916
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("predicate", "seconds"),
    [
        (lambda: F.created_at == MOMENT, SECONDS),
        (lambda: F.created_at < MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))), SECONDS),
        (lambda: F.created_at < HALF, SECONDS + 1),
        (lambda: F.created_at >= HALF, SECONDS + 1),
        (lambda: F.created_at <= HALF, SECONDS),
        (lambda: F.created_at > HALF, SECONDS),
        (lambda: F.created_at >= date(1970, 1, 2), 86_400),
        (lambda: F.created_at >= date(1, 1, 1), strategies.FIRST_SECOND),
        (lambda: F.created_at <= datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), strategies.LAST_SECOND),
        (lambda: F.created_at > datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), -1),
        (lambda: F.created_at < datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), 0),
    ],
)
def test_timestamps(predicate: Callable[[], Any], seconds: int) -> None:
    value = predicate().value
    assert (type(value), value) == (int, seconds)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-5, 5))
def test_a_fraction_is_rounded_to_what_means_the_same(moment: datetime, delta: int) -> None:
    """Whole seconds are what records show: no record may be judged otherwise than by the fraction."""
    second = int((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)) + delta
    if not strategies.FIRST_SECOND <= second < strategies.LAST_SECOND or moment.year == 9999:
        return
    record = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    for how, holds in (
        ("LT", record < moment),
        ("LTE", record <= moment),
        ("GT", record > moment),
        ("GTE", record >= moment),
    ):
        value = HOW[how](F.created_at, moment).value
        assert HOW[how](second, value) == holds


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: F.created_at == HALF, "fraction of a second"),
        (lambda: F.created_at != HALF, "fraction of a second"),
        (lambda: F.created_at > "2023-01-01", "tql.parse"),
        (lambda: F.created_at > 1.5, "float"),
        (lambda: F.created_at > 1_690_000_000_000, "milliseconds"),
        (lambda: F.created_at > True, "whole number"),
        (lambda: F.created_at > Decimal(5), "whole number"),
        (lambda: F.status == b"new", "takes text"),
        (lambda: F.status == ["new"], "takes text"),
        (lambda: F.status == F.team, "not with another attribute"),
        (lambda: F.status == (F.team == "x"), "takes text"),
        (lambda: F.status.in_(["new", None]), "takes text"),
        (lambda: F.status.in_(["new", 3]), 'write "3"'),
        (lambda: F.status.in_(None), "takes a list of texts"),
        (lambda: F.status.in_(b"new"), "takes a list of texts"),
        (lambda: F.status.in_(["a\x85"]), "control character at position 1"),
        (lambda: F.status == "a\ud800", "lone surrogate at position 1"),
        (lambda: F.status.like(None), "no null"),
        (lambda: F.autotask_company_id == "12", "write 12"),
        (lambda: F.autotask_company_id == 2**63, "64 bits"),
        (lambda: F.autotask_company_id == 10**5_000, "(a huge int): does not fit into 64 bits"),
        (lambda: F.status == 10**5_000, "takes text (str)"),
        (lambda: F.created_at > "x" * 60_000, "xxx…: takes a datetime"),
        (lambda: F.created_at >= LAST_INSTANT, "1 to 9999"),
        (lambda: F.service_now_task_id == 12, 'write "12"'),
        (lambda: F.autotask_ticket_number == 12, 'write "12"'),
        (lambda: tql.agent.schedulable == 1, "True or False"),
        (lambda: tql.agent.schedulable == "true", "True or False"),
        (lambda: tql.appointment_type.duration_mins > 1.0, "whole number"),
    ],
)
def test_wrong_values_teach(build: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(errors.InvalidValueError) as caught:
        build()
    assert fragment in str(caught.value)
    assert f"`{caught.value.attribute}`" in str(caught.value)
    assert len(str(caught.value)) < 400
    assert ("milliseconds" in fragment) == ("milliseconds" in str(caught.value))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
