"""One account of many into a folder of Parquet, by one function that a loop and a cluster both can call."""

from __future__ import annotations

import inspect
import os
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from timezest_async import tql
from timezest_async.budget import Limiter
from timezest_async.client import TimeZestClient
from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import replace, sync_folder
from timezest_async.export.formats.base import require
from timezest_async.export.job import ExportJob
from timezest_async.export.job_state import ExportPaths
from timezest_async.export.threads import in_thread
from timezest_async.redaction import Secret

NAME: Final = "scheduling_requests.parquet"
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_SOURCE: Final = re.compile(r"(env|file):(.+)")
_WITH_PASSWORD: Final = re.compile(r"\w+://[^/]*:[^/]*@")

ApiKeySource = str | Callable[[], str | Awaitable[str]]


def _shown(source: Any) -> str:
    # What a callable was made of, as a partial shows it, may be the key.
    return repr(source) if isinstance(source, str) else f"<{getattr(source, '__qualname__', 'a function')}>"


def _check_name(_: object, __: Any, name: Any) -> None:
    if not isinstance(name, str) or not _ACCOUNT.fullmatch(name):
        raise ConfigurationError(
            "an account's name becomes that of a folder, so it is 1 to 100 letters (A to Z), digits "
            f"and . _ @ + -, a letter or digit first; not {name!r}"
        )


def _check_source(_: object, __: Any, source: Any) -> None:
    if not callable(source) and not (isinstance(source, str) and _SOURCE.fullmatch(source)):
        raise ConfigurationError(  # which does not show it: it may be the key itself
            "an account holds no key, but says where it is: 'env:NAME', 'file:PATH', or a function that "
            "returns it"
        )


@attrs.frozen
class Account:
    """An account to export, which may be shown, logged and pickled: its key is not in it.

    Attributes:
        name: Names its folder, and its budget in Redis.
        api_key: Where its API key is: ``"env:NAME"``, a variable of the environment; ``"file:PATH"``, a
            file's text; or a function (or coroutine function) that returns it, called where the export runs.
        base_url: The service's address, if not the usual one.

    Raises:
        ConfigurationError: The name is none for a folder, or it is not said where the key is.
    """

    name: str = attrs.field(validator=_check_name)
    api_key: ApiKeySource = attrs.field(validator=_check_source, repr=_shown)
    base_url: str | None = None


@attrs.frozen
class AccountSummary:
    """What became of an account's export.

    Attributes:
        account: Its name.
        path: The file.
        records: How many records it holds.
        resumed: How many of them an earlier run had made durable; all where the file was there already.
        pages: How many pages were read, about as many as requests were sent.
        elapsed: Seconds.
        unreadable: How many records could not be read; see ``ExportJob``.
    """

    account: str
    path: Path
    records: int
    resumed: int
    pages: int
    elapsed: float
    unreadable: int = 0


