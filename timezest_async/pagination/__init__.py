"""Lists: pages in order, several queries as one stream, places to resume from.

Knows pages, links, cursors and positions; knows nothing of how a request is sent, nor what a record is
about.
"""

from timezest_async.pagination.checkpoints import Checkpoint
from timezest_async.pagination.pages import PageReader
from timezest_async.pagination.paginator import Paginator
from timezest_async.pagination.queries import Query
from timezest_async.pagination.spread_memory import SpreadMemory
from timezest_async.pagination.unreadable import OnUnreadable, check_on_unreadable
from timezest_async.serialization.decoding import Page

__all__ = [
    "Checkpoint",
    "OnUnreadable",
    "Page",
    "PageReader",
    "Paginator",
    "Query",
    "SpreadMemory",
    "check_on_unreadable",
]
