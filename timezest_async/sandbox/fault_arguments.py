"""What faults can be ordered with: a mistake here would otherwise be a fault that never happens."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import Any, Final

from timezest_async.errors import ConfigurationError

_ROUTES: Final = (
    "POST /scheduling_requests",
    *(
        f"GET /{name}{end}"
        for name in ("scheduling_requests", "agents", "teams", "resources", "appointment_types")
        for end in ("", "/{id}")
    ),
)


def check_route(route: object) -> None:
    """Refuse a route that no request has.

    Raises:
        ConfigurationError: It is neither None nor a route; the message names the nearest.
    """
    if route is None or route in _ROUTES:
        return
    nearest = get_close_matches(str(route), _ROUTES, n=2, cutoff=0.0)
    raise ConfigurationError(
        f"route takes a method and a path's template, such as {nearest[0]!r} or {nearest[1]!r}, or None for"
        f" every route; not {route!r:.60}"
    )


def check_seconds(seconds: Any) -> None:
    """Refuse what is no number of seconds from 0."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise ConfigurationError(f"seconds takes a number of seconds from 0, not {seconds!r:.60}")


def check_probability(probability: Any) -> None:
    """Refuse what is no number from 0 to 1."""
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise ConfigurationError(f"probability takes a number from 0 to 1, not {probability!r:.60}")
