from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.reports.made import HOSTILE, empty_report, hostile_report
from timezest_async.reports import markup, render_page
from timezest_async.reports.charts import nice_ceiling
from timezest_async.reports.page import POLICY

VOID = {"meta", "rect"}
ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "footer",
        "h1",
        "h2",
        "p",
    ),
    *(
        "bdi",
        "span",
        "i",
        "b",
        "div",
        "dl",
        "dt",
        "dd",
        "ul",
        "li",
        "svg",
        "rect",
        "desc",
        "details",
        "summary",
    ),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *(
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "id",
        "role",
        "style",
        "scope",
        "tabindex",
    ),
    *("aria-label", "aria-labelledby", "aria-hidden", "data-label", "viewbox", "preserveaspectratio"),
    *("x", "y", "width", "height"),
}


class Page(HTMLParser):
    """What a browser would find: elements, attributes, text; the tags have to match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.setdefault(self.open[-1] if self.open else "", []).append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_nothing_of_a_value_becomes_markup() -> None:
    text = render_page(hostile_report())
    page = Page(text)
    assert {name for name, _ in page.elements} <= ELEMENTS
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES
    shown = "".join(page.text["bdi"])
    for value in HOSTILE:
        assert (
            re.sub(r"[\x00-\x08\x0b-\x1f\ud800]", "\N{REPLACEMENT CHARACTER}", value) in shown
            or "\r" in value
        )
    assert text.encode()


def test_every_value_stands_in_an_element_that_keeps_its_direction_to_itself() -> None:
    page = Page(render_page(hostile_report()))
    for tag, texts in page.text.items():
        if tag not in {"bdi", "desc"}:
            assert not any("\u202e" in text or "\u0627" in text for text in texts), tag


@pytest.mark.parametrize("report", [hostile_report(), empty_report()], ids=["hostile", "empty"])
def test_the_page_asks_for_nothing_and_says_so(report: object) -> None:
    page = Page(render_page(report))  # type: ignore[arg-type]  # parametrize does not type its values
    loading = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}
    assert not loading & {name for _, attributes in page.elements for name in attributes}
    styles = [*page.text["style"], *(a["style"] or "" for _, a in page.elements if "style" in a)]
    assert not any(re.search(r"url\(|@import|expression|http", style) for style in styles)
    policies = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [POLICY] == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_page_can_be_heard_as_well_as_seen() -> None:
    page = Page(render_page(hostile_report()))
    assert page.all("html") == [{"lang": "en"}]
    assert [m["content"] for m in page.all("meta") if m.get("name") == "viewport"] == [
        "width=device-width, initial-scale=1"
    ]
    assert len(page.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for section in page.all("section"):
        assert section["aria-labelledby"] in ids
    assert len(page.all("caption")) == len(page.all("table")) == 9
    assert all("scope" in cell for cell in page.all("th"))
    drawings = page.all("svg")
    assert len(drawings) == 2
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set((drawing["aria-labelledby"] or "").split()) <= set(ids)
    assert len(page.text["title"]) == 1 + len(drawings)


def test_a_report_of_nothing_is_a_page_too() -> None:
    page = Page(render_page(empty_report()))
    assert page.all("section") == []
    assert "No requests" in page.text["p"]


@settings(max_examples=support.examples(2_000))
@given(st.text())
def test_text_survives_a_parser(text: str) -> None:
    made = markup.element("p", text, title=text)
    parsed: list[str | None] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            parsed.extend(value for _, value in attrs)

        def handle_data(self, data: str) -> None:
            parsed.append(data)

    reader = Reader()
    reader.feed(made)
    reader.close()
    shown = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    assert parsed == ([shown, shown] if text else [""])
    assert made.encode()


@given(st.integers(0, 10**9))
def test_an_axis_ends_above_the_data_in_four_whole_steps(largest: int) -> None:
    top = nice_ceiling(largest)
    assert top % 4 == 0
    assert largest <= top <= max(4, 2 * largest + 2)
