"""The ``timezest`` command: one file per sub-command. It needs the extra ``cli``.

Knows arguments, terminals, signals and exit statuses; knows nothing of how lists are read or files written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``timezest`` command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status: 0 done, 1 the service or the network failed, 2 wrong usage or filter, 130
        interrupted.
    """
    try:
        from timezest_async.cli.application import run  # noqa: PLC0415 - what it needs may be missing
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.stderr.write("the timezest command needs typer and rich: pip install 'timezest-async[cli]'\n")
        return 2
    return run(argv)
