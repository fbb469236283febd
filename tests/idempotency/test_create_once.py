"""``create_once`` against the sandbox: what it sends, finds, refuses and remembers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from timezest_async import (
    AssociatedEntity,
    Created,
    F,
    IntentBusyError,
    IntentJournal,
    InvalidRequestError,
    KeyReusedError,
    MemoryJournal,
    MultipleFoundError,
    OutcomeUnknownError,
    RateLimiter,
    SQLiteJournal,
    TimeZestClient,
    TriggerMode,
    ValidationError,
)
from timezest_async.idempotency import remember
from timezest_async.sandbox import ActsLate, AnswerLost, DropBeforeHeaders, ListLag, Sandbox, Status

LIST, POST = "GET /scheduling_requests", "POST /scheduling_requests"
TIMEOUT = 0.3
TICKET = AssociatedEntity.connectwise_psa_service_ticket(number="#1234")
CONTACT = AssociatedEntity.connectwise_psa_contact(id=77)
WANTED: dict[str, Any] = {
    "appointment_type_id": "apty_visit",
    "trigger_mode": "pod",
    "resource_ids": ["agnt_sam"],
    "associated_entities": [TICKET],
    "end_user_name": "Kim",
    "end_user_email": "kim@example.com",
}
AS_JSON: dict[str, Any] = {
    "appointment_type_id": "apty_visit",
    "resources": [{"type": "agent", "id": "agnt_sam", "name": "Sam"}],
    "associated_entities": [TICKET.to_dict()],
    "end_user_email": "kim@example.com",
}


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        sandbox.add(object="agent", id="agnt_sam")
        sandbox.add(object="agent", id="agnt_ann")
        yield sandbox


@pytest_asyncio.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[TimeZestClient]:
    async with client_of(sandbox, timeout=30.0) as client:
        yield client


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal(lease=5.0)


def client_of(sandbox: Sandbox, **options: Any) -> TimeZestClient:
    options = {"rate_limiter": RateLimiter(100_000, 1.0), "timeout": TIMEOUT, **options}
    return TimeZestClient(sandbox.api_key, sandbox.base_url, **options)


async def once(client: TimeZestClient, journal: IntentJournal, **changes: Any) -> Created:
    arguments = {"key": "ticket-1234/onsite", "settle": 0.2, **WANTED, **changes}
    return await client.scheduling_requests.create_once(journal, **arguments)


def kept_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def asked(sandbox: Sandbox) -> list[str]:
    return [seen.route for seen in sandbox.requests_seen]


# What it costs


@pytest.mark.asyncio
async def test_a_create_without_faults_costs_one_request(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    made = await once(client, journal)
    assert (made.how, asked(sandbox)) == ("created", [POST])
    again = await once(client, journal)
    assert (again.how, again.request) == ("remembered", made.request)
    assert asked(sandbox) == [POST, "GET /scheduling_requests/{id}"]


@pytest.mark.asyncio
async def test_a_create_unless_one_is_open_costs_two(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    assert (await once(client, journal, unless_open=True)).how == "created"
    assert asked(sandbox) == [LIST, POST]
    sandbox.requests_seen.clear()
    assert (await once(client, journal, key="another", unless_open=True)).how == "found"
    assert asked(sandbox) == [LIST]


# Answers that are lost


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "ahead"),
    [
        (AnswerLost(), 600.0),
        (AnswerLost(), -600.0),
        (ActsLate(0.3), 600.0),
        (ActsLate(0.3), -600.0),
        (Status(503), 600.0),
        (DropBeforeHeaders(), 0.0),
    ],
)
async def test_it_is_there_once_whatever_became_of_the_answer(fault: Any, ahead: float) -> None:
    async with Sandbox(clock=lambda: time.time() + ahead) as sandbox, client_of(sandbox) as client:
        sandbox.add(object="agent", id="agnt_sam")
        sandbox.faults.script(POST, [fault])
        sandbox.faults.randomly(1.0, [ListLag(0.1)], route=LIST)
        journal = MemoryJournal(clock=lambda: time.monotonic() - ahead)
        made = await once(client, journal, settle=0.4)
        assert [record["id"] for record in sandbox.records()] == [made.request.id]
        happened = isinstance(fault, AnswerLost | ActsLate)
        assert made.how == ("found" if happened else "created")
        assert asked(sandbox).count(POST) == (1 if happened else 2)


@pytest.mark.asyncio
async def test_another_worker_with_another_clock_finds_what_the_first_has_left(
    sandbox: Sandbox, journal: MemoryJournal
) -> None:
    sandbox.faults.script(POST, [ActsLate(0.2)])
    async with client_of(sandbox) as client, client_of(sandbox) as other:
        task = asyncio.create_task(once(client, journal, settle=5))
        while POST not in asked(sandbox):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        made = await once(other, journal, settle=5)
    assert made.how == "found"
    assert [record["id"] for record in sandbox.records()] == [made.request.id]


@pytest.mark.asyncio
async def test_what_acts_after_the_time_to_settle_is_there_twice(
    sandbox: Sandbox, journal: MemoryJournal
) -> None:
    """Outside the promise: see docs/exactly-once.md."""
    sandbox.faults.script(POST, [ActsLate(TIMEOUT + 0.3)])
    async with client_of(sandbox) as client:
        assert (await once(client, journal, settle=0.0)).how == "created"
    async with asyncio.timeout(5):
        while len(sandbox.records()) < 2:
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_an_answer_lost_as_often_as_it_is_sent_is_told(
    sandbox: Sandbox, journal: MemoryJournal
) -> None:
    sandbox.faults.randomly(1.0, [Status(500)], route=POST)
    async with client_of(sandbox, max_attempts=2) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await once(client, journal, settle=0.0)
        assert "the key is free" in caught.value.__notes__[0]
        assert caught.value.retryable
        assert asked(sandbox).count(POST) == 2
        sandbox.faults.clear()
        assert (await once(client, journal, end_user_name="Another")).how == "created"


@pytest.mark.asyncio
async def test_a_deadline_ends_the_looking_and_the_next_call_goes_on(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    sandbox.faults.script(POST, [ActsLate(0.4)])
    with pytest.raises(IntentBusyError, match="may yet turn up") as caught:
        await once(client, journal, settle=5, deadline=0.3)
    assert caught.value.retry_after > 0
    assert (await once(client, journal, settle=5)).how == "found"
    assert asked(sandbox).count(POST) == 1


@pytest.mark.asyncio
async def test_what_the_service_refuses_frees_the_key(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    with pytest.raises(ValidationError):
        await once(client, journal, resource_ids=["agnt_nobody"])
    assert (await once(client, journal)).how == "created"
    assert asked(sandbox) == [POST, POST]


# Which it may be


@pytest.mark.asyncio
async def test_what_is_of_something_else_is_no_candidate(sandbox: Sandbox, journal: MemoryJournal) -> None:
    others: list[dict[str, Any]] = [
        {"appointment_type_id": "apty_remote"},
        {"resources": [{"type": "agent", "id": "agnt_ann", "name": "Ann"}]},
        {"associated_entities": [{"type": TICKET.type, "number": "#99"}]},
        {"associated_entities": [TICKET.to_dict(), {"type": CONTACT.type, "id": 78}]},
        {"created_at": int(time.time()) - 3600},
    ]
    sandbox.add_many({**AS_JSON, **other} for other in others)
    sandbox.faults.script(POST, [Status(503)])
    async with client_of(sandbox) as client:
        made = await once(client, journal, settle=0.0, associated_entities=[TICKET, CONTACT])
    assert made.how == "created"
    assert len(sandbox.records()) == len(others) + 1


@pytest.mark.asyncio
async def test_several_candidates_are_told_and_never_guessed_among(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    ids = [sandbox.add(**AS_JSON)["id"] for _ in range(2)]
    sandbox.faults.script(POST, [Status(503)])
    for _ in range(2):
        with pytest.raises(MultipleFoundError) as caught:
            await once(client, journal)
        assert all(id in str(caught.value) for id in ids)
    assert asked(sandbox).count(POST) == 1
    await remember(journal, "ticket-1234/onsite", ids[0])
    made = await once(client, journal)
    assert (made.how, made.request.id) == ("remembered", ids[0])
    with pytest.raises(KeyReusedError, match="is another key's"):
        await remember(journal, "another", ids[0])
    with pytest.raises(KeyReusedError, match=f"it has {ids[0]}"):
        await remember(journal, "ticket-1234/onsite", ids[1])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "id", "reason"),
    [
        ("", "sreq_1", "key takes text"),
        ("k", None, "request_id takes the id"),
        ("k", "", "request_id takes the id"),
        ("k", "agnt_sam", "request_id takes the id"),
    ],
)
async def test_what_is_told_by_hand_is_checked(
    journal: MemoryJournal, key: str, id: Any, reason: str
) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        await remember(journal, key, id)
    await remember(journal, "k", "sreq_1")


@pytest.mark.asyncio
async def test_what_another_key_has_made_is_not_taken(sandbox: Sandbox, journal: MemoryJournal) -> None:
    async with client_of(sandbox) as client:
        first = await once(client, journal, key="first visit")
        sandbox.faults.script(POST, [Status(503), AnswerLost()])
        second = await once(client, journal, key="second visit", settle=0.0)
    assert second.how == "found"
    assert {first.request.id, second.request.id} == {record["id"] for record in sandbox.records()}


@pytest.mark.asyncio
async def test_what_another_key_took_for_its_own_is_made_again(
    sandbox: Sandbox, client: TimeZestClient
) -> None:
    class Robbed(MemoryJournal):
        """One in which another key finds a request before its maker has noted it."""

        robbed = False

        async def finish(self, name: str, request_id: str, *, digest: str, own: bool) -> str | None:
            if not self.robbed:
                self.robbed = True
                await super().finish("another", request_id, digest=digest, own=True)
            return await super().finish(name, request_id, digest=digest, own=own)

    made = await once(client, Robbed())
    assert made.how == "created"
    assert len(sandbox.records()) == 2
    assert made.request.id == sandbox.records()[0]["id"]


# Workers


@pytest.mark.asyncio
async def test_other_arguments_are_another_key(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    await once(client, journal)
    with pytest.raises(KeyReusedError, match="'ticket-1234/onsite' was used before with other arguments"):
        await once(client, journal, end_user_name="Another")
    assert asked(sandbox) == [POST]


SPELLINGS: list[dict[str, Any]] = [
    {"trigger_mode": TriggerMode.POD},
    {"resource_ids": {"agnt_sam", "agnt_ann"}},
    {"resource_ids": ("agnt_ann", "agnt_sam")},
    {"associated_entities": [CONTACT, TICKET]},
    {"associated_entities": [TICKET.to_dict() | {"id": None}, CONTACT]},
    {"associated_entities": [TICKET.to_dict() | {"number": "1234"}, CONTACT]},
    {"duration_mins": None},
]


@pytest.mark.asyncio
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_the_same_arguments_spelled_otherwise_are_the_same(
    client: TimeZestClient, journal: MemoryJournal, spelling: dict[str, Any]
) -> None:
    first = {"resource_ids": ["agnt_sam", "agnt_ann"], "associated_entities": [TICKET, CONTACT]}
    made = await once(client, journal, **first)
    again = await once(client, journal, **{**first, **spelling})
    assert (again.how, again.request.id) == ("remembered", made.request.id)


@pytest.mark.asyncio
async def test_of_many_at_once_one_creates(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    made = await asyncio.gather(*(once(client, journal) for _ in range(5)), return_exceptions=True)
    busy = [one for one in made if isinstance(one, IntentBusyError)]
    assert len(busy) == 4
    assert all(0 < one.retry_after <= journal.lease and one.retryable for one in busy)
    waited = await asyncio.gather(*(once(client, journal, key="2", wait=True) for _ in range(5)))
    assert sorted(one.how for one in waited) == ["created"] + 4 * ["remembered"]
    assert len(sandbox.records()) == 2


@pytest.mark.asyncio
async def test_who_waits_for_the_budget_keeps_the_key(sandbox: Sandbox) -> None:
    journal = MemoryJournal(lease=0.5)
    async with client_of(sandbox, rate_limiter=RateLimiter(1, 1.6, margin=0.0)) as client:
        await client.scheduling_requests.list().to_list()
        waiting = asyncio.create_task(once(client, journal))
        await asyncio.sleep(1.0)
        with pytest.raises(IntentBusyError):
            await once(client, journal)
        assert (await waiting).how == "created"


class Slow(MemoryJournal):
    """One that somebody else meddles with right before a create is marked as sent."""

    def __init__(self, meddle: Callable[[MemoryJournal, str], None]) -> None:
        super().__init__()
        self._meddle = meddle

    async def mark_sending(self, name: str, token: str, *, answer_within: float, settle: float) -> bool:
        self._meddle(self, name)
        return await super().mark_sending(name, token, answer_within=answer_within, settle=settle)


@pytest.mark.asyncio
async def test_who_has_lost_the_key_sends_nothing(sandbox: Sandbox, client: TimeZestClient) -> None:
    def take_over(journal: MemoryJournal, name: str) -> None:
        entry: Any = journal._table.get(name)
        journal._table._entries[name] = type(entry)(entry.digest, "another", journal._table.now() + 9)

    with pytest.raises(IntentBusyError) as caught:
        await once(client, Slow(take_over))
    assert 8 < caught.value.retry_after <= 9
    assert not sandbox.requests_seen


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [OSError("the disk is gone"), LookupError("a bug")])
async def test_nothing_is_sent_where_the_journal_fails(
    sandbox: Sandbox, client: TimeZestClient, error: Exception
) -> None:
    def fail(_journal: MemoryJournal, _name: str) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await once(client, Slow(fail))
    assert caught.value is error
    assert not sandbox.requests_seen


# Open requests


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("open_one", "is_found"),
    [
        ({"status": "new"}, True),
        ({"status": "sent", "appointment_type_id": "apty_other"}, True),
        ({"status": "scheduled", "selected_start_time": int(time.time()) + 3600}, True),
        ({"status": "scheduled", "selected_start_time": int(time.time()) - 3600}, False),
        ({"status": "cancelled"}, False),
        ({"status": "closed"}, False),
        ({"status": "new", "associated_entities": [{"type": TICKET.type, "number": "#12345"}]}, False),
    ],
)
async def test_which_requests_are_open(
    sandbox: Sandbox,
    client: TimeZestClient,
    journal: MemoryJournal,
    open_one: dict[str, Any],
    *,
    is_found: bool,
) -> None:
    record = sandbox.add(**{**AS_JSON, "created_at": 1_700_000_000, **open_one})
    made = await once(client, journal, unless_open=True)
    assert (made.request.id == record["id"], made.how == "found") == (is_found, is_found)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("entities", "email", "is_found"),
    [
        ([], "KIM@example.com", True),
        ([], "pekka.kim@example.com", False),
        ([CONTACT], "someone@example.com", True),
    ],
)
async def test_without_a_ticket_the_end_user_counts(
    sandbox: Sandbox,
    client: TimeZestClient,
    journal: MemoryJournal,
    entities: Any,
    email: str,
    *,
    is_found: bool,
) -> None:
    sandbox.add(
        **{**AS_JSON, "associated_entities": [one.to_dict() for one in entities], "end_user_email": email}
    )
    made = await once(client, journal, unless_open=True, associated_entities=entities)
    assert made.how == ("found" if is_found else "created")


@pytest.mark.asyncio
async def test_what_is_open_may_be_that_of_several_keys(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal
) -> None:
    made = [await once(client, journal, key=key, unless_open=True) for key in ("one", "two", "three", "two")]
    assert [one.how for one in made] == ["created", "found", "found", "remembered"]
    assert len(sandbox.records()) == 1


# Bad input, and what a journal keeps


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"key": ""}, "key takes text"),
        ({"key": 3}, "key takes text"),
        ({"settle": -1}, "settle takes"),
        ({"settle": float("nan")}, "settle takes"),
        ({"deadline": 0}, "deadline takes"),
        ({"resource_ids": []}, "resource_ids"),
        ({"journal": "intents.db"}, "journal takes an IntentJournal, such as SQLiteJournal"),
        ({"journal": MemoryJournal}, "journal takes an IntentJournal"),
        (
            {
                "unless_open": True,
                "associated_entities": [AssociatedEntity(type=TICKET.type, id=5)],
            },
            "can only be looked for by its number",
        ),
    ],
)
async def test_bad_input_sends_nothing(
    sandbox: Sandbox, client: TimeZestClient, journal: MemoryJournal, wrong: dict[str, Any], says: str
) -> None:
    wrong = dict(wrong)
    with pytest.raises(InvalidRequestError, match=says):
        await once(client, wrong.pop("journal", journal), **wrong)
    assert not sandbox.requests_seen


@pytest.mark.asyncio
async def test_a_journal_keeps_nobodys_data(sandbox: Sandbox, client: TimeZestClient, tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "intents.db") as journal:
        await once(client, journal, key="kim@example.com/onsite")
        kept = kept_in(tmp_path)
    for secret in (b"kim", b"Kim", b"1234", b"onsite", sandbox.api_key.encode()):
        assert secret not in kept


@pytest.mark.asyncio
async def test_open_requests_are_found_by_hand_too(sandbox: Sandbox, client: TimeZestClient) -> None:
    record = sandbox.add(**AS_JSON, status="sent")
    assert await client.scheduling_requests.list(F.status == "sent").first() is not None
    found = await client.scheduling_requests.find_open(
        {"associated_entities": [TICKET.to_dict()], "appointment_type_id": "apty_visit"}
    )
    assert found is not None
    assert found.id == record["id"]
