"""The documentation site in a browser: nothing sticks out, and everything can be read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.reports import chromium
from tests.reports.test_chromium import luminance

PAGES = ("index", "tutorials/first-list", "fastapi", "explanation/planning", "reference/client")
_LOOK = r"""(() => {
  const clear = colour => /, 0\)$|^transparent$/.test(colour);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!clear(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const seen = e => e.getClientRects().length
    && e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const texts = [...document.querySelectorAll("main *, header *, nav *")].filter(e =>
    seen(e) && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  const pairs = new Map();
  for (const e of texts) {
    const style = getComputedStyle(e);
    const size = parseFloat(style.fontSize), ground = behind(e);
    const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    const key = [style.color, ground, large];
    pairs.set(key.join("|"), [...key, e.outerHTML.slice(0, 120)]);
  }
  const kept = ["auto", "scroll", "hidden"];
  const scrolls = e => { for (; e && e.tagName !== "BODY"; e = e.parentElement) {
    if (kept.includes(getComputedStyle(e).overflowX)) return true;
  } return false; };
  return {
    width: [document.documentElement.scrollWidth, innerWidth],
    outside: [...document.querySelectorAll("main *")].filter(e => seen(e) && !scrolls(e)
      && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120)).slice(0, 5),
    pairs: [...pairs.values()],
  };
})()"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[chromium.Tab]:
    async with chromium.open_tab(tmp_path_factory.mktemp("chromium") / "profile") as tab:
        yield tab


def blended(colour: str, ground: str) -> str:
    """Lay a colour that is not quite opaque over another."""
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)]
    if len(parts) < 4 or parts[3] == 1:
        return colour
    below = [float(part) for part in re.findall(r"[\d.]+", ground)]
    mixed = (
        round(parts[3] * one + (1 - parts[3]) * other) for one, other in zip(parts, below[:3], strict=False)
    )
    return f"rgb({', '.join(map(str, mixed))})"


def contrast(ink: str, ground: str) -> float:
    """Compute the contrast of two colours (WCAG 2, 1.4.3)."""
    ground = blended(ground, "rgb(255, 255, 255)")
    one, other = luminance(blended(ink, ground)), luminance(ground)
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", PAGES)
async def test_a_page_fits_and_can_be_read(
    tab: chromium.Tab, site: Path, tmp_path: Path, page: str, width: int, scheme: str
) -> None:
    await tab.show(width=width, height=844, scheme=scheme)
    await tab.open((site / f"{page}.html").as_uri())
    found: dict[str, Any] = await tab.evaluate(_LOOK)
    assert found["width"][0] <= found["width"][1] == width, found["outside"]
    assert found["outside"] == []
    faint = [
        (round(contrast(ink, ground), 2), ink, ground, where)
        for ink, ground, is_large, where in found["pairs"]
        if contrast(ink, ground) < (3 if is_large else 4.5)
    ]
    assert faint == []
    picture = await tab.screenshot()
    (tmp_path / "page.png").write_bytes(picture)
    assert picture.startswith(b"\x89PNG")
