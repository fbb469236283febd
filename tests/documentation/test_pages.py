"""Every block of every page does what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, Reader, blocks
from tests.servers.served import KEY, Served, serving
from timezest_async.sandbox import Sandbox

OWN_TEST = {"exactly-once.md"}
"""Pages whose blocks want more than a sandbox: tests/idempotency."""
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in OWN_TEST]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=300) as served:
        served.do(furnish)
        yield served


def furnish(sandbox: Sandbox) -> None:
    """Store what the pages name."""
    sandbox.add(object="appointment_type", id="apty_2s211C0S1I5gqIaA8wbDu6")
    sandbox.add(object="agent", id="agnt_2wvARLFjTDmO4djuOBf3r")
    for number in ("#1234", "#1235"):
        sandbox.add_contact(
            "connectwise_psa/service_ticket", number=number, name="Ann", email="ann@example.com"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_the_blocks_do_what_they_say(
    page: Path, busy: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIMEZEST_API_KEY", KEY)
    monkeypatch.setenv("TIMEZEST_BASE_URL", busy.base_url)
    monkeypatch.setenv("COLUMNS", "100")
    Reader(page).run()


def test_every_block_says_its_language() -> None:
    known = {"python", "sh", "output", "text", "json", "toml", "ini", "sql", "console", "mermaid"}
    assert [
        (page.name, block.line) for page in PAGES for block in blocks(page) if block.language not in known
    ] == []
