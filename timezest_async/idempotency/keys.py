"""What stands for a key, and for arguments, in a journal: digests, from which neither can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, cast

from timezest_async.errors import InvalidRequestError, KeyReusedError
from timezest_async.idempotency.journal import IntentJournal

_REQUEST_ID: Final = re.compile(r"sreq_[A-Za-z0-9_-]+")


def name_of(key: str) -> str:
    """Return what a journal calls a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of(parameters: Mapping[str, Any]) -> str:
    """Return what tells a create's parameters from others; how they are spelled does not count.

    Neither nulls, nor a ticket number's leading ``#``, nor the order in lists makes another create.
    """
    return sha256(_canonical(parameters).encode()).hexdigest()


def _canonical(value: Any) -> str:
    """Return a text that is the same for what means the same."""
    if isinstance(value, list):
        return f"[{','.join(sorted(map(_canonical, cast('Sequence[Any]', value))))}]"
    if not isinstance(value, Mapping):
        return json.dumps(value)
    fields = {name: one for name, one in cast("Mapping[str, Any]", value).items() if one is not None}
    if isinstance(fields.get("number"), str):
        fields["number"] = fields["number"].removeprefix("#")
    return f"{{{','.join(f'{json.dumps(name)}:{_canonical(fields[name])}' for name in sorted(fields))}}}"


def check_intent(journal: object, key: object) -> None:
    """Check a journal, and what is to be a key in it.

    Raises:
        InvalidRequestError: One of them is unfit.
    """
    if isinstance(journal, type) or not isinstance(journal, IntentJournal):
        raise InvalidRequestError(
            f"journal takes an IntentJournal, such as SQLiteJournal('intents.db'), not {journal!r:.100}"
        )
    if not isinstance(key, str) or not key.strip():
        raise InvalidRequestError(
            f"key takes text that names what is to exist once, such as 'ticket-1234/onsite', not {key!r:.100}"
        )


async def remember(journal: IntentJournal, key: str, request_id: str) -> None:
    """Tell a journal what was made for a key, where only a person can tell.

    Args:
        journal: The journal.
        key: The key, as it was given to ``create_once``.
        request_id: Which scheduling request it is.

    Raises:
        InvalidRequestError: An argument is unfit; nothing was noted.
        KeyReusedError: The key has another request already, or the request is another key's.
    """
    check_intent(journal, key)
    if not _REQUEST_ID.fullmatch(str(request_id)):
        raise InvalidRequestError(
            "request_id takes the id of a scheduling request, such as 'sreq_p4fvlg5FUuKSviNNemZzAO', not"
            f" {request_id!r:.100}"
        )
    known = await journal.finish(name_of(key), request_id, digest="", own=True)
    if known != request_id:
        reason = f"{request_id} is another key's" if known is None else f"it has {known}"
        raise KeyReusedError(f"Nothing was noted for the key {key!r:.100}: {reason}.")
