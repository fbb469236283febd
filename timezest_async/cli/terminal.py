"""Where output goes: data to stdout, everything else to stderr."""

from __future__ import annotations

from typing import Final

from rich.console import Console

from timezest_async.reports.terminal import printable as printable_line

# What customers type is shown as it is: no markup, no emoji codes, no colouring of numbers.
out: Final = Console(markup=False, highlight=False, emoji=False)
err: Final = Console(markup=False, highlight=False, emoji=False, stderr=True)


def show(text: str = "") -> None:
    """Write a line of data, unwrapped, so that what is long can be copied whole."""
    out.print(printable(text), soft_wrap=True)


def say(text: str) -> None:
    """Write a line for the person at the terminal."""
    err.print(printable(text), soft_wrap=True)


def printable(text: str) -> str:
    """Replace what a terminal might obey, such as escape sequences in a customer's name."""
    return "\n".join(map(printable_line, text.split("\n")))
