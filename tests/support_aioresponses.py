"""aioresponses beside aiohttp 3.14, whose responses want a stream writer that it does not give them."""

from __future__ import annotations

from typing import Any
from unittest import mock

import aiohttp


class MockableResponse(aiohttp.ClientResponse):
    """Pass it as ``response_class`` to every mocked answer (aioresponses' issue 289)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        named.setdefault("stream_writer", mock.Mock(output_size=0))
        super().__init__(*arguments, **named)
