"""The doctor against the sandbox as it is, with each of its quirks, and with faults."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support import stopped_clock
from timezest_async import F, TimeZestClient, TimeZestError, TriggerMode
from timezest_async.doctor import Diagnosis, Verdict, examine
from timezest_async.sandbox import QUIRKS, DropMidBody, Fault, Garbage, Sandbox, Status, TooManyRequests
from timezest_async.transport import Transport

pytestmark = pytest.mark.asyncio
BEYOND_READING = {"re-booking moves scheduled_at", "lists are current"}
FOUND_BY = {
    "page_of_50": "page size",
    "oldest_first": "order",
    "iso_timestamps": "times",
    "unknown_field": "fields",
    "unknown_status": "statuses",
    "unknown_time_zone": "time zones",
    "relative_links": "next page",
    "links_lose_the_filter": "filtered next page",
    "takes_or": "OR",
    "updated_at_filterable": "updated_at",
    "plural_prefix_refused": "plural prefix",
    "escapes_refused": "escapes",
    "quotes_belong_to_the_value": "quotes",
    "like_minds_case": "LIKE and case",
    "ticket_eq_is_exact": "ticket EQ",
    "ticket_in_overlooks_the_hash": "ticket IN",
    "long_filters_refused": "long filters",
    "null_satisfies_not_eq": "null and NOT_EQ",
    "cancelling_clears_times": "cancelled times",
    "agent_is_refused": "agent",
    "agents_by_id": "agents by id",
    "gone_cursors_restart": "gone cursor",
    "times_are_finer": "whole seconds",
}
"""Which check finds which quirk."""
FOLLOWS = {"oldest_first": {"next page"}}
"""What else is no longer so with a quirk."""


def quirky(*quirks: str, **options: Any) -> Sandbox:
    return Sandbox(clock=stopped_clock, **{"records": 300, "quirks": set(quirks), **options})


async def examined(sandbox: Sandbox) -> Diagnosis:
    transport = Transport(api_key=sandbox.api_key, base_url=sandbox.base_url, max_attempts=1)
    try:
        diagnosis = await examine(transport)
    finally:
        await transport.close()
    assert {request.method for request in sandbox.requests_seen} == {"GET"}
    assert len(sandbox.requests_seen) == diagnosis.requests < 20
    return diagnosis


def names(diagnosis: Diagnosis, verdict: Verdict) -> set[str]:
    return {finding.name for finding in diagnosis.findings if finding.verdict is verdict}


async def test_everything_holds_on_the_plain_sandbox() -> None:
    async with quirky() as sandbox:
        diagnosis = await examined(sandbox)
    assert names(diagnosis, Verdict.CANNOT_BE_TOLD) == BEYOND_READING
    assert names(diagnosis, Verdict.DOES_NOT_HOLD) == set()
    assert names(diagnosis, Verdict.HOLDS) == set(FOUND_BY.values())


@pytest.mark.parametrize("quirk", QUIRKS)
async def test_each_quirk_is_found_and_nothing_else(quirk: str) -> None:
    async with quirky(quirk) as sandbox:
        diagnosis = await examined(sandbox)
    assert names(diagnosis, Verdict.DOES_NOT_HOLD) == {FOUND_BY[quirk]} | FOLLOWS.get(quirk, set())
    if quirk != "iso_timestamps":  # no record can be asked for then
        assert names(diagnosis, Verdict.CANNOT_BE_TOLD) == BEYOND_READING


@pytest.mark.parametrize("records", [0, 3])
async def test_a_small_account_leaves_some_things_open_and_nothing_wrong(records: int) -> None:
    async with quirky(records=records) as sandbox:
        diagnosis = await examined(sandbox)
    assert names(diagnosis, Verdict.DOES_NOT_HOLD) == set()
    assert {"OR", "updated_at", "gone cursor"} <= names(diagnosis, Verdict.HOLDS)
    assert {"page size", "next page"} <= names(diagnosis, Verdict.CANNOT_BE_TOLD)


@pytest.mark.parametrize(
    "fault", [Status(503), Status(403), TooManyRequests(), Garbage(), DropMidBody()], ids=repr
)
async def test_what_fails_cannot_be_told(fault: Fault) -> None:
    async with quirky() as sandbox:
        sandbox.faults.script(None, [None, *[fault] * 19])
        diagnosis = await examined(sandbox)
    assert names(diagnosis, Verdict.DOES_NOT_HOLD) == set()
    told = names(diagnosis, Verdict.HOLDS)
    assert "null and NOT_EQ" not in told
    # A refusal is one by its status, whatever is in its body.
    assert ("OR" in told) == isinstance(fault, Garbage | DropMidBody)


async def test_a_service_that_cannot_be_read_raises() -> None:
    async with quirky() as sandbox:
        sandbox.faults.script(None, [Status(401)])
        with pytest.raises(TimeZestError):
            await examined(sandbox)


async def test_the_report_names_nobody() -> None:
    async with quirky("unknown_time_zone", "unknown_status", "unknown_field") as sandbox:
        report = json.dumps((await examined(sandbox)).to_dict())
        entities = ("scheduling_request", "agent", "team", "appointment_type")
        records = [record for entity in entities for record in sandbox.records(entity)]
    secrets = {
        str(record[field])
        for record in records
        for field in ("id", "end_user_name", "end_user_email", "scheduling_url", "name", "email")
        if record.get(field)
    }
    assert secrets
    assert [secret for secret in secrets if secret in report] == []
    assert sandbox.api_key not in re.findall(r"\w+", report)
    assert not re.search(r"@|://", report)


async def _listed(client: TimeZestClient, sandbox: Sandbox) -> tuple[Sequence[str], Sequence[str]]:
    """Read a list by a filter with OR; the ids it gave, and those it should have."""
    wanted = {"new", "scheduled"}
    found = await client.scheduling_requests.list((F.status == "new") | (F.status == "scheduled")).to_list()
    return (
        [request.id for request in found],
        [record["id"] for record in sandbox.records() if record["status"] in wanted],
    )


@pytest.mark.parametrize("quirk", QUIRKS)
async def test_the_client_works_or_fails_clearly_with_each(quirk: str) -> None:
    async with quirky(quirk) as sandbox, TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
        try:
            found, expected = await _listed(client, sandbox)
        except TimeZestError:
            assert quirk == "iso_timestamps"
        else:
            assert found == expected if quirk != "oldest_first" else sorted(found) == sorted(expected)
        agent = sandbox.records("agent")[0]
        assert (await client.agents.get(agent["id"])).id == agent["id"]
        before = len(sandbox.records())
        try:
            created = await client.scheduling_requests.create(
                appointment_type_id=sandbox.records("appointment_type")[0]["id"],
                trigger_mode=TriggerMode.POD,
                resource_ids=[agent["id"]],
                end_user_name="Ann",
                end_user_email="ann@example.com",
            )
        except TimeZestError:
            assert quirk == "iso_timestamps"  # the answer cannot be read; it says so
        else:
            assert created.id == sandbox.records()[0]["id"]
        assert len(sandbox.records()) == before + 1
