"""Names that readers can tell apart: what looks the same gets its id beside it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping


def labels(ids: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Return what to call each of some records, by id.

    Args:
        ids: Those that are called by their names beside each other.
        names: The names that are known.

    Returns:
        The name, the id where there is none, or both where others look the same.
    """
    called = {key: names.get(key) or key for key in ids}
    looks = Counter(map(_look, called.values()))
    return {
        key: name if name == key or looks[_look(name)] == 1 else f"{name.rstrip()} ({key})"
        for key, name in called.items()
    }


def _look(name: str) -> str:
    """Reduce a name to what a reader sees of it."""
    seen = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFKC", name))
    return " ".join(seen.split()).casefold()
