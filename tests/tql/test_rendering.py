"""Rendering: whatever a value holds, a reader of TQL finds that value and no other predicate."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given

from tests import strategies
from timezest_async import errors, tql

F = tql.scheduling_request

WORD = re.compile(r'[^\s,~"\\()]+')


def read(text: str) -> list[tuple[str, str, list[str]]]:
    """Read the ``~`` form by the rules of LIVE_API.md, apart from the package's own parser."""
    found = []
    position = 0

    def take(separator: str) -> str:
        nonlocal position
        end = text.index(separator, position)
        taken, position = text[position:end], end + 1
        return taken

    def value() -> str:
        nonlocal position
        if text[position] != '"':
            match = WORD.match(text, position)
            assert match, text[position:]
            assert match[0].lower() not in {"and", "or", "not"}
            position = match.end()
            return match[0]
        position += 1
        taken = ""
        while text[position] != '"':
            position += text[position] == "\\"
            taken += text[position]
            position += 1
        position += 1
        return taken

    while True:
        path, operator = take("~"), take("~")
        values = [value()]
        while position < len(text) and text[position] == ",":
            position += 1
            values.append(value())
        found.append((path, operator, values))
        if position == len(text):
            return found
        assert text[position:].startswith("~AND~")
        position += len("~AND~")


def written(value: Any) -> list[str]:
    if isinstance(value, tuple):
        return list(value)
    return [str(value).lower() if isinstance(value, bool) else str(value)]


@given(strategies.of_any_entity(strategies.conjunctions))
def test_every_predicate_arrives_as_it_is(expression: Any) -> None:
    terms = expression.terms if isinstance(expression, tql.And) else (expression,)
    expected = [(term.attribute.path, str(term.operator), written(term.value)) for term in terms]
    assert read(tql.render(expression)) == expected


@given(strategies.texts())
def test_no_value_changes_what_follows(text: str) -> None:
    expression = F.end_user_name.in_([text, "b"]) & (F.status == text) & (F.created_at >= 5)
    assert [operator for _, operator, _ in read(tql.render(expression))] == ["IN", "EQ", "GTE"]


@pytest.mark.parametrize(
    "text", ["new", "O'Brien", "#1234", "+test", "@x.com", "andy", "a.b-c_d", "é", "日本"]
)
def test_plain_values_stay_bare(text: str) -> None:
    assert tql.render(F.status == text) == f"scheduling_request.status~EQ~{text}"


@pytest.mark.parametrize("text", ["", "and", "Or", "NOT", "a b", "a,b", "a~b", "(", ")", "\u00a0", "\u2003x"])
def test_awkward_values_are_quoted(text: str) -> None:
    assert tql.render(F.status == text) == f'scheduling_request.status~EQ~"{text}"'


def test_an_or_is_refused_wherever_it_stands() -> None:
    either = (F.status == "new") | (F.created_at > 5)
    for expression in (either, either & (F.status == "x"), ~(~either & ~(F.status == "x"))):
        with pytest.raises(errors.UnsupportedFilterError, match=r"TQL has no OR.*tql\.plan"):
            tql.render(expression)


@pytest.mark.parametrize("thing", [None, "status~EQ~new", F.status, 3])
def test_only_expressions_are_rendered(thing: Any) -> None:
    with pytest.raises(errors.FilterError, match=r"F\.status == \"new\""):
        tql.render(thing)
