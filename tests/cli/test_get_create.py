"""``timezest get`` and ``timezest create`` as a shell sees them."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.servers.served import Served, serving
from timezest_async.sandbox import Sandbox
from timezest_async.sandbox.faults import AnswerLost, Status

SOMEBODY = ["--appointment-type=a", "--resource=r", "--name=Al", "--email=al@example.org"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=40, clock=time.time) as served:  # what is looked for was made just now
        yield served


@pytest.fixture
def options(service: Served) -> list[str]:
    """What every create of these tests says."""
    return [
        "create",
        f"--appointment-type={service.records('appointment_type')[0]['id']}",
        f"--resource={service.records('agent')[0]['id']}",
    ]


def with_ticket(service: Served, number: str) -> list[str]:
    def add(sandbox: Sandbox) -> None:
        sandbox.add_contact("halo_psa/ticket", number=number, name="Ann", email="ann@example.org")

    service.do(add)
    return ["--psa=halo", f"--ticket={number}"]


def posts(service: Served) -> int:
    return sum(seen.method == "POST" for seen in service.requests_seen)


# get


def test_get_shows_a_table_or_the_services_json(service: Served, timezest: Run) -> None:
    record = next(one for one in service.records() if one["status"] == "scheduled")
    status, output, errors = timezest("get", record["id"], "--json")
    assert (status, errors, json.loads(output)) == (0, "", record)
    status, output, errors = timezest("get", record["id"])
    assert (status, errors) == (0, "")
    shown = dict(line.split(None, 1) for line in output.splitlines() if not line.startswith(" "))
    created_at = datetime.fromtimestamp(record["created_at"], UTC)
    assert shown["id"].strip() == record["id"]
    assert shown["status"].strip() == "scheduled"
    assert shown["created_at"].strip() == f"{created_at:%Y-%m-%d %H:%M:%S} UTC"
    assert shown["scheduled_agents"].strip() == record["scheduled_agents"][0]["name"]
    assert max(map(len, output.splitlines())) <= 80


def test_a_table_shows_unknown_fields_and_obeys_nothing(service: Served, timezest: Run) -> None:
    def add(sandbox: Sandbox) -> None:
        sandbox.add({"id": "sreq_odd", "end_user_name": "[red]Eve\x1b[31m", "mood": {"x": "\x1b"}})

    service.do(add)
    _, output, _ = timezest("get", "sreq_odd")
    assert "[red]Eve\N{REPLACEMENT CHARACTER}[31m" in output
    assert "\x1b" not in output
    assert '{"x": "\\u001b"}' in output
    service.do(lambda sandbox: sandbox.remove("sreq_odd"))


@pytest.mark.parametrize(("id", "ends"), [("sreq_none", 1), ("../agents", 2)])
def test_get_tells_what_is_not_there_from_what_is_no_id(
    service: Served, timezest: Run, id: str, ends: int
) -> None:
    status, output, errors = timezest("get", id)
    assert (status, output) == (ends, "")
    assert errors.startswith("404 for GET" if ends == 1 else "id takes the id of a record")


def test_a_base_url_without_its_version_is_told_of_by_its_option(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMEZEST_BASE_URL", service.base_url.removesuffix("/v1"))
    status, _, errors = timezest("get", "sreq_none")
    assert status == 1
    assert "--base-url is http" in errors
    assert "base_url" not in errors


def test_get_takes_several_ids_and_shows_those_that_are_there(service: Served, timezest: Run) -> None:
    first, second = service.records()[:2]
    status, output, errors = timezest("get", first["id"], "sreq_none", second["id"], "--json")
    assert status == 1
    one, end = json.JSONDecoder().raw_decode(output)
    assert [one, json.loads(output[end:])] == [first, second]
    assert errors == "404 for GET /v1/scheduling_requests/sreq_none: Not found\n"
    status, output, errors = timezest("get", first["id"], second["id"])
    assert (status, errors) == (0, "")
    assert [line.split()[1] for line in output.splitlines() if line.startswith("id ")] == [
        first["id"],
        second["id"],
    ]


# create


def told(output: str) -> str:
    return f"Created {json.loads(output)['id']}\n"


def test_create_from_options(service: Served, timezest: Run, options: list[str]) -> None:
    status, output, errors = timezest(*options, "--name=Al", "--email=al@example.org", "--json")
    assert (status, errors) == (0, told(output))
    created = json.loads(output)
    assert created == next(one for one in service.records() if one["id"] == created["id"])
    assert (created["end_user_name"], created["end_user_email"]) == ("Al", "al@example.org")
    [sent] = service.requests_seen
    assert json.loads(sent.body)["trigger_mode"] == "generate_url"


@pytest.mark.parametrize(
    ("psa", "types"),
    [
        ("autotask", ["autotask/ticket", "autotask/contact", "autotask/company"]),
        (
            "connectwise",
            ["connectwise_psa/service_ticket", "connectwise_psa/contact", "connectwise_psa/company"],
        ),
        (
            "connectwise_project",
            ["connectwise_psa/project_ticket", "connectwise_psa/contact", "connectwise_psa/company"],
        ),
        ("halo", ["halo_psa/ticket", "halo_psa/user", "halo_psa/client"]),
        ("service_now", ["service_now/task", "service_now/contact"]),
    ],
)
def test_each_psa_has_its_own_names(
    service: Served, timezest: Run, options: list[str], psa: str, types: list[str]
) -> None:
    things = ["--ticket=#12", "--contact=7", "--company=8"][: len(types)]
    service.faults.script("POST /scheduling_requests", [Status(422)])
    assert timezest(*options, f"--psa={psa}", "--trigger-mode=pod", *things)[0] == 1
    [sent] = service.requests_seen
    ids: list[Any] = ["7", "8"] if psa == "service_now" else [7, 8]
    assert json.loads(sent.body)["trigger_mode"] == "pod"
    assert json.loads(sent.body)["associated_entities"] == [
        {"type": types[0], "number": "#12"},
        *({"type": type, "id": id} for type, id in zip(types[1:], ids, strict=False)),
    ]


@pytest.mark.parametrize("source", ["new.json", "-"])
def test_create_from_json(
    service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    text = json.dumps(
        {
            "appointment_type_id": service.records("appointment_type")[0]["id"],
            "trigger_mode": "pod",
            "resource_ids": [service.records("agent")[0]["id"]],
            "end_user_name": "Bo",
            "end_user_email": "bo@example.org",
        }
    )
    Path("new.json").write_text(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    status, output, _ = timezest("create", "--from-json", source, "--json")
    assert status == 0
    assert json.loads(output)["end_user_name"] == "Bo"


def test_if_none_open_gives_the_ticket_what_it_has(
    service: Served, timezest: Run, options: list[str]
) -> None:
    ticket = with_ticket(service, "771")
    status, output, errors = timezest(*options, *ticket, "--if-none-open", "--json")
    assert (status, errors, posts(service)) == (0, told(output), 1)
    created = json.loads(output)
    for state in ("new", "sent", "scheduled"):
        service.do(lambda sandbox, state=state: sandbox.update(created["id"], status=state))
        status, output, errors = timezest(*options, *ticket, "--if-none-open", "--json")
        assert (status, json.loads(output)["id"], posts(service)) == (0, created["id"], 1)
        assert errors == f"Nothing was created: this ticket has a request that is {state}.\n"
    service.do(lambda sandbox: sandbox.update(created["id"], status="cancelled"))
    status, output, _ = timezest(*options, *ticket, "--if-none-open", "--json")
    assert (status, posts(service)) == (0, 2)
    assert json.loads(output)["id"] != created["id"]


def test_how_long_it_takes_and_when_it_may_be(service: Served, timezest: Run, options: list[str]) -> None:
    window = {
        "duration_mins": 45,
        "earliest_date": "2026-02-28",
        "earliest_time": "17:00",
        "latest_date": "2026-03-01",
        "latest_time": "09:30",
    }
    who = {"end_user_name": "Al", "end_user_email": "al@example.org"}
    spelled = [f"--{name.replace('_', '-')}={value}" for name, value in window.items()]
    status, output, errors = timezest(*options, "--name=Al", "--email=al@example.org", *spelled, "--json")
    assert (status, errors) == (0, told(output))
    assert json.loads(output) | window == json.loads(output)
    by_hand = json.loads(service.requests_seen[0].body)
    assert by_hand | window == by_hand
    Path("new.json").write_text(json.dumps({**by_hand, **who}))
    assert timezest("create", "--from-json=new.json")[0] == 0
    assert json.loads(service.requests_seen[1].body) == by_hand
    _, output, _ = timezest(*options, "--name=Al", "--email=al@example.org", "--duration", " 30 ", "--json")
    created = json.loads(output)
    assert [created[name] for name in window] == [30, None, None, None, None]


def test_white_space_around_values_is_left_out(service: Served, timezest: Run, options: list[str]) -> None:
    with_ticket(service, "4242")
    status, output, errors = timezest(*options, "--psa=halo", "--ticket", " 4242\n", "--json")
    assert (status, errors) == (0, told(output))
    assert json.loads(output)["associated_entities"][0]["number"] == "4242"
    _, listed, _ = timezest("list", "scheduling-requests", "--ticket", "\t4242 ", "-o", "json")
    assert [one["id"] for one in json.loads(listed)] == [json.loads(output)["id"]]
    assert timezest("get", f" {json.loads(output)['id']} ")[0] == 0


def test_an_entity_that_overrides_the_end_user_is_told(
    service: Served, timezest: Run, options: list[str]
) -> None:
    ticket = with_ticket(service, "4343")
    status, output, errors = timezest(*options, *ticket, "--name=Al", "--email=ANN@example.org", "--json")
    assert (status, json.loads(output)["end_user_name"]) == (0, "Ann")
    assert errors == told(output) + "The ticket's contact has overridden --name: it is Ann, not Al.\n"
    service.do(lambda sandbox: sandbox.add_contact("halo_psa/user", id=9, name="Eve", email="eve@a.org"))
    _, _, errors = timezest(*options, *ticket, "--contact=9", "--name=Eve", "--email=al@a.org")
    assert errors.splitlines()[1:] == ["The contact has overridden --email: it is eve@a.org, not al@a.org."]
    _, output, errors = timezest(*options, *ticket, "--name=Ann", "--json")
    assert errors == told(output)


def test_an_unknown_outcome_lists_what_may_be_it(service: Served, timezest: Run, options: list[str]) -> None:
    ticket = with_ticket(service, "772")
    service.faults.script("POST /scheduling_requests", [AnswerLost()])
    status, output, errors = timezest(*options, *ticket)
    assert (status, output, posts(service)) == (1, "", 1)
    newest = service.records()[0]
    assert errors.startswith("It may have been created, or not: ")
    assert ". Before you create it again, look for it.\nThese may be it:" in errors
    assert f"These may be it:\n  {newest['id']}  " in errors
    assert errors.endswith("  new  ann@example.org\n")


def test_an_unknown_outcome_may_stay_unknown(service: Served, timezest: Run, options: list[str]) -> None:
    who = ["--name=Al", "--email=nobody-else@example.org"]
    service.faults.script("POST /scheduling_requests", [Status(502)])
    service.faults.script("GET /scheduling_requests", [None])
    status, _, errors = timezest(*options, *who)
    assert status == 1
    assert "There is nothing yet that may be it." in errors
    service.faults.script("POST /scheduling_requests", [Status(502)])
    service.faults.script("GET /scheduling_requests", [Status(401)])
    status, _, errors = timezest(*options, *who)
    assert status == 1
    assert "cannot be listed either: 401" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resource=agnt_1"], "create needs --appointment-type and --resource"),
        (["--appointment-type=a", "--resource=r", "--ticket=1"], "need --psa: one of autotask, connectwise,"),
        (["--appointment-type=a", "--resource=r", "--psa=halo"], "give one of them"),
        (["--appointment-type=a", "--resource=r", "--psa=halo", "--contact=Al"], "--contact takes the id"),
        (["--appointment-type=a", "--resource=r", "--psa=service_now", "--company=1"], "no companies"),
        (["--appointment-type=a", "--resource=r"], "--name and --email must be given"),
        (["--appointment-type=a", "--resource=r", "--psa=acme", "--ticket=1"], "Invalid value"),
        (["--appointment-type=a", "--resource=r", "--trigger-mode=email"], "Invalid value"),
        ([*SOMEBODY, "--duration=0"], "--duration-mins takes a whole number of minutes, 1 or more"),
        ([*SOMEBODY, "--duration-mins=half"], "--duration-mins"),
        ([*SOMEBODY, "--earliest-date=31.1.2026"], "--earliest-date takes a day such as 2026-01-31"),
        ([*SOMEBODY, "--latest-date=2026-02-30"], "--latest-date takes a day such as 2026-01-31"),
        ([*SOMEBODY, "--latest-date=20260131"], "--latest-date takes a day"),
        ([*SOMEBODY, "--earliest-time=9.30"], "--earliest-time takes a time of day such as 09:30"),
        ([*SOMEBODY, "--latest-time=25:00"], "--latest-time takes a time of day"),
        ([*SOMEBODY, "--latest-time=10:00+01:00"], "--latest-time takes a time of day"),
        ([*SOMEBODY, "--latest-time=10:00:30"], "--latest-time is sent as 10:00"),
        (
            [*SOMEBODY, "--earliest-date=2026-02-02", "--latest-date=2026-02-01"],
            "--earliest-date is 2026-02-02, which is after --latest-date, 2026-02-01",
        ),
        (
            [*SOMEBODY, "--earliest-time=10:00", "--latest-time=09:00"],
            "--earliest-time is 10:00, which is not before --latest-time",
        ),
        ([*SOMEBODY, "--ticket= ", "--psa=halo"], "--ticket is empty"),
        ([*SOMEBODY, "--name="], "--name is empty"),
        (["--from-json=window.json"], "earliest_time takes a time of day such as 09:30, not 930"),
        (["--from-json=window.json", "--duration=30"], "--from-json says it all"),
        (["--from-json=none.json"], "none.json cannot be read as JSON"),
        (["--from-json=list.json"], "list.json is to hold one JSON object"),
        (["--from-json=odd.json"], "odd.json has colour, which a create does not take"),
        (["--from-json=bare.json"], "bare.json lacks trigger_mode, resource_ids"),
        (["--from-json=bare.json", "--name=Al"], "--from-json says it all"),
        (
            [
                "--from-json=by_id.json",
                "--if-none-open",
            ],
            "--if-none-open: open requests of a halo_psa/ticket can only be looked for by its number",
        ),
    ],
)
def test_wrong_usage_ends_with_2_and_sends_nothing(
    service: Served, timezest: Run, arguments: list[str], said: str
) -> None:
    Path("list.json").write_text("[]")
    by_id = {
        "appointment_type_id": "a",
        "trigger_mode": "pod",
        "resource_ids": ["r"],
        "associated_entities": [{"type": "halo_psa/ticket", "id": 5}],
    }
    Path("by_id.json").write_text(json.dumps(by_id))
    Path("odd.json").write_text('{"colour": 1}')
    window = {"appointment_type_id": "a", "trigger_mode": "pod", "resource_ids": ["r"], "earliest_time": 930}
    Path("window.json").write_text(json.dumps(window))
    Path("bare.json").write_text('{"appointment_type_id": "a"}')
    status, output, errors = timezest("create", *arguments)
    assert (status, output, service.requests_seen) == (2, "", [])
    assert said in errors
