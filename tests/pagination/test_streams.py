from __future__ import annotations

import asyncio
import gc
from itertools import chain, cycle, repeat
from typing import Any

import pytest
import yarl
from hypothesis import given, settings, strategies as st

from tests import support
from tests.servers.list_service import Service, record
from timezest_async import (
    Checkpoint,
    F,
    InvalidRequestError,
    MultipleFoundError,
    NotFoundError,
    PaginationError,
    SchedulingRequest,
    ServerError,
    TimeZestClient,
    UnexpectedResponseError,
)
from timezest_async.sandbox import (
    DuplicatePage,
    ForeignNextPage,
    LoopingNextPage,
    NextPageShape,
    Sandbox,
)

RECORDS = [record(number, 10_000 - number) for number in range(101)]


def ids(records: Any) -> list[str]:
    return [one["id"] if isinstance(one, dict) else one.id for one in records]


def other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


async def settled() -> None:
    """Let cancelled tasks end."""
    while any(not task.done() for task in other_tasks()):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_every_count_comes_once_and_in_order(sandbox: Sandbox, client: TimeZestClient) -> None:
    for number in range(102):
        for index in range(number):
            sandbox.add({"appointment_type_id": f"apty_{number}", "created_at": 1_700_000_000 + index % 50})
    stored = sandbox.records()
    for number in range(102):
        expected = [one["id"] for one in stored if one["appointment_type_id"] == f"apty_{number}"]
        got = await client.scheduling_requests.list(F.appointment_type_id == f"apty_{number}").to_list()
        assert ids(got) == expected
        assert len(expected) == number


@given(
    count=st.integers(0, 101),
    sizes=st.lists(st.sampled_from([0, 1, 2, 7, 19, 20, 21]), min_size=1, max_size=12),
    shape=st.builds(
        NextPageShape,
        link=st.sampled_from(["absolute", "path", "query", "bare"]),
        end=st.sampled_from(["null", "empty", "absent"]),
    ),
)
@settings(max_examples=support.examples(600))
def test_page_shapes_lose_nothing(count: int, sizes: list[int], shape: NextPageShape) -> None:
    async def run() -> None:
        async with (
            Sandbox() as sandbox,
            TimeZestClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client,
        ):
            sandbox.add_many(RECORDS[:count])
            # A page of 0 whose cursor does not move on would be a loop; the sandbox's empty pages do.
            sandbox.faults.page_sizes(chain(sizes, repeat(20, 110)))
            sandbox.faults.randomly(1.0, [shape])
            got = await client.scheduling_requests.list(F.status == "new").to_list()
            assert ids(got) == ids(RECORDS[:count])

    asyncio.run(run())


def _path(link: str | None) -> Any:
    return None if link is None else link.removeprefix("https://service.test")


SHAPES = {
    "absolute and null": lambda link: link,
    "path": _path,
    "query": lambda link: link and "?" + link.partition("?")[2],
    "bare": lambda link: link and link.partition("?")[2],
    "empty text ends": lambda link: link or "",
    "absent ends": lambda link: link or ...,
    "blank around": lambda link: link and f" {link} ",
}


@given(
    count=st.integers(0, 100),
    sizes=st.lists(st.integers(0, 25), min_size=1, max_size=8).filter(any),
    shape=st.sampled_from(sorted(SHAPES)),
    backwards=st.booleans(),
)
@settings(max_examples=support.examples(3000))
def test_any_page_sizes_and_links(count: int, sizes: list[int], shape: str, *, backwards: bool) -> None:
    sequence = cycle(sizes)
    service = Service(RECORDS[: count + 1], page_size=lambda: next(sequence), links=SHAPES[shape])

    async def run() -> None:
        if backwards:
            got = await service.list(ending_before=RECORDS[count]["id"]).to_list()
            assert ids(got) == ids(reversed(RECORDS[:count]))
        else:
            assert ids(await service.list().to_list()) == ids(RECORDS[: count + 1])

    asyncio.run(run())


