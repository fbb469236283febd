"""The pages of one query, one after the other: where the next one is, and that none comes twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import yarl

from timezest_async.errors import PaginationError
from timezest_async.pagination.pages import PageReader
from timezest_async.pagination.positions import BEGINNING, Cursor
from timezest_async.pagination.queries import Query
from timezest_async.pagination.unreadable import Placeholder
from timezest_async.serialization.decoding import Page

T = TypeVar("T")

_MAX_ASKED: Final = 1_000
_MAX_EMPTY: Final = 100
"""Empty pages in a row beyond which a list is taken to have no end: the service sends one at times."""


class Chain(Generic[T]):
    """The pages of one query, each of which says where the next one is.

    Args:
        reader: Reads the pages.
        url: The first page.
        backwards: Whether to follow ``previous_page``.

    Attributes:
        url: The page to ask for next, or None after the last.
        asked_after: The id in the URL of the page that came last.
    """

    def __init__(
        self,
        reader: PageReader[T],
        url: yarl.URL,
        *,
        backwards: bool = False,
    ) -> None:
        self.url: yarl.URL | None = url
        self.asked_after: str | None = None
        self._reader = reader
        self._backwards = backwards
        self._failure: Exception | None = None
        # Hashes, so that a list of any length costs some bytes a page: of recent URLs, of first records.
        # A chain that resumes has not asked for the list's beginning, but whoever did so before has.
        self._asked = {_identity(url), _identity(url.without_query_params("starting_after", "ending_before"))}
        self._firsts: set[int] = set()
        self._empty = 0
        self._latest: set[str] = set()
        self._beginning: datetime | None = None

    def advance(self, page: Page[T]) -> None:
        """Take in the links of the page at ``url``: find the next one. A bad link is an error once needed."""
        url, self.url = self.url, None
        name = "previous_page" if self._backwards else "next_page"
        link: str | None = getattr(page, name)
        self._failure = page.invalid_links.get(name)
        mine, other = (
            ("ending_before", "starting_after") if self._backwards else ("starting_after", "ending_before")
        )
        if url is not None:
            self.asked_after = url.query.get(mine)
        if url is None or link is None:  # closed meanwhile, or at the end
            return
        try:
            following = self._reader.follow(link, url)
        except PaginationError as failure:
            self._failure = failure
            return
        if other in following.query:
            self._failure = PaginationError(f"the page's `{name}` leads the other way, by {other}")
            return
        identity = _identity(following)
        if identity in self._asked:
            self._failure = PaginationError("the page's link leads to a page that was read already: a loop")
            return
        self._asked.add(identity)
        self.url = following

    def check_page(self, page: Page[T], cursor: Cursor = BEGINNING) -> Page[T]:
        """Check that the page is none that was there before; leave out what the page before it had too.

        Args:
            page: The page.
            cursor: Where the list stands before it: what was seen there is left out too.

        Raises:
            PaginationError: It is: a loop. Or too many empty ones came.
        """
        self._empty = 0 if page.data else self._empty + 1
        if self._empty > _MAX_EMPTY:
            raise PaginationError(
                f"{self._empty} empty pages in a row, each with a link to another one: the list has no end"
            )
        if not page.data:
            return page
        first = hash(page.data[0].id)  # type: ignore[attr-defined]  # every record has an id
        if first in self._firsts:
            raise PaginationError("a page begins with the same record as an earlier page: a loop")
        self._firsts.add(first)
        if len(self._asked) > _MAX_ASKED:  # longer loops come back to a first record
            self._asked.clear()
        if self._reader.is_sorted:
            self._check_direction(page.data, cursor)
        before, self._latest = self._latest, {record.id for record in page.data}  # type: ignore[attr-defined]  # as above
        seen = cursor.seen or frozenset[str]()
        if before.isdisjoint(self._latest) and seen.isdisjoint(self._latest):
            return page
        data = (one for one in page.data if one.id not in before and one.id not in seen)  # type: ignore[attr-defined]  # as above
        return page.with_data(data)

    def _check_direction(self, records: Sequence[Any], cursor: Cursor) -> None:
        """Check that a sorted list has not gone back behind where this chain began.

        Where a chain resumes, pages from before that are not known by their URLs or records, but by
        their times.

        Raises:
            PaginationError: It has.
        """
        times: list[datetime] = [record.created_at for record in records if type(record) is not Placeholder]
        if not times:
            return
        if self._beginning is None:
            self._beginning = cursor.moment or (min(times) if self._backwards else max(times))
        if times[-1] < self._beginning if self._backwards else times[0] > self._beginning:
            raise PaginationError(
                "a page goes back behind the place where reading began: a loop, or not sorted by created_at"
            )

    @property
    def goes_on(self) -> bool:
        """Whether there is a next page, or a link that was to lead there."""
        return self.url is not None or self._failure is not None

    def check(self) -> None:
        """Raise the error that the last page's link was, if it was one.

        Raises:
            PaginationError: The link loops or leaves the origin.
            UnexpectedResponseError: It is not text.
        """
        if self._failure is not None:
            raise self._failure


async def find(reader: PageReader[T], query: Query, fits: Callable[[Any], bool]) -> Any:
    """Find the newest record of a query that fits; None where none does."""
    chain = Chain(reader, reader.first_url(query))
    while chain.url is not None:
        page = await reader.fetch(chain.url)
        chain.advance(page)
        found = next(filter(fits, chain.check_page(page).data), None)
        if found is not None:
            return found
    return None


async def leads_on(
    reader: PageReader[T],
    query: Query,
    cursor: Cursor,
    page: Page[T],
    *,
    asked_after: str | None,
    backwards: bool = False,
) -> bool:
    """Return whether a page leads on from a place, rather than to the list's beginning.

    One that goes back behind the place does where the service only keeps no order. It does not where the
    record of its cursor is gone: then the service has begun again.

    Args:
        reader: Reads the pages.
        query: The list's.
        cursor: Where the list stands before the page.
        page: The page.
        asked_after: The id that the page was asked for by.
        backwards: Whether the list is walked from older to newer.

    Raises:
        PaginationError: It goes back, and was asked for by a link that leads elsewhere.
    """
    records = page.data[::-1] if backwards else page.data
    if cursor.second is None or cursor.precedes(records, backwards=backwards) or not query.is_narrowable:
        return True
    if asked_after != cursor.after:
        raise PaginationError(
            "a page goes back behind the record before it, and its link does not name that record: a loop, "
            "or not sorted by created_at"
        )
    second = query.narrowed(cursor.second, cursor.second + 1)
    return await find(reader, second, lambda one: one.id == cursor.after) is not None


def begun_again() -> PaginationError:
    """Make the error for a list that began again."""
    return PaginationError("the service began again: the record that it was to go on after is gone")


def _identity(url: yarl.URL) -> int:
    """Hash what a URL asks for, however it is encoded."""
    return hash((url.path, tuple(sorted(url.query.items()))))
