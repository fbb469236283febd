"""Where a page's link leads: along our own query, or nowhere.

Of a link only its query is taken, and put on the list's own URL: so a gateway's path prefix that the service
does not know of is kept, and the API key goes nowhere else. The filter in it is ours, or is made to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus, unquote_plus

import yarl

from timezest_async.errors import PaginationError
from timezest_async.transport import DEFAULT_BASE_URL

_UNSENDABLE: Final = re.compile(r"[^\x21-\x7e]")
_NOT_BARE: Final = re.compile(r"[^?#=&]*[:/?]|[^=]*\Z")
_PARTS: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?[^?#]*(?:\?(?P<query>[^#]*))?",
)
"""RFC 3986, appendix B."""
_SHOWN: Final = 200
_LONGEST: Final = 1 << 16


def follow(link: str, page_url: yarl.URL, list_url: yarl.URL, blot: Callable[[str], str]) -> yarl.URL:
    """Tell what to ask for where a page's link leads.

    The link may be absolute, relative to a scheme (``//host/…``), a host or a page, or a bare ``a=b``. Its
    query is kept as it is, except that a filter other than the page's is replaced by it.

    Args:
        link: ``next_page`` or ``previous_page``.
        page_url: The page that carried it.
        list_url: The list, without a query.
        blot: Blots out the API key in what is shown.

    Raises:
        PaginationError: It leads to another origin, where the API key must not go, or is no link.
    """
    if len(link) > _LONGEST:
        raise PaginationError(f"the page's link has {len(link)} characters: no server takes such a URL")
    parts = _PARTS.match(link) if _NOT_BARE.match(link) else None
    query = link.partition("#")[0] if parts is None else parts["query"] or ""
    if parts is not None and (parts["scheme"] is not None or parts["authority"] is not None):
        url = _parse(f"{parts['scheme'] or list_url.scheme}://{parts['authority'] or ''}")
        if url is None:
            raise PaginationError(f"the page's link {blot(link)[:_SHOWN]!r} is not a URL to follow")
        if _origin(url) not in {_origin(list_url), _UPSTREAM}:
            raise PaginationError(
                f"the page's link leads to {blot(str(url))[:_SHOWN]}, away from {list_url.origin()}: not "
                "followed, since the API key would go there. If the service lives there, give the client "
                f"that address as its base_url; if {list_url.origin()} is a gateway before it, let it "
                "rewrite the links"
            )
    try:
        query = _UNSENDABLE.sub(lambda match: quote(match.group()), query)
    except UnicodeEncodeError:  # half of a surrogate pair
        raise PaginationError(f"the page's link {blot(link)[:_SHOWN]!r} cannot be sent") from None
    return yarl.URL(f"{list_url}?{_with_filter_of(page_url, query)}", encoded=True)


def _with_filter_of(page_url: yarl.URL, query: str) -> str:
    """Let a link's query have the filter that its page was asked for by, and no other."""
    wanted = page_url.query.getall("filter", [])
    filters: list[str] = []
    others: list[str] = []
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if unquote_plus(name) == "filter":
            filters.append(unquote_plus(value))
        elif parameter:
            others.append(parameter)
    if filters == wanted:
        return query
    return "&".join([f"filter={quote_plus(text, safe='~,')}" for text in wanted] + others)


def _parse(text: str) -> yarl.URL | None:
    """Read a URL that has nothing but an origin; None where that is not so."""
    try:
        url = yarl.URL(text)
        return url.origin() if url.user is None and url.password is None else None
    except (ValueError, LookupError, TypeError):  # a host or port that yarl, or idna below it, stumbles over
        return None


def _origin(url: yarl.URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.raw_host or "").lower(), url.port


_UPSTREAM: Final = _origin(yarl.URL(DEFAULT_BASE_URL))
