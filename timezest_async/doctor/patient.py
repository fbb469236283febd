"""The service as the checks ask it: one request at a time, never anything but a GET."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import attrs

from timezest_async.errors import APIStatusError, RateLimitedError, TimeZestError
from timezest_async.transport import Exchange, Transport

Json: TypeAlias = Mapping[str, Any]

LIST = "/scheduling_requests"
PREFIX = "scheduling_request."


class CannotTellError(Exception):
    """A check cannot be decided; the text says why, and holds nothing of any record."""


@attrs.frozen
class Answer:
    """What the service answered.

    Attributes:
        status: The HTTP status.
        content: The JSON of a good answer; else None.
    """

    status: int
    content: Any = None

    @property
    def records(self) -> Sequence[Json]:
        """The records of a page; none where it is no page."""
        data = self._member("data")
        found = cast("list[object]", data) if isinstance(data, list) else []
        return [cast("Json", one) for one in found if isinstance(one, dict)]

    @property
    def next_page(self) -> str | None:
        """The page's link to the next one; None for none."""
        link = self._member("next_page")
        return link if isinstance(link, str) and link else None

    def _member(self, name: str) -> object:
        content = cast("object", self.content)
        return cast("Json", content).get(name) if isinstance(content, dict) else None

    @property
    def is_refused(self) -> bool:
        """Whether it was refused, as what cannot be understood or found is.

        Raises:
            CannotTellError: It was neither refused nor answered.
        """
        if self.status in {400, 404, 405, 410, 413, 414, 422, 431}:
            return True
        if 200 <= self.status < 300:
            return False
        raise CannotTellError(f"the service answered {self.status}")


class Patient:
    """A service under examination.

    Args:
        transport: How it is asked; one that sends nothing twice.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.requests = 0
        self.first = Answer(0)
        self._finds_by_second: bool | None = None
        self._is_limited = False

    async def greet(self) -> None:
        """Read the newest page, which most checks look at.

        Raises:
            TimeZestError: The service cannot be read at all.
        """
        self.requests += 1
        exchange: Exchange[Any] = await self._transport.get(LIST, route=LIST)
        self.first = Answer(200, exchange.payload)

    async def ask(self, path: str = LIST, *, route: str = LIST, **parameters: str) -> Answer:
        """Ask once.

        Args:
            path: What for.
            route: The path's template.
            parameters: Of the query.

        Raises:
            CannotTellError: No answer came, or it cannot be read.
        """
        if self._is_limited:
            raise CannotTellError("the account's request budget is used up")
        self.requests += 1
        try:
            exchange: Exchange[Any] = await self._transport.get(path, route=route, params=parameters)
        except APIStatusError as error:
            self._is_limited = isinstance(error, RateLimitedError)  # to go on would be to wait a minute each
            return Answer(error.status)
        except TimeZestError as error:
            raise CannotTellError(f"the request failed: {type(error).__name__}") from None
        return Answer(200, exchange.payload)

    async def finds(self, record: Json, filter: str) -> bool | None:
        """Return whether a filter finds a record; None where the filter is refused.

        Args:
            record: One of the first page.
            filter: TQL, as it is sent.

        Raises:
            CannotTellError: The service neither answers nor refuses, or cannot be asked for one record.
        """
        second = _second(record)
        if self._finds_by_second is None:
            # Otherwise all that is not found would be the filter's doing.
            self._finds_by_second = _is_among(record, await self.ask(filter=second))
        if not self._finds_by_second:
            raise CannotTellError("no record is found by the second of its creation")
        answer = await self.ask(filter=f"{second}~AND~{filter}")
        return None if answer.is_refused else _is_among(record, answer)

    def texts(self, field: str) -> Iterator[tuple[Json, str]]:
        """Give the records of the first page that have a text in a field, and it."""
        for record in self.first.records:
            text = record.get(field)
            if isinstance(text, str) and text:
                yield record, text

    def entries(self, *fields: str) -> Iterator[tuple[Json, Json]]:
        """Give the records of the first page with each of the objects in their arrays."""
        for record in self.first.records:
            for field in fields:
                entries: Any = record.get(field)
                for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
                    if isinstance(entry, dict):
                        yield record, cast("Json", entry)


def _second(record: Json) -> str:
    created = record.get("created_at")
    if type(created) is not int:
        raise CannotTellError("times are not in epoch seconds")
    return f"{PREFIX}created_at~GTE~{created}~AND~{PREFIX}created_at~LT~{created + 1}"


def _is_among(record: Json, answer: Answer) -> bool:
    found = any(one.get("id") == record.get("id") for one in answer.records)
    if not found and answer.next_page is not None:
        raise CannotTellError("more records than a page holds have the same second")
    return found
