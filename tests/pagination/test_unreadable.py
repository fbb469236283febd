"""Records that cannot be read: raised where they stand, or passed over and told of, and nothing else lost."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from tests.servers.list_service import CONVERTER, Service, record
from tests.support import examples
from timezest_async import F, InvalidRequestError, NotFoundError, UnexpectedResponseError, UnreadableRecord
from timezest_async.endpoints import AgentsEndpoint

SPOILED: list[Any] = [
    {"status": None},
    {"created_at": "soon"},
    {"id": 5},
    {"resources": 7},
    {"associated_entities": [{"type": 1}]},
    None,
    "a record",
]


def answers(query: str, wire: Any) -> bool:
    """Judge by the service's own bounds; what has no time answers every query."""
    created_at = wire.get("created_at") if isinstance(wire, dict) else None
    for part in query.split("~AND~"):
        name, operator, value = ([*part.split("~"), "", ""])[:3]
        if name.endswith("created_at") and isinstance(created_at, int):
            if operator == "GTE" and created_at < int(value):
                return False
            if operator == "LT" and created_at >= int(value):
                return False
    return True


class Listed(Service):
    """Records of which some are spoiled on the wire; the service itself knows them."""

    def __init__(self, count: int, spoiled: dict[int, Any]) -> None:
        super().__init__([record(number, 10_000 - 7 * number) for number in range(count)])
        self.accepts = answers
        self.spoiled = {f"sreq_{number}": change for number, change in spoiled.items()}

    def wire(self, one: dict[str, Any]) -> Any:
        change = self.spoiled.get(one["id"], {})
        return one | change if isinstance(change, dict) else change

    def _envelope(self, page: Any, **links: Any) -> dict[str, Any]:
        return super()._envelope([(place, self.wire(one)) for place, one in page], **links)


async def read(service: Service, **how: Any) -> tuple[list[str], list[Any]]:
    """Read to the end, and tell the ids and what could not be read."""
    told: list[UnreadableRecord] = []
    listed = service.list(how.pop("filter", None), on_unreadable=told.append, **how)
    return [one.id async for one in listed], [one.raw for one in told]


spoils = st.dictionaries(st.integers(0, 119), st.sampled_from(SPOILED), min_size=1, max_size=5)


@settings(max_examples=examples(200))
@given(spoiled=spoils, concurrency=st.sampled_from([1, 4]), both=st.booleans())
def test_what_cannot_be_read_is_told_and_nothing_else_is_lost(
    *, spoiled: dict[int, Any], concurrency: int, both: bool
) -> None:
    service = Listed(120, spoiled)
    filter = (F.status == "new") | (F.status == "sent") if both else None
    ids, told = asyncio.run(read(service, filter=filter, concurrency=concurrency))
    assert ids == [f"sreq_{n}" for n in range(120) if n not in spoiled]
    bad = [service.wire(one) for one in service.records if one["id"] in service.spoiled]
    assert [one for one in bad if one not in told] == []
    with_id = [one["id"] for one in told if isinstance(one, dict) and isinstance(one["id"], str)]
    assert len(with_id) == len(set(with_id))


@settings(max_examples=examples(150))
@example(spoiled={0: {"id": 5}}, backwards=True, concurrency=1)  # the list's newest, whose id nobody knows
@given(spoiled=spoils, backwards=st.booleans(), concurrency=st.sampled_from([1, 4]))
def test_a_raised_one_is_passed_by_its_checkpoint(
    *, spoiled: dict[int, Any], backwards: bool, concurrency: int
) -> None:
    service = Listed(120, spoiled)
    service.records.append(record(120, 1))
    expected = [f"sreq_{n}" for n in range(120) if n not in spoiled]
    expected = expected[::-1] if backwards else [*expected, "sreq_120"]

    async def run() -> list[str]:
        ids: list[str] = []
        listed = service.list(concurrency=concurrency, ending_before="sreq_120" if backwards else None)
        with pytest.raises(UnexpectedResponseError) as caught:
            async for one in listed:
                ids.append(one.id)
        first = max(spoiled) if backwards else min(spoiled)
        assert len(ids) == (119 - first if backwards else first)
        onward = service.list(checkpoint=caught.value.checkpoint, on_unreadable="skip")
        return ids + [one.id async for one in onward]

    assert asyncio.run(run()) == expected


@pytest.mark.asyncio
async def test_one_that_has_no_id_is_no_cursor() -> None:
    service = Listed(40, {26: {"id": 5}})
    listed = service.list(ending_before="sreq_39", on_unreadable="skip")
    ids: list[str] = []
    async for one in listed:
        ids.append(one.id)
        if one.id == "sreq_25":
            break
    # What it stands on vanishes: the newest of those passed that is left is the one without an id.
    service.records = [one for one in service.records if one["id"] != "sreq_25"]
    ids += [one.id async for one in service.list(checkpoint=listed.checkpoint, on_unreadable="skip")]
    assert ids == [f"sreq_{number}" for number in range(38, -1, -1) if number != 26]


def test_choices_are_checked() -> None:
    async def later(_: UnreadableRecord) -> None: ...

    for wrong in ("ignore", None, 5, later):
        with pytest.raises(InvalidRequestError, match="on_unreadable"):
            Service([]).list(on_unreadable=wrong)


@pytest.mark.asyncio
async def test_skipping_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    service = Listed(3, {1: {"status": 5}})
    with caplog.at_level(logging.WARNING, logger="timezest_async"):
        found = [one.id async for one in service.list(on_unreadable="skip")]
    assert found == ["sreq_0", "sreq_2"]
    assert "$.data[1].status: expected a string, not 5" in caplog.text
    assert [one.reason for one in service.unreadable] == ["$.data[1].status: expected a string, not 5"]


@pytest.mark.asyncio
async def test_one_record_that_cannot_be_read_hides_no_other_of_a_directory() -> None:
    service = Service([{"id": "agnt_1", "name": 5}, {"id": "agnt_2"}])
    agents = AgentsEndpoint(service, CONVERTER)  # type: ignore[arg-type]
    assert (await agents.get("agnt_2")).id == "agnt_2"
    with pytest.raises(
        UnexpectedResponseError, match=r"agnt_1 .*\$\.data\[0\]\.name: expected a string, not 5"
    ):
        await agents.get("agnt_1")
    with pytest.raises(NotFoundError):
        await agents.get("agnt_3")
    service.records[0] = {"id": "agnt_0"}
    service.answer = lambda _url: {"data": [{"name": "Sam"}, {"id": "agnt_2"}]}  # type: ignore[method-assign]
    with pytest.raises(UnexpectedResponseError, match="agnt_3"):
        await agents.get("agnt_3")
    assert [one.id async for one in agents.list(on_unreadable="skip")] == ["agnt_2"]
