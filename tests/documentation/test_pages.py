"""Every block of every page does what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.documentation.pages import ROOT, Reader, blocks
from tests.servers.served import KEY, Served, serving
from timezest_async.sandbox import Sandbox

OWN_TEST = {"exactly-once.md"}
"""Pages whose blocks want more than a sandbox: tests/idempotency."""
NEEDS = {"pipelines.md": ("dlt", "dlt"), "telemetry.md": ("opentelemetry.trace", "otel")}
"""Pages that are about a library: its module, and the extra that brings it."""
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


def marked(page: Path) -> Any:
    # Libraries warn of themselves.
    marks = [pytest.mark.filterwarnings("default")] if page.name in NEEDS else []
    return pytest.param(page, marks=marks, id=str(page.relative_to(ROOT / "docs")))


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_the_blocks_do_what_they_say(
    page: Path, busy: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name in NEEDS:
        support.needs(*NEEDS[page.name])
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
        monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIMEZEST_API_KEY", KEY)
    monkeypatch.setenv("TIMEZEST_BASE_URL", busy.base_url)
    monkeypatch.setenv("COLUMNS", "100")
    Reader(page).run()


def test_every_block_says_its_language() -> None:
    known = {"python", "sh", "output", "text", "json", "toml", "sql", "js"}
    assert [
        (page.name, block.line) for page in PAGES for block in blocks(page) if block.language not in known
    ] == []
