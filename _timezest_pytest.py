"""Where pytest finds our fixtures: nothing of the package is imported before a test asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from timezest_async import TimeZestClient
    from timezest_async.testing import TimeZestSandbox


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "timezest(**options): options of the sandbox that timezest_sandbox gives this test, as Sandbox takes"
        " them: records=200, rate_limit=(180, 60.0), quirks={...}",
    )


@pytest.fixture(scope="session")
def timezest_sandbox_options() -> dict[str, Any]:
    """Give what every sandbox is made with; override it, and the marker's options win over it."""
    return {}


@pytest.fixture
def timezest_sandbox(
    request: pytest.FixtureRequest, timezest_sandbox_options: dict[str, Any]
) -> Iterator[TimeZestSandbox]:
    """Give a TimeZest service of the test's own: see ``timezest_async.testing.TimeZestSandbox``."""
    from timezest_async.testing import TimeZestSandbox  # noqa: PLC0415 - see above

    options = dict(timezest_sandbox_options)
    for marker in reversed(list(request.node.iter_markers("timezest"))):  # the closest comes last, and wins
        if marker.args:
            raise pytest.UsageError(
                "@pytest.mark.timezest takes options of Sandbox by name, such as records=200;"
                f" not {marker.args}"
            )
        options |= marker.kwargs
    with TimeZestSandbox(**options) as sandbox:
        yield sandbox


@pytest.fixture
def timezest_env(timezest_sandbox: TimeZestSandbox, monkeypatch: pytest.MonkeyPatch) -> TimeZestSandbox:
    """Let ``TimeZestClient()`` and the ``timezest`` command find the sandbox by the environment."""
    monkeypatch.setenv("TIMEZEST_API_KEY", timezest_sandbox.api_key)
    monkeypatch.setenv("TIMEZEST_BASE_URL", timezest_sandbox.base_url)
    return timezest_sandbox


@pytest.fixture
def timezest_client(timezest_sandbox: TimeZestSandbox) -> Iterator[TimeZestClient]:
    """Give a client of the sandbox, which is closed after the test on the loop that used it."""
    from timezest_async.testing import lend_client  # noqa: PLC0415 - see above

    with lend_client(timezest_sandbox) as client:
        yield client
