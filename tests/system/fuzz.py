"""Answers that nobody documented: status lines, headers, bodies and links drawn at random, on a raw server.

What is drawn depends on a seed alone. Half of what a service would send is left as it should be, so that the
other half is read rather than thrown away at the door.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gzip
import json
import random
import zlib
from collections.abc import AsyncIterator
from typing import Any

WORDS = [
    "", "0", "-1", "abc", "\u00e9", "\ud800", "\U0001f600", "\x00", "\r\n", "a" * 300, "null", "{}", "'",
    '"',
]  # fmt: skip
HOSTS = [
    "", "evil.test", "[::1]", "[::1", "::1", "[v1.x]", "127.1", "\u2488com", "xn--", "xn--\u00df",
    "a" * 70 + ".x", "a..b", "%00", "\ud800", "0x7f.1", "1" * 400, "[fe80::1%25lo]", "host_", "-",
    "\u200d", "[]", "999.1.1.1",
]  # fmt: skip
PORTS = [
    "", ":", ":0", ":80", ":99999", ":-1", ":abc", ":\u0661", ":8 0", "::1", ":" + "9" * 5_000,
]  # fmt: skip
USERS = [
    "", "", "", "me@", "u:p@", "@", ":@", "\n", "%ff@", "\udfff@",
]  # fmt: skip
SCHEMES = [
    "", "", "//", "http://", "https://", "HTTP://", "http:", "http:/", "///", "ftp://", "javascript:",
    "://", "\\\\", "//\n", "data:", "1http://", "http\x00://",
]  # fmt: skip
PATHS = [
    "", "/", "/v1/scheduling_requests", "/v1/agents", "/..//../", "/%2e%2e/", "/\x00", "/\ud800",
    "/" + "a" * 9_000, ";x",
]  # fmt: skip
QUERIES = [
    "", "?", "?starting_after=sreq_1", "?a=b", "a=b", "?starting_after=%", "?starting_after=%ff%00",
    "?\ud800=\udc00", "?filter=x", "?&&&===", "?a=b#c?d", "#", "?" + "x=y&" * 3_000, "? \t\r\n",
    "?starting_after=\u00e9 \x7f",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 2**63, 10**40, -(10**30), "", "x", "\ud83d", "\x00", [], [None],
    {}, {"id": 5}, [[]], "1700000000", 1_700_000_000, 253402300800, "a" * 2_000, ["\udc00"],
    [{"type": "agent"}],
]  # fmt: skip
HEADERS = [
    "Retry-After", "Location", "Date", "Content-Type", "Set-Cookie", "Content-Encoding", "Content-Length",
    "Transfer-Encoding", "Connection", "Keep-Alive", "X", "Upgrade", "Trailer", "Content-Range",
    "WWW-Authenticate",
]  # fmt: skip
HEADER_VALUES = [
    "", "0", "-5", "1e9", "9" * 400, "nan", "inf", "chunked", "gzip", "deflate", "br", "zstd",
    "identity, gzip", "close", "keep-alive", "text/html; charset=nope", "Wed, 21 Oct 2015 07:28:00 GMT",
    "Thu, 99 Foo 99999 25:61:61 XXX", "\x80\xff", "http://[::1/", "//\n", "a=b; Path=/; Max-Age=x",
    "x" * 9_000, "\u0661", "0x10", "Mon, 01 Jan 0001 00:00:00 -9999",
]  # fmt: skip
STATUSES = [
    100, 101, 103, 199, 201, 202, 204, 205, 206, 226, 299, 300, 301, 302, 304, 307, 308, 399, 400, 401,
    402, 403, 404, 405, 408, 409, 410, 413, 415, 418, 422, 425, 429, 431, 451, 499, 500, 501, 502, 503,
    504, 507, 511, 520, 529, 530, 599, 600, 999, 0, 99,
]  # fmt: skip
LINES = [
    b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"HTTP/2 200 OK", b"HTTP/1.1 abc OK", b"HTTP/9.9 200 OK",
    b"ICY 200 OK", b"", b"\x00\xff", b"HTTP/1.1 200 \xff\xfe\x00", b"HTTP/1.1 -200 OK",
    b"HTTP/1.1 2000000000000 OK", b"HTTP/1.1  200 OK", b"GET / HTTP/1.1", b"HTTP/1.1 200 " + b"r" * 9_000,
]  # fmt: skip


class Fuzz:
    """Draws answers.

    Args:
        rng: Where chance comes from.
        is_prompt: Whether nothing asks for patience: no 429, no Retry-After.
    """

    def __init__(self, rng: random.Random, *, is_prompt: bool = False) -> None:
        self.rng = rng
        self._is_prompt = is_prompt
        self._newest = 1_700_000_000
        self._number = 0

    def link(self) -> Any:
        """Draw what stands where a link to the next page belongs."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.45:
            return f"?starting_after=sreq_{rng.randrange(10**6)}"
        if kind < 0.6:
            return None
        if kind < 0.65:
            return copy.deepcopy(rng.choice(VALUES))
        text = "".join(rng.choice(part) for part in (SCHEMES, USERS, HOSTS, PORTS, PATHS, QUERIES))
        if kind > 0.9:
            at = rng.randrange(len(text) + 1)
            text = (
                text[:at] + chr(rng.choice([rng.randrange(0x20), rng.randrange(0x110000), 0x5C])) + text[at:]
            )
        return text

    def record(self) -> dict[str, Any]:
        """Give a good record, older than the one before."""
        self._number += 1
        self._newest -= self.rng.randrange(3)
        return {
            "id": f"sreq_{self._number}",
            "object": "scheduling_request",
            "status": self.rng.choice(["new", "sent", "scheduled", "odd"]),
            "created_at": self._newest,
            "end_user_name": "Pat",
            "associated_entities": [{"type": "autotask/ticket", "id": 5, "number": "T1"}],
            "resources": [{"id": "agnt_1", "object": "agent", "name": "Sam"}],
            "scheduled_agents": [],
            "selected_start_time": self._newest,
            "selected_time_zone": "Arizona",
        }

    def _spoil(self, value: Any) -> Any:
        """Change something somewhere in a JSON value."""
        rng = self.rng
        if isinstance(value, dict) and value and rng.random() < 0.85:
            key = rng.choice(list(value))
            if rng.random() < 0.15:
                value.pop(key)
            elif rng.random() < 0.1:
                value[rng.choice(WORDS)] = value.pop(key)
            else:
                value[key] = self._spoil(value[key])
            return value
        if isinstance(value, list) and value and rng.random() < 0.85:
            at = rng.randrange(len(value))
            value[at] = self._spoil(value[at])
            return value
        return copy.deepcopy(rng.choice(VALUES))

    def _payload(self, method: str, path: str) -> Any:
        rng = self.rng
        if method == "GET" and path.rpartition("/")[2] in {
            "scheduling_requests", "agents", "teams", "resources", "appointment_types"
        }:  # fmt: skip
            payload: Any = {
                "object": "list",
                "next_page": self.link(),
                "previous_page": self.link() if rng.random() < 0.3 else None,
                "data": [self.record() for _ in range(rng.choice([0, 1, 2, 5]))],
            }
        else:
            payload = self.record()
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            payload = self._spoil(payload)
        if rng.random() < 0.01:
            deep: Any = rng.choice(VALUES)
            for _ in range(rng.choice([90, 190, 400, 900])):
                deep = [deep] if rng.random() < 0.5 else {"errors": deep}
            payload = self._put(payload, deep)
        return payload

    def _put(self, payload: Any, value: Any) -> Any:
        """Put a value into a new field of a record."""
        records = payload.get("data") if isinstance(payload, dict) else None
        holder = self.rng.choice(records) if isinstance(records, list) and records else payload
        if not isinstance(holder, dict):
            return value
        holder["note"] = value
        return payload

    def _body(self, method: str, path: str, *, good: bool) -> bytes:
        rng = self.rng
        if not good and rng.random() < 0.5:
            errors = [
                {"error": rng.choice(VALUES)},
                {"message": rng.choice(VALUES), "errors": rng.choice(VALUES)},
            ]
            return json.dumps(rng.choice([*errors, rng.choice(VALUES)])).encode("utf-8", "surrogatepass")
        body = json.dumps(self._payload(method, path), ensure_ascii=rng.random() < 0.8).encode(
            "utf-8", "surrogatepass"
        )
        kind = rng.random()
        if kind < 0.8:
            return body
        if kind < 0.85:
            return body[: rng.randrange(len(body) + 1)]
        if kind < 0.95:
            at = rng.randrange(len(body))
            return body[:at] + rng.randbytes(rng.randrange(1, 4)) + body[at + 1 :]
        return rng.choice(
            [b"", b"\xef\xbb\xbf" + body, body.decode("utf-8", "replace").encode("utf-16"), b"<html>" + body,
             b"[" * 5_000, b'{"a":' * 5_000, b"NaN", b'{"data": [NaN, Infinity]}', b"\x00" * 99, b"9" * 6_000,
             rng.randbytes(200), b'{"data":[],"data":5}', b'{"next_page":"\\ud800","data":[]}',
             b'"' + b"\\ud800" * 50 + b'"', b'{"data":[{"id":"a"},{"id":"a"}]}',
             b'{"data":' + b"[" * 199 + b"]" * 199 + b"}", b'{"error":' * 900 + b"5" + b"}" * 900]
        )  # fmt: skip

    def answer(self, method: str, path: str) -> tuple[bytes, bool]:
        """Draw an answer, and whether the connection is closed after it."""
        rng = self.rng
        status = 200 if rng.random() < 0.75 else rng.choice(STATUSES)
        if self._is_prompt and status == 429:
            status = 418
        body = self._body(method, path, good=200 <= status < 300)
        close = rng.random() < 0.05
        headers = [(b"Content-Type", b"application/json")] if rng.random() < 0.8 else []
        kind = rng.random()
        if kind < 0.05:
            body = rng.choice([gzip.compress(body), zlib.compress(body), body, gzip.compress(body)[:-5]])
            headers.append((b"Content-Encoding", rng.choice([b"gzip", b"deflate", b"x-gzip", b"br"])))
        if kind > 0.95:
            chunks = [body[i : i + 500] for i in range(0, len(body), 500)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
            if rng.random() < 0.3:
                body, close = body[: rng.randrange(len(body))] + rng.choice([b"", b"zz\r\n"]), True
            headers.append((b"Transfer-Encoding", b"chunked"))
        elif kind > 0.9:
            lengths = [
                b"0",
                b"5",
                b"-1",
                b"abc",
                b"%d" % (len(body) + 9),
                b"9" * 30,
                b"",
                b"%d, %d" % (len(body), len(body)),
            ]
            headers.append((b"Content-Length", rng.choice(lengths)))
            close = True
        elif kind > 0.85:
            close = True
        else:
            headers.append((b"Content-Length", b"%d" % len(body)))
        while rng.random() < 0.15:
            name, value = rng.choice(HEADERS[self._is_prompt :]), rng.choice(HEADER_VALUES)
            headers.append((name.encode(), value.encode("utf-8", "surrogatepass")))
            close = close or name in {
                "Content-Length",
                "Transfer-Encoding",
                "Content-Encoding",
                "Upgrade",
                "Connection",
            }
        if rng.random() < 0.02:
            headers.append((rng.randbytes(rng.randrange(12)), rng.randbytes(rng.randrange(30))))
            close = True
        line = b"HTTP/1.1 %d Whatever" % status
        if rng.random() < 0.02:
            line, close = rng.choice(LINES), True
        close = close or status < 200 or status in {204, 205, 304}
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        raw = line + b"\r\n" + head + b"\r\n" + body
        if rng.random() < 0.02:
            raw, close = (
                rng.choice(
                    [raw[: rng.randrange(len(raw))], rng.randbytes(60), b"", raw.replace(b"\r\n", b"\n", 2)]
                ),
                True,
            )
        if rng.random() < 0.01:
            raw += raw[rng.randrange(len(raw) + 1) :]  # what nobody asked for
        return raw, close


class _Connection(asyncio.Protocol):
    """One connection: takes requests in, and hands out what is drawn."""

    def __init__(self, server: FuzzServer) -> None:
        self._server = server
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, target = head.split(b" ", 2)[:2]
        answer, close = self._server.answer(method.decode(), target.partition(b"?")[0].decode())
        self._transport.write(answer)
        if close:
            self._transport.close()


class FuzzServer:
    """Serves drawn answers.

    Args:
        is_prompt: As for ``Fuzz``.

    Attributes:
        count: How many answers were given.
        recent: The last of them.
    """

    def __init__(self, *, is_prompt: bool = False) -> None:
        self._is_prompt = is_prompt
        self.count = 0
        self.recent: list[bytes] = []
        self.transports: set[Any] = set()
        self.fuzz = Fuzz(random.Random(0), is_prompt=is_prompt)
        self.port = 0

    def seed(self, seed: int) -> None:
        """Begin anew: what follows depends on the seed and on what is asked."""
        self.fuzz = Fuzz(random.Random(seed), is_prompt=self._is_prompt)
        self.recent.clear()

    def answer(self, method: str, path: str) -> tuple[bytes, bool]:
        """Draw the next answer."""
        self.count += 1
        answer, close = self.fuzz.answer(method, path)
        self.recent = [*self.recent[-3:], answer]
        return answer, close

    @property
    def base_url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/v1"

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for transport in list(self.transports):
                transport.abort()
            await server.wait_closed()
