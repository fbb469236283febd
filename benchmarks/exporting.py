"""Writing a list to a file: ours, and the loop that people write."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from benchmarks.rivals import NO_LIMIT
from benchmarks.servers import Service
from timezest_async import RateLimiter, TimeZestClient

BATCH = 1_000


def writers() -> dict[str, str]:
    """Return the functions of ``timezest_async.export`` that write files, by their file's ending."""
    if importlib.util.find_spec("timezest_async.export") is None:
        return {}
    export = importlib.import_module("timezest_async.export")
    known = ("jsonl", "csv", "parquet", "sqlite", "duckdb")
    return {ending: f"to_{ending}" for ending in known if hasattr(export, f"to_{ending}")}


def clear(path: str) -> None:
    """Remove a file or folder and what was kept beside it."""
    for found in Path(path).parent.glob(f"{Path(path).name}*"):
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink()


async def ours(service: Service, *, path: str, writer: str) -> int:
    export = importlib.import_module("timezest_async.export")
    async with TimeZestClient(service.key, service.base_url, rate_limiter=RateLimiter(*NO_LIMIT)) as client:
        await getattr(export, writer)(client.scheduling_requests.list(), path)
    return service.records


async def bare_jsonl(service: Service, *, path: str) -> int:
    count = 0
    with Path(path).open("wb") as file:  # noqa: ASYNC230 - as people write it
        async for data in _pages(service):
            file.writelines(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in data)
            count += len(data)
    return count


async def bare_parquet(service: Service, *, path: str) -> int:
    """What pyarrow makes of dictionaries, its schema taken from the first batch."""
    count = 0
    held: list[dict[str, Any]] = []
    writer: pq.ParquetWriter | None = None

    def write() -> None:
        nonlocal writer
        if writer is None:
            writer = pq.ParquetWriter(path, pa.Table.from_pylist(list(_flat(held))).schema)
        writer.write_table(pa.Table.from_pylist(list(_flat(held)), schema=writer.schema))
        held.clear()

    async for data in _pages(service):
        held += data
        count += len(data)
        if len(held) >= BATCH:
            write()
    if held:
        write()
    if writer is not None:
        writer.close()
    return count


def _flat(records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Write nested values as JSON text, since their shapes differ from record to record."""
    for record in records:
        yield {
            name: orjson.dumps(value).decode() if isinstance(value, list) else value
            for name, value in record.items()
        }


async def _pages(service: Service) -> Any:
    url = service.list_url
    async with aiohttp.ClientSession(headers=service.headers) as session:
        while url:
            async with session.get(url) as response:
                page = orjson.loads(await response.read())
            yield page["data"]
            url = page["next_page"]
