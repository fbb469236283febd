"""What type checkers have to reject: every line that ends in `# reject`, and no other. Never run."""

from datetime import datetime, timezone

from timezest_async import Agent, MemoryJournal, SchedulingRequest, TimeZestClient, tql
from timezest_async.endpoints.one_create import CreateArguments
from timezest_async.tql import Expression, Predicate, SchedulingRequestAttributes

F = tql.scheduling_request
moment = datetime(2023, 8, 9, tzinfo=timezone.utc)
new = F.status == "new"
sam = tql.agent.name == "Sam"


def on_requests(filter: Expression[SchedulingRequestAttributes]) -> None: ...


# --- operators that the kind of attribute does not take ---------------------------------------------------
on_requests(F.created_at.like("2023"))  # reject
on_requests(F.created_at.in_([1, 2]))  # reject
on_requests(F.connectwise_psa_company_id < 5)  # reject
on_requests(F.connectwise_psa_company_id >= 5)  # reject
on_requests(F.connectwise_psa_company_id.in_([1, 2]))  # reject
on_requests(F.connectwise_psa_company_id.like("2"))  # reject
on_requests(F.service_now_task_id.not_in(["a"]))  # reject
on_requests(F.status < "x")  # reject
on_requests(F.status >= "x")  # reject
on_requests(F.status.between("a", "b"))  # reject
on_requests(F.agent.like("agnt_"))  # reject
on_requests(F.agent > "agnt_")  # reject
print(tql.agent.schedulable < True)  # reject
print(tql.agent.schedulable.in_([True]))  # reject
print(tql.appointment_type.duration_mins.like("3"))  # reject

# --- attributes that are not there ------------------------------------------------------------------------
on_requests(F.no_such == "x")  # reject
on_requests(F.updated_at >= moment)  # reject
on_requests(F.agent_id == "agnt_a")  # reject
print(tql.team.created_at)  # reject
print(tql.resource.schedulable)  # reject

# --- values of the wrong type: `==` itself takes any object in Python, so what it gives then is no filter ----
on_requests(F.status == 3)  # reject
on_requests(F.status != None)  # reject
on_requests(F.connectwise_psa_company_id == "209116")  # reject
on_requests(F.service_now_task_id == 12)  # reject
on_requests(F.created_at == "2023-08-09")  # reject
on_requests(F.created_at > "2023-08-09")  # reject
on_requests(F.created_at < 1.5)  # reject
on_requests(F.created_at.between("2023-08-09", moment))  # reject
on_requests(F.status.in_([1, 2]))  # reject
on_requests(F.status.in_(None))  # reject
on_requests(F.end_user_email.like(3))  # reject
print(tql.appointment_type.duration_mins > "30")  # reject
print((F.status == 3) & new)  # reject

# --- entities that do not go together ---------------------------------------------------------------------
print(new & sam)  # reject
print(sam | new)  # reject
print(tql.all_of(new, sam))  # reject
print(tql.any_of(new, sam))  # reject
on_requests(sam)  # reject
on_requests(~(tql.team.internal_name == "x"))  # reject

# --- what is no filter ------------------------------------------------------------------------------------
on_requests(F.status)  # reject
on_requests("status = new")  # reject
on_requests(None)  # reject
print(new & "x")  # reject
print(new | None)  # reject
print("new" in F.status)  # reject
print(list(F.status))  # reject
print(tql.render("status~EQ~new"))  # reject
print(tql.plan(F.status))  # reject
print(tql.plan(new, 8))  # reject
narrower: Predicate[SchedulingRequestAttributes] = new & new  # reject

# --- the client -------------------------------------------------------------------------------------------


def on_lists(client: TimeZestClient) -> None:
    client.agents.list(F.status == "new")  # reject
    client.teams.list(sam)  # reject
    client.resources.list(sam)  # reject
    client.appointment_types.list(new & (F.created_at > moment))  # reject
    client.scheduling_requests.list(sam)  # reject
    client.scheduling_requests.list(F.status == 3)  # reject
    client.scheduling_requests.list(F.status)  # reject
    client.scheduling_requests.list(status="new")  # reject
    list(client.agents.list())  # reject


def on_records(request: SchedulingRequest, agent: Agent) -> None:
    request.to_dict()["staus"]  # reject
    request.to_dict()["created_at"].year  # reject
    agent.to_dict()["internal_name"]  # reject


async def on_creating(client: TimeZestClient, journal: MemoryJournal, wanted: CreateArguments) -> None:
    requests = client.scheduling_requests
    await requests.create_once("intents.db", key="k", **wanted)  # reject
    await requests.create_once(journal, key="k", appointment_type_id="a", trigger_mode="pod")  # reject
    await requests.create_once(journal, key=3, **wanted)  # reject
    await requests.create_once(journal, key="k", colour="red", **wanted)  # reject


async def on_reading(client: TimeZestClient) -> None:
    await client.agents.list()  # reject
    await client.scheduling_requests.list(F.status == "new")  # reject
    for record in client.teams.list():  # reject
        pass
    client.scheduling_requests = client.agents  # reject
    with TimeZestClient("key"):  # reject
        pass
