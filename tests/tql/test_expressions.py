"""The nodes: frozen, equal by structure, negated by De Morgan, and of any depth."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from time import perf_counter
from traceback import TracebackException
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests import strategies, support
from timezest_async import errors, tql
from timezest_async.tql.traversal import leaves

F = tql.scheduling_request
NEW = F.status == "new"
SENT = F.status == "sent"
LATE = F.created_at >= 9

DEPTH = 5_000 if support.FULL else 1_500  # beyond Python's recursion limit


def deep(step: Callable[[Any, int], Any]) -> Any:
    expression: Any = NEW
    for level in range(DEPTH):
        expression = step(expression, level)
    return expression


def plan_or_refusal(expression: Any) -> Any:
    try:
        return tql.plan(expression)
    except errors.UnsupportedFilterError as error:
        return str(error)


DEEP = {
    "bounds": lambda e, i: (e & (F.created_at >= i)) | SENT,
    "negated": lambda e, i: ~(e & (F.created_at != i)) | SENT,
    "alternating": lambda e, i: (e & F.end_user_name.like(str(i))) if i % 2 else (e | SENT),
    "growing": lambda e, i: (e & (F.status != f"x{i}")) | SENT,
    "choices": lambda e, i: (e & F.end_user_name.like("x")) if i % 2 else (e | (F.status == str(i))),
    "unsayable": lambda e, i: (
        ~(e | (F.autotask_company_id == i)) if i % 2 else e | (F.autotask_contact_id == i)
    ),
    "shared": lambda e, i: (e | (F.autotask_company_id == 1)) & (e | (F.autotask_company_id == 2)),
}


@given(strategies.of_any_entity(strategies.expressions))
def test_repr_rebuilds(expression: Any) -> None:
    rebuilt = eval(repr(expression), {"F": F, "tql": tql})
    assert expression.same_as(rebuilt)
    assert expression == rebuilt
    assert hash(expression) == hash(rebuilt)


@given(strategies.of_any_entity(strategies.expressions))
def test_copies_and_pickles(expression: Any) -> None:
    assert copy.copy(expression) is expression
    assert copy.deepcopy([expression])[0] is expression
    for negated in (expression, ~expression):
        again = pickle.loads(pickle.dumps(negated))
        assert again.same_as(negated)
        assert {again: 1}[negated] == 1


@given(strategies.expressions(), strategies.expressions())
def test_equality_is_that_of_the_structure(a: Any, b: Any) -> None:
    assert a.same_as(b) == (repr(a) == repr(b)) == (a == b)
    assert not a.same_as(repr(a))
    assert a != 1


@given(strategies.of_any_entity(strategies.expressions))
def test_negation_reaches_the_leaves(expression: Any) -> None:
    negation = ~expression
    assert ~negation is expression
    assert negation.entity == expression.entity
    stack = [(expression, negation)]
    while stack:
        a, b = stack.pop()
        if isinstance(a, tql.Predicate):
            assert (b.attribute, b.operator, b.value) == (a.attribute, a.operator.negated, a.value)
        else:
            assert {type(a), type(b)} == {tql.And, tql.Or}
            stack += zip(a.terms, b.terms, strict=True)


@given(st.lists(strategies.expressions(max_leaves=3), min_size=2, max_size=5))
def test_junctions_are_flat(terms: list[Any]) -> None:
    for join, kind in ((tql.all_of, tql.And), (tql.any_of, tql.Or)):
        joined = join(*terms)
        assert type(joined) is kind
        assert not any(type(term) is kind for term in joined.terms)
        assert joined.same_as(kind(joined.terms))
    chained = terms[0]
    for term in terms[1:]:
        chained = chained & term
    assert chained.same_as(tql.all_of(*terms))


def test_frozen() -> None:
    for node in (NEW, NEW & LATE, NEW | LATE, tql.raw("x")):
        for name in ("value", "terms", "text", "entity", "anything"):
            with pytest.raises(AttributeError, match="frozen"):
                setattr(node, name, 1)
            with pytest.raises(AttributeError, match="frozen"):
                delattr(node, name)
        assert not hasattr(node, "__dict__")


def test_values_of_different_types_differ() -> None:
    ids = F.autotask_company_id
    assert (ids == 1) != (ids == 2)
    assert (F.status == "1") != (F.status == "2")
    assert F.status.in_(["a", "b"]) != F.status.in_(["b", "a"])
    assert (F.status == "a") != F.status.in_(["a"])
    assert NEW & SENT != SENT & NEW
    assert len({NEW, F.status == "new", ~~NEW, NEW | SENT, NEW | SENT, NEW & SENT}) == 3


@pytest.mark.parametrize(
    "use", [bool, lambda e: e and NEW, lambda e: e or NEW, lambda e: not e, lambda e: 1 if e else 2]
)
@pytest.mark.parametrize("node", [NEW, NEW & LATE, NEW | LATE, tql.raw("x")], ids=repr)
def test_no_truth_value(node: Any, use: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError) as caught:
        use(node)
    for spelling in ("& for `and`", "| for `or`", "~ for `not`", "between", "in_(["):
        assert spelling in str(caught.value)


@pytest.mark.parametrize(
    "join",
    [
        lambda: NEW & "x",
        lambda: 1 & NEW,
        lambda: NEW | None,
        lambda: [] | NEW,
        lambda: F.status == "new" & NEW,
    ],
)
def test_only_filters_are_joined(join: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="put each comparison in parentheses"):
        join()


@pytest.mark.parametrize("given", [(NEW, True), ("x",), ([NEW],), (None,)])
def test_only_filters_are_joined_by_functions(given: tuple[Any, ...]) -> None:
    for function in (tql.all_of, tql.any_of):
        with pytest.raises(errors.FilterError, match="one by one"):
            function(*given)


REFUSED = {
    "no attribute": (lambda: tql.Predicate("status", tql.Operator.EQ, "new"), "not 'status'"),
    "no operator": (lambda: tql.Predicate(F.status, "LTT", "new"), "'LTT' is no operator; there are EQ"),
    "unhashable operator": (lambda: tql.Predicate(F.status, [], "new"), "is no operator"),
    "wrong operator": (lambda: tql.Predicate(F.status, tql.Operator.LT, "new"), "takes EQ, NOT_EQ"),
    "wrong value": (lambda: tql.Predicate(F.status, tql.Operator.EQ, 3), "takes text"),
    "no terms": (lambda: tql.And(3), "give it a list of them, not 3"),
    "text": (lambda: tql.Or("ab"), "not 'a'"),
    "one term": (lambda: tql.And([NEW]), "two or more"),
    "a wrong term": (lambda: tql.Or([NEW, 3]), "not 3"),
    "two entities": (lambda: tql.And([NEW, tql.agent.name == "x"]), "scheduling_request and agent"),
    "raw": (lambda: tql.raw(" "), "takes TQL text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_never_made(name: str) -> None:
    make, said = REFUSED[name]
    with pytest.raises(errors.FilterError) as caught:
        make()
    assert said in str(caught.value)
    # Tools that report errors with their variables find only whole nodes there.
    assert said in "".join(TracebackException.from_exception(caught.value, capture_locals=True).format())


@pytest.mark.parametrize("name", ["alternating", "negated", "shared"])
def test_deep_trees_are_pickled_flat(name: str) -> None:
    expression = deep(DEEP[name])
    for node in (expression, ~expression):
        text = pickle.dumps(node)
        assert len(text) < 100 * DEPTH
        assert pickle.loads(text).same_as(node)


def test_joining_none_or_one() -> None:
    assert tql.all_of(NEW) is NEW
    assert tql.any_of(NEW) is NEW
    for join in (tql.all_of, tql.any_of):
        with pytest.raises(errors.FilterError, match="at least one"):
            join()
    for kind in (tql.And, tql.Or):
        with pytest.raises(errors.FilterError, match="two or more"):
            kind([NEW])


def test_raw() -> None:
    raw = tql.raw("scheduling_request.status~EQ~new")
    assert tql.render(raw & LATE) == f"{raw.text}~AND~scheduling_request.created_at~GTE~9"
    assert (raw | LATE).entity == "scheduling_request"
    assert raw == tql.raw(raw.text)
    assert raw != tql.raw("x")
    for expression in (raw, raw & LATE, LATE | raw):
        with pytest.raises(errors.UnsupportedFilterError, match="cannot look inside"):
            ~expression
    for text in ("", "  ", None, 3):
        with pytest.raises(errors.FilterError, match="takes TQL text"):
            tql.raw(text)


def test_leaves_come_left_to_right_and_once() -> None:
    assert list(leaves((NEW | LATE) & SENT & (LATE | NEW))) == [NEW, LATE, SENT]


@pytest.mark.parametrize("name", DEEP)
def test_any_depth(name: str) -> None:
    expression = deep(DEEP[name])
    negation = ~expression
    assert ~negation is expression
    assert hash(expression) != hash(negation)
    assert expression == expression  # noqa: PLR0124 - it compares by structure
    if name != "shared":  # written out, this one has 2^1500 leaves and more
        assert expression.same_as(deep(DEEP[name]))
        assert len(repr(expression)) > DEPTH
        assert len(repr(negation)) > DEPTH
    start = perf_counter()
    for filter_ in (expression, negation):
        outcome = plan_or_refusal(filter_)
        assert len(outcome) < 500 if isinstance(outcome, str) else all(map(tql.render, outcome))
    assert perf_counter() - start < 20  # 0.5 s on an idle machine


def test_negation_costs_no_more_than_the_top() -> None:
    expression = deep(DEEP["growing"])
    negation = ~expression
    assert negation._terms is None
    assert len(negation.terms) == 2
    assert all(term._terms is None for term in negation.terms if not isinstance(term, tql.Predicate))
