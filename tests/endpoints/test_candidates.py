"""What may have come of a create is found by the service's clock, and nothing else is taken for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support import stopped_clock
from timezest_async import AssociatedEntity, OutcomeUnknownError, TimeZestClient, TriggerMode
from timezest_async.sandbox import AnswerLost, Sandbox, Status as AnswerWith

GOOD: dict[str, Any] = {
    "appointment_type_id": "apty_a",
    "trigger_mode": TriggerMode.POD,
    "resource_ids": ["agnt_sam"],
}


@pytest.mark.asyncio
@pytest.mark.parametrize("knows", ["nothing", "an answer", "the answer itself"])
@pytest.mark.parametrize("offset", [-86_400, -130, 0, 130, 86_400])
async def test_a_lost_answer_is_found_again_whatever_our_clock_says(offset: int, knows: str) -> None:
    """The service's clock is what is ahead or behind here: only the difference shows."""
    async with (
        Sandbox(clock=lambda: time.time() + offset) as sandbox,
        TimeZestClient(sandbox.api_key, sandbox.base_url) as client,
    ):
        sandbox.add({"object": "agent", "id": "agnt_sam", "name": "Sam"})
        sandbox.add({"object": "appointment_type", "id": "apty_a", "internal_name": "Visit"})
        sandbox.add_contact("connectwise_psa/service_ticket", number="#1234", name="P", email="p@example.com")
        ticket = [AssociatedEntity.connectwise_psa_service_ticket(number="#1234")]
        theirs = time.time() + offset
        for age in (-200, 200):
            sandbox.add(
                {"id": f"sreq_{age + 500}", "created_at": int(theirs) + age, "status": "new"}
                | {"associated_entities": [ticket[0].to_dict()], "appointment_type_id": "apty_a"}
            )
        if knows == "an answer":
            await client.agents.list().to_list()
        fault = AnswerWith(502) if knows == "the answer itself" else AnswerLost()
        before = {one["id"] for one in sandbox.records()}
        sandbox.faults.script("POST /scheduling_requests", [fault])
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.scheduling_requests.create(**GOOD, associated_entities=ticket)
        assert (caught.value.clock_offset is None) == (knows == "nothing")
        found = {one.id for one in await caught.value.find_candidates(client)}
        # Of what was there before, only what is newer than the sending.
        assert found == {one["id"] for one in sandbox.records()} - before | {"sreq_700"}


@pytest.mark.parametrize(
    ("change", "is_candidate"),
    [
        ({}, True),
        ({"appointment_type_id": "apty_b"}, False),
        ({"appointment_type_id": None}, True),
        ({"resources": []}, True),
        ({"resources": [{"id": "agnt_a"}, {"id": "team_b"}]}, False),
        ({"resources": [{"id": "team_b"}]}, False),
        ({"associated_entities": [{"type": "service_now/task", "id": "other"}]}, False),
    ],
)
@pytest.mark.asyncio
async def test_candidates_are_of_the_same_type_resources_and_task(
    change: dict[str, Any], *, is_candidate: bool, sandbox: Sandbox, client: TimeZestClient
) -> None:
    task = AssociatedEntity.service_now_task(id="5d1f")
    same = {
        "id": "sreq_other", "status": "new", "created_at": int(stopped_clock()),
        "appointment_type_id": "apty_a",
        "resources": [{"id": one} for one in GOOD["resource_ids"]], "associated_entities": [task.to_dict()],
    }  # fmt: skip
    sandbox.add(same | change)
    parameters = {**GOOD, "trigger_mode": "pod", "associated_entities": [task.to_dict()]}
    found = await client.scheduling_requests.find_candidates(
        parameters, datetime.fromtimestamp(stopped_clock(), UTC), clock_offset=timedelta()
    )
    assert [one.id for one in found] == ["sreq_other"] * is_candidate
    [asked] = sandbox.requests_seen
    assert "service_now_task_id~EQ~5d1f" in asked.query["filter"]
