"""Which part of a filter the service may judge, where requests are to be followed that change."""

from __future__ import annotations

from typing import Any, Final

from timezest_async import tql
from timezest_async.errors import UnsupportedFilterError
from timezest_async.tql import scheduling_request as F
from timezest_async.tql.traversal import leaves

_FIXED: Final = frozenset(
    {
        "appointment_type_id",
        "created_at",
        *(name for name in dir(F) if name.endswith(("_id", "_number"))),
    }
)
"""Attributes that a request keeps from its creation on, so that the service may filter on them."""


def fixed_part(
    wanted: tql.Expression[Any] | None, what: str = "following changes"
) -> tuple[tql.Expression[Any] | None, bool]:
    """Give the part of a filter that never changes its mind about a request, and whether it is all of it.

    Args:
        wanted: The filter.
        what: What needs this, for the error.

    Raises:
        UnsupportedFilterError: The filter has raw text, which cannot be judged here.
    """
    if wanted is None:
        return None, True
    terms = wanted.terms if isinstance(wanted, tql.And) else (wanted,)
    fixed: list[tql.Expression[Any]] = []
    for term in terms:
        names: set[str] = set()
        for leaf in leaves(term):
            if not isinstance(leaf, tql.Predicate):
                raise UnsupportedFilterError(
                    f"{what} judges records by the filter itself, which tql.raw() does not allow: write it "
                    "with F, or give it as text"
                )
            names.add(leaf.attribute.name)
        if names <= _FIXED:
            fixed.append(term)
    return (tql.all_of(*fixed) if fixed else None), len(fixed) == len(terms)
