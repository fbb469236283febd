"""Lists: pages in order, several queries as one stream, places to resume from."""

from timezest_async.pagination.checkpoints import Checkpoint
from timezest_async.pagination.gaps import OnUnreadable, check_on_unreadable
from timezest_async.pagination.pages import Page, PageReader
from timezest_async.pagination.paginator import Paginator

__all__ = ["Checkpoint", "OnUnreadable", "Page", "PageReader", "Paginator", "check_on_unreadable"]