@pytest.mark.asyncio
async def test_links_keep_their_encoding(sandbox: Sandbox, client: TimeZestClient) -> None:
    sandbox.add_many(RECORDS[:45])
    await client.scheduling_requests.list(F.status.in_(["new", "a, b~c"])).to_list()
    first, second, third = sandbox.requests_seen
    assert first.query["filter"] == 'scheduling_request.status~IN~new,"a, b~c"'
    assert "%7E" in second.query_string
    assert second.query_string.partition("&")[0] == third.query_string.partition("&")[0]
    assert second.query["filter"] == first.query["filter"]


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [DuplicatePage(), LoopingNextPage()])
async def test_a_loop_is_an_error_with_a_checkpoint(
    sandbox: Sandbox, client: TimeZestClient, fault: Any
) -> None:
    sandbox.add_many(RECORDS)
    sandbox.faults.script("GET /scheduling_requests", [None, None, fault])
    got = []
    with pytest.raises(PaginationError, match="loop") as caught:
        async for one in client.scheduling_requests.list():
            got.append(one.id)
    assert got == ids(RECORDS[:60])
    assert len(sandbox.requests_seen) == 3
    rest = await client.scheduling_requests.list(checkpoint=caught.value.checkpoint).to_list()
    assert ids(rest) == ids(RECORDS[60:])


@pytest.mark.asyncio
async def test_ever_new_links_to_the_same_records_are_a_loop() -> None:
    service = Service(RECORDS)
    service.answer = (
        lambda _url: {  # type: ignore[method-assign]
            "data": RECORDS[:20],
            "next_page": f"?again={len(service.asked)}",
        }
    )
    got = []
    with pytest.raises(PaginationError, match="loop"):
        async for one in service.list():
            got.append(one.id)
    assert got == ids(RECORDS[:20])


@pytest.mark.asyncio
async def test_a_loop_longer_than_what_is_remembered_of_links_hands_over_no_record_twice() -> None:
    records = [record(n, 10_000 - n) for n in range(1_500)]
    service = Service(records, page_size=lambda: 1)
    cut = service.answer

    def answer(url: yarl.URL) -> dict[str, Any]:
        page = cut(url)
        return page if page["next_page"] else page | {"next_page": "?starting_after=sreq_0"}

    service.answer = answer  # type: ignore[method-assign]
    got = []
    with pytest.raises(PaginationError, match="loop"):
        async for one in service.list():
            got.append(one.id)
    assert got == ids(records)


@pytest.mark.asyncio
async def test_another_origin_is_refused_before_anything_is_sent_there(sandbox: Sandbox) -> None:
    async with (
        Sandbox() as elsewhere,
        TimeZestClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        sandbox.add_many(RECORDS[:30])
        origin = elsewhere.base_url.removesuffix("/v1")
        sandbox.faults.randomly(1.0, [ForeignNextPage(origin)])
        got = []
        with pytest.raises(PaginationError, match="origin|away from") as caught:
            async for one in client.scheduling_requests.list():
                got.append(one.id)
        assert got == ids(RECORDS[:20])
        assert caught.value.checkpoint is not None
        assert elsewhere.requests_seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "link",
    [
        "http://service.test/v1/scheduling_requests?a=b",
        "https://service.test:8443/v1/scheduling_requests?a=b",
        "https://evil.test/v1?a=b",
        "//evil.test/v1?a=b",
        "https://user:word@service.test/v1/scheduling_requests?a=b",
        "ftp://service.test/x?a=b",
        "javascript:alert(1)?a=b",
        "https://service.test:99999/?a=b",
        "http://[::1/?a=b",
    ],
)
async def test_links_that_lead_away(link: str) -> None:
    service = Service(RECORDS[:5], links=lambda _link: link)
    got = []
    with pytest.raises(PaginationError):
        async for one in service.list():
            got.append(one.id)
    assert len(got) == 5
    assert all(url.host == "service.test" and url.scheme == "https" for url in service.asked)
    assert len(service.asked) == 1


