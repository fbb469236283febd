from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from tests import support
from timezest_async import tql
from timezest_async.errors import UnsupportedFilterError
from timezest_async.matching import matches
from timezest_async.models import (
    Agent,
    AppointmentType,
    AssociatedEntity,
    EntityType,
    ResourceReference,
    SchedulingRequest,
    Team,
)
from timezest_async.tql import Expression, Id, Kind, Operator, Predicate, Reference, scheduling_request as F
from timezest_async.tql.operators import LEGAL
from timezest_async.tql.schema import SCHEMAS, attributes_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def request(**fields: Any) -> SchedulingRequest:
    return SchedulingRequest(**{"id": "sreq_1", "status": "new", "created_at": NOW} | fields)


# The reference: SQL's three-valued logic over the JSON of a record, in which None is "unknown".


def wire_values(entity: str, name: str, record: dict[str, Any]) -> list[Any]:
    if entity == "resource" and record["object"] == "agent":
        name = {"internal_name": "name", "external_name": "nothing"}.get(name, name)
    if entity != "scheduling_request" or name in record:
        return [] if record.get(name) is None else [record[name]]
    if name in {"agent", "team"}:
        items = record["resources"] + (record["scheduled_agents"] if name == "agent" else [])
        return [item["id"] for item in items if name in {item.get("type"), item.get("object")}]
    for vendor in ("autotask", "connectwise_psa", "halo_psa", "service_now"):
        if name.startswith(vendor):
            thing, _, field = name.removeprefix(f"{vendor}_").rpartition("_")
            things = (
                ["service_ticket", "project_ticket"] if (vendor[0], thing) == ("c", "ticket") else [thing]
            )
            return [
                item[field]
                for item in record["associated_entities"]
                if item["type"] in {f"{vendor}/{thing}" for thing in things} and item.get(field) is not None
            ]
    return []


def bare(number: str) -> str:
    return number[1:] if number[:1] == "#" else number


def fits(predicate: Predicate[Any], held: Any) -> bool:
    asked: Any = predicate.value
    match predicate.operator:
        case Operator.EQ | Operator.NOT_EQ:
            return bare(held) == bare(asked) if predicate.attribute.is_ticket_number else bool(held == asked)
        case Operator.IN | Operator.NOT_IN:
            return held in asked
        case Operator.LIKE | Operator.NOT_LIKE:
            return asked.casefold() in held.casefold()
        case Operator.LT:
            return bool(held < asked)
        case Operator.LTE:
            return bool(held <= asked)
        case Operator.GT:
            return bool(held > asked)
        case Operator.GTE:
            return bool(held >= asked)


def truth(tree: Any, entity: str, record: dict[str, Any]) -> bool | None:
    if isinstance(tree, Predicate):
        values = wire_values(entity, tree.attribute.name, record)
        if not values:
            return None
        found = [fits(tree, value) for value in values]
        return not any(found) if tree.operator.name.startswith("NOT") else any(found)
    word, *parts = tree
    truths = [truth(part, entity, record) for part in parts]
    if word == "not":
        return None if truths[0] is None else not truths[0]
    decisive = word == "or"
    return decisive if decisive in truths else None if None in truths else not decisive


def built(tree: Any) -> Expression[Any]:
    if isinstance(tree, Predicate):
        return tree
    word, *parts = tree
    terms = [built(part) for part in parts]
    return ~terms[0] if word == "not" else tql.all_of(*terms) if word == "and" else tql.any_of(*terms)


# Small pools, so that values meet.

TEXTS = ["new", "sent", "NEW", "Straße", "STRASSE", "a b", "", "e"]
NUMBERS = ["1", "#1", "##1", "#2", "", "#"]
IDS = ["agnt_1", "agnt_2", "team_1", "team_2"]
TIMES = [*range(-3, 4), 1_767_225_600]


