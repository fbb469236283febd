"""Pages decoded straight from their bytes, beside the same pages parsed and structured: no difference."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any

import cattrs
import pytest
import yarl
from hypothesis import given, settings, strategies as st

from tests import support
from tests.wires import EVERY_TYPE, KINDS, json_values, smallest, texts, typed, wires
from timezest_async.errors import TimeZestError, UnexpectedResponseError
from timezest_async.models import Agent, AssociatedEntity, Resource, SchedulingRequest, Status
from timezest_async.pagination import PageReader
from timezest_async.pagination.unreadable import Placeholder
from timezest_async.redaction import Secret
from timezest_async.serialization.converter import configure_converter, make_converter
from timezest_async.serialization.decoding import MAX_UNKNOWN, PageDecoder
from timezest_async.transport import Exchange
from timezest_async.transport.messages import Response, build_request, decipher

BASE = yarl.URL("https://service.test/v1")
LISTED = [cls for cls in KINDS if cls.__name__ not in {"AssociatedEntity", "ResourceReference"}]
CONVERTER = make_converter()


class Slower(PageDecoder[Any]):
    def decode_directly(self, body: bytes) -> None:
        return None


class OneBody:
    """A transport whose every answer has this body."""

    base_url = BASE

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def get(
        self, url: yarl.URL, *, route: str, slot: Any, decode: Any, deadline: float | None, report: Any
    ) -> Exchange[Any]:
        request = build_request("GET", BASE, url, route=route, authorization=Secret("key"))
        payload = decipher(request, Response(200, {}, self.body), key="key", decode=decode)
        return Exchange(200, payload, url, 0, 0.0, 0.0, datetime.now(UTC))


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what never waits, without the cost of an event loop."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


def outcome(body: bytes, decoder: PageDecoder[Any]) -> Any:
    """Return all that a caller sees of a page."""
    reader: PageReader[Any] = PageReader(OneBody(body), "/list", decoder)  # type: ignore[arg-type]
    try:
        page = at_once(reader.fetch(BASE / "list"))
        for record in page.data:
            if isinstance(record, Placeholder):
                raise record.error
    except UnexpectedResponseError as error:
        return str(error), error.body_start, error.status, error.retryable
    assert page.count == len(page.data)
    for record in page.data:
        assert hash(record) == hash(CONVERTER.structure(record.to_dict(), type(record)))
    shown = [(record, typed(record.to_dict())) for record in page.data]
    return page, shown


def page_of(records: Any, **members: Any) -> bytes:
    envelope = {"object": "list", "next_page": None, "previous_page": None, "data": records}
    return json.dumps(envelope | members).encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each place in JSON: what holds it, and its key or index there."""
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from places(inner)


