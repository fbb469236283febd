"""Many accounts into one folder: nothing doubled, nothing lost, and no key anywhere."""

from __future__ import annotations

import asyncio
import html
import importlib.util
import json
import os
import pickle
import re
import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import attrs
import duckdb
import pytest
import yarl

from tests import support
from tests.servers.redis_server import RedisServer
from timezest_async import (
    AuthenticationError,
    ConfigurationError,
    RateLimiter,
    RedisRateLimiter,
    TimeZestError,
    export,
)
from timezest_async.export import Account, export_account
from timezest_async.sandbox import Sandbox, Status
from timezest_async.sandbox.faults import TruncatedJSON

EXAMPLE = Path(__file__).parents[2] / "examples" / "many_accounts" / "export_all.py"
KEY = "the-key-of-account-"
LIST = "GET /scheduling_requests"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_all", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(folder: Path) -> list[tuple[str, str]]:
    found = duckdb.sql(
        f"SELECT account, id FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
    )
    return sorted(found.fetchall())


async def serve(stack: AsyncExitStack, folder: Path, count: int, **options: Any) -> dict[str, Sandbox]:
    """Serve accounts of a few requests each, and write what the example reads."""
    sandboxes: dict[str, Sandbox] = {}
    lines: list[str] = []
    for number in range(count):
        name = f"msp-{number}"
        sandbox = await stack.enter_async_context(
            Sandbox(api_key=f"{KEY}{number}", clock=support.stopped_clock, seed=number, **options)
        )
        (folder / f"{name}.key").write_text(f"{sandbox.api_key}\n", encoding="utf-8")
        where = f'key = "file:{folder / name}.key"\nbase_url = "{sandbox.base_url}"\n'
        lines.append(f"[accounts.{name}]\n{where}")
        sandboxes[name] = sandbox
    (folder / "accounts.toml").write_text("\n".join(lines), encoding="utf-8")
    return sandboxes


def expected(sandboxes: dict[str, Sandbox]) -> list[tuple[str, str]]:
    return sorted((name, one["id"]) for name, sandbox in sandboxes.items() for one in sandbox.records())


@pytest.mark.asyncio
async def test_it_goes_on_where_it_was_and_does_nothing_twice(tmp_path: Path) -> None:
    async with Sandbox(records=90, clock=support.stopped_clock) as sandbox:
        account = Account("acme", lambda: sandbox.api_key, sandbox.base_url)
        sandbox.faults.script(LIST, [None, None, Status(403)])
        with pytest.raises(TimeZestError):
            await export_account(account, tmp_path, concurrency=1)
        assert not [path for path in files(tmp_path) if path.parent.name == "account=acme"]
        sandbox.faults.clear()
        summary = await export_account(account, tmp_path)
        assert (summary.account, summary.records, summary.resumed) == ("acme", 90, 40)
        assert rows(tmp_path) == [("acme", id) for _, id in expected({"acme": sandbox})]
        sandbox.requests_seen.clear()
        again = await export_account(account, tmp_path)
        assert (again.records, again.resumed, again.pages) == (90, 90, 0)
        assert sandbox.requests_seen == []
    assert {path.parts[len(tmp_path.parts)] for path in files(tmp_path)} == {"account=acme"}


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.asyncio
async def test_what_was_finished_but_not_yet_in_its_place_is_put_there(tmp_path: Path) -> None:
    async with Sandbox(records=30, clock=support.stopped_clock) as sandbox:
        account = Account("acme", lambda: sandbox.api_key, sandbox.base_url)
        await export_account(account, tmp_path)
        done = tmp_path / "account=acme" / "scheduling_requests.parquet"
        (tmp_path / "_unfinished").mkdir()
        done.rename(tmp_path / "_unfinished" / "acme.parquet")
        sandbox.requests_seen.clear()
        assert (await export_account(account, tmp_path)).records == 30
        assert (sandbox.requests_seen, done.exists()) == ([], True)


@pytest.mark.asyncio
async def test_what_cannot_be_read_is_kept_beside(tmp_path: Path) -> None:
    async with Sandbox(records=30, clock=support.stopped_clock) as sandbox:
        sandbox.add(id="sreq_odd", status="new", end_user_name=7)
        account = Account("acme", lambda: sandbox.api_key, sandbox.base_url)
        summary = await export_account(account, tmp_path, skip_unreadable=True)
        assert (summary.records, summary.unreadable) == (30, 1)
    assert "sreq_odd" in (tmp_path / "_unreadable" / "acme.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", "a/b", "..", "-a", "a b", "a=b", "é", "a" * 101, 5])
def test_a_name_that_is_none_for_a_folder_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="an account's name"):
        Account(name, "env:KEY")


def test_a_key_is_never_in_an_account() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Account("acme", "the-key-itself")
    assert "the-key-itself" not in str(caught.value)
    assert "env:NAME" in str(caught.value)
    assert "the-key" not in repr(Account("acme", partial(str, "the-key-itself")))
    account = Account("acme", "env:ACME_KEY")
    assert pickle.loads(pickle.dumps(account)) == account
    assert attrs.asdict(account)["api_key"] == "env:ACME_KEY"


@pytest.mark.asyncio
async def test_where_a_key_is_not_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    monkeypatch.delenv("ACME_KEY", raising=False)
    for source in ("env:ACME_KEY", f"file:{tmp_path / 'none'}", f"file:{tmp_path / 'empty'}"):
        with pytest.raises(ConfigurationError, match="the key of acme is said to be in"):
            await export_account(Account("acme", source), tmp_path)


