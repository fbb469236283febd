"""Where output goes: data to stdout, everything else to stderr."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, BinaryIO, Final, cast

from rich.console import Console

from timezest_async.reports.terminal import printable as printable_line


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - what rich is handling; its own way ends the process inside an event loop


# What customers type is shown as it is: no markup, no emoji codes, no colouring of numbers.
out: Final = _Console(markup=False, highlight=False, emoji=False)
err: Final = _Console(markup=False, highlight=False, emoji=False, stderr=True)


def show(text: str = "") -> None:
    """Write a line of data, unwrapped, so that what is long can be copied whole."""
    out.print(printable(text), soft_wrap=True)


def say(text: str) -> None:
    """Write a line for the person at the terminal."""
    err.print(printable(text), soft_wrap=True)


def width() -> int | None:
    """Tell how many characters a line may have; None where nobody's terminal is the measure."""
    return out.width if out.is_terminal or "COLUMNS" in os.environ else None


def data() -> BinaryIO:
    """Give what takes bytes of data (UTF-8): stdout, as it is where nothing obeys what customers typed."""
    return cast("BinaryIO", _Shown()) if out.is_terminal else sys.stdout.buffer


class _Shown(io.RawIOBase):
    """Shows bytes of text on a terminal."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def write(self, data: Any) -> int:
        text = self._decode(data)
        sys.stdout.write("\n".join(printable_line(line.rstrip("\r")) for line in text.split("\n")))
        return len(data)

    def flush(self) -> None:
        sys.stdout.flush()


def printable(text: str) -> str:
    """Replace what a terminal might obey, such as escape sequences in a customer's name."""
    return "\n".join(map(printable_line, text.split("\n")))
