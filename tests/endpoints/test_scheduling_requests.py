from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from timezest_async import (
    AssociatedEntity,
    BadRequestError,
    EntityType,
    F,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PaginationError,
    PermissionDeniedError,
    RateLimiter,
    Status,
    TimeZestClient,
    TriggerMode,
    UnexpectedResponseError,
    ValidationError,
)
from timezest_async.sandbox import AnswerLost, Sandbox, Status as AnswerWith

GOOD: dict[str, Any] = {
    "appointment_type_id": "apty_a",
    "trigger_mode": TriggerMode.POD,
    "resource_ids": ["agnt_sam"],
}


@pytest.fixture(autouse=True)
def people(sandbox: Sandbox) -> None:
    sandbox.add({"object": "agent", "id": "agnt_sam", "name": "Sam"})
    sandbox.add({"object": "team", "id": "team_one", "internal_name": "Tier 1"})
    sandbox.add({"object": "appointment_type", "id": "apty_a", "internal_name": "Visit"})
    sandbox.add_contact("connectwise_psa/service_ticket", number="#1234", name="Pat", email="pat@example.com")
    sandbox.add_contact("autotask/contact", id=31, name="Lee", email="lee@example.com")
    sandbox.add_contact("halo_psa/user", id=5, name="Ann", email="ann@example.com")


@pytest.mark.asyncio
async def test_create_for_a_ticket_and_get_it_again(sandbox: Sandbox, client: TimeZestClient) -> None:
    ticket = AssociatedEntity.connectwise_psa_service_ticket(number="#1234")
    created = await client.scheduling_requests.create(**GOOD, associated_entities=[ticket])
    assert created.end_user_name == "Pat"
    assert created.end_user_email == "pat@example.com"
    assert created.associated_entities[0].type is EntityType.CONNECTWISE_PSA_SERVICE_TICKET
    assert created.status is Status.SENT
    assert await client.scheduling_requests.get(created.id) == created
    [stored] = sandbox.records()
    assert created.to_dict() == stored
    post = sandbox.requests_seen[0]
    assert post.json == {
        "appointment_type_id": "apty_a",
        "trigger_mode": "pod",
        "resource_ids": ["agnt_sam"],
        "associated_entities": [{"type": "connectwise_psa/service_ticket", "number": "#1234"}],
    }
    assert post.headers["content-type"].startswith("application/json")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("entities", "fields", "name"),
    [
        ([AssociatedEntity.autotask_contact(id=31)], {}, "Lee"),
        ([AssociatedEntity.halo_psa_user(id=5)], {"end_user_name": "Ignored"}, "Ann"),
        (
            [
                AssociatedEntity.connectwise_psa_service_ticket(number="#1234"),
                AssociatedEntity.autotask_contact(id=31),
            ],
            {},
            "Lee",
        ),
        ([{"type": "autotask/contact", "id": 31}], {}, "Lee"),
        (
            [],
            {"end_user_name": "Kim", "end_user_email": "kim@example.com", "end_user_company": "Acme"},
            "Kim",
        ),
        (
            [AssociatedEntity.connectwise_psa_company(id=9)],
            {"end_user_name": "Kim", "end_user_email": "kim@example.com"},
            "Kim",
        ),
    ],
)
async def test_where_the_end_user_comes_from(
    entities: Any, fields: dict[str, str], name: str, client: TimeZestClient
) -> None:
    created = await client.scheduling_requests.create(**GOOD, associated_entities=entities, **fields)
    assert created.end_user_name == name


@pytest.mark.asyncio
async def test_what_only_the_service_can_refuse(client: TimeZestClient, sandbox: Sandbox) -> None:
    with pytest.raises(ValidationError):
        await client.scheduling_requests.create(
            **GOOD, associated_entities=[AssociatedEntity.autotask_ticket(id=404)]
        )
    assert len(sandbox.requests_seen) == 1
    assert sandbox.records() == []


@pytest.mark.asyncio
async def test_a_read_only_key_may_not_create() -> None:
    async with (
        Sandbox(read_only_key="reader") as sandbox,
        TimeZestClient(api_key="reader", base_url=sandbox.base_url) as client,
    ):
        with pytest.raises(PermissionDeniedError) as caught:
            await client.scheduling_requests.create(
                **GOOD, end_user_name="Kim", end_user_email="kim@example.com"
            )
        assert caught.value.request_path.endswith("/scheduling_requests")


@pytest.mark.asyncio
async def test_get_what_is_not_there(client: TimeZestClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.scheduling_requests.get("sreq_nobody")
    assert caught.value.status == 404


@pytest.mark.asyncio
async def test_get_something_else(sandbox: Sandbox, client: TimeZestClient) -> None:
    sandbox.faults.script(None, [AnswerWith(200, body='{"id": 3}')])
    with pytest.raises(UnexpectedResponseError, match=r"\$\.id"):
        await client.scheduling_requests.get("sreq_a")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("entities", "fields"),
    [
        ([AssociatedEntity.connectwise_psa_service_ticket(number="#1234")], {}),
        ([AssociatedEntity.autotask_contact(id=31)], {}),
        ([], {"end_user_name": "Kim", "end_user_email": "Kim@example.com"}),
        (
            [AssociatedEntity.autotask_ticket(id=77)],
            {"end_user_name": "Kim", "end_user_email": "Kim@example.com"},
        ),
    ],
)
async def test_a_lost_answer_is_found_again(
    entities: Any, fields: dict[str, str], sandbox: Sandbox, client: TimeZestClient
) -> None:
    sandbox.add_contact("autotask/ticket", id=77, name="Lou", email="lou@example.com")
    sandbox.add({"created_at": 1_600_000_000, "appointment_type_id": "apty_a"})
    before = {one["id"] for one in sandbox.records()}
    sandbox.faults.script("POST /scheduling_requests", [AnswerLost()])
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.scheduling_requests.create(**GOOD, associated_entities=entities, **fields)
    [candidate] = await caught.value.find_candidates(client)
    assert {candidate.id} == {one["id"] for one in sandbox.records()} - before
    assert abs((datetime.now(UTC) - caught.value.sent_at).total_seconds()) < 60


