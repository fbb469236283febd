"""From the bytes of a page to records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import attrs
import cattrs
import msgspec
import orjson

from benchmarks.harness import Report, Samples, interleave_calls
from benchmarks.page_server import PAGE, negated_times, page_data
from benchmarks.rivals import SchedulingRequests
from timezest_async import SchedulingRequest, make_converter
from timezest_async.serialization.decoding import Page, PageDecoder

_PAGES = 100


@attrs.frozen
class Reference:
    id: str
    type: str | None = None
    object: str | None = None
    name: str | None = None


@attrs.frozen
class Entity:
    type: str
    id: int | str | None = None
    number: str | None = None


@attrs.frozen
class Request:
    id: str
    status: str
    created_at: datetime
    associated_entities: list[Entity]
    resources: list[Reference]
    scheduled_agents: list[Reference]
    object: str | None = None
    appointment_type_id: str | None = None
    end_user_email: str | None = None
    end_user_name: str | None = None
    scheduled_at: datetime | None = None
    scheduling_url: str | None = None
    selected_start_time: datetime | None = None
    selected_time_zone: str | None = None
    updated_at: datetime | None = None
    duration_mins: int | None = None
    earliest_date: str | None = None
    earliest_time: str | None = None
    latest_date: str | None = None
    latest_time: str | None = None
    guests_list: list[str] | None = None


@attrs.frozen
class Requests:
    data: list[Request]
    next_page: str | None = None


class Slower(PageDecoder[SchedulingRequest]):
    """Read every page by way of dictionaries."""

    def decode_directly(self, _: bytes) -> None:
        return None


def run(report: Report) -> None:
    times = negated_times(_PAGES * PAGE)
    arrays = [page_data(times, at, at + PAGE) for at in range(0, _PAGES * PAGE, PAGE)]
    bodies = [
        b'{"object":"list","next_page":null,"previous_page":null,"data":[%b]}' % data for data in arrays
    ]
    decoder = PageDecoder[SchedulingRequest](SchedulingRequest, make_converter())
    slower = Slower(SchedulingRequest, make_converter())
    naive = cattrs.Converter()
    naive.register_structure_hook(datetime, lambda value, _: datetime.fromtimestamp(value, UTC))
    naive.register_structure_hook(int | str | None, lambda value, _: value)
    typed = msgspec.json.Decoder(Requests, strict=False)

    def ours(body: bytes) -> Any:
        page = decoder.decode(body)
        assert isinstance(page, Page)
        return page.data

    def from_json(body: bytes) -> Any:
        page = slower.decode(body)
        assert isinstance(page, Page)
        return page.data

    mine, theirs = "timezest_async: strict, extras kept", "pydantic: extras kept"
    readers: dict[str, Callable[[bytes], Any]] = {
        "orjson.loads: dictionaries": orjson.loads,
        "msgspec.json.decode: dictionaries": msgspec.json.decode,
        "msgspec: attrs, lax, no extras": typed.decode,
        mine: ours,
        "same, by way of dictionaries": from_json,
        theirs: SchedulingRequests.model_validate_json,
        "orjson + cattrs: naive, no extras": lambda body: naive.structure(orjson.loads(body), Requests),
    }
    samples = _compare(report, "Pages", mine, readers, bodies)
    report.target("µs per record (best)", samples.best(mine) * 1e6 / PAGE, 4.5)
    report.target("ours ÷ pydantic keeping extras", samples.ratio(mine, theirs), 1.0)
    # Every record of the sample has an appointment_type_id.
    unknown = b'"brand_new":{"a":[1]},"appointment_type_id":'
    bodies = [body.replace(b'"appointment_type_id":', unknown) for body in bodies]
    _compare(report, "Pages whose records have an unknown field", mine, readers, bodies)


def _compare(
    report: Report, title: str, mine: str, readers: dict[str, Callable[[bytes], Any]], bodies: list[bytes]
) -> Samples:
    pages = {name: cycle(bodies) for name in readers}
    contenders = {
        name: lambda read=read, pages=pages[name]: read(next(pages)) for name, read in readers.items()
    }
    samples = interleave_calls(contenders, rounds=9 if report.quick else 31, seconds=0.03)
    micro = 1e6 / PAGE
    report.table(
        f"{title}, per record ({PAGE} a page, {sum(map(len, bodies)) // len(bodies)} bytes)",
        ("", "µs (median)", "µs (best)", "ours ÷ this"),
        [
            (name, samples.middle(name) * micro, samples.best(name) * micro, samples.ratio(mine, name))
            for name in readers
        ],
    )
    return samples
