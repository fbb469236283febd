"""What stands for a key, and for arguments, in a journal: digests, from which neither can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from timezest_async.errors import KeyReusedError
from timezest_async.idempotency.journal import IntentJournal


def name_of(key: str) -> str:
    """Return what a journal calls a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of(parameters: Mapping[str, Any]) -> str:
    """Return what tells a create's parameters from others."""
    return sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


async def remember(journal: IntentJournal, key: str, request_id: str) -> None:
    """Tell a journal what was made for a key, where only a person can tell.

    Args:
        journal: The journal.
        key: The key, as it was given to ``create_once``.
        request_id: Which scheduling request it is.

    Raises:
        KeyReusedError: The key has another request already, or the request is another key's.
    """
    known = await journal.finish(name_of(key), request_id, digest="", own=True)
    if known != request_id:
        reason = f"{request_id} is another key's" if known is None else f"it has {known}"
        raise KeyReusedError(f"Nothing was noted for the key {key!r:.100}: {reason}.")
