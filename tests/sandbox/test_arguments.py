"""What a sandbox cannot be made with, and what cannot be put into it."""

from __future__ import annotations

from typing import Any

import pytest

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox import Sandbox

UNFIT: list[dict[str, Any]] = [
    {"port": 65_536},
    {"port": "8787"},
    {"api_key": ""},
    {"api_key": "two words"},
    {"api_key": None},
    {"read_only_key": "é"},
    {"read_only_key": "demo"},
    {"records": -1},
    {"records": True},
    {"rate_limit": 180},
    {"rate_limit": (0, 60.0)},
    {"rate_limit": (180, 0)},
    {"retry_after": "soon"},
    {"latency": -1},
    {"latency": float("nan")},
    {"page_size": 0},
    {"control": 70_000},
    {"quirks": {"odd"}},
    {"quirks": "takes_or"},
    {"quirks": 5},
]


@pytest.mark.parametrize("arguments", UNFIT, ids=str)
def test_unfit_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        Sandbox(**arguments)


def test_no_key_is_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Sandbox(api_key="hush hush")
    assert "hush" not in str(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("id", [5, "", None])
async def test_ids_are_text(id: Any) -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(ValueError, match="an id is text"):
            sandbox.add(id=id)
        assert sandbox.records() == []
