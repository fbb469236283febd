"""What a call comes to when all is well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Generic, TypeVar

import attrs
import yarl

from timezest_async.errors import UnexpectedResponseError
from timezest_async.redaction import Secret, redact
from timezest_async.transport.error_bodies import body_excerpt

P = TypeVar("P")


@attrs.frozen
class Exchange(Generic[P]):
    """A request that was answered well, and what it took.

    Attributes:
        status: The HTTP status.
        payload: What the caller's ``decode`` made of the body; by default the parsed JSON.
        url: What was asked, as sent; a relative ``next_page`` is relative to it.
        retries_taken: How many times it was sent again before this answer came.
        seconds: How long the last attempt took.
        waited: Seconds spent waiting for the budget and in back-offs.
        sent_at: When it was first sent (UTC), by our clock.
        clock_offset: How far the service's clock is ahead of ours, if its answers tell.
        body: The answer as it came, decompressed.
    """

    status: int
    payload: P = attrs.field(repr=False)
    url: yarl.URL = attrs.field(repr=False)
    retries_taken: int
    seconds: float
    waited: float
    sent_at: datetime
    clock_offset: timedelta | None = None
    body: bytes = attrs.field(default=b"", repr=False)
    _key: Secret = attrs.field(default=Secret(), repr=False, alias="key")

    def redact(self, text: str) -> str:
        """Redact the API key, should the answer have repeated it."""
        return redact(text, self._key)

    def unexpected(self, reason: str) -> UnexpectedResponseError:
        """Make the error for a good answer whose content is not the documented one."""
        error = UnexpectedResponseError(
            f"the answer of {self.url.path} is not of the documented shape: {self.redact(reason)}",
            status=self.status,
            body_start=body_excerpt(self.body, self._key),
        )
        error.retries_taken = self.retries_taken
        return error
