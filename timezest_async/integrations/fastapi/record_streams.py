"""Lists as answers: JSON lines and CSV, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from timezest_async.export.formats.selection import Format
from timezest_async.export.functions import make_text_encoder
from timezest_async.integrations.fastapi.callers import until_gone
from timezest_async.pagination import Paginator

_MEDIA_TYPES: Final[Mapping[Format, str]] = {
    Format.JSONL: "application/x-ndjson",
    Format.CSV: "text/csv; header=present",
}
_BROKEN_OFF: Final[Mapping[Format, bytes]] = {
    Format.JSONL: b'{"broken off": "an error kept the rest from being read',
    Format.CSV: b'"broken off: an error kept the rest from being read',
}
"""What no reader of the format takes for its end."""


class RecordStream(StreamingResponse):
    """An answer that is read from the service while it is sent. Made by ``stream_jsonl`` and ``stream_csv``.

    The first page is read before the headers are sent, so that what is wrong is answered as such. An error
    after that breaks the connection off; and for those who are told of no such thing, through several
    ``BaseHTTPMiddleware``, the text ends in what cannot be read. Reading stops when the caller goes.

    Args:
        paginator: The list.
        format: JSON lines or CSV.
        fields: Columns, or top-level keys; None for all.
        raw_csv: Leave cells as they are that a spreadsheet would run as a formula.
        filename: Under which a browser is to save it; None for showing it.

    Raises:
        ConfigurationError: A field is none of the list's.
    """

    def __init__(
        self,
        paginator: Paginator[Any],
        format: Format,
        fields: Sequence[str] | None = None,
        *,
        raw_csv: bool = False,
        filename: str | None = None,
    ) -> None:
        self._start = paginator.start
        self._head, self._encode = make_text_encoder(self._start, format, fields, raw_csv=raw_csv)
        self._pages = paginator.starting_at(self._start, paginator.limit).pages()
        self._first: Any = None
        self._broken_off = _BROKEN_OFF[format]
        headers = {"Cache-Control": "no-store"}
        if filename is not None:
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        super().__init__(self._body(), media_type=_MEDIA_TYPES[format], headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the first page, then answer."""
        async with aclosing(self._pages):
            async with until_gone(receive):
                self._first = await anext(self._pages, None)
            try:
                await super().__call__(scope, receive, send)
            except Exception:
                # Starlette's BaseHTTPMiddleware would end the body as if it were whole, and raise then. ASGI
                # has no word for a body that is broken off; one that it does not know breaks it off.
                with suppress(Exception):
                    await send({"type": "http.response.broken_off"})
                raise

    async def _body(self) -> AsyncGenerator[bytes]:
        first, self._first = self._first, None
        yield self._head + (b"" if first is None else self._text(first))
        if first is None:
            return
        del first
        try:
            async for page in self._pages:
                yield self._text(page)
        except Exception:
            yield self._broken_off
            raise

    def _text(self, page: Any) -> bytes:
        return self._encode(page.data[::-1] if self._start.backwards else page.data)


def stream_jsonl(
    paginator: Paginator[Any], *, fields: Sequence[str] | None = None, filename: str | None = None
) -> RecordStream:
    """Answer with a list as JSON lines, in the service's own shape.

    ::

        @app.get("/requests")
        async def requests(client: timezest.Client, filter: str | None = None) -> Response:
            return timezest.stream_jsonl(client.scheduling_requests.list(filter))

    Args:
        paginator: The list.
        fields: Which top-level keys; None for all.
        filename: Under which a browser is to save it.

    Raises:
        ConfigurationError: A field is none of the list's.
    """
    return RecordStream(paginator, Format.JSONL, fields, filename=filename)


def stream_csv(
    paginator: Paginator[Any],
    *,
    fields: Sequence[str] | None = None,
    raw: bool = False,
    filename: str | None = None,
) -> RecordStream:
    """Answer with a list as CSV, with the columns of exports (see ``docs/export.md``).

    Args:
        paginator: The list.
        fields: Which columns; None for all.
        raw: Leave cells as they are that a spreadsheet would run as a formula.
        filename: Under which a browser is to save it.

    Raises:
        ConfigurationError: A field is none of the list's.
    """
    return RecordStream(paginator, Format.CSV, fields, raw_csv=raw, filename=filename)
