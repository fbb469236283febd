"""The names that were probably meant, by the words they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SIMILAR: Final = 0.75
"""How similar two words are where one may be a slip for the other."""
_MEANT: Final[Mapping[str, str]] = {
    "cw": "connectwise",
    "snow": "service now",
    "customer": "end user",
    "mail": "email",
    "technician": "agent",
    "tech": "agent",
    "engineer": "agent",
    "assignee": "agent",
    "resource": "agent team",
    "resources": "agent team",
    "group": "team",
    "type": "appointment type",
    "state": "status",
    "booked": "scheduled",
    "duration": "duration mins",
    "minutes": "mins",
    "mfa": "two factor",
}
"""Words of other systems for what attributes are named after."""


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Rank names by how probably they were meant.

    A name that has the words asked for comes first, as ``halo_psa_client_id`` for ``client``; then one that
    is spelled alike, as ``status`` for ``stauts``.

    Returns:
        The best, and those that are as good; empty where none is alike.
    """
    wanted = [word.lower() for word in _WORDS.findall(name)]
    scores = {known: (_shared(wanted, known.split("_")), _ratio(name.lower(), known)) for known in names}
    best = max(words for words, _ in scores.values()) if scores else 0.0
    if best > 0:
        found = [known for known, (words, _) in scores.items() if words == best]
    else:
        found = [known for known, (_, ratio) in scores.items() if ratio >= 0.6]
    return sorted(found, key=lambda known: -scores[known][1])


def _shared(wanted: list[str], words: list[str]) -> float:
    """Return how many of the words a name has, where what is only alike, or of other systems, counts less."""
    found = 0.0
    for word in wanted:
        meant = _MEANT.get(word, word).split()
        elsewhere = sum(other in words for other in meant) / len(meant)
        found += max(0.7 * elsewhere, *(_similarity(word, other) for other in words))
    return round(found, 3)


def _similarity(word: str, other: str) -> float:
    if word == other:
        return 1.0
    if min(len(word), len(other)) < 3:
        return 0.0
    if word.startswith(other) or other.startswith(word):
        return 0.9
    ratio = _ratio(word, other)
    return 0.8 * ratio if ratio >= _SIMILAR else 0.0


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()
