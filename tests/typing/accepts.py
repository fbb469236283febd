"""What type checkers have to accept, with the types they have to find. Never run."""

from datetime import date, datetime, timezone
from collections.abc import Mapping
from typing import Any, Literal, assert_type

from timezest_async import (
    Agent,
    AgentDict,
    Created,
    F as requests,
    IntentJournal,
    MemoryJournal,
    Paginator,
    RedisJournal,
    Resource,
    ResourceDict,
    SQLiteJournal,
    SchedulingRequest,
    SchedulingRequestDict,
    TimeZestClient,
    tql,
)
from timezest_async.idempotency import conformance, remember
from timezest_async.tql import (
    AgentAttributes,
    AppointmentTypeAttributes,
    Expression,
    Plan,
    Predicate,
    Raw,
    ResourceAttributes,
    SchedulingRequestAttributes,
    TeamAttributes,
)

F = tql.scheduling_request
moment = datetime(2023, 8, 9, tzinfo=timezone.utc)

# --- comparisons: each kind of attribute with its own operators -------------------------------------------
assert_type(F.status == "scheduled", Predicate[SchedulingRequestAttributes])
assert_type(F.status != "scheduled", Predicate[SchedulingRequestAttributes])
assert_type(F.status.in_(["new", "sent"]), Predicate[SchedulingRequestAttributes])
assert_type(F.status.not_in({"new"}), Predicate[SchedulingRequestAttributes])
assert_type(F.status.in_(text for text in ("new", "sent")), Predicate[SchedulingRequestAttributes])
assert_type(F.end_user_email.like("@example.com"), Predicate[SchedulingRequestAttributes])
assert_type(F.end_user_email.not_like("+test"), Predicate[SchedulingRequestAttributes])
assert_type(F.connectwise_psa_company_id == 209116, Predicate[SchedulingRequestAttributes])
assert_type(F.connectwise_psa_company_id != 209116, Predicate[SchedulingRequestAttributes])
assert_type(F.service_now_task_id == "a1b2", Predicate[SchedulingRequestAttributes])
assert_type(F.autotask_ticket_number == "#1234", Predicate[SchedulingRequestAttributes])
assert_type(F.autotask_ticket_number.like("12"), Predicate[SchedulingRequestAttributes])
assert_type(F.agent == "agnt_a", Predicate[SchedulingRequestAttributes])
assert_type(F.agent.in_(("agnt_a",)), Predicate[SchedulingRequestAttributes])
assert_type(F.created_at < 5, Predicate[SchedulingRequestAttributes])
assert_type(F.created_at <= moment, Predicate[SchedulingRequestAttributes])
assert_type(F.created_at > date(2023, 7, 1), Predicate[SchedulingRequestAttributes])
assert_type(F.created_at >= moment, Predicate[SchedulingRequestAttributes])
assert_type(F.created_at == moment, Predicate[SchedulingRequestAttributes])
assert_type(F.created_at.between(moment, 1690000000), Expression[SchedulingRequestAttributes])
assert_type(tql.agent.schedulable == True, Predicate[AgentAttributes])
assert_type(tql.team.internal_name.like("Tier 1"), Predicate[TeamAttributes])
assert_type(tql.resource.url_slug == "front-desk", Predicate[ResourceAttributes])
assert_type(tql.appointment_type.duration_mins >= 30, Predicate[AppointmentTypeAttributes])
assert_type(tql.appointment_type.duration_mins.between(15, 60), Expression[AppointmentTypeAttributes])

# --- joining ----------------------------------------------------------------------------------------------
new, late = F.status == "new", F.created_at >= moment
assert_type(new & late, Expression[SchedulingRequestAttributes])
assert_type(new | late, Expression[SchedulingRequestAttributes])
assert_type(~new, Expression[SchedulingRequestAttributes])
assert_type(~(new | ~late) & new, Expression[SchedulingRequestAttributes])
assert_type(tql.all_of(new, late), Expression[SchedulingRequestAttributes])
assert_type(tql.any_of(*[F.status == text for text in ("a", "b")]), Expression[SchedulingRequestAttributes])
assert_type(tql.raw("scheduling_request.status~EQ~new"), Raw[Any])
assert_type(new & tql.raw("scheduling_request.status~EQ~new"), Expression[SchedulingRequestAttributes])
assert_type(tql.parse("status = new"), Expression[Any])

# --- using ------------------------------------------------------------------------------------------------
plan = tql.plan(new | late, max_queries=8)
assert_type(plan, Plan)
assert_type(plan.is_empty, bool)
assert_type([tql.render(query) for query in plan], list[str])
assert_type(new.same_as(late), bool)
assert_type(new.matches(object()), bool)
assert_type({new: 1, new & late: 2}[new], int)


def on_requests(filter: Expression[SchedulingRequestAttributes]) -> None: ...
def on_anything(filter: Expression[Any]) -> None: ...


on_requests(F.status == "new")
on_requests((F.status == "new") | ~F.end_user_name.like("test") & (F.created_at >= moment))
on_requests(tql.raw("scheduling_request.status~EQ~new"))
on_requests(tql.parse("status = new"))
on_anything(tql.agent.name == "Sam")

# --- the client -------------------------------------------------------------------------------------------


def on_lists(client: TimeZestClient) -> None:
    assert_type(client.scheduling_requests.list(), Paginator[SchedulingRequest])
    assert_type(client.scheduling_requests.list(requests.status == "new"), Paginator[SchedulingRequest])
    assert_type(client.scheduling_requests.list(new | ~late), Paginator[SchedulingRequest])
    client.scheduling_requests.list("status = new")
    client.scheduling_requests.list(tql.raw("scheduling_request.status~EQ~new"))
    assert_type(client.agents.list(tql.agent.name == "Sam"), Paginator[Agent])
    client.agents.list(tql.parse("name = Sam", entity="agent"))
    client.teams.list(tql.team.internal_name.like("Tier 1"))
    client.resources.list(tql.resource.url_slug == "front-desk")
    client.appointment_types.list(tql.appointment_type.duration_mins >= 30)


async def on_creating(client: TimeZestClient, journal: IntentJournal) -> None:
    made = await client.scheduling_requests.create_once(
        SQLiteJournal("intents.db"),
        key="ticket-1234/onsite",
        unless_open=True,
        appointment_type_id="apty_1",
        trigger_mode="pod",
        resource_ids=["agnt_1"],
        earliest_date=date(2026, 2, 2),
    )
    assert_type(made, Created)
    assert_type(made.request, SchedulingRequest)
    assert_type(made.how, Literal["created", "found", "remembered"])
    await remember(journal, "ticket-1234/onsite", made.request.id)
    await conformance.check(lambda: RedisJournal("redis://redis"))
    await conformance.check(MemoryJournal)


def on_records(request: SchedulingRequest, agent: Agent, resource: Resource) -> None:
    wire = request.to_dict()
    assert_type(wire, SchedulingRequestDict)
    assert_type(wire["created_at"], int)
    assert_type([entity["type"] for entity in wire.get("associated_entities") or []], list[str])
    assert_type(agent.to_dict(), AgentDict)
    assert_type(agent.to_dict()["id"], str)
    shared: ResourceDict = resource.to_dict()
    plain: Mapping[str, object] = shared
    print(plain)
