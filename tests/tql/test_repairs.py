"""Filters that would silently find nothing: refused, with the filter that was meant, which reads as that."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from timezest_async import errors, tql
from timezest_async.tql import Expression, parse, scheduling_request as F

NOW = datetime(2026, 2, 28, 23, 59, 58, 900_000, tzinfo=UTC)
SECOND = 1_772_323_198


def meant(text: str) -> list[str]:
    """The filters that the refusal of a text proposes."""
    with pytest.raises(errors.FilterSyntaxError) as caught:
        parse(text)
    hint = caught.value.hint or ""
    return [line.partition(": ")[2] for line in hint.splitlines()]


EITHER = F.status.in_(["new", "sent"])
LATE = F.created_at > 1_767_225_600
LIKE_EITHER = F.end_user_email.like("a") | F.end_user_email.like("b")
SIX = F.connectwise_psa_company_id == 6
SEVEN = F.connectwise_psa_company_id == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=new|sent", EITHER),
        ("status = new||sent", EITHER),
        ("status = new || sent", EITHER),
        ("status = new | sent", EITHER),
        ("status = new or sent", EITHER),
        ("status = new and sent", EITHER),
        ("status=new;sent", EITHER),
        ("status = new , sent", EITHER),
        ("status = (new, sent)", EITHER),
        ("status = [new, sent]", EITHER),
        ('status in ["new", "sent"]', EITHER),
        ("status in {new,sent}", EITHER),
        ("status IN (new|sent)", EITHER),
        ("status IN (new | sent)", EITHER),
        ("status IN <new;sent>", EITHER),
        ("(status in [new, sent])", EITHER),
        ('status = "new"|"sent"', EITHER),
        ("scheduling_request.status~IN~[new,sent]", EITHER),
        ("status~EQ~new|sent", EITHER),
        ("status != new|sent", ~EITHER),
        ("status not in [new, sent]", ~EITHER),
        ("status != new & sent", ~EITHER),
        ("status = [new]", F.status == "new"),
        ("status={{new}}", F.status == "new"),
        ("status = <new>", F.status == "new"),
        ("status===new", F.status == "new"),
        ("status=>new", F.status == "new"),
        ("status=!new", F.status != "new"),
        ("status = 'new'", F.status == "new"),
        ("status = \u201cnew\u201d", F.status == "new"),
        ("status in new]", F.status.in_(["new"])),
        ("status=new&created_at>2026-01-01", (F.status == "new") & LATE),
        ("status=new& created_at > 2026-01-01", (F.status == "new") & LATE),
        ("status = new &created_at > 2026-01-01", (F.status == "new") & LATE),
        ("status=new&&created_at>2026-01-01", (F.status == "new") & LATE),
        ("status=new;created_at>2026-01-01", (F.status == "new") & LATE),
        ("status = new; created_at GT 2026-01-01", (F.status == "new") & LATE),
        ("status = new&not created_at <= 2026-01-01", (F.status == "new") & LATE),
        ("status~EQ~new&created_at~GT~2026-01-01", (F.status == "new") & LATE),
        ('status="new"&created_at>2026-01-01', (F.status == "new") & LATE),
        ("status=new|created_at>2026-01-01", (F.status == "new") | LATE),
        ("status=new|sent&created_at>2026-01-01", EITHER & LATE),
        ("created_at>2026-01-01&status in [new, sent]", LATE & EITHER),
        ("created_at>5<9", (F.created_at > 5) & (F.created_at < 9)),
        ("created_at > 5 and < 9", (F.created_at > 5) & (F.created_at < 9)),
        ("connectwise_psa_company_id=6|7", SIX | SEVEN),
        ("connectwise_psa_company_id = [6, 7]", SIX | SEVEN),
        ("connectwise_psa_company_id != 6|7", ~SIX & ~SEVEN),
        ("end_user_email LIKE a|b", LIKE_EITHER),
        ("end_user_email NOT LIKE a|b", ~LIKE_EITHER),
        ("end_user_email LIKE a|b and status = new", LIKE_EITHER & (F.status == "new")),
        ("end_user_email LIKE %@example.com%", F.end_user_email.like("@example.com")),
        ("end_user_email = *@example.com", F.end_user_email.like("@example.com")),
        ("end_user_email != *@example.com", F.end_user_email.not_like("@example.com")),
        ("end_user_name = R&D", F.end_user_name == "R&D"),
        ("status\n=\r\nnew\n|\nsent", EITHER),
        ("end_user_name = Null", F.end_user_name == "Null"),
        ("end_user_name EQ x=y", F.end_user_name == "x=y"),
    ],
)  # fmt: skip
def test_the_refusal_writes_what_was_meant(text: str, expected: Expression[Any]) -> None:
    first = parse(meant(text)[0])
    assert first.same_as(expected), first


@pytest.mark.parametrize("text", ["status = new|sent", "end_user_name = R&D", "status={new}", "status = *"])
def test_the_value_as_it_stands_can_be_had_in_quotes(text: str) -> None:
    name, _, value = text.replace(" ", "").partition("=")
    assert parse(meant(text)[-1]).same_as(getattr(F, name) == value)


SIGNS = "&|=<>[]{};"


@settings(max_examples=support.examples(2_000))
@given(
    st.sampled_from(["=", "==", "!=", "EQ", "NOT_EQ", "like", "not like", "in", "NOT_IN"]),
    st.text("abAB1.-#@", max_size=4),
    st.sampled_from(SIGNS),
    st.text("abAB1.-#@" + SIGNS, max_size=6),
    st.sampled_from([" ", "~", "  ", ""]),
    st.sampled_from(["", " AND status = new", "~OR~status~EQ~new", ")"]),
)
def test_no_unquoted_value_holds_a_sign_of_another_language(
    operator: str, before: str, sign: str, after: str, gap: str, rest: str
) -> None:
    if gap == "" and (operator[-1].isalpha() or not before):
        gap = " "
    text = f"end_user_name{gap or ' '}{operator}{gap}{before}{sign}{after}{rest}"
    text = f"({text}" if rest == ")" else text
    with pytest.raises(errors.FilterSyntaxError) as caught:
        parse(text)
    for line in (caught.value.hint or "").splitlines():
        if line.startswith(("write: ", "  or, ")):
            assert tql.is_expression(parse(line.partition(": ")[2]))
    quoted = f'end_user_name {operator} "{before}{sign}{after}"'
    assert tql.render(parse(quoted)).endswith(f'~"{before}{sign}{after}"')


def test_a_refusal_of_long_text_stays_short() -> None:
    for text in ("status = " + "a|" * 30_000, "status = [" + "a," * 30_000, "status=a&" * 7_000):
        with pytest.raises(errors.FilterSyntaxError) as caught:
            parse(text)
        assert len(str(caught.value)) < 500


# Relative times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("created_at >= 30d", SECOND - 30 * 86_400),
        ("created_at >= -30d", SECOND - 30 * 86_400),
        ("selected_start_time < +7d", SECOND + 7 * 86_400),
        ("created_at > 90m", SECOND - 5_400),
        ("created_at > 12H", SECOND - 43_200),
        ('created_at <= "2w"', SECOND - 1_209_600),
        ("created_at~LT~0s", SECOND),
        ("not created_at<10s", SECOND - 10),
    ],
)
def test_relative_times_are_fixed_when_they_are_read(text: str, seconds: int) -> None:
    for now in (NOW, NOW.astimezone(timezone(timedelta(hours=13)))):
        expression: Any = parse(text, now=now)
        assert expression.value == seconds
        assert tql.render(expression).endswith(f"~{seconds}")
    assert parse("created_at > 1d and created_at < 1h", now=NOW).same_as(
        (F.created_at > SECOND - 86_400) & (F.created_at < SECOND - 3_600)
    )


def test_relative_times_count_from_now() -> None:
    before = datetime.now(UTC).timestamp() // 1
    expression: Any = parse("created_at >= 1h or scheduled_at >= 1h")
    assert before <= expression.terms[0].value + 3_600 <= datetime.now(UTC).timestamp()
    assert expression.terms[0].value == expression.terms[1].value
    with pytest.raises(errors.FilterError, match="naive"):
        parse("created_at > 1d", now=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(errors.FilterError, match="now takes an aware datetime"):
        parse("created_at > 1d", now=5)  # type: ignore[arg-type]


# Days


@pytest.mark.parametrize(
    "attribute", [F.created_at, F.selected_start_time, F.scheduled_at, tql.agent.created_at]
)
def test_a_day_equals_no_time(attribute: Any) -> None:
    day = date(2024, 2, 28)
    for compare, spelled in ((attribute.__eq__, ""), (attribute.__ne__, "~")):
        with pytest.raises(errors.InvalidValueError, match="midnight UTC") as caught:
            compare(day)
        assert f"{spelled}{attribute!r}.between(date(2024, 2, 28), date(2024, 2, 29))" in str(caught.value)
    with pytest.raises(errors.InvalidValueError, match=r">= date\(9999, 12, 31\)"):
        _ = attribute == date.max
    assert (attribute == datetime(2024, 2, 28, tzinfo=UTC)).value == 1_709_078_400
    assert (attribute <= day).value == (attribute > day).value == 1_709_078_400


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (date(2026, 2, 28), date(2026, 2, 28), r"between\(date\(2026, 2, 28\), date\(2026, 3, 1\)\)"),
        (date(2026, 3, 1), date(2026, 2, 28), r"between\(datetime.date\(2026, 2, 28\), "),
        (9, 5, r"between\(5, 9\)"),
        (5, 5, r"F.created_at == 5"),
        (NOW, NOW.replace(microsecond=0), "empty"),
        (date.max, date.max, "empty"),
    ],
)  # fmt: skip
def test_an_empty_range_is_refused(start: Any, end: Any, said: str) -> None:
    with pytest.raises(errors.InvalidValueError, match=said):
        F.created_at.between(start, end)


def test_an_empty_range_of_numbers_is_refused() -> None:
    with pytest.raises(errors.InvalidValueError, match=r"duration_mins == 30"):
        tql.appointment_type.duration_mins.between(30, 30)


# Ids of another kind

IDS = {
    "agnt_": "agnt_2FLuERxvOVglKiEzLbqW7",
    "team_": "team_W4hPN4gKvru7c4BWerF4d",
    "apty_": "apty_2s211C0S1I5gqIaA8wbDu6",
    "sreq_": "sreq_p4fvlg5FUuKSviNNemZzAO",
}
REFERENCES = {"agnt_": F.agent, "team_": F.team, "apty_": F.appointment_type_id}


@pytest.mark.parametrize("own", REFERENCES)
@pytest.mark.parametrize("prefix", IDS)
def test_references_take_ids_of_their_own_kind(own: str, prefix: str) -> None:
    attribute: Any = REFERENCES[own]
    builds = [
        lambda text: attribute == text,
        lambda text: attribute != text,
        lambda text: attribute.in_([IDS[own], text]),
        lambda text: attribute.not_in({text}),
        lambda text: parse(f"{attribute.name} = {text}"),
        lambda text: parse(f"{attribute.name}~NOT_IN~{text}"),
    ]
    for build in builds:
        for text in (IDS[prefix], f"{prefix}x"):
            if prefix == own:
                assert tql.is_expression(build(text))
                continue
            with pytest.raises(errors.InvalidValueError) as caught:
                build(text)
            right = REFERENCES.get(prefix)
            assert (repr(right) if right is not None else "scheduling_requests.get") in str(caught.value)


@pytest.mark.parametrize(
    "attribute", [F.status, F.end_user_name, F.service_now_task_id, tql.agent.name], ids=repr
)
def test_texts_hold_no_ids(attribute: Any) -> None:
    for text in IDS.values():
        with pytest.raises(errors.InvalidValueError, match="which this never holds"):
            _ = attribute == text
    for text in ("team_blue", "agnt_x", "team_networkoperations2", "TEAM_W4hPN4gKvru7c4BWerF4d"):
        assert (attribute == text).value == text
