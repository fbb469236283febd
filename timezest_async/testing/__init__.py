"""For the tests of programs that use this package: what the pytest plugin's fixtures are made of.

Knows how a synchronous test has a sandbox beside it and a client closed after it, and what records look like;
knows no pytest: the fixtures are in ``_timezest_pytest``, which imports this only when a test wants one.
"""

from __future__ import annotations

from timezest_async.testing.lending import lend_client
from timezest_async.testing.samples import PSA, make_request
from timezest_async.testing.threaded import FrozenClock, TimeZestSandbox

__all__ = ["PSA", "FrozenClock", "TimeZestSandbox", "lend_client", "make_request"]
