"""One HTTP exchange made trustworthy: sessions, retries, time limits, hostile answers.

Knows HTTP, the API key and where it may go; knows nothing of records, filters and pages.
"""

from timezest_async.transport.accounts import account_digest
from timezest_async.transport.exchanges import Exchange
from timezest_async.transport.hooks import NOBODY, CallEvent, CallReport, Hooks, RequestEvent
from timezest_async.transport.settings import DEFAULT_BASE_URL
from timezest_async.transport.transport import Transport

__all__ = [
    "DEFAULT_BASE_URL",
    "NOBODY",
    "CallEvent",
    "CallReport",
    "Exchange",
    "Hooks",
    "RequestEvent",
    "Transport",
    "account_digest",
]