@pytest.mark.asyncio
async def test_an_answer_that_is_no_record_leaves_the_outcome_unknown(
    sandbox: Sandbox, client: TimeZestClient
) -> None:
    sandbox.faults.script(None, [AnswerWith(201, body='{"status": "ok"}')])
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.scheduling_requests.create(**GOOD, end_user_name="Kim", end_user_email="k@example.com")
    assert caught.value.status == 201
    assert caught.value.parameters["end_user_name"] == "Kim"


@pytest.mark.asyncio
async def test_directory(sandbox: Sandbox, client: TimeZestClient) -> None:
    for number in range(45):
        sandbox.add({"object": "agent", "id": f"agnt_{number}", "name": f"Agent {number}"})
    sandbox.add({"object": "team", "id": "team_gone", "internal_name": "Gone"}, deleted=True)
    assert len(await client.agents.list().to_list()) == 46
    assert (await client.agents.get("agnt_3")).name == "Agent 3"
    assert {team.id for team in await client.teams.list().to_list()} == {"team_one", "team_gone"}
    resources = await client.resources.list().to_list()
    assert {type(one).__name__ for one in resources} == {"Agent", "Team"}
    assert "team_gone" not in {one.id for one in resources}
    assert (await client.teams.get("team_gone")).internal_name == "Gone"
    assert (await client.appointment_types.get("apty_a")).internal_name == "Visit"
    with pytest.raises(NotFoundError, match="agnt_nobody"):
        await client.agents.get("agnt_nobody")
    found = await client.agents.list("name LIKE 'x' OR name = \"Agent 7\"".replace("'x'", "zzz")).to_list()
    assert [one.id for one in found] == ["agnt_7"]


@pytest.mark.asyncio
async def test_one_budget_for_several_clients(sandbox: Sandbox) -> None:
    shared = RateLimiter(1000, 60.0)
    async with (
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=shared) as one,
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=shared) as two,
    ):
        await one.agents.list().to_list()
        await two.agents.list().to_list()
        assert shared.available == 998


@pytest.mark.asyncio
async def test_filters_as_text(sandbox: Sandbox, client: TimeZestClient) -> None:
    sandbox.add({"id": "sreq_a", "status": "new"})
    sandbox.add({"id": "sreq_b", "status": "closed"})
    got = await client.scheduling_requests.list("status = new").to_list()
    assert [one.id for one in got] == ["sreq_a"]
    got = await client.scheduling_requests.list(~(F.status == "new")).to_list()
    assert [one.id for one in got] == ["sreq_b"]


def test_named_constructors_take_what_their_type_takes() -> None:
    with pytest.raises(InvalidRequestError, match="number"):
        AssociatedEntity.autotask_ticket()


@pytest.mark.asyncio
async def test_shape_errors_show_the_body_as_it_came_and_the_retries_but_no_key() -> None:
    key = "a-key-that-the-service-repeats"
    body = '{ "id" : 5, "echo": "' + key + '"}'
    async with Sandbox(api_key=key) as sandbox, TimeZestClient(key, sandbox.base_url) as client:
        sandbox.faults.script(None, [AnswerWith(503), AnswerWith(200, body=body)])
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.scheduling_requests.get("sreq_a")
        assert caught.value.body_start == '{ "id" : 5, "echo": "***"}'
        assert caught.value.retries_taken == 1
        sandbox.faults.script(None, [AnswerWith(503), AnswerWith(200, body='{"data": [' + body + "]}")])
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.scheduling_requests.list().to_list()
        assert caught.value.body_start.startswith('{"data": [{ "id"')
        assert caught.value.retries_taken == 1
        wrong = f'{{"data": [], "next_page": "http://[x/{key}"}}'
        sandbox.faults.script(None, [AnswerWith(200, body=wrong)])
        with pytest.raises(PaginationError) as lost:
            await client.scheduling_requests.list().to_list()
        assert key not in str(lost.value)


@pytest.mark.asyncio
async def test_candidates_of_a_ticket_known_by_its_id(sandbox: Sandbox, client: TimeZestClient) -> None:
    for id in (9, 10):
        sandbox.add_contact("autotask/ticket", id=id, name="Lou", email="lou@example.com")
    other = AssociatedEntity.autotask_ticket(id=10)
    await client.scheduling_requests.create(**GOOD, associated_entities=[other])
    sandbox.faults.script("POST /scheduling_requests", [AnswerLost()])
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.scheduling_requests.create(
            **GOOD, associated_entities=[AssociatedEntity.autotask_ticket(id=9)]
        )
    [candidate] = await caught.value.find_candidates(client)
    assert candidate.associated_entities[0].id == 9


@pytest.mark.asyncio
async def test_only_a_running_list_gives_a_checkpoint(sandbox: Sandbox, client: TimeZestClient) -> None:
    sandbox.faults.script(None, [AnswerWith(400)])
    with pytest.raises(BadRequestError) as caught:
        await client.agents.get("agnt_sam")
    assert caught.value.checkpoint is None
