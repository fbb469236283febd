"""The window in which an end user may choose: what is sent, and that it never ends before it begins."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.support import examples
from timezest_async import InvalidRequestError, TimeZestClient
from timezest_async.endpoints import choice_windows
from timezest_async.endpoints.choice_windows import ChoiceWindow
from timezest_async.sandbox import Sandbox

days = st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 3))
clocks = st.none() | st.builds(time, st.integers(0, 3))


@given(st.none() | st.integers(1, 600), days, clocks, days, clocks)
@settings(max_examples=examples(500))
def test_what_is_sent_is_what_was_given_and_in_order(
    minutes: int | None, first: date | None, begin: time | None, last: date | None, end: time | None
) -> None:
    given = {
        "duration_mins": minutes,
        "earliest_date": first,
        "earliest_time": begin,
        "latest_date": last,
        "latest_time": end,
    }
    several_days = first is not None and last is not None and first < last
    fits = (first is None or last is None or first <= last) and (
        several_days or begin is None or end is None or begin < end
    )
    if not fits:
        with pytest.raises(InvalidRequestError, match=r"earliest_(date|time) is .+ latest_(date|time)"):
            ChoiceWindow(**given).parameters()  # type: ignore[arg-type]
        return
    sent = ChoiceWindow(**given).parameters()  # type: ignore[arg-type]
    assert sent.pop("duration_mins", None) == minutes
    for name in ("earliest_date", "latest_date"):
        assert (date.fromisoformat(sent.pop(name)) if name in sent else None) == given[name]
    for name in ("earliest_time", "latest_time"):
        assert (time.fromisoformat(sent.pop(name)) if name in sent else None) == given[name]
    assert sent == {}


def test_the_form_of_times_is_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    half_past = ChoiceWindow(earliest_time=time(9, 30), latest_time=time(17, 0, 5))
    with pytest.raises(InvalidRequestError, match="latest_time is sent as 17:00"):
        half_past.parameters()
    monkeypatch.setattr(choice_windows, "TIME_FORMAT", "%H:%M:%S")
    assert half_past.parameters() == {"earliest_time": "09:30:00", "latest_time": "17:00:05"}


@pytest.mark.asyncio
async def test_the_service_gets_the_window_and_gives_it_back() -> None:
    window: dict[str, Any] = {
        "duration_mins": 90,
        "earliest_date": date(2026, 2, 28),
        "earliest_time": time(17, 45),
        "latest_date": date(2026, 3, 1),
        "latest_time": time(8, 5),
    }
    async with Sandbox() as sandbox, TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
        sandbox.add({"object": "agent", "id": "agnt_sam", "name": "Sam"})
        made = await client.scheduling_requests.create(
            appointment_type_id="apty_a",
            trigger_mode="pod",
            resource_ids=["agnt_sam"],
            end_user_name="Pat",
            end_user_email="pat@example.com",
            **window,
        )
        said = {
            "duration_mins": 90,
            "earliest_date": "2026-02-28",
            "earliest_time": "17:45",
            "latest_date": "2026-03-01",
            "latest_time": "08:05",
        }
        sent = sandbox.requests_seen[0].json
        assert sent is not None
        assert {name: sent[name] for name in window} == said
        assert {name: getattr(made, name) for name in window} == said
        with pytest.raises(InvalidRequestError, match="datetime.date"):
            await client.scheduling_requests.create(
                appointment_type_id="apty_a",
                trigger_mode="pod",
                resource_ids=["agnt_sam"],
                end_user_name="Pat",
                end_user_email="pat@example.com",
                earliest_date=datetime(2026, 1, 1),  # noqa: DTZ001 - what is refused
            )
        assert len(sandbox.requests_seen) == 1
