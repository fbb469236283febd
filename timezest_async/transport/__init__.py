"""One HTTP exchange made trustworthy: sessions, the request budget, retries, hostile answers."""

from timezest_async.budget.limiter import RateLimiter
from timezest_async.budget.protocols import Limiter, Slot
from timezest_async.budget.reservations import Reservation
from timezest_async.redaction import Secret
from timezest_async.transport.accounts import account_digest
from timezest_async.transport.exchanges import Exchange
from timezest_async.transport.hooks import Hooks, RequestEvent
from timezest_async.transport.messages import quote_segment
from timezest_async.transport.settings import DEFAULT_BASE_URL
from timezest_async.transport.transport import Transport

__all__ = [
    "DEFAULT_BASE_URL",
    "Exchange",
    "Hooks",
    "Limiter",
    "RateLimiter",
    "RequestEvent",
    "Reservation",
    "Secret",
    "Slot",
    "Transport",
    "account_digest",
    "quote_segment",
]
