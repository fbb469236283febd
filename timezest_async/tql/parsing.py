r"""From TQL text to nodes, for people who type filters and for texts that are stored.

::

    filter     = term, { ("AND" | "OR"), term }       AND binds tighter than OR
    term       = { "NOT" }, ( predicate | "(", filter, ")" )
    predicate  = attribute, operator, value
    operator   = EQ … NOT_IN | "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="
    value      = one word | '"' text '"' | for IN: values joined by commas, in parentheses or not

Keywords and word operators ignore case; ``&`` and ``|`` are AND and OR. Outside quotes ``~`` and white
space are one separator. What a word means depends on where it stands, so that ``EQ`` is an ordinary value
after an operator. OR, NOT and parentheses are ours: the service has none of them.

All of it is one loop over an explicit stack, and every character is looked at a fixed number of times.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final, cast

from timezest_async.errors import FilterError
from timezest_async.tql.building import all_of, any_of
from timezest_async.tql.nodes import Expression
from timezest_async.tql.repairs import Misread
from timezest_async.tql.scanning import Scanner, single_line
from timezest_async.tql.schema import schema_of

MAX_CHARACTERS: Final = 64 * 1024
MAX_NESTING: Final = 100
_MAX_ADVICE: Final = 500
"""The longest filter that is written out again, corrected."""
_MAX_REPAIRS: Final = 20


def parse(text: str, entity: str = "scheduling_request", *, now: datetime | None = None) -> Expression[Any]:
    r"""Read TQL text, in the ``~`` form or with spaces, and with OR, NOT and parentheses as well.

    Timestamps are epoch seconds, ``2026-01-01`` (midnight UTC), ISO 8601 with its zone, such as
    ``2026-01-01T12:00:00Z``, or relative: ``30d`` is 30 days ago, ``+7d`` in 7 days (``w``, ``d``, ``h``,
    ``m``, ``s``), each turned into a fixed second when the text is read. Booleans are ``true`` and ``false``.
    A value with white space, ``~``, a comma, a parenthesis or a double quote in it goes in double quotes,
    where a backslash goes before ``"`` and ``\``; so does one with what is syntax elsewhere:
    ``& | = < > [ ] { } ;`` anywhere, ``*`` or ``%`` at an end, ``!`` or another quote at the start.

    Args:
        text: At most 64 KiB (counted in characters), 1,000 predicates and 100 parentheses deep.
        entity: The entity filtered, singular; attributes may bear it as their prefix.
        now: What relative times count from (aware); by default the clock's time.

    Raises:
        FilterSyntaxError: The text cannot be read.
        UnknownAttributeError: The entity has no such attribute.
        UnsupportedOperatorError: The attribute does not take the operator.
        InvalidValueError: The value does not fit the attribute.
        FilterError: One of the above (all of these show the place, and carry it in ``text`` and
            ``column``), or an argument is not of its type.
    """
    schema_of(entity)
    if not isinstance(cast("object", text), str):
        raise FilterError(f"tql.parse() takes TQL text such as 'status = new', not {text!r}")
    if now is not None and (not isinstance(cast("object", now), datetime) or now.utcoffset() is None):
        raise FilterError(f"now takes an aware datetime, not {now!r} (a naive one says no time zone)")
    seconds = int(time.time() if now is None else now.timestamp() // 1)
    scanner = Scanner(text[: MAX_CHARACTERS + 1], entity, seconds)
    if len(text) > MAX_CHARACTERS:
        scanner.refuse(
            MAX_CHARACTERS,
            f"the filter has {len(text)} characters; at most {MAX_CHARACTERS} are read",
            "use fewer values, or several filters",
        )
    if not scanner.rest():
        scanner.refuse(0, "the filter is empty", "write a predicate such as: status = new")
    try:
        expression = _read(scanner)
    except Misread as misread:
        scanner.refuse(misread.position, misread.reason, _advice(misread, scanner))
    return expression


def _advice(misread: Misread, scanner: Scanner) -> str:
    """Write the filter that was probably meant: the first repair, and repairs of what is wrong after it."""
    repaired, quoted = misread.repaired, misread.quoted
    readable = [text for text in (_repaired(repaired, scanner), quoted) if text and _reads(text, scanner)]
    if not readable:
        return "join comparisons with AND or OR, and write a list as: IN (new, sent)"
    ways = [single_line(text) for text in dict.fromkeys(readable)]
    return "write: " + "\n  or, if it is one value: ".join(ways)


def _repaired(text: str, scanner: Scanner) -> str | None:
    for _ in range(_MAX_REPAIRS if len(text) <= _MAX_ADVICE else 0):
        try:
            _read(Scanner(text, scanner.entity, scanner.now))
        except Misread as misread:
            text = misread.repaired
        except FilterError:
            return None
        else:
            return text
    return None


def _reads(text: str, scanner: Scanner) -> bool:
    if len(text) > _MAX_ADVICE:
        return False
    try:
        _read(Scanner(text, scanner.entity, scanner.now))
    except (FilterError, Misread):
        return False
    return True


class _Group:
    """The terms of one pair of parentheses, or of the whole text: ORs of ANDs."""

    def __init__(self, start: int, *, negated: bool) -> None:
        self.start = start
        self.negated = negated
        self.disjuncts: list[list[Expression[Any]]] = [[]]

    def add(self, term: Expression[Any]) -> None:
        self.disjuncts[-1].append(term)

    def joined(self) -> Expression[Any]:
        expression = any_of(*[all_of(*terms) for terms in self.disjuncts])
        return ~expression if self.negated else expression


def _read(scanner: Scanner) -> Expression[Any]:
    groups = [_Group(0, negated=False)]
    while True:
        negated = False
        while scanner.take_not():
            negated = not negated
        if (start := scanner.take_opening()) is not None:
            if len(groups) > MAX_NESTING:
                scanner.refuse(start, f"parentheses are nested deeper than {MAX_NESTING} levels")
            groups.append(_Group(start, negated=negated))
            continue
        predicate = scanner.take_predicate()
        groups[-1].add(~predicate if negated else predicate)
        while scanner.take(")"):
            if len(groups) == 1:
                scanner.refuse(
                    scanner.position - 1,
                    "this ) closes nothing",
                    'remove it, or put it in double quotes if it belongs to a value: ":)"',
                )
            closed = groups.pop()
            groups[-1].add(closed.joined())
        joint = scanner.take_joint()
        if joint is None:
            if len(groups) > 1:
                scanner.refuse(groups[-1].start, "this ( is never closed", "add the ) that is missing")
            return groups[0].joined()
        if joint == "OR":
            groups[-1].disjuncts.append([])
