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

from tests.servers.list_service import Service, evaluator, record
from tests.support import examples
from timezest_async import Checkpoint, F, PaginationError, TimeZestError, UnexpectedResponseError
from timezest_async.pagination.pages import follow_link

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


@settings(max_examples=examples(2_000))
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
    url = follow_link(link + fragment, page_url, LIST, str)
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
        follow_link(link, LIST, LIST, str)


@pytest.mark.parametrize(
    "link",
    ["https://me:word@gateway.test/?a=b", "https://me@gateway.test/?a=b", "//:0?a=b", "//[::1?a=b",
     "//gateway.test:99999/?a=b", "https:?a=b", "javascript:alert(1)?a=b", "?a=\ud800", "//\ud800/?a=b",
     "?filter=x" + "&filter=x" * 200_000],
)  # fmt: skip
def test_what_is_no_link_is_refused(link: str) -> None:
    with pytest.raises(PaginationError):
        follow_link(link, LIST, LIST, str)


RECORDS = [
    record(number, 10_000 - number, status="scheduled" if number % 2 else "new") for number in range(150)
]
NARROW = ["filter lost", "filter altered", "filter cut short", "bare", "absolute path", "as it is"]


@settings(max_examples=examples(100))
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


PIECES = [
    *["http:", "https:", "//", "/", "\\", "?", "#", "&", "=", "@", ":", "[", "]", "::1", "[::1]", "u:p@"],
    *[":99999", ":-1", ":x", "\n", "\r", "\t", "\0", "\ud800", "\udfff", "\u202e", "%", "%zz", "%00", " "],
    *[
        "gateway.test",
        "evil.test",
        "a=b",
        "filter=x",
        "starting_after=sreq_9",
        "ending_before=sreq_9",
        "xn--",
        "127.1",
        "\u2488",
    ],
    *[".", "..", "v1", "a" * 5_000],
]
texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.sampled_from(["\ud800", "//\n[::1]u:p@", "http://[::1", "//[", "\0", "//u:p@[::1]:9/?a=b"]),
)


@settings(max_examples=examples(5_000))
@given(link=texts)
def test_any_text_leads_along_our_query_or_is_refused(link: str) -> None:
    page_url = LIST.with_query({"filter": TEXTS[0]})
    try:
        url = follow_link(link, page_url, LIST, str)
    except PaginationError:
        return
    assert (url.origin(), url.raw_path) == (LIST.origin(), LIST.raw_path)
    assert str(url).isascii()
    assert str(url).isprintable()
    assert url.query.getall("filter") == [TEXTS[0]]


@settings(max_examples=examples(500))
@given(
    link=texts | st.sampled_from([5, True, {}, [], 1.5, ["?a=b"]]),
    how=st.sampled_from(
        [{}, {"concurrency": 3}, {"ending_before": "sreq_140"}, {"filter": F.status != "odd"}]
    ),
)
def test_whatever_the_link_is_the_pages_records_come_first(link: Any, how: dict[str, Any]) -> None:
    service = Service(RECORDS, accepts=evaluator(RECORDS), links=lambda real: None if real is None else link)
    got: list[str] = []

    async def read() -> None:
        async for one in service.list(**how):
            got.append(one.id)

    error: TimeZestError | None = None
    try:
        asyncio.run(read())
    except (PaginationError, UnexpectedResponseError) as caught:
        error = caught
    if error is not None:
        assert isinstance(error, PaginationError) is isinstance(link, str)
        place = Checkpoint.from_text(error.checkpoint.to_text())
        onward = Service(RECORDS, accepts=evaluator(RECORDS)).list(checkpoint=place)
        got += [one.id for one in asyncio.run(onward.to_list())]
    expected = [one["id"] for one in RECORDS]
    if "ending_before" in how:
        expected = expected[:140][::-1]
    assert got[:20] == expected[:20]
    if got != expected:  # the text is a link that says that there is no more, such as white space
        assert isinstance(link, str)
        assert not link.strip()
        assert got == expected[:20]
