"""Where the ``timezest`` script begins: signals are heeded before the imports, which take half a second."""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run the ``timezest`` command; see ``timezest_async.cli.main``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    sys.unraisablehook = _leave_if_interrupted
    from timezest_async.cli import main  # noqa: PLC0415 - see above

    try:
        return main()
    finally:
        # While Python tears itself down it would let them kill the process, its work done.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _leave(*_: object) -> None:
    """End at once: nothing has begun yet that would want to be put in order, or all of it is over."""
    os._exit(130)


def _leave_if_interrupted(what: sys.UnraisableHookArgs) -> None:
    """Heed the KeyboardInterrupt that Python would only report: one raised where nothing can be caught."""
    if what.exc_type is KeyboardInterrupt:
        _leave()
    sys.__unraisablehook__(what)
