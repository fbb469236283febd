"""What reading an account's lists has taught about them, for the next list of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from timezest_async.pagination.queries import Query
    from timezest_async.pagination.windows.spreads import Spread

_MOST: Final = 8
"""Lists remembered: a few hundred numbers each."""


class SpreadMemory:
    """How the records of one kind are spread over time, by what their list was filtered by besides.

    Only hints come of it: where they are stale or wrong, reading takes longer and is no less right.
    """

    def __init__(self) -> None:
        self._spreads: list[tuple[str, Spread]] = []

    def recall(self, query: Query) -> Spread | None:
        """Return what is most likely to hold for a query: the latest that reaches back as far as it does."""
        alike = [spread for subject, spread in self._spreads if subject == query.subject]
        floor = query.floor
        enough = [spread for spread in alike if floor is not None and spread.times[0] <= floor]
        if enough:
            return enough[-1]
        return min(reversed(alike), key=lambda spread: spread.times[0], default=None)

    def learn(self, query: Query, spread: Spread | None) -> None:
        """Remember what was learnt of a query, instead of what tells no more."""
        if spread is not None:
            self._remember(query.subject, spread)

    def to_json(self) -> list[Any]:
        """Return what ``restore`` takes."""
        return [[subject, spread.to_json()] for subject, spread in self._spreads]

    def restore(self, value: object) -> None:
        """Take in what ``to_json`` returned in another process, where it is that; pass over anything else."""
        from timezest_async.pagination.windows.spreads import Spread  # noqa: PLC0415  # few ever need it

        for entry in cast("list[object]", value) if isinstance(value, list) else []:
            members = cast("list[object]", entry) if isinstance(entry, list) else []
            if len(members) != 2:
                continue
            subject, spread = members[0], Spread.read(members[1])
            if isinstance(subject, str) and spread is not None:
                self._remember(subject, spread)

    def _remember(self, subject: str, spread: Spread) -> None:
        self._spreads = [
            (other, known)
            for other, known in self._spreads
            if other != subject or known.times[0] < spread.times[0]
        ]
        self._spreads.append((subject, spread))
        del self._spreads[:-_MOST]
