"""Things that go wrong with the links between the pages of a list."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from attrs import evolve, frozen

from timezest_async.sandbox.exchange import Request, Response
from timezest_async.sandbox.faults import Fault
from timezest_async.sandbox.filter_columns import Json


@frozen
class DuplicatePage(Fault):
    """``next_page`` points to the very page it stands on."""

    def apply(self, response: Response, request: Request) -> Response:  # noqa: D102 - as in Fault
        return _relink(response, request, lambda page: page | {"next_page": request.url})


@frozen
class LoopingNextPage(Fault):
    """``next_page`` points back to the first page of the list."""

    def apply(self, response: Response, request: Request) -> Response:  # noqa: D102 - as in Fault
        kept = [part for part in request.query_string.split("&") if not part.startswith("starting_after=")]
        first = evolve(request, query_string="&".join(kept)).url
        return _relink(response, request, lambda page: page | {"next_page": first})


@frozen
class ForeignNextPage(Fault):
    """``next_page`` points to another origin.

    Attributes:
        origin: Scheme, host and port; the default is reserved for examples and answers nobody.
    """

    origin: str = "https://timezest.example"

    def apply(self, response: Response, request: Request) -> Response:  # noqa: D102 - as in Fault
        elsewhere = evolve(request, origin=self.origin).url

        def relink(page: Json) -> Json:
            link = page["next_page"]
            return page | {"next_page": link.replace(request.origin, self.origin, 1) if link else elsewhere}

        return _relink(response, request, relink)


@frozen
class NextPageShape(Fault):
    """``next_page`` is written in another of the shapes that were met.

    Attributes:
        link: How a link is written: as the absolute URL, as its ``/path?…``, as ``?a=b`` or as ``a=b``.
        end: What stands for no link: null, ``""``, or no such member at all.
    """

    link: Literal["absolute", "path", "query", "bare"] = "absolute"
    end: Literal["null", "empty", "absent"] = "null"

    def apply(self, response: Response, request: Request) -> Response:  # noqa: D102 - as in Fault
        return _relink(response, request, self._relink)

    def _relink(self, page: Json) -> Json:
        url: str | None = page["next_page"]
        if url:
            parts = urlsplit(url)
            if not parts.query:
                # Another fault led to the list's beginning; without a query its short forms mean the end.
                return page
            shapes = {
                "absolute": url,
                "path": f"{parts.path}?{parts.query}",
                "query": f"?{parts.query}",
                "bare": parts.query,
            }
            return page | {"next_page": shapes[self.link]}
        if self.end == "absent":
            return {name: value for name, value in page.items() if name != "next_page"}
        return page | {"next_page": "" if self.end == "empty" else None}


def _relink(response: Response, request: Request, change: Callable[[Json], Json]) -> Response:
    """Change the envelope of a list; any other answer stays as it is."""
    try:
        page: Any = json.loads(response.body)
    except ValueError:
        return response
    if response.status != 200 or not isinstance(page, dict) or "next_page" not in page:
        return response
    page = cast("Json", page)
    if page["next_page"]:
        # Another fault may have shortened it already.
        page |= {"next_page": _absolute(page["next_page"], request)}
    return evolve(response, body=json.dumps(change(page), separators=(",", ":")).encode())


def _absolute(link: str, request: Request) -> str:
    if urlsplit(link).scheme:
        return link
    return request.origin + (link if link.startswith("/") else f"{request.path}?{link.removeprefix('?')}")
