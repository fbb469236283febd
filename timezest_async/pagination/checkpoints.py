"""Where a stream stood, as text that survives the process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self, TypeGuard

import attrs

from timezest_async.errors import InvalidRequestError

_VERSION = 1


@attrs.frozen
class Checkpoint:
    """A place in a list: ``list(checkpoint=...)`` goes on after the last record handed over.

    It carries its filter, and holds record ids and times, and a digest of the account, but never the API
    key.

    Attributes:
        path: The list, such as ``"/scheduling_requests"``.
        queries: The TQL of each query that is read, ``""`` for all records.
        backwards: Whether the list is read from older to newer (``ending_before``).
        position: What each query has handed over: JSON that only this package reads.
        account: A digest of the API key and the service's address; None where any may go on from here.
    """

    path: str
    queries: tuple[str, ...]
    backwards: bool = False
    position: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False, hash=False)
    account: str | None = attrs.field(default=None, repr=False, eq=False)

    def for_other_key(self) -> Self:
        """Return the same place for whichever API key: for a new key of the same account.

        With the key of another account a list would go on among records that are not those it began with.
        """
        return attrs.evolve(self, account=None)

    def of_account(self, account: str | None) -> Self:
        """Return the same place with an account's digest.

        Raises:
            InvalidRequestError: It is another account's.
        """
        if account is not None and self.account not in {None, account}:
            raise InvalidRequestError(
                "this checkpoint is of another API key or another service, whose records it would mix with "
                "these: go on with the same, or, with a new key of the same account, give "
                "checkpoint.for_other_key()"
            )
        return attrs.evolve(self, account=account)

    def to_text(self) -> str:
        """Write the checkpoint as one line of text."""
        value = {
            "timezest_checkpoint": _VERSION,
            "path": self.path,
            "queries": self.queries,
            "backwards": self.backwards,
            "position": self.position,
            **({} if self.account is None else {"account": self.account}),
        }
        return json.dumps(value, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read what ``to_text`` wrote.

        Raises:
            InvalidRequestError: The text is something else, cut short, or of another version.
        """
        try:
            value: Any = json.loads(text)
        except (TypeError, ValueError, RecursionError):
            raise _not_a_checkpoint("it is not JSON") from None
        if not is_json_object(value) or "timezest_checkpoint" not in value:
            raise _not_a_checkpoint("it lacks the mark of a checkpoint")
        version = value.pop("timezest_checkpoint")
        if version != _VERSION:
            raise _not_a_checkpoint(
                f"it is of version {version!r}, and this package reads version {_VERSION}"
            )
        path, queries = value.pop("path", None), value.pop("queries", None)
        backwards, position = value.pop("backwards", None), value.pop("position", None)
        account = value.pop("account", None)
        if (
            value
            or not isinstance(path, str)
            or not is_list_of_text(queries)
            or not isinstance(backwards, bool)
            or not is_json_object(position)
            or not isinstance(account, str | None)
        ):
            raise _not_a_checkpoint("its members are not those of a checkpoint")
        return cls(path, tuple(queries), backwards, position, account)


def is_json_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether parsed JSON is an object."""
    return isinstance(value, dict)


def is_json_array(value: object) -> TypeGuard[list[Any]]:
    """Return whether parsed JSON is an array."""
    return isinstance(value, list)


def is_list_of_text(value: object) -> TypeGuard[list[str]]:
    """Return whether parsed JSON is an array of strings."""
    return is_json_array(value) and all(isinstance(item, str) for item in value)


def _not_a_checkpoint(reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"this text is not a checkpoint: {reason}; give what Checkpoint.to_text() wrote"
    )
