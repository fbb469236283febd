"""A link moves us along our own query only, however the service or a gateway spoils it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import yarl
from hypothesis import given, settings, strategies as st

from tests.pagination.service import Service, evaluator, record
from tests.support import examples
from timezest_async import F, PaginationError
from timezest_async.pagination.links import follow

LIST = yarl.URL("https://gateway.test/tenant/v1/scheduling_requests")
TEXTS = ["a~EQ~b", "a~EQ~b~AND~c~IN~d,e", 'a~LIKE~"x y+z & é = 100%"', ""]


def without_filter(link: str) -> str:
    head, _, query = link.partition("?")
    return f"{head}?{'&'.join(part for part in query.split('&') if not part.startswith('filter='))}"


def with_filter(text: str) -> Callable[[str], str]:
    return lambda link: f"{without_filter(link)}&filter={quote(text)}"


FILTERS: dict[str, Callable[[str], str]] = {
    "as it is": lambda link: link,
    "filter lost": without_filter,
    "filter altered": with_filter("a~EQ~other"),
    "filter cut short": with_filter("a~EQ"),
    "filter decoded and encoded anew": lambda link: link.replace("~", "%7E"),
    "filter twice": lambda link: f"{link}&filter=x~EQ~y",
    "more parameters": lambda link: f"{link}&per%20page=20&x=%C3%A9&flag",
}
SHAPES: dict[str, Callable[[str], str]] = {
    "as it is": lambda link: link,
    "prefix lost": lambda link: link.replace("/tenant", ""),
    "path of the upstream": lambda link: link.replace("/tenant/v1", "/internal/v3"),
    "upstream": lambda link: link.replace("https://gateway.test/tenant", "https://api.timezest.com"),
    "protocol-relative": lambda link: link.removeprefix("https:"),
    "protocol-relative upstream": lambda link: re.sub(r"^https://[^?]*", "//api.timezest.com/v1", link),
    "absolute path": lambda link: re.sub(r"^(https:)?//[^/]*", "", link),
    "query only": lambda link: "?" + link.partition("?")[2],
    "bare": lambda link: link.partition("?")[2],
    "relative": lambda link: "scheduling_requests?" + link.partition("?")[2],
    "dots": lambda link: "../v1/./scheduling_requests?" + link.partition("?")[2],
    "default port": lambda link: link.replace("gateway.test", "gateway.test:443"),
    "host in capitals": lambda link: link.replace("gateway.test", "GATEWAY.test"),
    "trailing slash": lambda link: link.replace("requests?", "requests/?"),
}
SPOILS = FILTERS | SHAPES


def parameters(query: str, *, filters: bool) -> list[tuple[str, str]]:
    return [one for one in parse_qsl(query, keep_blank_values=True) if (one[0] == "filter") is filters]


@settings(max_examples=examples(3_000), deadline=None)
@given(
    text=st.sampled_from(TEXTS),
    cursor=st.sampled_from([{}, {"starting_after": "sreq_1"}, {"ending_before": "sreq_1"}]),
    spoils=st.tuples(st.sampled_from(sorted(FILTERS)), st.sampled_from(sorted(SHAPES))),
    fragment=st.sampled_from(["", "#", "#page=2?x"]),
)
def test_any_link_leads_along_our_query(
    text: str, cursor: dict[str, str], spoils: tuple[str, str], fragment: str
) -> None:
    page_url = LIST.with_query(({"filter": text} if text else {}) | cursor)
    whole = ({"filter": text} if text else {}) | {"starting_after": "sreq_9", "token": "a b"}
    link = str(LIST.with_query(whole))
    for name in spoils:
        link = SPOILS[name](link)
    url = follow(link + fragment, page_url, LIST, str)
    assert (url.origin(), url.raw_path, url.raw_fragment) == (LIST.origin(), LIST.raw_path, "")
    assert parameters(url.raw_query_string, filters=True) == ([("filter", text)] if text else [])
    sent = urlsplit("?" + link.rpartition("?")[2]).query
    kept = parameters(sent, filters=False)
    assert parameters(url.raw_query_string, filters=False) == kept
    assert ("starting_after", "sreq_9") in kept
    if parameters(sent, filters=True) == parameters(page_url.raw_query_string, filters=True):
        assert url.raw_query_string == sent


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/tenant/v1/scheduling_requests?starting_after=x",
        "//evil.test?starting_after=x",
        "http://gateway.test/tenant/v1/scheduling_requests?starting_after=x",
        "http://api.timezest.com/v1/scheduling_requests?starting_after=x",
        "https://api.timezest.com.evil.test/v1/scheduling_requests?starting_after=x",
        "https://gateway.test:444/tenant/v1/scheduling_requests?starting_after=x",
    ],
)
def test_another_origin_is_refused_with_the_way_out(link: str) -> None:
    with pytest.raises(PaginationError, match=r"leads to .*away from https://gateway.test: .*base_url"):
        follow(link, LIST, LIST, str)


@pytest.mark.parametrize(
    "link",
    ["https://me:word@gateway.test/?a=b", "https://me@gateway.test/?a=b", "//:0?a=b", "//[::1?a=b",
     "//gateway.test:99999/?a=b", "https:?a=b", "javascript:alert(1)?a=b", "?a=\ud800", "//\ud800/?a=b"],
)  # fmt: skip
def test_what_is_no_link_is_refused(link: str) -> None:
    with pytest.raises(PaginationError):
        follow(link, LIST, LIST, str)


RECORDS = [
    record(number, 10_000 - number, status="scheduled" if number % 2 else "new") for number in range(150)
]
NARROW = ["filter lost", "filter altered", "filter cut short", "bare", "absolute path", "as it is"]


@settings(max_examples=examples(200), deadline=None)
@given(
    spoil=st.sampled_from(NARROW),
    filter=st.sampled_from(
        [F.status == "scheduled", "status = scheduled", (F.status == "scheduled") | (F.created_at < 9_960)]
    ),
    how=st.sampled_from([{}, {"concurrency": 4}, {"ending_before": "sreq_140"}]),
)
def test_no_record_comes_that_does_not_match(spoil: str, filter: Any, how: dict[str, Any]) -> None:
    service = Service(
        RECORDS, accepts=evaluator(RECORDS), links=lambda link: None if link is None else SPOILS[spoil](link)
    )
    got = asyncio.run(service.list(filter, **how).to_list())
    wanted = service.list(filter, **how).start.queries
    accepts = evaluator(RECORDS)
    expected = [one["id"] for one in RECORDS if any(accepts(query, one) for query in wanted)]
    if "ending_before" in how:
        expected = [one for one in expected if int(one[5:]) < 140][::-1]
    assert [one.id for one in got] == expected
