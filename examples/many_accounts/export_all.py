"""Export the scheduling requests of many accounts into one folder of Parquet, partitioned by account.

    python export_all.py accounts.toml exports/2026-11-26 [--at-once 16] [--dask [SCHEDULER]] [--redis URL]

One process reads many accounts at once, since each waits for its own 180 requests a minute. With --dask the
same function runs on a cluster: of this machine's processes, or that of the scheduler given.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from timezest_async import ConfigurationError
from timezest_async.export import Account, AccountSummary, export_account

CONSOLE = Console(stderr=True)
Result = tuple[Account, AccountSummary | BaseException]


def read_accounts(path: Path) -> list[Account]:
    """Read ``[accounts.NAME]`` tables, each with ``key`` and, if it is not the usual one, ``base_url``."""
    tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("accounts", {})
    return [Account(name, one.get("key", ""), one.get("base_url")) for name, one in tables.items()]


async def here(
    accounts: list[Account], folder: Path, at_once: int, redis: str | None
) -> AsyncIterator[Result]:
    """Export in this process, so many accounts at once."""
    free = asyncio.Semaphore(at_once)

    async def one(account: Account) -> Result:
        async with free:
            try:
                return account, await export_account(account, folder, redis=redis)
            except Exception as error:  # noqa: BLE001 - whatever fails, the other accounts go on
                return account, error

    for result in asyncio.as_completed([one(account) for account in accounts]):
        yield await result


async def on_dask(
    accounts: list[Account], folder: Path, scheduler: str, redis: str | None
) -> AsyncIterator[Result]:
    """Export on a cluster. A worker that dies is no loss: another one goes on with its tasks."""
    from distributed import Client, LocalCluster, as_completed  # noqa: PLC0415 - needs the extra `dask`

    async with (
        LocalCluster(asynchronous=True, dashboard_address=None, threads_per_worker=8)
        if scheduler == "local"
        else Client(scheduler, asynchronous=True) as cluster,
        Client(cluster, asynchronous=True) if scheduler == "local" else cluster as client,
    ):
        CONSOLE.print(f"scheduler: {client.scheduler.address}", highlight=False)
        tasks = {
            # The coroutine function itself: a worker's event loop then runs many of them at once.
            client.submit(export_account, account, folder, redis=redis, pure=False, retries=3): account
            for account in accounts
        }
        async for task in as_completed(tasks):
            error = await task.exception()
            yield tasks[task], await task.result() if error is None else error


async def main(arguments: argparse.Namespace) -> int:
    """Export all accounts, and tell what failed."""
    accounts = read_accounts(arguments.accounts)
    folder = arguments.folder.resolve()
    results = (
        on_dask(accounts, folder, arguments.dask, arguments.redis)
        if arguments.dask
        else here(accounts, folder, arguments.at_once, arguments.redis)
    )
    failed = Table("Account", "Why", title="Not exported: run it again, and it goes on from here")
    records = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE) as progress:
        bar = progress.add_task("accounts", total=len(accounts))
        async for account, result in results:
            if isinstance(result, BaseException):
                failed.add_row(account.name, f"{type(result).__name__}: {result}")
            else:
                records += result.records
            progress.update(bar, advance=1, description=f"{records:,} requests")
    if failed.row_count:
        CONSOLE.print(failed)
    print(f"{len(accounts) - failed.row_count} of {len(accounts)} accounts, {records} requests, in {folder}")
    return 1 if failed.row_count else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Export the scheduling requests of many accounts.",
        epilog="Run it again after whatever went wrong: it goes on where it was.",
    )
    parser.add_argument("accounts", type=Path, help="a TOML file of accounts, see README.md")
    parser.add_argument("folder", type=Path, help="where account=NAME/scheduling_requests.parquet will be")
    parser.add_argument("--at-once", type=int, default=16, help="accounts read at once (16)")
    parser.add_argument("--dask", nargs="?", const="local", metavar="SCHEDULER", help="run on Dask")
    parser.add_argument("--redis", metavar="URL", help="keeps the budgets; needed where workers may die")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(parse(sys.argv[1:]))))
    except (ConfigurationError, OSError, tomllib.TOMLDecodeError) as error:
        sys.exit(f"{error}")
