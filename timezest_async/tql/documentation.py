"""What ``help(F.status)`` shows: the text under the attribute in its table, then what its kind takes."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any, cast


class Documentation:
    """The docstring of a class of attributes, and that of one attribute, which ``help(F.status)`` shows."""

    def __init__(self, of_class: str | None) -> None:
        self._of_class = of_class

    def __get__(self, attribute: Any, owner: type) -> str | None:
        if attribute is None:
            return self._of_class
        return f"{_docs_of(attribute.table).get(attribute.name, attribute.path)}\n\n{self._of_class}"


@cache
def _docs_of(table: type) -> Mapping[str, str]:
    """Read the texts under a table's attributes, which only its source holds; none where that is missing."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(table)))
    except (OSError, TypeError):
        return {}
    return {
        statement.target.id: inspect.cleandoc(text.value.value)
        for statement, text in itertools.pairwise(cast("ast.ClassDef", tree.body[0]).body)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
