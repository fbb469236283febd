"""Tests of the app, against the service that timezest_async's pytest plugin brings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from app import app
from fastapi.testclient import TestClient

from timezest_async.sandbox import AnswerLost, Status
from timezest_async.testing import TimeZestSandbox

BOOKING = {"appointment_type_id": "apty_onsite", "resource_ids": ["agnt_sam"]}


@pytest.fixture
def browser(
    timezest_env: TimeZestSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setenv("APP_DATA", str(tmp_path))
    timezest_env.add(object="appointment_type", id="apty_onsite")
    timezest_env.add(object="agent", id="agnt_sam", name="Sam")
    ticket = ("connectwise_psa/service_ticket", "#1001")
    timezest_env.do(
        lambda sandbox: sandbox.add_contact(ticket[0], number=ticket[1], name="Ann", email="ann@example.com")
    )
    with TestClient(app) as browser:
        yield browser


def test_a_ticket_is_booked_once(browser: TestClient, timezest_env: TimeZestSandbox) -> None:
    timezest_env.faults.script("POST /scheduling_requests", [AnswerLost()])
    answers = [browser.post("/tickets/%231001/appointment", json=BOOKING) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["how"] for answer in answers] == ["found", "remembered", "remembered"]
    (request,) = timezest_env.records()
    assert answers[-1].json()["request"]["id"] == request["id"]


def test_what_cannot_be_booked_is_told(browser: TestClient) -> None:
    assert browser.post("/tickets/%231001/appointment", json=BOOKING).status_code == 201
    answer = browser.post("/tickets/%231001/appointment", json={**BOOKING, "resource_ids": ["agnt_pat"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")


def test_appointments_are_found(browser: TestClient, timezest_env: TimeZestSandbox) -> None:
    for number in range(30):
        timezest_env.add_request(end_user_name=f"=User {number}")
    assert len(browser.get("/appointments").json()) == 20
    assert len(browser.get("/appointments", params={"filter": "status = scheduled"}).json()) == 0
    assert browser.get("/appointments", params={"filter": "status >"}).status_code == 422
    assert browser.get("/appointments", params={"limit": 0}).status_code == 422
    assert browser.get("/appointments.csv").text.count("'=User") == 30


def test_the_page_shows_what_customers_wrote_as_text(
    browser: TestClient, timezest_env: TimeZestSandbox
) -> None:
    timezest_env.add_request(end_user_name="<script>alert(1)</script>")
    shown = browser.get("/")
    assert "&lt;script&gt;alert(1)" in shown.text
    assert "script-src 'self'" in shown.headers["Content-Security-Policy"]


def test_health_is_the_processs_and_readiness_the_services(
    browser: TestClient, timezest_env: TimeZestSandbox
) -> None:
    timezest_env.faults.script("GET /scheduling_requests", [Status(401)])
    assert browser.get("/healthz").status_code == 200
    assert browser.get("/readyz").status_code == 502
    assert browser.get("/readyz").status_code == 200
    seen = len(timezest_env.requests_seen)
    assert browser.get("/readyz").status_code == 200
    assert len(timezest_env.requests_seen) == seen
