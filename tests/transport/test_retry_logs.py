"""What the log says of retries, and that nothing is printed where nobody listens."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest
import stamina
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from tests.servers.scripted import hang_up, respond, serving
from timezest_async import errors
from timezest_async.budget import RateLimiter
from timezest_async.transport import Transport


async def ask(*steps: Any, attempts: int = 3, limiter: RateLimiter | None = None) -> None:
    async with serving(*steps) as script:
        transport = Transport(
            api_key="key-123456", base_url=script.url, max_attempts=attempts, rate_limiter=limiter
        )
        try:
            await transport.get("/x/sreq_1", route="/x/{id}", params={"filter": "a~EQ~secret"})
        finally:
            await transport.close()


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.mark.asyncio
async def test_each_retry_is_logged_and_giving_up_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    steps = (respond(503, b"key-123456\nERROR forged"), hang_up, respond(500))
    with (
        caplog.at_level(logging.INFO, "timezest_async"),
        stamina.set_testing(True, attempts=3),
        pytest.raises(errors.ServerError),
    ):
        await ask(*steps)
    lines = logged(caplog)
    assert [level for level, _ in lines] == ["INFO", "INFO", "WARNING"]
    for number, (line, reason) in enumerate(
        zip([line for _, line in lines], ["503", "without an answer", "500"], strict=True), start=1
    ):
        assert line.startswith(f"GET /x/{{id}}: attempt {number} failed (")
        assert reason in line
        assert "\n" not in line
        assert "key-123456" not in line
        assert "secret" not in line


@pytest.mark.asyncio
async def test_a_retry_that_succeeds_warns_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), stamina.set_testing(True, attempts=3):
        await ask(respond(503), respond())
    assert [(one.name, one.levelname) for one in caplog.records if one.name != "asyncio"] == [
        ("timezest_async", "INFO")
    ]


@pytest.mark.asyncio
async def test_refusals_for_the_budget_are_counted_with_the_others(caplog: pytest.LogCaptureFixture) -> None:
    limited = respond(429)
    with caplog.at_level(logging.INFO, "timezest_async"), pytest.raises(errors.RateLimitedError):
        await ask(limited, respond(503), limited, limiter=RateLimiter(10, 0.05))
    lines = logged(caplog)
    assert [level for level, _ in lines] == ["INFO"] * (len(lines) - 1) + ["WARNING"]
    numbers = [int(line.partition("attempt ")[2].split()[0]) for _, line in lines]
    assert numbers[:-1] == list(range(1, len(lines)))
    # It may be given up while it waits to be sent again.
    assert numbers[-1] in {len(lines) - 1, len(lines)}


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "attempts"), [(404, 3), (503, 1)])
async def test_what_is_not_tried_again_is_not_logged(
    status: int, attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "timezest_async"), pytest.raises(errors.APIStatusError):
        await ask(respond(status), attempts=attempts)
    assert not logged(caplog)


@pytest.mark.asyncio
async def test_staminas_own_hooks_are_called_still_and_left_as_they_are() -> None:
    heard: list[Any] = []
    before = get_on_retry_hooks()
    set_on_retry_hooks([heard.append])
    try:
        with stamina.set_testing(True, attempts=3):
            await ask(respond(503), respond())
        assert [one.name for one in heard] == ["timezest_async: GET /x/{id}"]
    finally:
        set_on_retry_hooks(before)
    logging.getLogger("stamina").addHandler(kept := _Kept())
    try:
        for trial in stamina.retry_context(on=ValueError, attempts=2, wait_initial=0, wait_jitter=0):
            with trial:
                if trial.num == 1:
                    raise ValueError
    finally:
        logging.getLogger("stamina").removeHandler(kept)
    assert kept.records == ["stamina.retry_scheduled"]


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


def test_nothing_is_printed_where_logging_is_not_configured() -> None:
    code = (
        "import asyncio\n"
        "from tests.transport.test_retry_logs import ask, respond\n"
        "asyncio.run(ask(respond(503), respond(503), respond()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_loggers_are_left_as_they_are() -> None:
    async def main() -> None:
        with stamina.set_testing(True, attempts=2):
            for _ in range(3):
                await ask(respond(503), respond())

    asyncio.run(main())
    assert len(logging.getLogger("stamina").filters) <= 1
    assert logging.getLogger("stamina").level == logging.NOTSET
    assert logging.getLogger("timezest_async").propagate
