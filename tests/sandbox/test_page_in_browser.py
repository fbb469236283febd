"""The end user's page in a browser; the browser is Debian's Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.chromium import Tab, open_tab
from tests.support import stopped_clock
from timezest_async.sandbox import Sandbox

_MEASURE = """(() => {
  const box = e => e.getBoundingClientRect();
  const colours = e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color];
  const shown = [...document.querySelectorAll("input, select, button, summary")].filter(e => e.offsetParent);
  return {
    width: [document.documentElement.scrollWidth, innerWidth],
    outside: [...document.querySelectorAll("body *")].filter(e => box(e).right > innerWidth + 1).length,
    unnamed: shown.filter(e => !(e.labels || []).length && !e.textContent.trim()).length,
    low: shown.filter(e => e.type != "radio" && box(e).height < 24).length,
    body: colours(document.body),
  };
})()"""


async def submit(tab: Tab, script: str) -> str:
    """Do something that leads to another page; return its state, as people read it."""
    loads = tab.count_loads()
    await tab.evaluate(f"{script}; true")
    await tab.loaded(loads)
    return str(await tab.evaluate("document.getElementById('state').parentElement.innerText"))


@pytest.mark.asyncio
async def test_an_end_user_books_moves_and_cancels_in_a_browser(tmp_path: Path) -> None:
    async with Sandbox(clock=stopped_clock) as sandbox, open_tab(tmp_path / "profile") as tab:
        url = sandbox.base_url.replace("/v1", "/schedule/browser")
        sandbox.add(
            scheduling_url=url,
            end_user_name="Bartholomäus" * 10,
            resources=[{"object": "agent", "id": "agnt_1", "name": "Sam"}],
        )
        await tab.call("Emulation.setScriptExecutionDisabled", value=True)
        for scheme in ("light", "dark"):
            await tab.show(width=390, height=844, scheme=scheme)
            await tab.open(url)
            found = await tab.evaluate(_MEASURE)
            assert found["width"] == [390, 390]
            assert (found["outside"], found["unnamed"], found["low"]) == (0, 0, 0)
            assert (found["body"][0] == "rgb(16, 21, 27)") == (scheme == "dark")
        shown = await submit(
            tab,
            "document.querySelector('select').value = 'Arizona';"
            "document.querySelector('form[method=get] button').click()",
        )
        assert "No time is chosen yet" in shown
        first = "[...document.querySelectorAll('[type=radio]')].at({}).click();"
        book = "document.querySelector('button.main').click()"
        shown = await submit(tab, first.format(0) + book)
        assert "Wednesday 1 July 2026, 09:00, Arizona" in shown
        booked = sandbox.records()[0]
        shown = await submit(tab, first.format(-1) + book)
        assert "Arizona" in shown
        moved = sandbox.records()[0]
        assert moved["selected_start_time"] > booked["selected_start_time"]
        assert (booked["status"], moved["status"]) == ("scheduled", "scheduled")
        shown = await submit(tab, "document.querySelector('[value=cancel]').click()")
        assert "cancelled" in shown
        assert sandbox.records()[0]["status"] == "cancelled"
        assert tab.complaints() == []
        assert all(asked.startswith((url, "data:")) for asked in tab.requested())
