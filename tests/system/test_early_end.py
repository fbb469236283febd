"""An event loop that is closed while something of ours waits in it: no traceback, whatever it was."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.servers.served import KEY, Served, serving
from timezest_async import CallEvent, F, Hooks, TimeZestClient, TimeZestError, TriggerMode

SOME = (F.status == "new") | F.end_user_name.like("a")


_CODES = ("cr_code", "ag_code", "gi_code", "__code__")


class Calls(Hooks):
    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []

    def on_call_start(self, event: CallEvent) -> None:
        self.begun.append(event.id)

    def on_call_end(self, event: CallEvent) -> None:
        self.ended.append(event.id)


async def stream(client: TimeZestClient) -> AsyncIterator[Any]:
    async with client:
        async for record in client.scheduling_requests.list(concurrency=4):
            yield record


WORK: dict[str, Callable[[TimeZestClient], Any]] = {
    "records": lambda client: anext(aiter(client.scheduling_requests.list())),
    "pages": lambda client: anext(aiter(client.scheduling_requests.list().pages())),
    "batches": lambda client: anext(aiter(client.scheduling_requests.list().batches(30))),
    "readers": lambda client: anext(aiter(client.scheduling_requests.list(concurrency=8))),
    "queries": lambda client: anext(aiter(client.scheduling_requests.list(SOME))),
    "to_list": lambda client: client.scheduling_requests.list().to_list(),
    "async with": lambda client: anext(stream(client)),
    "get": lambda client: client.agents.list().to_list(),
    "create": lambda client: client.scheduling_requests.create(
        appointment_type_id="apty_1",
        trigger_mode=TriggerMode.POD,
        resource_ids=["agnt_1"],
        end_user_name="Al",
        end_user_email="al@example.org",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    with serving(records=300, latency=0.01) as served:
        yield served


@pytest.mark.parametrize("name", WORK)
def test_a_loop_closed_early_prints_no_traceback(
    name: str,
    service: Served,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance = random.Random(name)
    ignored: list[str] = []
    calls = Calls()

    def hook(what: sys.UnraisableHookArgs) -> None:
        code = next((code for name in _CODES if (code := getattr(what.object, name, None))), None)
        # What aiohttp and asyncio hold between them is thrown away in any order, and not ours to silence.
        if code is None or not {"aiohttp", "asyncio"} & {*Path(code.co_filename).parts}:
            ignored.append(f"{what.exc_value!r} in {what.object!r}")

    monkeypatch.setattr(sys, "unraisablehook", hook)
    for _ in range(support.examples(20)):
        with warnings.catch_warnings():
            # That the client was never closed is said, rightly.
            warnings.simplefilter("ignore", ResourceWarning)
            # So is, by Python, that a task was never begun.
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            loop = asyncio.new_event_loop()
            client = TimeZestClient(KEY, service.base_url, hooks=calls)

            async def start(client: TimeZestClient = client) -> Any:
                with contextlib.suppress(TimeZestError):
                    return await WORK[name](client)

            task = loop.create_task(start())
            loop.call_later(chance.uniform(0, 0.05), loop.stop)
            loop.run_forever()
            loop.close()
            del client, task, start, loop
            gc.collect()
    assert ignored == []
    assert sorted(calls.ended) == calls.begun != []
    assert [record for record in caplog.records if record.exc_info] == []
