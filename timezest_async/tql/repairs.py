"""What was probably meant by a value that holds the signs of another language.

Elsewhere ``&`` and ``|`` join comparisons, brackets hold lists, and ``*`` and ``%`` stand for anything. Read
as values, such texts would silently find nothing: so they are refused unless they are quoted, with the
filter that was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from timezest_async.tql.operators import LEGAL, NEGATIVE, NO_NULL, ORDER, SUBSTRING, Kind, Operator
from timezest_async.tql.rendering import FOREIGN, quote

_LONGEST: Final = 500
"""Characters of a value that are looked at: a guess about more helps nobody."""

_COMPARES: Final = (
    r"\s*(?:[=!<>]++\s*[^\s~)&|;]|[\s~]+(?i:EQ|NOT|NOT_EQ|LT|LTE|GT|GTE|LIKE|NOT_LIKE|IN|NOT_IN)(?:[\s~]|\Z))"
)
_ITEM: Final = rf'(?:"(?:[^"\\]|\\.)*+"|[^\s~"(),&|;=<>!\[\]{{}}]++)(?!{_COMPARES})'
_COMMA: Final = r"\s*(?:,|;|\|\|?)"
_WORD_FOR_COMMA: Final = r"\s*&&?|\s+(?i:and|or)(?=[\s(])"
_LIST, _LOOSE_LIST = (
    re.compile(rf"([\[({{<]*+)\s*({_ITEM}(?:(?:{comma})\s*{_ITEM})*+)(?:{_COMMA})?")
    for comma in (_COMMA, f"{_COMMA}|{_WORD_FOR_COMMA}")
)
_CLOSING: Final = re.compile(r"\s*([\])}>])")
_ITEMS: Final = re.compile(_ITEM)
_JOINT: Final = re.compile(r"&&?|\|\|?|;")
_PREDICATE: Final = re.compile(rf"(?:not[\s~]+)?[A-Za-z_][A-Za-z0-9_.]*+{_COMPARES}", re.IGNORECASE)
_RANGE: Final = re.compile(r"([^\s~&|;=<>]++)([<>]=?)(?=[^\s~&|;=<>])")
_STRAY_OPERATOR: Final = re.compile(r"(!)?[=!<>]*+(?=[^\s~>])")
_QUOTES: Final = "'\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb`"
_IN_QUOTES: Final = re.compile(rf"[{_QUOTES}]+([^{_QUOTES}]+)[{_QUOTES}]+")


class Misread(Exception):  # noqa: N818 - never leaves this room
    """A value that would be read as text and was surely meant otherwise.

    Attributes:
        position: Where the error starts, counted from 0.
        reason: What is wrong.
        repaired: The text with this place as it was probably meant.
        quoted: The text with the value in double quotes.
    """

    def __init__(self, position: int, reason: str, repaired: str, quoted: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason
        self.repaired = repaired
        self.quoted = quoted


class Comparison(NamedTuple):
    """How a comparison is written.

    Attributes:
        text: The whole filter.
        kind: The kind of its attribute.
        operator: Its operator.
        start: Where it starts.
        name_end: Where its attribute's name ends.
        value_start: Where its value starts.
    """

    text: str
    kind: Kind
    operator: Operator
    start: int
    name_end: int
    value_start: int

    def with_values(self, values: Sequence[str]) -> str:
        """Return it with these values instead, written as they are to be read."""
        head = self.text[self.start : self.value_start]
        if len(values) == 1 and not self.operator.takes_list:
            return head + values[0]
        is_negative = self.operator in NEGATIVE
        if Operator.IN in LEGAL[self.kind] and self.operator not in SUBSTRING:
            gap = "~" if head.endswith("~") else " "
            name = self.text[self.start : self.name_end]
            return f"{name}{gap}{'NOT_IN' if is_negative else 'IN'}{gap}{','.join(values)}"
        return f"({(' AND ' if is_negative else ' OR ').join([head + value for value in values])})"


def misread_value(comparison: Comparison, start: int, word: str) -> Misread | None:
    """Return what is wrong with an unquoted value, or None where nothing is.

    Args:
        comparison: Where the value stands.
        start: Where the value starts: the comparison may have several.
        word: The value, up to the next separator.
    """
    found = FOREIGN.search(word)
    if found is None:
        return None
    quoted = comparison.text[:start] + quote(word) + comparison.text[start + len(word) :]
    repaired = _repaired(comparison, start, word) if len(word) <= _LONGEST else quoted
    reason = f"a value with {found[0]} in it has to be in double quotes"
    if found[0][0].isalpha():
        reason = f"{NO_NULL}; text that reads {found[0]} goes in double quotes"
    if found[0] in "*%":
        reason += ": TQL has no wildcards, and LIKE finds a part anywhere"
    return Misread(start + found.start(), reason, repaired, quoted)


def misread_joint(text: str, position: int) -> Misread | None:
    """Return what is wrong where a comparison is followed by a joint of another language, or None."""
    found = _JOINT.match(text, position)
    if found is None:
        return None
    joint = "OR" if "|" in found[0] else "AND"
    repaired = f"{text[:position].rstrip()} {joint} {text[found.end() :].lstrip()}"
    return Misread(position, "join comparisons with AND or OR, between spaces", repaired, repaired)


def misread_list(comparison: Comparison, position: int, reason: str) -> Misread | None:
    """Return what is wrong where a comparison with one value goes on as a list, or None where it does not."""
    found = _find_list(comparison, _LOOSE_LIST)
    if found is None or found[1] <= position or len(found[0]) < 2:
        return None
    repaired = _with_list(comparison, *found)
    return Misread(position, reason, repaired, repaired)


def _repaired(comparison: Comparison, start: int, word: str) -> str:
    text = comparison.text
    before, after = text[:start], text[start + len(word) :]
    name = text[comparison.start : comparison.name_end]
    negative = comparison.operator in NEGATIVE
    stray = _STRAY_OPERATOR.match(word)
    if stray and stray.end() and not (word[0] == "<" and word[-1] == ">"):
        head = f"{text[: comparison.start]}{name} != " if stray[1] and not negative else before
        return f"{head}{word[stray.end() :]}{after}"
    joint = _JOINT.search(word)
    if joint and joint.start():
        rest = (word[joint.end() :] + after).lstrip()
        if _PREDICATE.match(rest[:_LONGEST]):
            is_either = "|" in joint[0] or (joint[0] == ";" and rest.startswith(name))
            return f"{before}{word[: joint.start()]}{' OR ' if is_either else ' AND '}{rest}"
    found = _find_list(comparison)
    if found and found[1] > start and (len(found[0]) > 1 or word[0] in "[{<"):
        return _with_list(comparison, *found)
    bounds = _RANGE.match(word)
    if bounds and comparison.operator in ORDER:
        return f"{before}{bounds[1]} AND {name} {bounds[2]} {word[bounds.end() :]}{after}"
    bare = word.strip("*%")
    if bare and bare != word:
        return f"{text[: comparison.start]}{name} {'NOT_' if negative else ''}LIKE {quote(bare)}{after}"
    inner = _IN_QUOTES.match(text, start, start + _LONGEST)
    if inner:
        return f"{before}{quote(inner[1])}{text[inner.end() :]}"
    bare = word.strip("&|;[]{}<>")
    if bare and not FOREIGN.search(bare):
        return f"{before}{bare}{after}"
    return f"{before}{quote(word)}{after}"


def _find_list(comparison: Comparison, pattern: re.Pattern[str] = _LIST) -> tuple[list[str], int] | None:
    """Return the values of what looks like a list, and where it ends."""
    text, end = comparison.text, comparison.value_start + _LONGEST
    found = pattern.match(text, comparison.value_start, end)
    if found is None:
        return None
    position = found.end()
    for _ in found[1]:
        if closing := _CLOSING.match(text, position, end):
            position = closing.end()
    items = [
        item if item.startswith('"') else quote(item.strip(_QUOTES))
        for item in _ITEMS.findall(found[2])
        if item.upper() not in {"AND", "OR"}
    ]
    return items, position


def _with_list(comparison: Comparison, values: Sequence[str], end: int) -> str:
    return comparison.text[: comparison.start] + comparison.with_values(values) + comparison.text[end:]
