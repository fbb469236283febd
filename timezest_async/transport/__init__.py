"""One HTTP exchange made trustworthy: sessions, the request budget, retries, hostile answers."""

from timezest_async.redaction import Secret
from timezest_async.transport.accounts import account_digest
from timezest_async.transport.budgets import Limiter, Slot
from timezest_async.transport.exchanges import Exchange
from timezest_async.transport.hooks import Hooks, Moment
from timezest_async.transport.http import quote_segment
from timezest_async.transport.rate_limits import RateLimiter
from timezest_async.transport.reservations import Reservation
from timezest_async.transport.settings import DEFAULT_BASE_URL
from timezest_async.transport.transport import Transport

__all__ = [
    "DEFAULT_BASE_URL",
    "Exchange",
    "Hooks",
    "Limiter",
    "Moment",
    "RateLimiter",
    "Reservation",
    "Secret",
    "Slot",
    "Transport",
    "account_digest",
    "quote_segment",
]
