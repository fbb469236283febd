"""The options of ``timezest mcp``; what it serves is tested in tests/integrations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.servers.served import Served, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    with serving(records=1) as served:
        yield served


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--allow-create"], "belong together"),
        (["--journal", "intents.db"], "belong together"),
        (["--allow-create", "--journal", "http://x"], "neither a file nor the URL of a Redis"),
        (["--allow-create", "--journal", ""], "is empty"),
        (["--max-requests", "0"], "max-requests"),
    ],
)
def test_unfit_options_are_refused(service: Served, timezest: Run, words: list[str], said: str) -> None:
    status, output, errors = timezest("mcp", *words)
    assert (status, output, service.requests_seen) == (2, "", [])
    assert said in errors


def test_what_is_missing_is_named(service: Served, timezest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "timezest_async.integrations.assistant", raising=False)
    status, _, errors = timezest("mcp")
    assert status == 2
    assert "timezest-async[mcp]" in errors
