"""What all errors of this package have in common."""

from __future__ import annotations

from typing import Any


def restore(cls: type[TimeZestError], args: tuple[Any, ...], state: dict[str, Any]) -> TimeZestError:
    """Rebuild a pickled error without calling its keyword-only ``__init__``."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class TimeZestError(Exception):
    """The root of all errors of this package.

    Attributes:
        retryable: Whether the same call may succeed when it is made again later.
        retries_taken: How many times the request was sent again before this error was given up to.
        checkpoint: Where to resume (``list(checkpoint=...)``) when the error came out of a running
            ``Paginator``; otherwise None.
    """

    retryable: bool = False
    retries_taken: int = 0
    checkpoint: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), self.args, self.__dict__.copy())