class Dice(random.Random):
    def maybe(self, values: list[Any]) -> Any:
        return self.choice([None, *values])

    def times(self) -> Any:
        seconds = self.maybe(TIMES)
        return (
            None
            if seconds is None
            else EPOCH + timedelta(seconds=seconds, milliseconds=self.choice([0, 600]))
        )

    def reference(self) -> ResourceReference:
        identifier = self.choice(IDS)
        kind = {"agnt": "agent", "team": "team"}[identifier[:4]]
        return ResourceReference(
            id=identifier, **{self.choice(["type", "object"]): self.choice([kind, kind, "robot"])}
        )

    def associated(self) -> AssociatedEntity:
        kind = self.choice([*EntityType, "other/ticket"])
        identifier: int | str = (
            self.choice(["1", "2"]) if kind.startswith("service_now") else self.choice([1, 2])
        )
        return AssociatedEntity(
            type=kind,
            id=self.maybe([identifier]),
            **({"number": self.choice(NUMBERS)} if self.random() < 0.7 else {}),
        )

    def record(self, entity: str) -> Any:
        if entity == "scheduling_request":
            absent = (
                {}
                if self.random() < 0.3
                else {"scheduled_at": self.times(), "end_user_name": self.maybe(TEXTS)}
            )
            return request(
                status=self.choice(TEXTS),
                created_at=EPOCH + timedelta(seconds=self.choice(TIMES)),
                end_user_email=self.maybe(TEXTS),
                appointment_type_id=self.maybe(IDS),
                selected_start_time=self.times(),
                associated_entities=[self.associated() for _ in range(self.randint(0, 4))],
                resources=[self.reference() for _ in range(self.randint(0, 2))],
                scheduled_agents=[self.reference() for _ in range(self.randint(0, 2))],
                **absent,
            )
        if entity == "resource":
            return self.record(self.choice(["agent", "team"]))
        fields: dict[str, Any] = {"id": "x", "object": entity, "url_slug": self.maybe(TEXTS)}
        if entity == "agent":
            names = ("name", "email", "role")
            flags = {name: self.maybe([True, False]) for name in ("schedulable", "two_factor_enabled")}
            return Agent(**fields, **flags, **{n: self.maybe(TEXTS) for n in names}, created_at=self.times())
        fields |= {name: self.maybe(TEXTS) for name in ("internal_name", "external_name")}
        if entity == "team":
            return Team(**fields)
        return AppointmentType(**fields, duration_mins=self.maybe([15, 30]))

    def predicate(self, entity: str) -> Predicate[Any]:
        attribute = self.choice(list(attributes_of(SCHEMAS[entity]).values()))
        operator = self.choice(LEGAL[attribute.kind])
        pool: list[Any] = {
            Kind.TIMESTAMP: TIMES,
            Kind.NUMBER: [15, 20, 30],
            Kind.BOOLEAN: [True, False],
            Kind.ID: [1, 2],
            Kind.REFERENCE: IDS,
            Kind.STRING: NUMBERS if attribute.is_ticket_number else TEXTS,
        }[attribute.kind]
        if isinstance(attribute, Id) and attribute.value_type is str:
            pool = ["1", "2"]
        if isinstance(attribute, Reference):
            pool = [text for text in IDS if text.startswith(attribute.prefix)] or ["apty_1", "x"]
        return Predicate(
            attribute, operator, self.choices(pool, k=2) if operator.takes_list else self.choice(pool)
        )

    def tree(self, entity: str, depth: int) -> Any:
        word = self.choice(["leaf", "not", "and", "or"]) if depth else "leaf"
        if word == "leaf":
            return self.predicate(entity)
        return (
            word,
            *(self.tree(entity, depth - 1) for _ in range(1 if word == "not" else self.randint(2, 3))),
        )


def test_agrees_with_three_valued_logic() -> None:
    dice = Dice(5)
    seen: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for _ in range(support.examples(60_000)):
        entity = dice.choice(list(SCHEMAS))
        tree = dice.tree(entity, dice.randint(0, 3))
        expression = built(tree)
        for _ in range(3):
            record = dice.record(entity)
            expected = truth(tree, entity, record.to_dict())
            seen[expected] += 1
            assert expression.matches(record) is (expected is True), (expression, record)
            assert (~expression).matches(record) is (expected is False), (expression, record)
    assert min(seen.values()) > sum(seen.values()) // 20


SERVICE = AssociatedEntity.connectwise_psa_service_ticket(id=7, number="#1234")
PROJECT = AssociatedEntity.connectwise_psa_project_ticket(number="1234")
WITHOUT_NUMBER = AssociatedEntity.connectwise_psa_service_ticket(id=7)


