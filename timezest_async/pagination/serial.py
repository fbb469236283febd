"""The plain way of reading a list: one page after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import attrs

from timezest_async.pagination.chain import Chain
from timezest_async.pagination.checkpoints import damaged
from timezest_async.pagination.pages import Fetched, Page, PageReader
from timezest_async.pagination.sources import QuerySource, cancel, look_at

T = TypeVar("T")


class SerialSource(QuerySource[T]):
    """One query, one page after the other, read one page ahead of the caller.

    Args:
        reader: Reads the pages.
        query: TQL text, or ``""``.
        position: From ``position()`` of an earlier source, or what starts one (``{"after": id}``, ``{}``).
        backwards: Whether to walk from older to newer by ``previous_page``.
        wanted: How many records are wanted at most; reading ahead stops there.
    """

    def __init__(
        self,
        reader: PageReader[T],
        query: str,
        position: Mapping[str, Any],
        *,
        backwards: bool = False,
        wanted: int | None = None,
    ) -> None:
        after = position.get("after")
        if not isinstance(after, str | None) or position.keys() - {"after"}:
            raise damaged()
        self._reader = reader
        self.backwards = backwards
        self._wanted = wanted
        self._after = after
        self._page: Page[T] = Page(())
        cursor = {"ending_before" if backwards else "starting_after": after} if after else {}
        self._chain = Chain(reader, reader.first_url(query, cursor), backwards=backwards)
        self._reading: asyncio.Task[Fetched[T]] | None = None
        self._read = 0

    def start(self) -> None:
        """Begin to read the next page, if there is one and it is not being read already."""
        if self._reading is None and self._chain.url is not None:
            self._reading = asyncio.create_task(self._reader.fetch(self._chain.url))
            self._reading.add_done_callback(partial(look_at, trouble=self.trouble))

    async def fill(self) -> bool:
        """Wait for a page with records on it; tell whether there is one.

        Raises:
            PaginationError: The way to the next page loops or leaves the origin.
        """
        while self._taken == self._stop:
            if self._pass_gap():
                continue
            self.start()
            if self._reading is None:
                self._chain.check()
                return False
            fetched = await self._reading
            self._reading = None
            self._chain.advance(fetched)
            self._read += fetched.count
            if self._wanted is None or self._read < self._wanted:
                self.start()
                await asyncio.sleep(0)  # the request leaves now, and the service works while we do
            page = self._chain.check_page(fetched.page())
            self._after = self._last_taken()
            self._page = page
            self._show(page.data[::-1] if self.backwards else page.data)
        return True

    def peek(self) -> T | None:
        """Show the next record of the page."""
        return self._records[self._taken] if self._taken < self._stop else None

    def take_page(self, limit: int | None) -> Page[T]:
        """Hand over the rest of the page, up to a limit, with the service's own links."""
        records: list[T] = []
        while self._taken < self._stop and len(records) != limit:
            end = self._stop if limit is None else min(self._stop, self._taken + limit - len(records))
            records += self._records[self._taken : end]
            self._taken = end
            if end == self._stop and len(records) != limit and self.gaps.are_passed:
                self._pass_gap()
        return attrs.evolve(self._page, data=tuple(records[::-1] if self.backwards else records))

    def _last_taken(self) -> str | None:
        behind = self._behind()
        return self._records[behind - 1].id if behind else self._after  # type: ignore[attr-defined]  # as above

    def position(self) -> dict[str, Any]:
        """Tell the id of the last record handed over."""
        after = self._last_taken()
        return {} if after is None else {"after": after}

    def close(self) -> None:
        """Stop reading ahead."""
        self._chain.url = None
        if self._reading is not None:
            cancel(self._reading)

    async def wait_closed(self) -> None:
        """Wait until reading ahead has stopped."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
