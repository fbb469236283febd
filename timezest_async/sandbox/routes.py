"""The routes of the API, as faults and records of requests name them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from timezest_async.errors import ConfigurationError

PREFIX: Final = "/v1"
PAGES: Final = "/schedule/"
"""Where the pages of end users are; the token of one follows."""

LISTS: Final[Mapping[str, str]] = {
    "scheduling_requests": "scheduling_request",
    "agents": "agent",
    "teams": "team",
    "resources": "resource",
    "appointment_types": "appointment_type",
}
"""The lists by the name in their path, each with the entity that it lists."""

_ROUTES: Final = (
    "POST /scheduling_requests",
    *(f"GET /{name}{end}" for name in LISTS for end in ("", "/{id}")),
)


def route_of(method: str, path: str) -> str:
    """Name the route of a request, such as ``"GET /scheduling_requests/{id}"``.

    Paths outside the API keep their own name.
    """
    head, *rest = path.removeprefix(PREFIX).strip("/").split("/")
    return f"{method} /{head}" + ("/{id}" if rest and head in LISTS else "".join(f"/{part}" for part in rest))


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
