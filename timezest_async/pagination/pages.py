"""Pages: how they are asked for, and where their links lead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import attrs
import yarl

from timezest_async.budget import Reservation
from timezest_async.pagination.gaps import Gap
from timezest_async.pagination.links import follow
from timezest_async.pagination.queries import Query
from timezest_async.serialization.decoding import Lazy, Page, PageDecoder
from timezest_async.serialization.readers import StructureError, UnreadableRecord
from timezest_async.transport import Exchange, Transport

T = TypeVar("T")

PAGE_SIZE: Final = 20
"""Records a page, fixed by the service; never relied upon to find the end."""


class PageReader(Generic[T]):
    """Ask for pages of one list and read them.

    Args:
        transport: Makes the exchanges.
        path: The list, such as ``"/scheduling_requests"``.
        decoder: Makes the pages.
        is_sorted: Whether the list is known to be sorted by ``created_at``, newest first.
        deadline: Seconds for each page altogether; None for the transport's.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        decoder: PageDecoder[T],
        *,
        is_sorted: bool = True,
        deadline: float | None = None,
    ) -> None:
        self.is_sorted = is_sorted
        self._transport = transport
        self._path = path
        self._decoder = decoder
        self._deadline = deadline
        self._list_url = transport.base_url.joinpath(path.removeprefix("/"))

    def first_url(self, query: Query, after: str | None = None, *, backwards: bool = False) -> yarl.URL:
        """Return the URL of a query's first page, or of the one after the record of an id."""
        cursor = {} if after is None else {"ending_before" if backwards else "starting_after": after}
        return self._list_url.with_query(({"filter": query.text} if query.text else {}) | cursor)

    @property
    def slots_left(self) -> int:
        """How many requests the budget would let through at this moment."""
        return self._transport.limiter.available

    @property
    def slot_seconds(self) -> float:
        """Seconds in which the budget renews one request."""
        return self._transport.limiter.period / self._transport.limiter.max_requests

    def tell_unreadable(self, record: UnreadableRecord) -> None:
        """Tell the hooks of a record that cannot be read."""
        self._transport.tell_unreadable(record)

    async def reserve(self) -> Reservation:
        """Wait for a place in the request budget, to decide then what to ask."""
        return await self._transport.reserve(self._deadline)

    async def fetch(self, url: yarl.URL, slot: Reservation | None = None) -> Page[T]:
        """Get a page, with a gap in the place of each record that cannot be read.

        Args:
            url: Of this service, sent as it is.
            slot: A reserved place in the request budget.

        Raises:
            UnexpectedResponseError: The answer is not the documented envelope.
            TimeZestError: The exchange failed.
        """
        exchange = await self._transport.get(
            url, route=self._path, slot=slot, decode=self._decoder.decode, deadline=self._deadline
        )
        page = exchange.payload
        if isinstance(page, StructureError):
            raise exchange.unexpected(page.reason)
        return Page(
            Lazy(lambda: _with_gaps(exchange, page)),
            page.next_page,
            page.previous_page,
            count=page.count,
            invalid_links={
                name: exchange.unexpected(str(error)) for name, error in page.invalid_links.items()
            },
        )

    def follow(self, link: str, page_url: yarl.URL) -> yarl.URL:
        """Tell what to ask for where a page's link leads; see ``links``.

        Args:
            link: ``next_page`` or ``previous_page``.
            page_url: The page that carried it.

        Raises:
            PaginationError: It leads to another origin, or is no link.
        """
        return follow(link, page_url, self._list_url, self._transport.blot)


def _with_gaps(exchange: Exchange[Any], page: Page[Any]) -> Iterator[Any]:
    for record in page.data:
        if type(record) is UnreadableRecord:
            shown = attrs.evolve(record, reason=exchange.blot(record.reason))
            yield Gap.of(shown, exchange.unexpected(record.reason))
        else:
            yield record
