"""The documentation site as it is built: no warning, no broken link, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs
import pytest

from tests.documentation.pages import ROOT

_LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


@attrs.define
class Built(HTMLParser):
    """A built page: what it links to, what it loads, and the places in it that links can lead to."""

    links: list[str] = attrs.field(factory=list)
    loaded: list[str] = attrs.field(factory=list)
    anchors: set[str] = attrs.field(factory=set)

    def __attrs_pre_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif (name := _LOADING.get(tag)) in given and given.get("rel") not in {
            "index",
            "search",
            "next",
            "prev",
        }:
            self.loaded.append(given[name])


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Built]:
    pages: dict[Path, Built] = {}
    for path in site.rglob("*.html"):
        pages[path] = Built()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


def inner(path: Path, links: list[str]) -> Iterator[tuple[Path, str]]:
    """Give the links within the site: the file and the place in it."""
    for link in links:
        parts = urlsplit(link)
        if not parts.scheme and not parts.netloc:
            yield (
                (path.parent / unquote(parts.path)).resolve() if parts.path else path,
                unquote(parts.fragment),
            )


def test_links_lead_somewhere(built: dict[Path, Built]) -> None:
    broken = {
        (path.name, target.name, anchor)
        for path, page in built.items()
        for target, anchor in inner(path, page.links)
        if not target.exists() or (anchor and target in built and anchor not in built[target].anchors)
    }
    assert broken == set()


def test_nothing_is_loaded_from_elsewhere(site: Path, built: dict[Path, Built]) -> None:
    foreign = {one for page in built.values() for one in page.loaded if urlsplit(one).netloc}
    assert foreign == set()
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not [text for text in styles if "url(http" in text or 'url("http' in text or "@import url" in text]


def test_every_page_is_one_click_away(site: Path, built: dict[Path, Built]) -> None:
    start = site / "index.html"
    once = {target for target, _ in inner(start, built[start].links)}
    pages = {
        site / path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")
    }
    assert pages - once == {start} - once
