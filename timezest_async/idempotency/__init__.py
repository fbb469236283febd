"""Creating exactly once over a service that has no idempotency keys.

``SchedulingRequestsEndpoint.create_once`` is its face; ``docs/exactly-once.md`` says what it promises.

Knows keys, leases and journals; knows nothing of HTTP: what creates is given to it.
"""

from __future__ import annotations

from timezest_async.idempotency.journal import Created, Intent, IntentJournal
from timezest_async.idempotency.keys import remember

__all__ = ["Created", "Intent", "IntentJournal", "remember"]