@st.composite
def odd_bodies(draw: st.DrawFn, cls: Any) -> bytes:
    """Draw a page in which something may be wrong: a value, a member missing or twice, a byte."""
    envelope = json.loads(page_of(draw(st.lists(wires(cls), min_size=1, max_size=3))))
    envelope["next_page"] = draw(st.sampled_from(["", " /x?y=1 ", None, "\u00e9", "\ud800"]))
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 2))):
        holder, key = rng.choice(list(places(envelope)))
        if rng.random() < 0.2 and isinstance(holder, dict):
            del holder[key]
        else:
            odd = st.sampled_from([*EVERY_TYPE, -(10**12), 2**63, "\ud800", [smallest(cls)]]) | json_values
            holder[key] = copy.deepcopy(draw(odd))
    body = json.dumps(envelope, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        at = rng.randrange(len(body))
        kind = rng.randrange(4)
        if kind == 0 and len(body) > 1:
            body = body[:at] + body[at + 1 :]
        elif kind == 1:
            body = body[:at] + bytes([rng.choice(b'{}[],:"\\0123456789.eE+-tfn \t\x00')]) + body[at + 1 :]
        elif kind == 2:
            # What follows a comma, once more and somewhere else: members twice, if it fits at all.
            piece = body[at : at + rng.randrange(40)]
            body = body.replace(b",", b"," + piece + b",", 1)
        else:
            body = body[: rng.randrange(1, len(body) + 1)]
    return body


@pytest.mark.parametrize("cls", LISTED)
@given(data=st.data())
@settings(max_examples=support.examples(600))
def test_a_good_page_is_decoded_to_the_same_records(cls: Any, data: st.DataObject) -> None:
    records = data.draw(st.lists(wires(cls), max_size=4))
    body = page_of(records, next_page=data.draw(st.none() | texts))
    decoder: PageDecoder[Any] = PageDecoder(cls, CONVERTER)
    expected = outcome(body, Slower(cls, CONVERTER))
    assert outcome(body, decoder) == expected
    assert outcome(body, decoder) == expected
    # By now everything is learned that can be, so nothing takes the slower way any more.
    listing = decoder.decode_directly(body)
    names = [key for holder, key in places(records) if isinstance(holder, dict)]
    if not any(set(name) & set('"\\') or min(name, default=" ") < " " for name in names):
        assert listing is not None
        assert [typed(record.to_dict()) for record in listing.data] == [typed(one) for one in records]


@pytest.mark.parametrize("cls", LISTED)
@given(data=st.data())
@settings(max_examples=support.examples(400))
def test_an_odd_page_is_read_or_refused_alike(cls: Any, data: st.DataObject) -> None:
    decoder: PageDecoder[Any] = PageDecoder(cls, CONVERTER)
    slower = Slower(cls, CONVERTER)
    for _ in range(2):
        body = data.draw(odd_bodies(cls))
        expected = outcome(body, slower)
        assert outcome(body, decoder) == expected
        assert outcome(body, decoder) == expected


ODD_VALUES = [*EVERY_TYPE, "null", "true", "1.0", "2024-01-01", "2024-01-01T00:00:00Z", -0.0, 1e30, 2**64]
LAST = 253_402_300_799


@pytest.mark.parametrize("cls", KINDS)
def test_any_value_in_any_field_is_read_or_refused_alike(cls: Any) -> None:
    def wrap(wire: dict[str, Any]) -> dict[str, Any]:
        places = {"AssociatedEntity": "associated_entities", "ResourceReference": "resources"}
        return wire if cls in LISTED else sreq(**{places[cls.__name__]: [smallest(cls), wire]})

    listed = cls if cls in LISTED else SchedulingRequest
    decoder: PageDecoder[Any] = PageDecoder(listed, CONVERTER)
    taken = 0
    for name in KINDS[cls]:
        lacking = {key: value for key, value in smallest(cls).items() if key != name}
        values = [*ODD_VALUES, -62_135_596_800, -62_135_596_801, LAST, LAST + 1]
        for wire in (lacking, *[lacking | {name: value} for value in values]):
            body = page_of([wrap(wire)])
            assert outcome(body, decoder) == outcome(body, Slower(listed, CONVERTER))
            taken += decoder.decode_directly(body) is not None
    assert taken > 2 * len(KINDS[cls])


def test_plain_pages_go_the_quick_way_and_no_other() -> None:
    class Quick(PageDecoder[Any]):
        def structure_each(self, values: Any) -> Any:
            raise AssertionError

    page, _ = outcome(page_of([sreq(), sreq()], next_page=" /x "), Quick(SchedulingRequest, CONVERTER))
    assert page.data == (CONVERTER.structure(sreq(), SchedulingRequest),) * 2
    assert (page.next_page, page.previous_page) == ("/x", None)


@pytest.mark.parametrize(
    ("status", "flaw"), [(200, "truncated"), (200, "too large"), (302, None), (422, None)]
)
def test_only_good_and_whole_answers_are_decoded(status: int, flaw: Any) -> None:
    decoder: PageDecoder[Any] = PageDecoder(SchedulingRequest, CONVERTER)
    request = build_request("GET", BASE, "/list", route="/list", authorization=Secret("key"))
    with pytest.raises(TimeZestError):
        decipher(request, Response(status, {}, page_of([sreq()]), flaw), key="key", decode=decoder.decode)


def sreq(**changes: Any) -> dict[str, Any]:
    return smallest(SchedulingRequest) | changes


def entity(**unknown: Any) -> dict[str, Any]:
    return sreq(associated_entities=[{"type": "autotask/ticket", "id": 1, **unknown}])


def test_unknown_fields_are_learned_wherever_they_stand() -> None:
    decoder: PageDecoder[SchedulingRequest] = PageDecoder(SchedulingRequest, CONVERTER)
    first = [sreq(new=[1], extra=None), entity(unknown_0=5), sreq(resources=[{"id": "x", "_absent": {}}])]
    assert decoder.decode_directly(page_of(first)) is None
    list(decoder.structure_each(first))
    later = [entity(unknown_0=6), entity(), sreq(new="x"), sreq(extra=2), sreq(), *first]
    listing = decoder.decode_directly(page_of(later))
    assert listing is not None
    assert [record.to_dict() for record in listing.data] == later
    assert listing.data[4].extra == {}
    # A field is known of the class it was met in alone.
    assert decoder.decode_directly(page_of([entity(new=1)])) is None


@pytest.mark.parametrize("name", ['a"b', "a\\b", "\x01", "\ud800"])
def test_a_name_that_cannot_be_learned_costs_speed_alone(name: str) -> None:
    decoder: PageDecoder[SchedulingRequest] = PageDecoder(SchedulingRequest, CONVERTER)
    body = page_of([sreq(**{name: 1})])
    for _ in range(2):
        assert outcome(body, decoder) == outcome(body, Slower(SchedulingRequest, CONVERTER))
    assert decoder.decode_directly(page_of([sreq()])) is None


def test_fields_without_end_are_not_all_learned() -> None:
    decoder: PageDecoder[SchedulingRequest] = PageDecoder(SchedulingRequest, CONVERTER)
    for number in range(MAX_UNKNOWN + 1):
        assert decoder.decode_directly(page_of([sreq()])) is not None
        list(decoder.structure_each([sreq(**{f"field_{number}": 1})]))
    assert decoder.decode_directly(page_of([sreq()])) is None
    assert list(decoder.structure_each([sreq(new=1)])) == [
        CONVERTER.structure(sreq(new=1), SchedulingRequest)
    ]


def test_beyond_the_limit_nothing_more_is_looked_for() -> None:
    def untouched() -> Iterator[SchedulingRequest]:
        pytest.fail("these records were searched for fields that would be kept for ever")
        yield

    decoder: PageDecoder[SchedulingRequest] = PageDecoder(SchedulingRequest, CONVERTER)
    many = sreq(**{f"field_{number}": 1 for number in range(MAX_UNKNOWN + 1)})
    decoder.learn([CONVERTER.structure(many, SchedulingRequest)])
    decoder.learn(untouched())


@pytest.mark.parametrize(
    ("kind", "hook"),
    [
        (str, lambda value, _: str(value).upper()),
        (datetime, lambda value, _: f"at {value}"),
        (Status, lambda value, _: f"status {value}"),
        (AssociatedEntity, lambda value, _: value["type"]),
        (SchedulingRequest, lambda value, _: value["id"]),
    ],
)
def test_hooks_of_a_user_are_heeded_from_when_they_are_registered(kind: Any, hook: Any) -> None:
    converter = cattrs.Converter()
    configure_converter(converter)
    decoder: PageDecoder[SchedulingRequest] = PageDecoder(SchedulingRequest, converter)
    body = page_of([entity()])
    assert decoder.decode_directly(body) is not None
    converter.register_structure_hook(kind, hook)
    assert decoder.decode_directly(body) is None
    assert list(decoder.structure_each([entity()])) == [converter.structure(entity(), SchedulingRequest)]
    assert list(decoder.structure_each([entity()])) != [CONVERTER.structure(entity(), SchedulingRequest)]


def test_what_a_user_teaches_beside_records_costs_no_speed() -> None:
    converter = make_converter()
    converter.register_structure_hook(Agent, lambda value, _: value)
    converter.register_unstructure_hook(datetime, str)
    assert PageDecoder(SchedulingRequest, converter).decode_directly(page_of([sreq()])) is not None
    assert PageDecoder(Agent, converter).decode_directly(page_of([])) is None
    assert PageDecoder(Resource, converter).decode_directly(page_of([])) is None


def test_what_is_nested_too_deeply_is_not_decoded_even_where_it_is_learned() -> None:
    decoder: PageDecoder[SchedulingRequest] = PageDecoder(SchedulingRequest, CONVERTER)
    list(decoder.structure_each([sreq(new=[1])]))
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    assert decoder.decode_directly(page_of([sreq(new=[[1]])])) is not None
    assert decoder.decode_directly(page_of([sreq(new=deep)])) is None
