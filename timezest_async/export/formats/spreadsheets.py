"""CSV as RFC 4180 has it, and as a spreadsheet takes it: its formulas, its line ends, its long cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Final

from timezest_async.serialization.json_text import well_formed

_IGNORED: Final = r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff;]*"
"""What a spreadsheet may drop, or split at, before it looks for a formula."""
_STARTS: Final = r"[\t\r\n=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
"""What a formula, or a cell that is torn in two, begins with; full-width and small forms included."""
_FORMULA: Final = re.compile(f"'*{_IGNORED}{_STARTS}")

_LONGEST_CELL: Final = (1 << 31) - 1
_changing_the_limit: Final = Lock()


def escape_formula(cell: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Text that has apostrophes before a formula already gets one more, so that ``unescape_formula`` takes away
    no other than ours.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Take away the apostrophe that ``escape_formula`` put before a cell."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Write rows as CSV, with U+FFFD for lone surrogates."""
    buffer = io.StringIO(newline="")
    # Before Python 3.13 only what the line end is made of is quoted: with "\n" a bare "\r" would not be.
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return well_formed(buffer.getvalue())


def csv_rows(lines: Iterable[str]) -> Iterator[Mapping[str | None, str]]:
    """Read CSV with a heading, a row at a time, with cells of any length.

    Args:
        lines: Such as a file that was opened with ``newline=""``.

    Raises:
        csv.Error: It is not CSV.
    """
    rows = csv.DictReader(lines, strict=True)
    while (row := _next(rows)) is not None:
        yield row


def _next(rows: Iterator[Mapping[str | None, str]]) -> Mapping[str | None, str] | None:
    # The limit on cells is the whole process's, and not ours to change for longer than a row.
    with _changing_the_limit:
        limit = csv.field_size_limit(_LONGEST_CELL)
        try:
            return next(rows, None)
        finally:
            csv.field_size_limit(limit)
