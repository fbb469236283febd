"""A list service without HTTP: it cuts records into pages, and stands where the transport does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

import yarl

from timezest_async import tql
from timezest_async.budget import RateLimiter, Reservation
from timezest_async.endpoints import SchedulingRequestsEndpoint
from timezest_async.errors import BadRequestError, TimeZestError
from timezest_async.models import SchedulingRequest
from timezest_async.serialization.converter import make_converter, structure
from timezest_async.serialization.readers import UnreadableRecord
from timezest_async.transport import Exchange

CONVERTER = make_converter()


def record(number: int, created_at: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"sreq_{number}",
        "status": "new",
        "created_at": created_at,
        "associated_entities": [],
        "resources": [],
        "scheduled_agents": [],
        **fields,
    }


def evaluator(records: Sequence[dict[str, Any]]) -> Callable[[str, dict[str, Any]], bool]:
    """Return whether a record, one of these, answers a query; each query is evaluated once."""
    structured = [structure(one, SchedulingRequest) for one in records]

    @cache
    def answer(query: str) -> set[str]:
        wanted = tql.parse(query)
        return {one.id for one in structured if wanted.matches(one)}

    return lambda query, one: not query or one["id"] in answer(query)


class Service:
    """Answers list requests over records given newest first.

    Args:
        records: In the service's order.
        accepts: Whether a record answers a query's text.
        page_size: Gives the number of records of each page in turn; 0 is an empty page.
        links: Writes a link (an absolute URL), or the lack of one (None), as the service might.
    """

    def __init__(
        self,
        records: Sequence[dict[str, Any]],
        *,
        accepts: Callable[[str, dict[str, Any]], bool] = lambda _query, _record: True,
        page_size: Callable[[], int] = lambda: 20,
        links: Callable[[str | None], Any] = lambda link: link,
    ) -> None:
        self.records = list(records)
        self.accepts = accepts
        self.page_size = page_size
        self.links = links
        self.base_url = yarl.URL("https://service.test/v1")
        self.account = "an account"
        self.limiter = RateLimiter(1_000_000, 1.0)
        self.turns = lambda: 1
        self.asked: list[yarl.URL] = []
        self.failures: dict[int, TimeZestError] = {}
        self.unreadable: list[UnreadableRecord] = []
        self._counter = count()

    async def get(
        self,
        url: yarl.URL,
        *,
        route: str,
        slot: Reservation | None = None,
        decode: Any,
        deadline: float | None = None,
        report: object = None,
    ) -> Exchange[Any]:
        if slot is not None and (taken := slot.take()) is not None:
            taken.answered()
        number = len(self.asked)
        self.asked.append(url)
        for _ in range(self.turns()):
            await asyncio.sleep(0)
        if number in self.failures:
            raise self.failures[number]
        payload = decode(json.dumps(self.answer(url)).encode())
        return Exchange(
            status=200,
            payload=payload,
            url=url,
            retries_taken=0,
            seconds=0,
            waited=0,
            sent_at=datetime.now(UTC),
        )

    def redact(self, text: str) -> str:
        return text

    def report(self, _operation: str, _route: str) -> None:
        """Let nobody hear of it."""

    def emit_unreadable(self, record: UnreadableRecord) -> None:
        self.unreadable.append(record)

    async def reserve(self, _deadline: float | None = None) -> Reservation:
        return Reservation(await self.limiter.acquire(), 0.0, 0.0)

    def answer(self, url: yarl.URL) -> dict[str, Any]:
        query = url.query.get("filter", "")
        ids = [one["id"] for one in self.records]
        cursors = {text for name, text in url.query.items() if name in {"starting_after", "ending_before"}}
        if not cursors <= {*ids}:
            raise BadRequestError("no such record", status=400, request_method="GET", request_path="/x")
        chosen = [(i, one) for i, one in enumerate(self.records) if self.accepts(query, one)]
        size = self.page_size()
        if "ending_before" in url.query:
            place = ids.index(url.query["ending_before"])
            found = [(i, one) for i, one in chosen if i < place]
            page = found[max(0, len(found) - size) :] if size else []
            more = len(found) > size
            # An empty page in the middle leads on from where it was asked.
            edge = page[0][1]["id"] if page else url.query["ending_before"]
            return self._envelope(
                page, older=None, newer=self._link(url, "ending_before", edge) if more else None
            )
        place = ids.index(url.query["starting_after"]) if "starting_after" in url.query else -1
        found = [(i, one) for i, one in chosen if i > place]
        page, more = found[:size], len(found) > size
        edge = page[-1][1]["id"] if page else url.query.get("starting_after")
        older = self._link(url, "starting_after", edge) if more else None
        return self._envelope(page, older=older, newer=None)

    def _link(self, url: yarl.URL, cursor: str, edge: str | None) -> str:
        link = url.update_query({cursor: edge}) if edge else url
        # An empty page's successor must not look like itself: the service's cursor differs each time.
        return str(link.update_query({"page": next(self._counter)})).replace("~", "%7E")

    def _envelope(
        self, page: Sequence[tuple[int, dict[str, Any]]], *, older: str | None, newer: str | None
    ) -> dict[str, Any]:
        envelope = {
            "object": "list",
            "next_page": self.links(older),
            "previous_page": self.links(newer),
            "data": [one for _, one in page],
        }
        return {name: value for name, value in envelope.items() if value is not ...}

    def list(self, *args: Any, **kwargs: Any) -> Any:
        return SchedulingRequestsEndpoint(self, CONVERTER).list(*args, **kwargs)  # type: ignore[arg-type]
