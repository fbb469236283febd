"""The request budget: so many requests in any window of so many seconds, whoever asks for them.

Knows windows, shares, waiting lines and refusals; knows neither HTTP nor what the requests are for.
"""

from timezest_async.budget.limiter import RateLimiter
from timezest_async.budget.protocols import Limiter
from timezest_async.budget.reservations import Reservation
from timezest_async.budget.slots import Slot

__all__ = ["Limiter", "RateLimiter", "Reservation", "Slot"]