@pytest.mark.asyncio
async def test_one_page_ahead_and_no_more() -> None:
    service = Service(RECORDS)
    records = aiter(service.list())
    await anext(records)
    await settled()  # the caller works on the first page
    assert len(service.asked) == 2
    for _ in range(20):
        await anext(records)
    await settled()
    assert len(service.asked) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("limit", "requests"), [(0, 0), (1, 1), (20, 1), (21, 2), (40, 2), (101, 6), (500, 6)]
)
async def test_limit(limit: int, requests: int) -> None:
    service = Service(RECORDS)
    assert ids(await service.list(limit=limit).to_list()) == ids(RECORDS[:limit])
    assert len(service.asked) == requests
    pages = [page async for page in service.list(limit=limit).pages()]
    assert ids(chain.from_iterable(page.data for page in pages)) == ids(RECORDS[:limit])


@pytest.mark.asyncio
async def test_first() -> None:
    service = Service(RECORDS)
    paginator = service.list()
    first = await paginator.first()
    assert first is not None
    assert first.id == RECORDS[0]["id"]
    assert len(service.asked) == 1
    assert await Service([]).list().first() is None
    assert not other_tasks()


@pytest.mark.asyncio
async def test_one_and_none_and_several() -> None:
    single = Service(RECORDS[:1]).list()
    assert (await single.one()).id == RECORDS[0]["id"]
    assert await single.one_or_none() == await single.one()
    assert await Service([]).list().one_or_none() is None
    with pytest.raises(NotFoundError, match="scheduling_requests") as missed:
        await Service([]).list(F.status == "new").one()
    assert (missed.value.status, missed.value.request_path) == (404, "/scheduling_requests")
    service = Service(RECORDS)
    for only in (service.list().one, service.list().one_or_none, service.list(F.status == "new").one):
        with pytest.raises(MultipleFoundError, match=f"{RECORDS[0]['id']} and {RECORDS[1]['id']}"):
            await only()
    assert len(service.asked) == 3
    assert (await service.list(limit=1).one()).id == RECORDS[0]["id"]
    assert not other_tasks()


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_empty_pages_without_end_are_an_error(concurrency: int) -> None:
    service = Service(RECORDS)
    cut = service.answer

    def answer(url: yarl.URL) -> dict[str, Any]:
        link = f"?starting_after={len(service.asked)}"
        return cut(url) | {"next_page": link} if len(service.asked) == 1 else {"data": [], "next_page": link}

    service.answer = answer  # type: ignore[method-assign]
    got = []
    with pytest.raises(PaginationError, match="empty pages in a row") as caught:
        async for one in service.list(concurrency=concurrency):
            got.append(one.id)
    assert got == ids(RECORDS[:20])
    rest = await Service(RECORDS).list(checkpoint=caught.value.checkpoint).to_list()
    assert ids(rest) == ids(RECORDS[20:])


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("ways", [aiter, lambda listed: listed.pages(), lambda listed: listed.batches(7)])
def test_an_iteration_carried_to_another_event_loop_says_so(ways: Any, concurrency: int) -> None:
    iteration = ways(Service(RECORDS).list(concurrency=concurrency))

    async def step() -> Any:
        return await anext(iteration)

    async def leave() -> None:
        await iteration.aclose()

    first = asyncio.run(step())
    with pytest.raises(PaginationError, match="another event loop") as caught:
        asyncio.run(step())
    asyncio.run(leave())
    given = [first] if hasattr(first, "id") else list(getattr(first, "data", first))
    rest = asyncio.run(Service(RECORDS).list(checkpoint=caught.value.checkpoint).to_list())
    assert ids([*given, *rest]) == ids(RECORDS)


@pytest.mark.asyncio
async def test_each_iteration_starts_anew() -> None:
    paginator = Service(RECORDS).list()
    assert ids(await paginator.to_list()) == ids(await paginator.to_list()) == ids(RECORDS)