async def export_account(
    account: Account,
    folder: str | os.PathLike[str],
    *,
    filter: tql.Expression[Any] | str | None = None,
    rate_limiter: Limiter | None = None,
    redis: str | None = None,
    concurrency: int | Literal["auto"] = "auto",
    skip_unreadable: bool = False,
) -> AccountSummary:
    """Export an account's scheduling requests to ``FOLDER/account=NAME/scheduling_requests.parquet``.

    Calling it again is safe, whatever became of the call before: what was begun goes on after its last
    durable batch, and a file that is there is left as it is. So give each day's exports a folder of their
    own. Until a file is complete it is under ``FOLDER/_unfinished``, where readers of partitions do not look.

    Args:
        account: The account.
        folder: Of all accounts; it is made where it is missing.
        filter: Which requests, as for ``list``; the same when called again.
        rate_limiter: The account's budget, instead of ``redis``; by default one of this call's own.
        redis: The URL of a Redis that keeps the account's budget, where several processes read it at once, or
            one may be killed and another go on; ``"env:NAME"`` or ``"file:PATH"`` for one with a password.
        concurrency: As for ``list``.
        skip_unreadable: Keep records that cannot be read in ``FOLDER/_unreadable/NAME.jsonl``, and go on.

    Raises:
        ConfigurationError: The key is not where it is said to be, both ``rate_limiter`` and ``redis`` are
            given, what was begun had another filter, another process is exporting the account, or pyarrow is
            missing.
        TimeZestError: The service or the network failed; call it again.
        OSError: The disk failed; likewise.
    """
    if rate_limiter is not None and redis is not None:
        raise ConfigurationError(
            "rate_limiter and redis both say what keeps the account's budget: give one of them; "
            "a RedisRateLimiter is a rate_limiter too"
        )
    began = time.monotonic()
    root = Path(folder)
    target = root / f"account={account.name}" / NAME
    if not await in_thread(target.exists):
        work = root / "_unfinished" / f"{account.name}.parquet"
        await in_thread(lambda: work.parent.mkdir(parents=True, exist_ok=True))
        async with AsyncExitStack() as stack:
            if redis is not None:
                budget = await in_thread(lambda: _shared_budget(redis, account.name))
                rate_limiter = await stack.enter_async_context(budget)
            key = await _find(account.api_key, f"the key of {account.name}")
            client = await stack.enter_async_context(
                TimeZestClient(key, account.base_url, rate_limiter=rate_limiter)
            )
            requests = client.scheduling_requests.list(filter, concurrency=concurrency)
            job = ExportJob(requests, work, resume=True, skip_unreadable=skip_unreadable)
            done = await job.run()
        await in_thread(lambda: _publish(work, target, root / "_unreadable" / f"{account.name}.jsonl"))
    else:
        done = None
    records = await in_thread(lambda: _count(target))
    elapsed = time.monotonic() - began
    if done is None or done.records is None:
        return AccountSummary(account.name, target, records, records, 0, elapsed)
    return AccountSummary(
        account.name, target, records, done.resumed, done.pages, elapsed, unreadable=done.unreadable
    )


def _shared_budget(redis: str, name: str) -> Any:
    from timezest_async.budget.redis.limiter import RedisRateLimiter  # noqa: PLC0415 - needs the redis package

    if _WITH_PASSWORD.match(redis):  # and a task's arguments are shown and logged
        raise ConfigurationError(
            "the URL of Redis has a password: say where it is, by redis='env:NAME' or 'file:PATH'"
        )
    url = _read(redis, "the URL of Redis") if _SOURCE.fullmatch(redis) else redis
    return RedisRateLimiter(url, name=name)


async def _find(source: ApiKeySource, what: str) -> str:
    if isinstance(source, str):
        return await in_thread(lambda: _read(source, what))
    found = source()
    return Secret(await found if inspect.isawaitable(found) else found)


def _read(source: str, what: str) -> str:
    """Read a secret where it is said to be."""
    kind, _, place = source.partition(":")
    if kind == "env":
        text = os.environ.get(place)
        problem = "is not set in the environment"
    else:
        text, problem = None, "cannot be read"
        with suppress(OSError, UnicodeDecodeError):
            text = Path(place).read_text(encoding="utf-8")
    if text is None or not text.strip():
        raise ConfigurationError(f"{what} is said to be in {source}, which {'is empty' if text else problem}")
    return Secret(text.strip())


def _publish(work: Path, target: Path, unreadable: Path) -> None:
    """Give a finished file its place, in one step; somebody else may have done so."""
    left = ExportPaths.of(work).unreadable
    if left.exists():
        unreadable.parent.mkdir(exist_ok=True)
        replace(left, unreadable)
    target.parent.mkdir(exist_ok=True)
    sync_folder(target.parent.parent)
    with suppress(FileNotFoundError):
        replace(work, target)
    with suppress(OSError):  # others are still being written there
        work.parent.rmdir()


def _count(target: Path) -> int:
    return int(require("pyarrow.parquet", "parquet").read_metadata(target).num_rows)
