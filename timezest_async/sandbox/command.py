"""``python -m timezest_async.sandbox``: the sandbox by itself, until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox.control_commands import ACTS, DEFAULT_PORT, run_act
from timezest_async.sandbox.server import Sandbox

_REAL_LIMIT: Final = (180, 60.0)


async def serve_forever(sandbox: Sandbox, announce: Callable[[str], None] | None = None) -> None:
    """Run a sandbox until SIGINT or SIGTERM, or until this task is cancelled.

    Args:
        sandbox: What to run; it must not be running yet.
        announce: Takes the lines that say where the sandbox is; by default they go to stdout.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        # Windows has no such handlers; there Ctrl-C cancels the task, which ends the same way.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    try:
        async with sandbox:
            lines = [f"base URL  {sandbox.base_url}", f"API key   {sandbox.api_key}"]
            if sandbox.control_url is not None:
                lines.append(f"control   {sandbox.control_url}")
            for line in lines:
                (announce or _print)(line)
            await stopped.wait()
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
                signal.signal(number, handler)


def run(argv: Sequence[str] | None = None, name: str = "python -m timezest_async.sandbox") -> int:
    """Read the command line, and serve; or ask a sandbox that runs to do something.

    Args:
        argv: The arguments; by default those of the process.
        name: How the command is called.

    Returns:
        The exit status: 0 when stopped, 1 when the address or the database cannot be used.

    Raises:
        SystemExit: 2, for wrong usage.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in ACTS:
        return run_act(arguments, name)
    parser = _parser(name)
    options = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(
            port=options.port,
            host=options.host,
            api_key=options.api_key,
            read_only_key=options.read_only_key,
            records=options.records,
            database=options.database,
            rate_limit=None if options.no_rate_limit else options.rate_limit,
            latency=options.latency,
            page_size=options.page_size,
            seed=options.seed,
            control=options.control,
            keep_requests=False,
        )
    except ConfigurationError as error:
        parser.error(str(error))
    serving = serve_forever(sandbox)
    try:
        asyncio.run(serving)
    except KeyboardInterrupt:
        serving.close()  # it may not have begun
        return 0
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=name,
        description="Run a TimeZest service of your own, with sample data, until Ctrl-C.",
        epilog=f"One that runs with --control is told what to do by: {name} {'|'.join(ACTS)} ID",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8787, help="port to listen on; 0 takes a free one (default: %(default)s)")
    add("--api-key", default="demo", help="the key that may read and create (default: %(default)s)")
    add("--read-only-key", help="a second key, which may only read")
    add("--records", type=int, default=2000, help="sample scheduling requests (default: %(default)s)")
    add(
        "--database",
        metavar="FILE",
        help="an SQLite file for the records; those in it are kept",
    )
    add(
        "--rate-limit",
        type=_rate,
        default=_REAL_LIMIT,
        metavar="MAX/SECONDS",
        help="requests in any window of so many seconds (default: 180/60)",
    )
    add("--no-rate-limit", action="store_true", help="answer however many requests come")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="wait before every answer")
    add("--page-size", type=int, default=20, metavar="N", help="records a page (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="another seed, other sample data")
    add(
        "--control",
        type=int,
        nargs="?",
        const=DEFAULT_PORT,
        metavar="PORT",
        help=f"be told acts, faults, latency and time on this port of the machine (default: {DEFAULT_PORT})",
    )
    return parser


def _rate(text: str) -> tuple[int, float]:
    most, _, seconds = text.partition("/")
    try:
        rate = int(most), float(seconds)
    except ValueError:
        rate = (0, 0.0)
    if rate[0] < 1 or rate[1] <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate: write it like 180/60")
    return rate


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    # Whoever started this in a pipe waits for the port.
    sys.stdout.flush()
