"""Where the reading of a filter's text stands, and what can be taken from there.

Every method that takes something skips the separators before it, and says what is wrong, where, and what
would be right if it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeVar, cast

from timezest_async.errors import (
    FilterError,
    FilterSyntaxError,
    InvalidValueError,
    UnsupportedOperatorError,
)
from timezest_async.tql.attributes import Attribute
from timezest_async.tql.literals import read_value
from timezest_async.tql.nodes import Predicate
from timezest_async.tql.operators import LEGAL, NO_NULL, Operator
from timezest_async.tql.repairs import Comparison, Misread, misread_joint, misread_list, misread_value
from timezest_async.tql.schema import SCHEMAS, attribute_named, schema_of

MAX_PREDICATES: Final = 1_000
_MAX_NAME: Final = 100  # looking for the nearest attribute takes time that grows with the name

_SEPARATORS: Final = re.compile(r"[\s~]++")
_WORD: Final = re.compile(r'[^\s~"()]++')
_NAME: Final = re.compile(r'[^\s~"(),=!<>&|]++')
_VALUE: Final = re.compile(r'[^\s~"(),]++')
_QUOTED: Final = re.compile(r'"((?:[^"\\]++|\\["\\])*+)("?)')
_ESCAPE: Final = re.compile(r'\\(["\\])')
_SYMBOL: Final = re.compile(r"(==?|!=|<>|<=?|>=?)([=!<>]*+)")
_FOLLOWED: Final = re.compile(r"\s*+[=!<>]|[\s~]*+(?i:EQ|NOT|NOT_\w+|LTE?|GTE?|LIKE|IN)\b")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*+")

_SYMBOLS: Final[Mapping[str, Operator]] = {
    "=": Operator.EQ,
    "==": Operator.EQ,
    "!=": Operator.NOT_EQ,
    "<>": Operator.NOT_EQ,
    "<": Operator.LT,
    "<=": Operator.LTE,
    ">": Operator.GT,
    ">=": Operator.GTE,
}
_TAUGHT: Final = {
    "is": NO_NULL,
    "between": "write two comparisons, as in created_at >= 2026-01-01 AND created_at < 2026-02-01",
    "contains": "write LIKE",
}
"""What people write for an operator in other languages, and what to tell them."""
_OPERATORS: Final[Mapping[str, Operator]] = {operator.value: operator for operator in Operator}
_JOINTS: Final = {"AND": "AND", "&": "AND", "OR": "OR", "|": "OR"}
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT"})
_PREFIXES: Final[Mapping[str, str]] = {
    "F": "scheduling_request",
    **{spelling: entity for entity in SCHEMAS for spelling in (entity, f"{entity}s")},
}

_Located = TypeVar("_Located", bound=FilterError)


class Scanner:
    """A place in a text, and what can be taken from there."""

    def __init__(self, text: str, entity: str, now: int) -> None:
        self.text = text
        self.entity = entity
        self.now = now
        self.position: int = 0
        self.predicates: int = 0
        self._last: Comparison | None = None

    def refuse(self, position: int, reason: str, hint: str | None = None) -> NoReturn:
        """Say that the text cannot be read, and where (a position, counted from 0)."""
        raise FilterSyntaxError(reason, text=single_line(self.text), column=position + 1, hint=hint) from None

    def locate(self, error: _Located, position: int) -> _Located:
        """Add the place in the text to an error that knows only the attribute and the value."""
        text, column = single_line(self.text), position + 1
        error.args = (str(FilterSyntaxError(str(error), text=text, column=column)),)
        error.text, error.column = text, column
        return error

    def rest(self) -> str:
        """Skip separators; give what stands there: one character, or none at the end."""
        character = self.text[self.position : self.position + 1]
        if character == "~" or character.isspace():
            match = _SEPARATORS.match(self.text, self.position)
            self.position = match.end() if match else self.position
            character = self.text[self.position : self.position + 1]
        return character

    def take(self, character: str) -> bool:
        """Take one character, if it is next, and return whether it was."""
        if self.rest() != character:
            return False
        self.position += 1
        return True

    def take_not(self) -> bool:
        """Take NOT, if it is next, and return whether it was."""
        self.rest()
        match = _NAME.match(self.text, self.position)
        if match is None or match[0].upper() != "NOT":
            return False
        self.position = match.end()
        return True

    def take_opening(self) -> int | None:
        """Take an opening parenthesis, if it is next, and return its position."""
        if not self.take("("):
            return None
        start = self.position - 1
        before = self.text[max(0, start - 2) : start]
        if before.endswith("~") and (before == "~" or before[0].isspace() or before[0] in "&|"):
            # In Python ~(…) negates. Read as the separator that it is here, it would silently mean the
            # opposite, so what looks like Python is refused; AND~(…) does not.
            self.refuse(start - 1, "~ is a separator in TQL and negates nothing", "write NOT (…)")
        return start

    def take_joint(self) -> str | None:
        """Take AND or OR; None at the end of the text."""
        character = self.rest()
        if not character:
            return None
        match = _WORD.match(self.text, self.position)
        word = match[0] if match else character
        joint = _JOINTS.get(word.upper())
        if joint is None:
            if found := misread_joint(self.text, self.position):
                raise found
            self.refuse(
                self.position,
                f"{_code(word)} is left over after a complete predicate",
                "a date and its time are one word: 2026-01-01T12:00:00Z"
                if re.match(r"[0-9]{1,2}:[0-9]{2}", word)
                else 'put a value of several words in double quotes, as in "Pat Smith" (and \\" for a quote '
                "inside); join predicates with AND or OR",
            )
        self.position += len(word)
        return joint

    def take_predicate(self) -> Predicate[Any]:
        """Take an attribute, an operator and a value, checked."""
        self.rest()
        start = self.position
        attribute = self._take_attribute()
        name_end = self.position
        operator = self._take_operator(attribute)
        self.rest()
        comparison = Comparison(self.text, attribute.kind, operator, start, name_end, self.position)
        self._last = comparison
        text = self._take_list(comparison) if operator.takes_list else self._take_one(comparison)
        try:
            return attribute.operate(
                operator,
                text if isinstance(text, list) else read_value(attribute, operator, text, self.now),
            )
        except InvalidValueError as error:
            raise self.locate(error, comparison.value_start) from None

    def _take_attribute(self) -> Attribute[Any, Any]:
        character = self.rest()
        start = self.position
        match = _NAME.match(self.text, start)
        word = match[0] if match else character
        if match is None or word.upper() in _KEYWORDS:
            reason = f"a predicate is missing before {_code(word)}"
            if self._last and character:
                self._refuse_continuation(self._last, start, character, reason)
            self.refuse(
                start,
                reason if word else "the filter ends where a predicate is due",
                "write a predicate such as: status = new; negate one with NOT",
            )
        self.predicates += 1
        if self.predicates > MAX_PREDICATES:
            self.refuse(
                start, f"the filter has more than {MAX_PREDICATES} predicates", "use IN for many values"
            )
        self.position = match.end()
        prefix, dot, name = word.rpartition(".")
        if len(word) > _MAX_NAME or not _PLAIN_NAME.fullmatch(word):
            names = ", ".join(dir(schema_of(self.entity)))
            self.refuse(start, f"{_code(word)} is no name of an attribute", f"there are {names}")
        if dot and prefix not in _PREFIXES:
            self.refuse(
                start,
                f"{_code(prefix)} is no entity",
                f"write {self.entity}.{name}, or {name} alone",
            )
        entity = _PREFIXES[prefix] if dot else self.entity
        if entity != self.entity:
            self.refuse(
                start,
                f"{word} is about {entity}, but this filter is about {self.entity}",
                f"use the attributes of {self.entity}, or tql.parse(..., entity={entity!r})",
            )
        try:
            return attribute_named(entity, name)
        except FilterError as error:
            if self._last:
                self._refuse_continuation(self._last, start, character, "")
            raise self.locate(error, start) from None

    def _refuse_continuation(
        self, comparison: Comparison, position: int, character: str, reason: str
    ) -> None:
        """Refuse what leans on the comparison before: ``a = 1 OR 2``, ``a > 1 AND < 2``; else do nothing."""
        if character in "=!<>":
            name = self.text[comparison.start : comparison.name_end]
            repaired = f"{self.text[:position]}{name} {self.text[position:]}"
            raise Misread(position, reason, repaired, repaired)
        if not _FOLLOWED.match(self.text, self.position):
            found = misread_list(
                comparison, position, "after AND or OR comes a whole comparison, not a value"
            )
            if found is not None:
                raise found

    def _take_operator(self, attribute: Attribute[Any, Any]) -> Operator:
        self.rest()
        start = self.position
        if symbol := _SYMBOL.match(self.text, start):
            self.position = symbol.end(1)
            operator = _SYMBOLS[symbol[1]]
            if symbol[2] and Operator.LT in LEGAL[attribute.kind]:  # elsewhere it begins the value
                self.refuse(start, f"{_code(symbol[0])} is no operator", f"there are {' '.join(_SYMBOLS)}")
        else:
            word = self._take_word()
            if word.upper() == "NOT":
                self.rest()
                word = f"{word}_{self._take_word()}"
            if word.upper() not in _OPERATORS:
                is_missing = not word or word.upper() in _JOINTS
                self.refuse(
                    start,
                    f"an operator is missing after {attribute.name}"
                    if is_missing
                    else f"{_code(word)} is no operator",
                    _TAUGHT.get(word.lower()) or f"{attribute.name} takes {', '.join(LEGAL[attribute.kind])}",
                )
            operator = _OPERATORS[word.upper()]
        if operator not in LEGAL[attribute.kind]:
            try:
                attribute.coerce(operator, "")
            except UnsupportedOperatorError as error:
                raise self.locate(error, start) from None
        return operator

    def _take_word(self) -> str:
        match = _WORD.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match[0]

    def _take_one(self, comparison: Comparison) -> str:
        text = self._take_value(comparison)
        if self.rest() == ",":
            reason = f"{comparison.operator} takes one value; IN or NOT_IN a list"
            if found := misread_list(comparison, self.position, reason):
                raise found
            self.refuse(
                self.position,
                reason,
                "write IN or NOT_IN for a list, or put a value with a comma in double quotes",
            )
        return text

    def _take_list(self, comparison: Comparison) -> list[str]:
        start = self.position
        in_parentheses = self.take("(")
        values = [self._take_value(comparison)]
        while self.take(","):
            values.append(self._take_value(comparison))
        if in_parentheses and not self.take(")"):
            reason = "this ( is never closed"
            if found := misread_list(comparison, self.position, reason):
                raise found
            self.refuse(start, reason, "write a list as: IN (new, sent)")
        return values

    def _take_value(self, comparison: Comparison) -> str:
        character = self.rest()
        start = self.position
        if character == '"':
            return self._take_quoted(start)
        match = _VALUE.match(self.text, start)
        if match is None or match[0].upper() in _KEYWORDS:
            if found := misread_list(
                comparison, start, f"{comparison.operator} takes one value; IN or NOT_IN a list"
            ):
                raise found
            place = f"before {_code(match[0] if match else character)}" if character else "at the end"
            self.refuse(
                start, f"a value is missing {place}", 'if this is meant as text, put it in quotes: "and", ""'
            )
        if found := misread_value(comparison, start, match[0]):
            raise found
        self.position = match.end()
        return match[0]

    def _take_quoted(self, start: int) -> str:
        match = cast("re.Match[str]", _QUOTED.match(self.text, start))
        self.position = match.end()
        if not match[2]:
            escape = self.text[self.position : self.position + 2]
            if len(escape) == 2:
                self.refuse(
                    self.position,
                    f"{_code(escape)} means nothing inside quotes",
                    "write \\\\ for a backslash",
                )
            self.refuse(start, "this quote is never closed", 'add the " that is missing; inside write \\"')
        return _ESCAPE.sub(r"\1", match[1])


def single_line(text: str) -> str:
    """Return text with a space for each line end, tab and control character: they would move the caret."""
    return text if text.isprintable() else "".join([c if c.isprintable() else " " for c in text])


def _code(word: str) -> str:
    return f"`{single_line(word if len(word) <= 40 else word[:39] + '…')}`"
