"""Whatever the server sends, nothing leaves the package that is not one of its own errors."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from tests.support import FULL
from tests.system.fuzz import FuzzServer
from timezest_async import Checkpoint, F, RateLimiter, TimeZestClient, TimeZestError, TriggerMode, tql
from timezest_async.cli import main
from timezest_async.export import ExportJob, IncrementalExport, to_stream

ANSWERS = 100_000 if FULL else 1_000
KEY = "key-of-the-fuzzed-client"
PLACE = (
    '{"timezest_checkpoint":1,"path":"/scheduling_requests","queries":[""],"backwards":false,'
    '"position":{"after":"sreq_41","second":1700000000,"seen":["sreq_41"]}}'
)
FORMATS = ["jsonl", "csv", "sqlite"]

Operation = Callable[[TimeZestClient, random.Random, Path], Awaitable[Any]]


async def listed(client: TimeZestClient, rng: random.Random, _folder: Path) -> Any:
    filter = rng.choice([None, F.status == "new", (F.status == "new") | (F.created_at > 5), "status = sent"])
    place = Checkpoint.from_text(PLACE) if filter is None and rng.random() < 0.2 else None
    how: dict[str, Any] = {"concurrency": rng.choice([1, 1, 3, "auto"]), "checkpoint": place}
    if place is None and rng.random() < 0.2:
        how["ending_before"] = "sreq_5"
    paginator = client.scheduling_requests.list(
        filter, limit=100, on_unreadable=rng.choice(["raise", "skip"]), **how
    )
    error: TimeZestError | None = None
    try:
        await paginator.to_list()
    except TimeZestError as caught:
        error = caught
    if error is not None:
        assert Checkpoint.from_text(error.checkpoint.to_text()).path == paginator.start.path


async def listed_directory(client: TimeZestClient, rng: random.Random, _folder: Path) -> Any:
    lists = [client.agents, client.teams, client.resources, client.appointment_types]
    endpoint: Any = rng.choice(lists)
    if endpoint is not client.resources and rng.random() < 0.3:
        return await endpoint.get({"/agents": "agnt_1", "/teams": "team_1"}.get(endpoint.path, "apty_1"))
    return await endpoint.list(on_unreadable=rng.choice(["raise", "skip"])).to_list()


async def one(client: TimeZestClient, rng: random.Random, _folder: Path) -> Any:
    found = client.scheduling_requests.list(tql.parse("status = new"))
    return await rng.choice([found.first, found.one, found.one_or_none])()


async def got(client: TimeZestClient, _rng: random.Random, _folder: Path) -> Any:
    record = await client.scheduling_requests.get("sreq_1")
    return record.to_dict(), repr(record), record.time_zone, record.local_start_time, hash(record)


async def created(client: TimeZestClient, rng: random.Random, _folder: Path) -> Any:
    return await client.scheduling_requests.create(
        appointment_type_id="apty_1",
        trigger_mode=rng.choice(list(TriggerMode)),
        resource_ids=["agnt_1"],
        end_user_name="Pat",
        end_user_email="pat@example.com",
    )


async def streamed(client: TimeZestClient, rng: random.Random, _folder: Path) -> Any:
    paginator = client.scheduling_requests.list(limit=60, on_unreadable=rng.choice(["raise", "skip"]))
    return await to_stream(paginator, io.BytesIO(), format=rng.choice(FORMATS[:2]))


async def exported(client: TimeZestClient, rng: random.Random, folder: Path) -> Any:
    paginator = client.scheduling_requests.list(limit=60, on_unreadable=rng.choice(["raise", "skip"]))
    kind = rng.choice(FORMATS)
    return await ExportJob(paginator, folder / f"{rng.random()}.{kind}", format=kind).run()


async def exported_increments(client: TimeZestClient, rng: random.Random, folder: Path) -> Any:
    name = folder / f"{rng.random()}.jsonl"
    for _ in range(2):
        await IncrementalExport(client, name, name.with_suffix(".state")).run()


OPERATIONS: list[Operation] = [
    *[listed] * 30, *[listed_directory] * 8, *[one] * 4, *[got] * 15, *[created] * 10, *[streamed] * 4,
    exported, exported_increments,
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.timeout(1_200)
async def test_only_our_own_errors_come_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = FuzzServer()
    stray: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: stray.append(context))
    seed = 0
    with stamina.set_testing(True, attempts=2):
        async with (
            server.listening(),
            TimeZestClient(
                KEY,
                server.base_url,
                timeout=2.0,
                deadline=0.5,
                max_attempts=2,
                rate_limiter=RateLimiter(10**6, 0.01),
            ) as client,
        ):
            while server.count < ANSWERS:
                seed += 1
                server.seed(seed)
                rng = random.Random(seed)
                operation = rng.choice(OPERATIONS)
                try:
                    await operation(client, rng, tmp_path)
                except TimeZestError as error:
                    (str(error) + repr(error)).encode()  # what cannot be encoded cannot be printed
                except Exception as error:
                    error.add_note(f"seed {seed}, {operation.__name__}, answers: {server.recent!r:.3000}")
                    raise
                assert not stray, (seed, operation.__name__, stray, server.recent)
                caplog.text.encode()
                caplog.clear()


COMMANDS = [
    ["list", "scheduling-requests", "--limit=30"],
    ["list", "scheduling-requests", "status = new OR status = sent", "--limit=30", "--output=csv"],
    ["list", "scheduling-requests", "--limit=30", "--output=jsonl"],
    ["list", "agents", "--output=json", "--limit=30"],
    ["list", "resources", "--limit=30"],
    ["get", "sreq_1"],
    ["get", "sreq_1", "sreq_2", "--json"],
    ["create", "--appointment-type=apty_1", "--resource=agnt_1", "--name=Pat", "--email=pat@example.com"],
    ["export", "--output={}.csv", "--limit=30"],
    ["export", "--output=-", "--limit=30"],
]


@pytest.mark.timeout(1_200)
def test_the_command_ends_with_a_status_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIMEZEST_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    server = FuzzServer(is_prompt=True)
    with stamina.set_testing(True, attempts=2), in_thread(server):
        monkeypatch.setenv("TIMEZEST_BASE_URL", server.base_url)
        for seed in range(1_000 if FULL else 15):
            server.seed(seed)
            rng = random.Random(seed)
            arguments = [argument.format(seed) for argument in rng.choice(COMMANDS)]
            status = main(arguments)
            output, errors = capsys.readouterr()
            assert status in {0, 1}, (seed, arguments, status, errors, server.recent)
            assert "Traceback" not in errors, (seed, arguments, errors, server.recent)
            assert status == 0 or errors, (seed, arguments, output)


@contextlib.contextmanager
def in_thread(server: FuzzServer) -> Iterator[None]:
    """Let a server run beside the test, so that the command can have the main thread."""
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with server.listening():
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    started.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
