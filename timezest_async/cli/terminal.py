"""Where output goes: data to stdout, everything else to stderr."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any, BinaryIO, Final, cast

from rich.console import Console

from timezest_async.reports.terminal import printable

_WIDTH: Final = 80


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - what rich is handling; its own way ends the process inside an event loop


# What customers type is shown as it is: no markup, no emoji codes, no colouring of numbers.
out: Final = _Console(markup=False, highlight=False, emoji=False)
err: Final = _Console(markup=False, highlight=False, emoji=False, stderr=True)


# What tables and bars are drawn with, where a code page has none of it.
_PLAIN: Final = {
    **dict.fromkeys("\u2500\u2501", "-"),
    "\u2502": "|",
    **dict.fromkeys("\u256d\u256e\u256f\u2570", "+"),
    **dict.fromkeys("\u2589\u258a\u258b\u258c\u2588", "#"),
    "\u2591": ".",
    "\u2592": ":",
    "\u2593": "%",
    "\u00b7": ".",
    "\u2014": "-",
    "\u2026": ".",
}


def _replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in text), error.end


def prepare_streams() -> None:
    """See to it that no character stops a line, and that a stdout which is closed fails like a full one."""
    codecs.register_error("timezest", _replace_unencodable)
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:  # as Python has it when its number is closed
            mode = "r" if name == "stdin" else "w"
            stream = open(os.open(os.devnull, flags), mode, encoding="utf-8")  # noqa: SIM115, PTH123 - stays open
            setattr(sys, name, stream)
    if not os.environ.get("COLUMNS", "1").strip("0"):
        # In no columns, as COLUMNS=0 has it, rich would write nothing at all.
        del os.environ["COLUMNS"]
        for console in (out, err):
            console.width = console.width or _WIDTH
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="timezest")


def print_data(text: str = "") -> None:
    """Write a line of data, unwrapped, so that what is long can be copied whole."""
    out.print(printable_lines(text), soft_wrap=True)


def print_status(text: str) -> None:
    """Write a line for the person at the terminal; where stderr takes none, nobody can be told."""
    with suppress(OSError):
        err.print(printable_lines(text), soft_wrap=True)
        return
    with suppress(OSError):
        # Rich keeps what it could not write, and would write it before the next line.
        err.begin_capture()
        err.end_capture()


def width() -> int | None:
    """Return how many characters a line may have; None where nobody's terminal is the measure."""
    return out.width if out.is_terminal or "COLUMNS" in os.environ else None


def data_stream() -> BinaryIO:
    """Return what takes bytes of data (UTF-8): stdout, as it is where nothing obeys what customers typed."""
    # Not what rich takes for one: the environment can make it take a file for a terminal.
    return cast("BinaryIO", _PrintableStream()) if sys.stdout.isatty() else sys.stdout.buffer


class _PrintableStream(io.RawIOBase):
    """Shows bytes of text on a terminal."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def write(self, data: Any) -> int:
        text = self._decode(data)
        sys.stdout.write("\n".join(printable(line.rstrip("\r")) for line in text.split("\n")))
        return len(data)

    def flush(self) -> None:
        sys.stdout.flush()


def printable_lines(text: str) -> str:
    """Replace what a terminal might obey, such as escape sequences in a customer's name."""
    return "\n".join(map(printable, text.split("\n")))
