"""``timezest sandbox book``, ``cancel`` and ``close``: the end user's and the team's part, from a shell."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from timezest_async.sandbox.control import LOOPBACK

ACTS: Final = {
    "book": "Choose a time for a scheduling request, or another one, as the end user does.",
    "cancel": "Cancel a scheduling request, as the end user or the team does.",
    "close": "Close a scheduling request, as a workflow of the team does.",
}
DEFAULT_PORT: Final = 8788
_PATIENCE: Final = 30.0


def run_act(argv: Sequence[str], name: str) -> int:
    """Ask a running sandbox to act, and write the scheduling request as JSON to stdout.

    Args:
        argv: The act and its arguments.
        name: How the command is called.

    Returns:
        The exit status: 0 when done, 1 when no sandbox answers or it refuses.

    Raises:
        SystemExit: 2, for wrong usage.
    """
    act, *arguments = argv
    options = _parser(act, name).parse_args(arguments)
    content = {"start_time": options.at, "time_zone": options.time_zone} if act == "book" else {}
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{options.control}/requests/{quote(options.id, safe='')}/{act}",
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        # Not through a proxy: it is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_PATIENCE) as answer:
            sys.stdout.write(f"{answer.read().decode()}\n")
    except urllib.error.HTTPError as error:
        with error:
            return _failed(str(json.loads(error.read())["error"]))
    except OSError:
        return _failed(
            f"no sandbox answers at control port {options.control}: start one with it, as --control PORT"
        )
    return 0


def _failed(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 1


def _parser(act: str, name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{name} {act}", description=ACTS[act])
    add = parser.add_argument
    add("id", metavar="ID", help="the scheduling request")
    if act == "book":
        add(
            "--at",
            metavar="TIME",
            help="when it starts, such as 2026-03-09T10:00:00-07:00; by default this time tomorrow",
        )
        add("--time-zone", metavar="ZONE", help="the end user's, such as Arizona or Europe/Amsterdam")
    add(
        "--control",
        type=int,
        default=DEFAULT_PORT,
        metavar="PORT",
        help="the running sandbox's (default: %(default)s)",
    )
    return parser
