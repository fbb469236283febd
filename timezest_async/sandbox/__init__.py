"""A TimeZest service of our own, for demos and tests: ``Sandbox``, and the faults it can be given.

Knows what the vendor's pages and the published clients say of the real service, and speaks it over real
sockets on the loopback interface; knows nothing of how this package reads that service (only ``errors`` is
shared), so that the two can check each other. ``python -m timezest_async.sandbox`` runs it by itself.
"""

from __future__ import annotations

from timezest_async.sandbox.command import run, serve_forever
from timezest_async.sandbox.exchange import RecordedRequest
from timezest_async.sandbox.faults import (
    HTML,
    AnswerLost,
    ContentType,
    Delay,
    DropAfterHeaders,
    DropBeforeHeaders,
    DropMidBody,
    Fault,
    Faults,
    Garbage,
    GzipBomb,
    PageSize,
    SlowDrip,
    StaleConnection,
    Status,
    TooManyRequests,
    TruncatedJSON,
)
from timezest_async.sandbox.late_faults import ActsLate, ListLag
from timezest_async.sandbox.page_faults import DuplicatePage, ForeignNextPage, LoopingNextPage, NextPageShape
from timezest_async.sandbox.quirks import QUIRKS
from timezest_async.sandbox.server import Sandbox

__all__ = [
    "HTML",
    "QUIRKS",
    "ActsLate",
    "AnswerLost",
    "ContentType",
    "Delay",
    "DropAfterHeaders",
    "DropBeforeHeaders",
    "DropMidBody",
    "DuplicatePage",
    "Fault",
    "Faults",
    "ForeignNextPage",
    "Garbage",
    "GzipBomb",
    "ListLag",
    "LoopingNextPage",
    "NextPageShape",
    "PageSize",
    "RecordedRequest",
    "Sandbox",
    "SlowDrip",
    "StaleConnection",
    "Status",
    "TooManyRequests",
    "TruncatedJSON",
    "run",
    "serve_forever",
]
