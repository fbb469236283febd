"""The page as a browser has it; the browser is Debian's Chromium."""

from __future__ import annotations

import gc
import itertools
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.reports import chromium
from tests.reports.made import empty_report, hostile_report
from tests.support import FULL
from timezest_async.reports import Report, write_page

ALL = list(itertools.product(("hostile", "many-weeks", "empty"), (320, 390, 768, 1280), ("light", "dark")))
# Each page, each width and each colour scheme at least once.
EACH_ONCE = [ALL[at] for at in (0, 3, 4, 7, 9, 14, 17, 22)]

_MEASURE = """(() => {
  const box = e => e.getBoundingClientRect();
  const all = [...document.querySelectorAll("body *")];
  return {
    width: [document.documentElement.scrollWidth, innerWidth],
    outside: all.filter(e => !e.closest(".scroll, table, svg, .hidden") && box(e).right > innerWidth + 1)
      .map(e => e.outerHTML.slice(0, 200)),
    small: all.filter(e => parseFloat(getComputedStyle(e).fontSize) < 16).map(e => e.tagName),
    scripts: document.scripts.length + document.images.length,
    sections: [...document.querySelectorAll("section")].map(e => box(e).height),
    bars: [...document.querySelectorAll(".plot rect:not(.grid)")].map(e => box(e).height),
    colours: [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color],
    title: document.title,
  };
})()"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[chromium.Tab]:
    async with chromium.open_tab(tmp_path_factory.mktemp("chromium") / "profile") as tab:
        yield tab


def luminance(colour: str) -> float:
    """Compute a colour's relative luminance (WCAG 2, 1.4.3)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "width", "scheme"), ALL if FULL else EACH_ONCE)
async def test_the_page_fits_and_is_quiet(
    tab: chromium.Tab, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    reports: dict[str, Report] = {
        "hostile": hostile_report(),
        "many-weeks": hostile_report(weeks=104),
        "empty": empty_report(),
    }
    page = tmp_path / "report.html"
    write_page(reports[name], page)
    tab.events.clear()
    await tab.show(width=width, height=844, scheme=scheme)
    await tab.open(page.as_uri())
    found = await tab.evaluate(_MEASURE)
    assert tab.complaints() == []
    assert tab.requested() == [page.as_uri()]
    assert found["title"] == "Scheduling requests"
    assert found["width"][0] <= found["width"][1] == width
    assert found["outside"] == []
    assert found["small"] == []
    assert found["scripts"] == 0
    assert all(height > 100 for height in found["sections"])
    assert len(found["sections"]) == (0 if name == "empty" else 9)
    assert all(height > 0 for height in found["bars"])
    assert bool(found["bars"]) == (name != "empty")
    background, ink = map(luminance, found["colours"])
    assert (background < 0.1) == (scheme == "dark")
    assert (max(background, ink) + 0.05) / (min(background, ink) + 0.05) > 7
    assert (await tab.screenshot()).startswith(b"\x89PNG")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("required", "outcome"), [("", pytest.skip.Exception), ("all", pytest.fail.Exception)], ids=["no", "yes"]
)
async def test_without_chromium_the_test_is_skipped_unless_it_is_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TIMEZEST_REQUIRE", required)
    with pytest.raises(outcome, match="apt-get install chromium"):
        async with chromium.open_tab(tmp_path / "profile"):
            pass
    gc.collect()  # what was left open would be warned of now
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - it is not a loop
