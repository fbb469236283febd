"""One page: what it holds, how it is asked for, and where its links lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import attrs
import yarl

from timezest_async.budget import Reservation
from timezest_async.errors import UnexpectedResponseError
from timezest_async.pagination.checkpoints import is_json_array, is_json_object
from timezest_async.pagination.gaps import Gap
from timezest_async.pagination.links import follow
from timezest_async.pagination.queries import Query
from timezest_async.serialization.converter import Listing, ListStructurer, UnreadableRecord
from timezest_async.transport import Exchange, Transport

T = TypeVar("T")

PAGE_SIZE: Final = 20
"""Records a page, fixed by the service; never relied upon to find the end."""


@attrs.frozen
class Page(Generic[T]):
    """Some records in a row, as the service sent them: newest first.

    Attributes:
        data: The records.
        next_page: The service's link to older records, or None at the end (and where the records come
            from several queries, which have no single link).
        previous_page: The service's link to newer records, or None.
    """

    data: tuple[T, ...]
    next_page: str | None = None
    previous_page: str | None = None

    def __repr__(self) -> str:
        # A traceback with locals is to show neither customers' data nor what a link carries.
        ends = [name for name in ("next_page", "previous_page") if getattr(self, name) is None]
        return f"<Page of {len(self.data)} records{''.join(f', no {name}' for name in ends)}>"


@attrs.frozen
class Fetched(Generic[T]):
    """A page that has arrived: its links are known, its records still to be made.

    Making them takes the time of many a request, so that the next page is better asked for first.

    Attributes:
        next_page: As in ``Page``.
        previous_page: As in ``Page``.
        count: How many records there are.
        misfits: What to raise where a link is needed that is not text, by its name.
    """

    next_page: str | None = attrs.field(repr=False)
    previous_page: str | None = attrs.field(repr=False)
    count: int
    _make: Callable[[], Sequence[T]] = attrs.field(repr=False, alias="make")
    misfits: Mapping[str, UnexpectedResponseError] = attrs.field(factory=dict[str, UnexpectedResponseError])

    def page(self) -> Page[T]:
        """Make the page, with a gap in the place of each record that cannot be read."""
        return Page(tuple(self._make()), self.next_page, self.previous_page)


class PageReader(Generic[T]):
    """Ask for pages of one list and read them.

    Args:
        transport: Makes the exchanges.
        path: The list, such as ``"/scheduling_requests"``.
        structurer: Makes the records of a page.
        is_sorted: Whether the list is known to be sorted by ``created_at``, newest first.
        deadline: Seconds for each page altogether; None for the transport's.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        structurer: ListStructurer[T],
        *,
        is_sorted: bool = True,
        deadline: float | None = None,
    ) -> None:
        self.is_sorted = is_sorted
        self._transport = transport
        self._path = path
        self._structurer = structurer
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

    async def fetch(self, url: yarl.URL, slot: Reservation | None = None) -> Fetched[T]:
        """Get a page.

        Args:
            url: Of this service, sent as it is.
            slot: A reserved place in the request budget.

        Raises:
            UnexpectedResponseError: The answer is not the documented envelope.
            TimeZestError: The exchange failed.
        """
        exchange = await self._transport.get(
            url, route=self._path, slot=slot, decode=self._structurer.decode, deadline=self._deadline
        )
        envelope = exchange.payload
        if isinstance(envelope, Listing):
            listing = cast("Listing[T]", envelope)
            return Fetched(
                _trim(listing.next_page), _trim(listing.previous_page), len(listing), lambda: listing.data
            )
        if not is_json_object(envelope):
            raise exchange.unexpected("expected a list object")
        data = envelope.get("data")
        if not is_json_array(data):
            raise exchange.unexpected("expected a list object whose `data` is an array")

        def make() -> Sequence[Any]:
            items: Sequence[Any] = self._structurer.structure_each(data, "$.data")
            return [_gap(exchange, item) if type(item) is UnreadableRecord else item for item in items]

        links = {name: envelope.get(name) for name in ("next_page", "previous_page")}
        misfits = {
            name: exchange.unexpected(f"expected `{name}` to be text or null")
            for name, link in links.items()
            if not isinstance(link, str | None)
        }
        usable = {name: None if name in misfits else _trim(link) for name, link in links.items()}
        return Fetched[T](usable["next_page"], usable["previous_page"], len(data), make, misfits)

    def follow(self, link: str, page_url: yarl.URL) -> yarl.URL:
        """Tell what to ask for where a page's link leads; see ``links``.

        Args:
            link: ``next_page`` or ``previous_page``.
            page_url: The page that carried it.

        Raises:
            PaginationError: It leads to another origin, or is no link.
        """
        return follow(link, page_url, self._list_url, self._transport.blot)


def _gap(exchange: Exchange, record: UnreadableRecord) -> Gap:
    return Gap.of(
        attrs.evolve(record, reason=exchange.blot(record.reason)), exchange.unexpected(record.reason)
    )


def _trim(link: str | None) -> str | None:
    return (link or "").strip() or None