@pytest.mark.asyncio
async def test_nothing_is_left_after_break() -> None:
    service = Service(RECORDS)
    async for _ in service.list():
        break
    await settled()
    assert not other_tasks()
    assert len(service.asked) <= 2


@pytest.mark.asyncio
async def test_nothing_is_left_after_the_callers_error() -> None:
    with pytest.raises(ZeroDivisionError):
        async for _ in Service(RECORDS).list():
            _ = 1 / 0
    gc.collect()
    await settled()
    assert not other_tasks()


@pytest.mark.asyncio
async def test_nothing_is_left_after_cancellation() -> None:
    service = Service(RECORDS)
    started = asyncio.Event()

    async def hang(*_args: Any, **_kwargs: Any) -> Any:
        started.set()
        await asyncio.Event().wait()

    service.get = hang  # type: ignore[method-assign]

    async def read() -> None:
        async for _ in service.list((F.status == "new") | (F.created_at > 5)):
            pass

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not other_tasks()


@pytest.mark.asyncio
async def test_a_stopped_iteration_says_so_rather_than_seeming_complete() -> None:
    service = Service(RECORDS)
    service.failures[1] = ServerError("down", status=503, request_method="GET", request_path="/x")
    records = aiter(service.list())
    got = [await anext(records) for _ in range(20)]
    with pytest.raises(ServerError) as caught:
        await anext(records)
    with pytest.raises(PaginationError, match="stopped by ServerError") as again:
        await anext(records)
    assert again.value.checkpoint == caught.value.checkpoint
    rest = await Service(RECORDS).list(checkpoint=caught.value.checkpoint).to_list()
    assert ids(got + rest) == ids(RECORDS)


@given(
    stop=st.integers(0, 101),
    failing=st.one_of(st.none(), st.integers(0, 6)),
    backwards=st.booleans(),
    way=st.sampled_from(["records", "pages", "batches"]),
    through_text=st.booleans(),
)
@settings(max_examples=support.examples(2000))
def test_resuming_completes_exactly(
    stop: int, failing: int | None, way: str, *, backwards: bool, through_text: bool
) -> None:
    arguments: dict[str, Any] = {"ending_before": RECORDS[-1]["id"]} if backwards else {}
    expected = ids(reversed(RECORDS[:-1])) if backwards else ids(RECORDS)

    async def run() -> None:
        service = Service(RECORDS)
        if failing is not None:
            service.failures[failing] = ServerError("down", status=500)
        paginator = service.list(F.status == "new", **arguments)
        got: list[str] = []
        checkpoint = paginator.checkpoint
        try:
            if way == "records":
                async for one in paginator:
                    got.append(one.id)
                    if len(got) >= stop:
                        break
            elif way == "pages":
                async for page in paginator.pages():
                    got += ids(reversed(page.data) if backwards else page.data)
                    if len(got) >= stop:
                        break
            else:
                async for batch in paginator.batches(7):
                    got += ids(batch)
                    if len(got) >= stop:
                        break
            checkpoint = paginator.checkpoint
        except ServerError as error:
            checkpoint = error.checkpoint
            assert checkpoint == paginator.checkpoint
        if through_text:
            checkpoint = Checkpoint.from_text(checkpoint.to_text())
        rest = await Service(RECORDS).list(checkpoint=checkpoint).to_list()
        assert got + ids(rest) == expected

    asyncio.run(run())


@pytest.mark.asyncio
async def test_batches() -> None:
    batches = [len(batch) async for batch in Service(RECORDS).list().batches(30)]
    assert batches == [30, 30, 30, 11]
    with pytest.raises(InvalidRequestError):
        Service(RECORDS).list().batches(0)


