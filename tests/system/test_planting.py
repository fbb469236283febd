"""The key, planted in every position of an answer and in every spelling, shows in nothing that it leaves."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.secret_search import MARKER, watching_logs
from tests.servers.scripted import listening
from tests.spellings import SPELLINGS, AnySpelling
from tests.support import FULL
from timezest_async import F, RateLimiter, TimeZestClient, TimeZestError, export
from timezest_async.transport.hooks import EVENTS

Answer = tuple[int, dict[str, str], bytes]


def answer(status: int = 200, body: Any = b"", **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, {name.replace("_", "-"): text for name, text in headers.items()}, data


def written(body: str, spelt: str) -> bytes:
    """Write JSON whose texts are spelt by the spelling itself, escapes included, where that is JSON."""
    data = body.replace("KEY", spelt)
    try:
        json.loads(data)
    except ValueError:
        data = body.replace("KEY", json.dumps(spelt)[1:-1])
    return data.encode()


RECORD = '{"id": "sreq_1", "status": "new", "created_at": 1, "associated_entities": []'
POSITIONS: dict[str, Callable[[str], Answer]] = {
    "content type": lambda spelt: answer(200, b"<html>", Content_Type=f"text/html; key={spelt}"),
    "location's host": lambda spelt: answer(302, Location=f"https://{spelt}.example/"),
    "location's user": lambda spelt: answer(302, Location=f"https://{spelt}@a.example/"),
    "location's path": lambda spelt: answer(302, Location=f"/{spelt}"),
    "location that is none": lambda spelt: answer(302, Location=f"//[{spelt}"),
    "other headers": lambda spelt: answer(
        401, Retry_After=spelt, Date=spelt, Set_Cookie=f"k={spelt}", WWW_Authenticate=spelt, X_Echo=spelt
    ),
    "headers of a good answer": lambda spelt: answer(200, b"[]", X_Echo=spelt, Link=f"<{spelt}>"),
    "error": lambda spelt: answer(400, written('{"error": "Bearer KEY is bad"}', spelt)),
    "message": lambda spelt: answer(
        422, written('{"message": {"detail": "KEY"}, "errors": {"KEY": ["KEY"]}}', spelt)
    ),
    "errors": lambda spelt: answer(422, written('{"errors": [["KEY", {"a": "xKEYx"}]]}', spelt)),
    "long error": lambda spelt: answer(500, written(json.dumps({"error": "x" * 480 + "KEY" * 50}), spelt)),
    "HTML's title": lambda spelt: answer(503, f"<title>{spelt}</title>".encode()),
    "HTML": lambda spelt: answer(500, f"<p>{'x' * 490}{spelt}</p><b>{spelt}</b>".encode()),
    "text": lambda spelt: answer(403, f"{'y ' * 9_990}{spelt}{spelt}".encode()),
    "text for JSON": lambda spelt: answer(200, f"{'z' * 490}{spelt}".encode()),
    "a bare text": lambda spelt: answer(200, written('"KEY"', spelt)),
    "a name": lambda spelt: answer(200, written('{"KEY": {"KEY": ["KEY"]}}', spelt)),
    "data": lambda spelt: answer(200, written('{"data": "KEY", "next_page": "KEY"}', spelt)),
    "a link elsewhere": lambda spelt: answer(
        200, written('{"data": [' + RECORD + '}], "next_page": "https://KEY.example/KEY?KEY=KEY"}', spelt)
    ),
    "a link's user": lambda spelt: answer(
        200, written('{"data": [' + RECORD + '}], "next_page": "https://KEY@a.example/"}', spelt)
    ),
    "a link that is none": lambda spelt: answer(
        200, written('{"data": [' + RECORD + '}], "next_page": "//\\n[KEY", "previous_page": "KEY"}', spelt)
    ),
    "a link that loops": lambda spelt: answer(
        200, written('{"data": [' + RECORD + ', "x": "KEY"}], "next_page": "?a=KEY"}', spelt)
    ),
    "a link that is no text": lambda spelt: answer(200, written('{"data": [], "next_page": ["KEY"]}', spelt)),
    "a record's wrong type": lambda spelt: answer(
        200, written('{"data": [' + RECORD + ', "end_user_name": ["KEY"], "KEY": "KEY"}]}', spelt)
    ),
    "a wrong record beside": lambda spelt: answer(
        200,
        written(
            '{"data": [' + RECORD + ', "end_user_name": "KEY", "KEY": 1}, {"id": {"KEY": "KEY"}}]}', spelt
        ),
    ),
    "a wrong entity": lambda spelt: answer(
        200,
        written('{"id": "sreq_1", "status": "KEY", "created_at": 1, "associated_entities": ["KEY"]}', spelt),
    ),
}


async def create(client: TimeZestClient) -> Any:
    return await client.scheduling_requests.create(
        appointment_type_id="apty_a",
        trigger_mode="pod",
        resource_ids=["agnt_sam"],
        end_user_name="Kim",
        end_user_email="kim@example.com",
    )


async def read(client: TimeZestClient, **how: Any) -> None:
    async for record in client.scheduling_requests.list(**how):
        del record


CALLS: dict[str, Callable[[TimeZestClient], Awaitable[Any]]] = {
    "get": lambda client: client.scheduling_requests.get("sreq_1"),
    "create": create,
    "list": read,
    "list to the end": lambda client: client.scheduling_requests.list().to_list(),
    "list skipping": lambda client: read(client, on_unreadable="skip"),
    "list by several readers": lambda client: read(client, concurrency=3),
    "list with OR": lambda client: read(client, filter=(F.status == "new") | F.end_user_email.like("x")),
    "pages": lambda client: anext(client.scheduling_requests.list().pages()),
    "first": lambda client: client.agents.list().first(),
    "directory": lambda client: client.agents.get("agnt_nobody"),
}


class Listener:
    include_query = True

    def __init__(self, search: AnySpelling) -> None:
        for event in EVENTS:
            setattr(self, event, lambda moment: search.look("hook", repr(moment)))

    on_request: Any
    on_response: Any
    on_retry: Any
    on_wait: Any
    on_unreadable: Any = None


def _combinations() -> Iterator[tuple[str, str, str]]:
    """Return all of them, or every 67th (a prime: so all positions, spellings and calls occur)."""
    numbers = count()
    for position in POSITIONS:
        for spelling in SPELLINGS:
            for call in CALLS:
                if FULL or next(numbers) % 67 == 0:
                    yield position, spelling, call


def test_the_key_planted_anywhere_shows_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    search = AnySpelling(MARKER)
    said: Answer = answer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            status, headers, body = said
            lines = [f"HTTP/1.1 {status} {headers.get('X-Echo', 'OK')}", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {text}" for name, text in headers.items()]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def main() -> None:
        nonlocal said
        limiter = RateLimiter(10_000_000, 1.0)
        async with (
            listening(serve) as port,
            TimeZestClient(
                MARKER,
                f"http://127.0.0.1:{port}",
                max_attempts=1,
                rate_limiter=limiter,
                hooks=Listener(search),
            ) as client,
        ):
            for position, spelling, call in _combinations():
                said = POSITIONS[position](SPELLINGS[spelling](MARKER))
                before = len(search.found)
                try:
                    await asyncio.wait_for(CALLS[call](client), 20)
                except TimeZestError as error:
                    search.error(error)
                search.found[before:] = [
                    f"{position}, {spelling}, {call}: {one}" for one in search.found[before:]
                ]

    with watching_logs(search):
        asyncio.run(main())
    for stream in capfd.readouterr():
        search.look("what was printed", stream)
    assert search.looked > 1_000
    search.check()


READINGS: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "to_list": lambda paginator, _: paginator.to_list(),
    "first": lambda paginator, _: paginator.starting_at(paginator.start, 30).to_list(),
    "jsonl": lambda paginator, folder: export.to_jsonl(paginator, folder / "a.jsonl"),
    "sqlite": lambda paginator, folder: export.to_sqlite(paginator, folder / "a.sqlite"),
    "parquet": lambda paginator, folder: export.to_parquet(paginator, folder / "a.parquet"),
    "table": lambda paginator, _: export.to_table(paginator),
    "stream": lambda paginator, _: export.to_stream(paginator, io.BytesIO()),
    "batches": lambda paginator, _: _drain(paginator.batches(7)),
    "pages": lambda paginator, _: _drain(paginator.pages()),
}


async def _drain(iteration: Any) -> None:
    while True:
        await anext(iteration)


def _good_page() -> bytes:
    return json.dumps(
        {
            "data": [
                {
                    "id": f"sreq_{n}",
                    "status": "new",
                    "created_at": 100 - n,
                    "end_user_name": MARKER,
                    "x": MARKER,
                }
                for n in range(20)
            ],
            "next_page": f"?starting_after=sreq_19&x={MARKER}",
        }
    ).encode()


@pytest.mark.parametrize("reading", READINGS)
def test_good_pages_do_not_show_in_the_error_of_a_later_one(reading: str, tmp_path: Path) -> None:
    search = AnySpelling(MARKER)
    shapes = (
        {"data": MARKER},
        {"data": [], "next_page": f"https://a.example/{MARKER}"},
        {"data": [{"id": MARKER}]},
    )

    async def main(second: tuple[int, bytes]) -> None:
        asked = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            while True:
                await reader.readuntil(b"\r\n\r\n")
                asked += 1
                status, body = (200, _good_page()) if asked == 1 else second
                writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

        async with (
            listening(serve) as port,
            TimeZestClient(MARKER, f"http://127.0.0.1:{port}", max_attempts=1) as client,
        ):
            with pytest.raises(TimeZestError) as caught:
                await READINGS[reading](client.scheduling_requests.list(), tmp_path)
            search.error(caught.value)

    for number, second in enumerate(
        [(500, MARKER.encode()), *((200, json.dumps(one).encode()) for one in shapes)]
    ):
        tmp_path = tmp_path / str(number)
        tmp_path.mkdir()
        asyncio.run(main(second))
    search.check()
