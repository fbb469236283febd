"""A list of scheduling requests at the least cost, so that readers are measured and not their server.

    python -m benchmarks.page_server        prints its port, and serves until its stdin closes

Records are bytes made beforehand; a page is twenty of them joined. Each API key is an account of its own,
set by ``/configure`` to a number of records, how they lie in time, a latency and a budget, and told about by
``/figures``. Of filters it knows bounds on ``created_at``. What a realistic service would add is the
sandbox's business.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from math import ceil
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from benchmarks import window_simulator
from benchmarks.window_simulator import msp
from timezest_async.sandbox.record_store import Store
from timezest_async.sandbox.sample_data import fill

PAGE = 20
NOW = int(time.time()) // 86_400 * 86_400
"""The newest records are of today: who reads concurrently looks for them there."""
TWO_YEARS = 2 * 365 * 86_400
_KEY = re.compile(rb"\r\nauthorization: bearer (\S+)", re.IGNORECASE)
_BOUND = re.compile(r"scheduling_request\.created_at~(GTE|GT|LTE|LT)~(\d+)")


@cache
def sample(count: int = 2_000) -> list[dict[str, Any]]:
    """Return the sandbox's sample records."""
    with closing(Store()) as store:
        fill(store, count, seed=0, now=NOW, origin="https://app.timezest.com")
        return list(store.records("scheduling_request"))


@cache
def _tails() -> list[bytes]:
    own = ("id", "created_at")
    return [orjson.dumps({k: v for k, v in record.items() if k not in own})[1:] for record in sample()]


@cache
def negated_times(count: int, spread: str = "even") -> array[int]:
    """Return ``-created_at`` of so many records, newest first, so ascending.

    Args:
        count: How many.
        spread: ``"even"`` over two years, or ``"msp"``, as the simulator has it.
    """
    chance = random.Random(count)
    if spread == "msp":
        return array("q", sorted(window_simulator.NOW - NOW - at for at in msp(count, chance)))
    return array("q", sorted(chance.randrange(TWO_YEARS) - NOW for _ in range(count)))


def page_data(times: array[int], start: int, stop: int) -> bytes:
    """Return the ``data`` array of the records from one index to another."""
    tails = _tails()
    return b",".join(
        b'{"id":"sreq_%022d","created_at":%d,%b' % (i, -times[i], tails[i % len(tails)])
        for i in range(start, stop)
    )


@dataclass
class Account:
    records: int = 20_000
    spread: str = "even"
    latency: float = 0.0
    limit: int = 0
    period: float = 0.0
    requests: int = 0
    refused: int = 0
    _admitted: deque[float] = field(default_factory=deque)

    def admit(self, now: float) -> float:
        """Count a request; return 0, or the seconds until there is room for it."""
        self.requests += 1
        while self._admitted and self._admitted[0] <= now - self.period:
            self._admitted.popleft()
        if self.limit and len(self._admitted) >= self.limit:
            self.refused += 1
            return self._admitted[0] + self.period - now
        if self.limit:
            self._admitted.append(now)
        return 0.0


class Connection(asyncio.Protocol):
    def __init__(self, accounts: dict[str, Account]) -> None:
        self._accounts = accounts
        self._buffer = bytearray()
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()
        self._origin = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._origin = "http://{}:{}".format(*transport.get_extra_info("sockname")[:2])

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        path, _, query = head.split(b" ", 2)[1].decode().partition("?")
        found = _KEY.search(head)
        key = found[1].decode() if found else ""
        if path == "/configure":
            values = dict(parse_qsl(query))
            self._accounts[values["account"]] = Account(
                int(values["records"]),
                values["spread"],
                float(values["latency"]),
                int(values["limit"]),
                float(values["period"]),
            )
            times = negated_times(int(values["records"]), values["spread"])
            self._send(b'{"oldest":%d}' % (-times[-1] if times else NOW))
        elif path == "/figures":
            account = self._accounts[dict(parse_qsl(query))["account"]]
            self._send(orjson.dumps({"requests": account.requests, "refused": account.refused}))
        elif path == "/v1/scheduling_requests" and key in self._accounts:
            self._list(self._accounts[key], query)
        else:
            self._send(b'{"error":"Not found"}', b"404 Not Found")

    def _list(self, account: Account, query: str) -> None:
        wait = account.admit(self._loop.time())
        if wait:
            line = b"429 Too Many Requests\r\nRetry-After: %d" % ceil(wait)
            self._after(account.latency, lambda: self._send(b'{"error":"Too many requests"}', line))
            return
        body = self._page(account, query)
        self._after(account.latency, lambda: self._send(body))

    def _page(self, account: Account, query: str) -> bytes:
        times = negated_times(account.records, account.spread)
        start, stop = 0, account.records
        kept = ""
        for part in query.split("&"):
            name, _, value = part.partition("=")
            if name == "filter":
                kept = f"{part}&"
                for operator, bound in _BOUND.findall(unquote(value)):
                    # Ascending negated times: what is older than the bound begins behind it.
                    edge = -int(bound) - (operator in {"GT", "LTE"})
                    if operator in {"LT", "LTE"}:
                        start = max(start, bisect_right(times, edge))
                    else:
                        stop = min(stop, bisect_right(times, edge))
            elif name == "starting_after":
                start = max(start, int(value.removeprefix("sreq_")) + 1)
        end = min(start + PAGE, stop)
        more = b"null"
        if end < stop:
            url = f"{self._origin}/v1/scheduling_requests?{kept}starting_after=sreq_{end - 1:022d}"
            more = b'"%b"' % url.encode()
        return b'{"object":"list","next_page":%b,"previous_page":null,"data":[%b]}' % (
            more,
            page_data(times, start, end),
        )

    def _after(self, seconds: float, send: Callable[[], None]) -> None:
        if seconds:
            self._loop.call_later(seconds, send)
        else:
            send()

    def _send(self, body: bytes, status: bytes = b"200 OK") -> None:
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
            % (status, len(body))
            + body
        )


async def main() -> None:
    _tails()
    accounts: dict[str, Account] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(accounts), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started it holds the other end, and drops it even by being killed.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
