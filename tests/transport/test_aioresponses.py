"""Users who mock aiohttp with aioresponses see the requests they expect."""

from __future__ import annotations

from typing import Any
from unittest import mock

import aiohttp
import pytest
import stamina
import yarl
from aioresponses import aioresponses

from timezest_async import errors
from timezest_async.transport import Transport

URL = "https://api.timezest.com/v1/scheduling_requests"


class MockableResponse(aiohttp.ClientResponse):
    """aiohttp 3.14 wants a stream writer that aioresponses does not give it (its issue 289)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        named.setdefault("stream_writer", mock.Mock(output_size=0))
        super().__init__(*arguments, **named)


@pytest.fixture
def mocked() -> Any:
    with aioresponses() as mocked, stamina.set_testing(True, attempts=3):
        yield mocked


@pytest.mark.asyncio
async def test_a_mocked_get_shows_what_was_sent(mocked: aioresponses) -> None:
    mocked.get(f"{URL}?filter=a~EQ~b", payload={"data": []}, response_class=MockableResponse)
    transport = Transport(api_key="key", base_url="https://api.timezest.com/v1")
    exchange = await transport.get(
        "/scheduling_requests", route="/scheduling_requests", params={"filter": "a~EQ~b"}
    )
    assert exchange.payload == {"data": []}
    (calls,) = mocked.requests.values()
    assert calls[0].kwargs["headers"]["Authorization"] == "Bearer key"
    assert calls[0].kwargs["allow_redirects"] is False
    await transport.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "cls", "calls"),
    [
        (400, errors.BadRequestError, 1),
        (401, errors.AuthenticationError, 1),
        (403, errors.PermissionDeniedError, 1),
        (404, errors.NotFoundError, 1),
        (422, errors.ValidationError, 1),
        (429, errors.RateLimitedError, 3),
        (500, errors.ServerError, 3),
        (503, errors.ServerError, 3),
    ],
)
async def test_statuses_become_errors(
    mocked: aioresponses, status: int, cls: type[errors.APIStatusError], calls: int
) -> None:
    mocked.get(URL, status=status, payload={"error": "said so"}, repeat=True, response_class=MockableResponse)
    transport = Transport(api_key="key", base_url="https://api.timezest.com/v1")
    with pytest.raises(cls, match="said so") as caught:
        await transport.get("/scheduling_requests", route="/scheduling_requests")
    assert type(caught.value) is cls
    assert len(mocked.requests["GET", yarl.URL(URL)]) == calls
    await transport.close()
