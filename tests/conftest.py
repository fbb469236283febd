from __future__ import annotations

import gc
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import trustme
from hypothesis import HealthCheck, settings

from tests import support
from tests.secret_search import MARKER, nothing_shows_the_key  # noqa: F401 - watches the whole session
from timezest_async import RateLimiter, TimeZestClient
from timezest_async.sandbox import Sandbox

# Neither how long an example takes nor how fast they are made is to be judged on a machine that is shared.
settings.register_profile(
    "timezest",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=support.examples(100),
)
settings.load_profile("timezest")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their argument: compressed ones hold the time, and each worker must collect the same."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_finish() -> None:
    """Let collections of garbage, which many tests ask for, pass over what is there for the whole session."""
    gc.collect()
    gc.freeze()


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(api_key=MARKER) as sandbox:  # empty, so its clock shows only in what tests create
        yield sandbox


@pytest_asyncio.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[TimeZestClient]:
    async with TimeZestClient(
        api_key=sandbox.api_key,
        base_url=sandbox.base_url,
        rate_limiter=RateLimiter(1_000_000, 1.0),  # many tests ask more than 180 times a minute
    ) as client:
        yield client


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A company's own CA, which nobody else trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context