@pytest.mark.asyncio
async def test_the_example_exports_all_and_names_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = example()
    arguments = module.parse([str(tmp_path / "accounts.toml"), str(tmp_path / "out"), "--at-once", "3"])
    async with AsyncExitStack() as stack:
        sandboxes = await serve(stack, tmp_path, 5, records=50)
        sandboxes["msp-1"].faults.script(LIST, [Status(401)])
        sandboxes["msp-3"].faults.script(LIST, [None] + 30 * [TruncatedJSON()])
        assert await module.main(arguments) == 1
        whole = {name: one for name, one in sandboxes.items() if name not in {"msp-1", "msp-3"}}
        assert rows(tmp_path / "out") == expected(whole)
        output, errors = capsys.readouterr()
        assert "3 of 5 accounts, 150 requests" in output
        assert all(name in errors for name in ("msp-1", "msp-3", "AuthenticationError"))
        assert KEY not in output + errors
        sandboxes["msp-3"].faults.clear()
        assert await module.main(arguments) == 0
        assert rows(tmp_path / "out") == expected(sandboxes)
    assert not (tmp_path / "out" / "_unfinished").exists()


@pytest.mark.asyncio
async def test_a_password_of_redis_is_no_argument(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="env:NAME") as caught:
        await export_account(Account("acme", "env:K"), tmp_path, redis="redis://:pass-word@127.0.0.1/0")
    assert "pass-word" not in str(caught.value)


@pytest.mark.asyncio
async def test_a_budget_is_kept_in_one_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give one of them"):
        await export_account(
            Account("acme", "env:K"), tmp_path, rate_limiter=RateLimiter(), redis="redis://127.0.0.1/0"
        )
    assert not files(tmp_path)


@pytest.mark.asyncio
@pytest.mark.parametrize("said", ["env", "file"])
async def test_an_account_in_redis_has_one_budget_and_shares_it_with_no_other(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(RedisServer("pass-word"))
        sandbox = await stack.enter_async_context(Sandbox(records=100, clock=support.stopped_clock))
        if said == "env":
            monkeypatch.setenv("REDIS_OF_US", server.url)
            redis = "env:REDIS_OF_US"
        else:
            (tmp_path / "redis").write_text(f"{server.url}\n", encoding="utf-8")
            redis = f"file:{tmp_path / 'redis'}"
        for folder, name in (("one", "acme"), ("two", "acme"), ("one", "other")):
            account = Account(name, lambda: sandbox.api_key, sandbox.base_url)
            await export_account(account, tmp_path / folder, redis=redis, concurrency=1)
        assert len(sandbox.requests_seen) == 15
        for name, taken in (("acme", 10), ("other", 5)):
            async with RedisRateLimiter(server.url, name=name) as budget:
                await budget.acquire()  # it goes by Redis's last answer
                assert budget.available == budget.max_requests - taken - 1


@pytest.mark.asyncio
async def test_a_wrong_key_is_told_as_ever(tmp_path: Path) -> None:
    async with Sandbox(records=5, clock=support.stopped_clock) as sandbox:
        with pytest.raises(AuthenticationError):
            await export_account(Account("acme", lambda: "wrong", sandbox.base_url), tmp_path)


def test_it_is_part_of_what_exports_offer() -> None:
    assert export.export_account is export_account


async def pages(start: str) -> dict[str, str]:
    """Read what Dask's dashboard shows: all pages and figures that can be reached by links."""
    found: dict[str, str] = {}
    root = yarl.URL(start).origin()
    todo = [root / path for path in ("sitemap.json", "metrics", "info/main/workers.html")]
    async with aiohttp.ClientSession() as session:
        while todo:
            address = todo.pop()
            if str(address) in found or address.origin() != root:
                continue
            async with session.get(address) as response:
                found[str(address)] = text = await response.text(errors="replace")
            links = re.findall(r"""(?:href|src)=["']([^"'#]+)""", text)
            if address.path == "/sitemap.json":
                links = [f"/{path}" for path in json.loads(text)["paths"]]
            todo += [address.join(yarl.URL(html.unescape(link))) for link in links]
    return found


@pytest.mark.asyncio
@pytest.mark.filterwarnings("default")  # of the libraries' own
@pytest.mark.timeout(300)
async def test_on_dask_a_killed_worker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    distributed = support.needs("distributed", "dask")
    count, each = (40, 500) if support.FULL else (8, 100)
    module = example()
    async with AsyncExitStack() as stack:
        sandboxes = await serve(stack, tmp_path, count, records=each, latency=0.1)
        cluster = await stack.enter_async_context(
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=4, dashboard_address="127.0.0.1:0", asynchronous=True
            )
        )
        client = await stack.enter_async_context(distributed.Client(cluster, asynchronous=True))
        accounts = module.read_accounts(tmp_path / "accounts.toml")
        tasks = [
            client.submit(export_account, one, tmp_path / "out", pure=False, retries=3) for one in accounts
        ]
        first = distributed.as_completed(tasks)
        await anext(first)
        said = repr([client.futures, await client.scheduler.identity(), tasks, accounts])
        dashboard = await pages(cluster.dashboard_link)
        assert any("export_account" in text for text in dashboard.values())
        workers = await client.run(os.getpid)
        os.kill(min(workers.values()), signal.SIGKILL)
        summaries = await client.gather(tasks)
        said += repr([summaries, await client.get_worker_logs(), await client.get_scheduler_logs()])
        assert sorted(one.account for one in summaries) == sorted(sandboxes)
        assert sum(one.records for one in summaries) == count * each
        found = rows(tmp_path / "out")
        assert len(set(found)) == count * each
        assert found == expected(sandboxes)
        said += repr([dashboard, await pages(cluster.dashboard_link)])
        assert KEY not in said
    await asyncio.sleep(0)
    assert not (tmp_path / "out" / "_unfinished").exists()
