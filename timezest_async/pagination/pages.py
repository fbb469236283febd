"""Pages: how they are asked for, and where their links lead: along our own query, or nowhere.

Of a link only its query is taken, and put on the list's own URL: so a gateway's path prefix that the service
does not know of is kept, and the API key goes nowhere else. The filter in it is ours, or is made to be.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, quote_plus, unquote_plus

import attrs
import yarl

from timezest_async.budget import Reservation
from timezest_async.errors import PaginationError
from timezest_async.pagination.queries import Query
from timezest_async.pagination.spread_memory import SpreadMemory
from timezest_async.pagination.unreadable import Placeholder
from timezest_async.serialization.decoding import Lazy, Page, PageDecoder
from timezest_async.serialization.readers import StructureError, UnreadableRecord
from timezest_async.transport import DEFAULT_BASE_URL, CallReport, Exchange, Transport

T = TypeVar("T")

PAGE_SIZE: Final = 20
"""Records a page, fixed by the service; never relied upon to find the end."""
_UNSENDABLE: Final = re.compile(r"[^\x21-\x7e]")
_NOT_BARE: Final = re.compile(r"[^?#=&]*[:/?]|[^=]*\Z")
_PARTS: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?[^?#]*(?:\?(?P<query>[^#]*))?",
)
"""RFC 3986, appendix B."""
_SHOWN: Final = 200
_LONGEST: Final = 1 << 16


class PageReader(Generic[T]):
    """Ask for pages of one list and read them.

    Args:
        transport: Makes the exchanges.
        path: The list, such as ``"/scheduling_requests"``.
        decoder: Makes the pages.
        is_sorted: Whether the list is known to be sorted by ``created_at``, newest first.
        deadline: Seconds for each page altogether; None for the transport's.
        spreads: What is known of how the records are spread over time.

    Attributes:
        spreads: The same, to learn more.
        report: Tells the hooks of the reading that it is used for, if anybody hears of it.
    """

    report: CallReport | None = None

    def __init__(
        self,
        transport: Transport,
        path: str,
        decoder: PageDecoder[T],
        *,
        is_sorted: bool = True,
        deadline: float | None = None,
        spreads: SpreadMemory | None = None,
    ) -> None:
        self.is_sorted = is_sorted
        self.spreads: Final = SpreadMemory() if spreads is None else spreads
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

    def emit_unreadable(self, record: UnreadableRecord) -> None:
        """Let the hooks know of a record that cannot be read."""
        self._transport.emit_unreadable(record)

    def reporting(self) -> PageReader[T]:
        """Return a reader of the same for one reading of the list, which the hooks hear of."""
        report = self._transport.report("list", self._path)
        if report is None:
            return self
        reader = copy.copy(self)
        reader.report = report
        return reader

    async def reserve(self) -> Reservation:
        """Wait for a place in the request budget, to decide then what to ask."""
        return await self._transport.reserve(self._deadline)

    async def fetch(self, url: yarl.URL, slot: Reservation | None = None) -> Page[T]:
        """Get a page, with a placeholder in the place of each record that cannot be read.

        Args:
            url: Of this service, sent as it is.
            slot: A reserved place in the request budget.

        Raises:
            UnexpectedResponseError: The answer is not the documented envelope.
            TimeZestError: The exchange failed.
        """
        exchange = await self._transport.get(
            url,
            route=self._path,
            slot=slot,
            decode=self._decoder.decode,
            deadline=self._deadline,
            report=self.report,
        )
        page = exchange.payload
        if isinstance(page, StructureError):
            raise exchange.unexpected(page.reason)
        if self.report is not None:
            self.report.pages += 1
            self.report.records += page.count
        return Page(
            Lazy(lambda: _with_placeholders(exchange, page)),
            page.next_page,
            page.previous_page,
            count=page.count,
            invalid_links={
                name: exchange.unexpected(str(error)) for name, error in page.invalid_links.items()
            },
        )

    def follow(self, link: str, page_url: yarl.URL) -> yarl.URL:
        """Return what to ask for where a page's link leads; see ``follow_link``.

        Args:
            link: ``next_page`` or ``previous_page``.
            page_url: The page that carried it.

        Raises:
            PaginationError: It leads to another origin, or is not a link.
        """
        return follow_link(link, page_url, self._list_url, self._transport.redact)


def _with_placeholders(exchange: Exchange[Any], page: Page[Any]) -> Iterator[Any]:
    for record in page.data:
        if type(record) is UnreadableRecord:
            shown = attrs.evolve(record, reason=exchange.redact(record.reason))
            yield Placeholder.of(shown, exchange.unexpected(record.reason))
        else:
            yield record


def follow_link(link: str, page_url: yarl.URL, list_url: yarl.URL, redact: Callable[[str], str]) -> yarl.URL:
    """Return what to ask for where a page's link leads.

    The link may be absolute, relative to a scheme (``//host/…``), a host or a page, or a bare ``a=b``. Its
    query is kept as it is, except that a filter other than the page's is replaced by it.

    Args:
        link: ``next_page`` or ``previous_page``.
        page_url: The page that carried it.
        list_url: The list, without a query.
        redact: Redacts the API key in what is shown.

    Raises:
        PaginationError: It leads to another origin, where the API key must not go, or is not a link.
    """
    if len(link) > _LONGEST:
        raise PaginationError(f"the page's link has {len(link)} characters: no server takes such a URL")
    parts = _PARTS.match(link) if _NOT_BARE.match(link) else None
    query = link.partition("#")[0] if parts is None else parts["query"] or ""
    if parts is not None and (parts["scheme"] is not None or parts["authority"] is not None):
        url = _parse(f"{parts['scheme'] or list_url.scheme}://{parts['authority'] or ''}")
        if url is None:
            raise PaginationError(f"the page's link {redact(link)[:_SHOWN]!r} is not a URL to follow")
        if _origin(url) not in {_origin(list_url), _UPSTREAM}:
            raise PaginationError(
                f"the page's link leads to {redact(str(url))[:_SHOWN]}, away from {list_url.origin()}: not "
                "followed, since the API key would go there. If the service lives there, give the client "
                f"that address as its base_url; if {list_url.origin()} is a gateway before it, let it "
                "rewrite the links"
            )
    try:
        query = _UNSENDABLE.sub(lambda match: quote(match.group()), query)
    except UnicodeEncodeError:  # half of a surrogate pair
        raise PaginationError(f"the page's link {redact(link)[:_SHOWN]!r} cannot be sent") from None
    return yarl.URL(f"{list_url}?{_with_filter_of(page_url, query)}", encoded=True)


def _with_filter_of(page_url: yarl.URL, query: str) -> str:
    """Let a link's query have the filter that its page was asked for by, and no other."""
    wanted = page_url.query.getall("filter", [])
    filters: list[str] = []
    others: list[str] = []
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if unquote_plus(name) == "filter":
            filters.append(unquote_plus(value))
        elif parameter:
            others.append(parameter)
    if filters == wanted:
        return query
    return "&".join([f"filter={quote_plus(text, safe='~,')}" for text in wanted] + others)


def _parse(text: str) -> yarl.URL | None:
    """Read a URL that has nothing but an origin; None where that is not so."""
    try:
        url = yarl.URL(text)
        return url.origin() if url.user is None and url.password is None else None
    except (ValueError, LookupError, TypeError):  # a host or port that yarl, or idna below it, stumbles over
        return None


def _origin(url: yarl.URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.raw_host or "").lower(), url.port


_UPSTREAM: Final = _origin(yarl.URL(DEFAULT_BASE_URL))
