"""A paginator as an export reads it: from any place of its list, and none but the export's own place."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from timezest_async.pagination import Checkpoint, Page, Paginator
from timezest_async.pagination.paginator import Pages


def restarted(paginator: Paginator[Any], place: Checkpoint, limit: int | None) -> Paginator[Any]:
    """Make a paginator of the same list that starts elsewhere and has a run of its own.

    Args:
        paginator: The one to copy; it is not touched.
        place: Where to start.
        limit: How many records to give at most.
    """
    own = copy.copy(paginator)
    own._start, own._limit, own._run = place, limit, None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # a copy of our own, which no method makes
    return own


def start_of(paginator: Paginator[Any]) -> tuple[Checkpoint, int | None]:
    """Tell where a paginator starts, however far it has been read, and its limit."""
    return paginator._start, paginator._limit  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # its checkpoint moves on


@asynccontextmanager
async def pages_of(paginator: Paginator[Any]) -> AsyncGenerator[AsyncIterator[Page[Any]], None]:
    """Iterate over pages, and stop reading ahead at the end, however it comes."""
    pages = paginator.pages()
    try:
        yield pages
    finally:
        if isinstance(pages, Pages):
            await pages.aclose()