@pytest.mark.asyncio
async def test_what_a_batch_gathered_comes_before_the_error() -> None:
    service = Service(RECORDS)
    service.failures[2] = ServerError("down", status=500)
    batches = aiter(service.list().batches(30))
    assert len(await anext(batches)) == 30
    assert len(await anext(batches)) == 10
    with pytest.raises(ServerError) as caught:
        await anext(batches)
    rest = await Service(RECORDS).list(checkpoint=caught.value.checkpoint).to_list()
    assert ids(rest) == ids(RECORDS[40:])


@pytest.mark.parametrize(
    "payload",
    [
        [],
        "text",
        None,
        {},
        {"data": None},
        {"data": {}},
        {"data": [1]},
        {"data": [{}]},
        {"data": [], "next_page": 7},
        {"data": [{**RECORDS[0], "created_at": "1"}]},
    ],
)
@pytest.mark.asyncio
async def test_undocumented_envelopes(payload: Any) -> None:
    service = Service(RECORDS)
    service.answer = lambda _url: payload  # type: ignore[method-assign]
    with pytest.raises(UnexpectedResponseError) as caught:
        await service.list().to_list()
    assert caught.value.status == 200
    assert caught.value.checkpoint is not None


@pytest.mark.asyncio
async def test_checkpoints_are_told_apart() -> None:
    paginator = Service(RECORDS).list(F.status == "new")
    await paginator.first()
    checkpoint = paginator.checkpoint
    service = Service(RECORDS)
    with pytest.raises(InvalidRequestError, match=r"another filter, \S+~EQ~new, not \S+~EQ~sent: give"):
        service.list(F.status == "sent", checkpoint=checkpoint)
    everything = service.list().checkpoint
    with pytest.raises(InvalidRequestError, match="another filter, that of all records, not"):
        service.list(F.status == "sent", checkpoint=everything)
    with pytest.raises(InvalidRequestError, match="Checkpoint.from_text"):
        service.list(checkpoint=checkpoint.to_text())
    with pytest.raises(InvalidRequestError, match="starting_after"):
        service.list(checkpoint=checkpoint, starting_after="sreq_1")
    assert ids(await service.list(F.status == "new", checkpoint=checkpoint).to_list()) == ids(RECORDS[1:])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"timezest_checkpoint":99}',
        '{"timezest_checkpoint":1,"path":"/x"}',
        None,
        3,
    ],
)
def test_other_text_is_no_checkpoint(text: Any) -> None:
    with pytest.raises(InvalidRequestError, match="not a checkpoint"):
        Checkpoint.from_text(text)


def test_a_damaged_position_is_refused() -> None:
    for position in ({"after": 3}, {"other": 1}):
        checkpoint = Checkpoint("/scheduling_requests", ("",), position=position)
        with pytest.raises(InvalidRequestError, match="damaged"):
            aiter(Service(RECORDS).list(checkpoint=checkpoint))


def test_sync_iteration_teaches() -> None:
    paginator = Service(RECORDS).list()
    with pytest.raises(TypeError, match="async for"):
        list(paginator)


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_what_two_pages_share_comes_once(concurrency: int) -> None:
    service = Service(RECORDS)
    usual = service.answer

    def overlapping(url: Any) -> dict[str, Any]:
        page = usual(url)
        if after := url.query.get("starting_after"):
            place = [one["id"] for one in RECORDS].index(after)
            page["data"] = [RECORDS[place], *page["data"]]
        return page

    service.answer = overlapping  # type: ignore[method-assign]
    assert ids(await service.list(concurrency=concurrency).to_list()) == ids(RECORDS)


@pytest.mark.asyncio
async def test_pages_do_not_wait_for_the_garbage_collector(sandbox: Sandbox, client: TimeZestClient) -> None:
    sandbox.add_many([{"created_at": 1_700_000_000 + index} for index in range(101)])
    stored = {one["id"] for one in sandbox.records()}
    gc.disable()
    try:
        async for _ in client.scheduling_requests.list():
            pass
        kept = [one for one in gc.get_objects() if type(one) is SchedulingRequest and one.id in stored]
    finally:
        gc.enable()
    assert len(kept) <= 20, "no more than the last page is held"