@pytest.mark.parametrize(
    ("expression", "record", "expected"),
    [
        (F.connectwise_psa_ticket_number == "1234", request(associated_entities=[SERVICE]), True),
        (F.connectwise_psa_ticket_number == "#1234", request(associated_entities=[PROJECT]), True),
        (F.connectwise_psa_ticket_number.in_(["1234"]), request(associated_entities=[SERVICE]), False),
        (F.connectwise_psa_ticket_number.in_(["#1234"]), request(associated_entities=[SERVICE]), True),
        (F.connectwise_psa_ticket_number.not_in(["1234"]), request(associated_entities=[SERVICE]), True),
        (F.connectwise_psa_ticket_number != "1234", request(associated_entities=[SERVICE]), False),
        (F.connectwise_psa_ticket_number.like("23"), request(associated_entities=[SERVICE]), True),
        (F.connectwise_psa_service_ticket_number == "1234", request(associated_entities=[PROJECT]), False),
        (F.connectwise_psa_ticket_number != "1", request(associated_entities=[WITHOUT_NUMBER]), False),
        (
            (F.connectwise_psa_ticket_number == "1") & (F.connectwise_psa_ticket_number == "2"),
            request(
                associated_entities=[
                    AssociatedEntity.connectwise_psa_service_ticket(number="#1"),
                    AssociatedEntity.connectwise_psa_project_ticket(number="#2"),
                ]
            ),
            True,
        ),
        (
            F.connectwise_psa_company_id == 7,
            request(associated_entities=[AssociatedEntity(type="connectwise_psa/company", id="7")]),
            True,
        ),
        (F.agent == "agnt_1", request(resources=[ResourceReference(id="agnt_1")]), True),
        (F.agent == "agnt_1", request(scheduled_agents=[ResourceReference(id="agnt_1", type="agent")]), True),
        (F.team == "team_1", request(scheduled_agents=[ResourceReference(id="team_1", type="team")]), False),
        (F.agent != "agnt_1", request(resources=[ResourceReference(id="team_1", object="team")]), False),
        (F.status == "brand new", request(status="brand new"), True),
        (F.status.in_(["new"]), request(), True),
        (F.end_user_email.like("@EXAMPLE.com"), request(end_user_email="Pat@Example.COM"), True),
        (F.created_at == 1_767_225_600, request(), True),
        (F.created_at.between(1_767_225_600, 1_767_225_601), request(), True),
        (F.created_at < 1_767_225_600, request(), False),
        (tql.agent.schedulable == False, Agent(id="a", schedulable=False), True),  # noqa: E712
        (tql.agent.schedulable != True, Agent(id="a", schedulable=None), False),  # noqa: E712
        (tql.resource.internal_name == "Pat", Agent(id="a", name="Pat"), True),
        (tql.resource.internal_name == "Pat", Team(id="t", internal_name="Pat"), True),
        (tql.resource.external_name != "Pat", Agent(id="a", name="Lee"), False),
        (tql.resource.url_slug == "front-desk", Team(id="t", url_slug="front-desk"), True),
        (tql.team.external_name == "Pat", Team(id="t", internal_name="Pat"), False),
        (tql.appointment_type.duration_mins >= 30, AppointmentType(id="t", duration_mins=30), True),
    ],
)
def test_what_attributes_mean(expression: Expression[Any], record: Any, *, expected: bool) -> None:
    assert expression.matches(record) is expected
    assert matches(expression, record) is expected


EMPTY: MappingProxyType[str, Any] = MappingProxyType(
    {
        "scheduling_request": request(),
        "agent": Agent(id="a"),
        "team": Team(id="t", external_name=None),
        "resource": Team(id="t"),
        "appointment_type": AppointmentType(id="t"),
    }
)
NULLABLE = [
    (attribute, operator)
    for table in SCHEMAS.values()
    for attribute in attributes_of(table).values()
    for operator in LEGAL[attribute.kind]
    if attribute.path not in {"scheduling_request.status", "scheduling_request.created_at"}
]


@pytest.mark.parametrize(("attribute", "operator"), NULLABLE, ids=str)
def test_a_null_satisfies_nothing(attribute: Any, operator: Operator) -> None:
    value: Any = True if attribute.kind is Kind.BOOLEAN else 1
    if attribute.kind in {Kind.STRING, Kind.REFERENCE} or getattr(attribute, "value_type", int) is str:
        value = ["x"] if operator.takes_list else "x"
    predicate = Predicate(attribute, operator, value)
    assert not predicate.matches(EMPTY[attribute.entity])
    assert not (~predicate).matches(EMPTY[attribute.entity])


def test_raw_text_cannot_be_matched() -> None:
    for expression in (tql.raw("x"), (F.status == "new") | tql.raw("x")):
        with pytest.raises(UnsupportedFilterError, match="raw"):
            expression.matches(request())


@pytest.mark.parametrize(
    ("expression", "record", "named"),
    [
        (F.status == "new", Agent(id="a"), ["scheduling_request", "Agent", "SchedulingRequest"]),
        (F.status == "new", {"status": "new"}, ["scheduling_request", "dict"]),
        (tql.resource.url_slug == "x", request(), ["resource", "SchedulingRequest", "Agent or Team"]),
        (tql.agent.name == "x", Team(id="t"), ["agent", "Team"]),
    ],
)
def test_another_entity_is_refused(expression: Expression[Any], record: Any, named: list[str]) -> None:
    with pytest.raises(UnsupportedFilterError) as caught:
        expression.matches(record)
    assert all(name in str(caught.value) for name in named)


def test_deep_and_shared_trees() -> None:
    deep: Expression[Any] = F.status == "new"
    for level in range(5_000):
        other = F.status == f"other {level % 3}"
        deep = ~((deep & ~other) | other)
    assert deep.matches(request()) is True
    assert (~deep).matches(request()) is False
    assert deep.matches(request(status="other 1")) is False

    shared: Expression[Any] = F.status == "new"
    for level in range(200):
        shared = (shared | (F.status == str(level))) & (shared | (F.end_user_name == str(level)))
    assert shared.matches(request())
    assert not shared.matches(request(status="sent"))
