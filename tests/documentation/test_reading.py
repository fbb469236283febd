"""What a reader finds: the jobs, each error, and a grammar that is the parser's."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, blocks
from tests.test_public_api import every_class
from timezest_async import FilterError, FilterSyntaxError, TimeZestError, tql
from timezest_async.tql.operators import Operator
from timezest_async.tql.scanning import _SYMBOLS

DOCS = ROOT / "docs"
JOBS = {
    "create for a ticket": "create_once(",
    "requests of a ticket": "connectwise_psa_ticket_number",
    "chase": "--chase",
    "morning briefing": "selected_start_time",
    "every hour": "--incremental",
    "wait until": "wait_until(",
    "technician": "scheduled_agents",
    "fastapi": "lifespan",
    "fleet": "journal",
    "pandas": "to_table(",
    "hundreds of accounts": "export_account",
    "tests of your own": "timezest_client",
    "proxy": "proxy=",
    "one budget": ".share(",
    "not asynchronous": "asyncio.Runner",
}
"""What a reader looks for, and what the page that says it has."""


def links(page: Path) -> dict[Path, str]:
    """Return the pages that a page leads to, those of its contents too, with the words that do."""
    text = page.read_text(encoding="utf-8")
    found = {target: words for words, target in re.findall(r"\[([^]]+)\]\(([^)#\s]+\.md)[^)]*\)", text)}
    for tree in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
        for line in tree.splitlines():
            if line and not line.startswith(":"):
                words, target = re.fullmatch(r"(?:(.+) <)?([^<>]+?)>?", line).groups()  # type: ignore[union-attr]
                title = (page.parent / f"{target}.md").read_text(encoding="utf-8").splitlines()[0]
                found[f"{target}.md"] = words or title
    return {(page.parent / target).resolve(): words for target, words in found.items()}


def test_every_page_is_within_reach() -> None:
    start, away = DOCS / "index.md", {DOCS / "index.md": 0}
    todo = deque([start])
    while todo:
        page = todo.popleft()
        for target in links(page):
            if target.is_relative_to(DOCS) and target not in away:
                away[target] = away[page] + 1
                todo.append(target)
    pages = set(DOCS.rglob("*.md"))
    assert pages - away.keys() == set()
    assert max(away[page] for page in pages) <= 2


@pytest.mark.parametrize("job", JOBS)
def test_each_job_is_within_two_clicks_and_its_page_does_it(job: str) -> None:
    start = DOCS / "index.md"
    near = links(start)
    once = {page for page, words in near.items() if job in words.lower()}
    twice = {
        page
        for step in near
        if step.suffix == ".md"
        for page, words in links(step).items()
        if job in words.lower()
    }
    assert any(JOBS[job] in page.read_text(encoding="utf-8") for page in once | twice), (once, twice)


def test_every_error_is_told_with_what_to_do() -> None:
    rows = dict(
        re.findall(
            r"^\| `(\w+)`[^|]*\|[^|]+\|([^|]+)\|$",
            (DOCS / "errors.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    classes = {cls.__name__ for cls in every_class(TimeZestError)} - {"TimeZestError"}
    assert rows.keys() == classes
    assert all(what.strip() for what in rows.values())


def test_the_grammar_is_the_parsers() -> None:
    page = DOCS / "grammar.md"
    drawn, read, refused = (block.text for block in blocks(page))
    assert {operator.value for operator in Operator} | set(_SYMBOLS) <= set(re.findall(r'"([^" ]+)"', drawn))
    for line in read.splitlines():
        assert tql.parse(line) is not None
    for line in refused.splitlines():
        with pytest.raises(FilterError) as caught:
            tql.parse(line)
        assert not isinstance(caught.value, FilterSyntaxError) or caught.value.hint, line
