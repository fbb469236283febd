"""What a journal of intents has to do, and what it says of a key: the protocol behind ``create_once``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol, runtime_checkable

import attrs

from timezest_async.models import SchedulingRequest

DEFAULT_LEASE = 30.0
"""Seconds for which a worker holds a key without a word; it renews that while it works."""
DEFAULT_KEEP = 90 * 86_400.0
"""Seconds for which a journal remembers what is done."""


@attrs.frozen
class Created:
    """What ``create_once`` gives.

    Attributes:
        request: The scheduling request.
        how: ``"created"`` by this call; ``"found"``: made by an earlier attempt whose answer was lost, or
            open already; ``"remembered"``: the journal knew that this key is done.
    """

    request: SchedulingRequest
    how: Literal["created", "found", "remembered"]


@attrs.frozen
class Intent:
    """What a journal says of a key to who claims it.

    Attributes:
        digest: That of the arguments that the key stands for.
        held: Whether the claimant holds the key now.
        retry_after: Seconds until who else holds it has to renew its lease; 0 where nobody else does.
        sent_ago: Seconds since a create was first sent whose fate is unknown; None where there is none.
        settles_in: Seconds until no create that was sent can happen any more.
        request_id: What was made; None where the key is not done.
    """

    digest: str
    held: bool = False
    retry_after: float = 0.0
    sent_ago: float | None = None
    settles_in: float = 0.0
    request_id: str | None = None


@runtime_checkable
class IntentJournal(Protocol):
    """Remembers what was to be created, and how far that came.

    Each method is one atomic step for all processes that share the journal, and is durable when it returns.
    A journal goes by one clock of its own, whatever the workers' clocks say. Names and digests are
    hexadecimal digits from which neither a key nor anybody's data can be read. A key goes from new (claimed)
    to sending (a create may happen) to done (``request_id`` is known). The functions of
    ``timezest_async.idempotency.conformance`` check an implementation.

    Attributes:
        lease: Seconds for which a claim holds unless it is renewed.
    """

    @property
    def lease(self) -> float:
        """Seconds for which a claim holds unless it is renewed."""
        ...

    async def claim(self, name: str, *, digest: str, token: str) -> Intent:
        """Hold a key for ``lease`` seconds, unless it is done, held by another token, or of another digest.

        What nobody holds and was never sent may be claimed with any digest.
        """
        ...

    async def renew(self, name: str, token: str) -> bool:
        """Hold on for ``lease`` seconds from now at least; return whether the token holds the key."""
        ...

    async def mark_sending(self, name: str, token: str, *, answer_within: float, settle: float) -> bool:
        """Note that a create is about to be sent.

        It may happen until ``answer_within + settle`` seconds from now, and the key is held for
        ``answer_within + lease`` at least. ``sent_ago`` counts from the first mark since the key was settled.

        Returns:
            Whether it may be sent: the token holds the key.
        """
        ...

    async def finish(self, name: str, request_id: str, *, digest: str, own: bool) -> str | None:
        """Note what was made, whoever holds the key.

        Args:
            name: The key's.
            request_id: What was made.
            digest: That of the arguments, should the journal not know the key any more.
            own: Whether it was made for this key. It then belongs to no other; what was merely open already
                may be that of several keys.

        Returns:
            What the key has now: ``request_id``, or what it had before; None where ``request_id`` belongs to
            another key, and nothing was noted.
        """
        ...

    async def release(self, name: str, token: str, *, forget: bool) -> None:
        """Let go of a key, if the token holds it.

        Args:
            name: The key's.
            token: Who held it.
            forget: Whether nothing was made and nothing can be any more: the key is as new.
        """
        ...

    async def taken(self, name: str, request_ids: Collection[str]) -> Collection[str]:
        """Return which of these requests belong to other keys."""
        ...
