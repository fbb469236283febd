"""The operators of TQL, what each negates to, and which kind of attribute takes which.

The rows follow the vendor's reference page ("Supported TQL Attributes"); Reference and Number are what
published clients found beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Operator(StrEnum):
    """An operator, valued by its spelling in TQL."""

    EQ = "EQ"
    NOT_EQ = "NOT_EQ"
    LT = "LT"
    LTE = "LTE"
    GT = "GT"
    GTE = "GTE"
    LIKE = "LIKE"
    NOT_LIKE = "NOT_LIKE"
    IN = "IN"
    NOT_IN = "NOT_IN"

    @property
    def negated(self) -> Operator:
        """The operator that holds exactly where this one does not (nulls satisfy neither)."""
        return _NEGATED[self]

    @property
    def takes_list(self) -> bool:
        """Whether the value is a list: for ``IN`` and ``NOT_IN``."""
        return self in {Operator.IN, Operator.NOT_IN}


class Kind(StrEnum):
    """A kind of attribute, valued by its name on the vendor's reference page."""

    STRING = "String"
    ID = "ID"
    REFERENCE = "Reference"
    TIMESTAMP = "Timestamp"
    BOOLEAN = "Boolean"
    NUMBER = "Number"


_PAIRS: Final = (
    (Operator.EQ, Operator.NOT_EQ),
    (Operator.LT, Operator.GTE),
    (Operator.LTE, Operator.GT),
    (Operator.LIKE, Operator.NOT_LIKE),
    (Operator.IN, Operator.NOT_IN),
)
_NEGATED: Final[Mapping[Operator, Operator]] = MappingProxyType(dict(_PAIRS) | {b: a for a, b in _PAIRS})

EQUALITY: Final = (Operator.EQ, Operator.NOT_EQ)
ORDER: Final = (Operator.LT, Operator.LTE, Operator.GT, Operator.GTE)
SUBSTRING: Final = (Operator.LIKE, Operator.NOT_LIKE)
_MEMBERSHIP: Final = (Operator.IN, Operator.NOT_IN)
NEGATIVE: Final = frozenset({Operator.NOT_EQ, Operator.NOT_LIKE, Operator.NOT_IN})

LEGAL: Final[Mapping[Kind, tuple[Operator, ...]]] = MappingProxyType(
    {
        Kind.STRING: EQUALITY + SUBSTRING + _MEMBERSHIP,
        Kind.ID: EQUALITY,
        Kind.REFERENCE: EQUALITY + _MEMBERSHIP,
        Kind.TIMESTAMP: EQUALITY + ORDER,
        Kind.BOOLEAN: EQUALITY,
        Kind.NUMBER: EQUALITY + ORDER,
    }
)
"""The operators each kind of attribute takes, in the order of the reference page."""

SYMBOLS: Final[Mapping[Operator, str]] = MappingProxyType(
    {
        Operator.EQ: "==",
        Operator.NOT_EQ: "!=",
        Operator.LT: "<",
        Operator.LTE: "<=",
        Operator.GT: ">",
        Operator.GTE: ">=",
    }
)
"""How Python spells the operators that it has."""

METHODS: Final[Mapping[Operator, str]] = MappingProxyType(
    {
        Operator.LIKE: "like",
        Operator.NOT_LIKE: "not_like",
        Operator.IN: "in_",
        Operator.NOT_IN: "not_in",
    }
)
"""The attributes' methods for the other ones."""


NO_NULL: Final = "TQL has no null: no comparison finds a record whose attribute is null"
"""Why nothing is compared with null."""


def kinds_taking(operator: Operator) -> str:
    """Return the kinds that take an operator, such as ``"String and Reference"``, for error messages."""
    return " and ".join(kind for kind, operators in LEGAL.items() if operator in operators)
