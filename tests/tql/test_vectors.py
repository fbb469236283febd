"""Every case of the vectors that all clients of the service share."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from timezest_async import errors, tql

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tql.json").read_text())


def evaluate(python: str) -> Any:
    names = {
        "F": tql.scheduling_request,
        "tql": tql,
        "date": date,
        "datetime": datetime,
        "timezone": timezone,
    }
    return eval(python, names)


def ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["python"] for case in cases]


@pytest.mark.parametrize("case", VECTORS["render"], ids=ids(VECTORS["render"]))
def test_render(case: dict[str, Any]) -> None:
    assert tql.render(evaluate(case["python"])) == case["tql"]


@pytest.mark.parametrize("case", VECTORS["plans"], ids=ids(VECTORS["plans"]))
def test_plan(case: dict[str, Any]) -> None:
    plan = tql.plan(evaluate(case["python"]))
    assert [tql.render(query) for query in plan.queries] == case["queries"]
    assert plan.is_empty == (not case["queries"])


# What the message has to say for the reader to know what to write instead.
TAUGHT = {
    'F.connectwise_psa_company_id.like("2")': ("EQ, NOT_EQ", "LIKE is for String"),
    "F.connectwise_psa_company_id < 5": ("EQ, NOT_EQ", "LT is for Timestamp and Number"),
    'F.created_at.like("2023")': ("EQ, NOT_EQ, LT, LTE, GT, GTE", "LIKE is for String"),
    'F.status < "x"': ("EQ, NOT_EQ, LIKE, NOT_LIKE, IN, NOT_IN", "LT is for Timestamp and Number"),
    "F.no_such_attribute == 1": (
        "`scheduling_request.no_such_attribute` does not exist",
        "the nearest is F.",
    ),
    "F.updated_at >= 5": ("exists on the record but cannot be filtered on", "created_at"),
    'F.agent_id == "agnt_x"': ("filter on F.agent",),
    "F.status == None": ("TQL has no null",),
    "F.status == 3": ('write "3"',),
    "F.created_at > datetime(2023, 1, 1)": ("naive datetime", "tzinfo=timezone.utc"),
    'F.created_at > float("nan")': ("nan", "whole epoch seconds (int) or an aware datetime"),
    "F.connectwise_psa_company_id == True": ("takes a whole number (int)",),
    "F.status.in_([])": ("at least one value",),
    'F.status.in_("new")': ("['new']",),
    '(F.status == "new") and (F.status == "sent")': ("& for `and`",),
    'not (F.status == "new")': ("~ for `not`",),
    "1 < F.created_at < 5": ("F.created_at.between(a, b)",),
    '"new" in F.status': ("F.status.in_([...])",),
    "list(F.status)": ("F.status is an attribute", "no values to iterate over"),
    '(F.status == "new") & (tql.agent.name == "x")': ("one entity", "scheduling_request and agent"),
    'F.end_user_name == "a\\x00b"': ("control character at position 1",),
}


def test_every_refusal_is_asserted() -> None:
    assert set(ids(VECTORS["refused"])) == set(TAUGHT)


@pytest.mark.parametrize("case", VECTORS["refused"], ids=ids(VECTORS["refused"]))
def test_refused(case: dict[str, Any]) -> None:
    classes = case["expected"].partition(";")[0].partition(":")[0].split(" or ")
    with pytest.raises(Exception) as caught:
        evaluate(case["python"])
    for name in classes:
        expected = name.split()[0]
        assert isinstance(caught.value, getattr(errors, expected, None) or __builtins__[expected])
    for fragment in TAUGHT[case["python"]]:
        assert fragment in str(caught.value)
