"""The right to send one request, and what may become of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Protocol

import attrs

LOST_GRACE: Final = 1.0
"""Seconds after a time-out or a cancellation within which the service may still count the request."""


class Slot(Protocol):
    """The right to send one request. Exactly one of its methods is called; further calls do nothing."""

    def answered(self) -> None:
        """Note that the response headers have arrived: the request counts from now on."""
        ...

    def limited(self, pause: float | None) -> None:
        """Note a 429, and let nobody send for a while.

        Args:
            pause: The seconds that the service asked for; None where it did not say, and the budget has to
                guess.
        """
        ...

    def lost(self) -> None:
        """Note that the request was sent, or may have been, and that nobody listens any more."""
        ...

    def release(self) -> None:
        """Give the slot back: it is certain that the request was never sent."""
        ...


@attrs.frozen
class Outcome:
    """What became of a request.

    Attributes:
        grace: Seconds from now on after which it counts; None if it was never sent.
        answered: Whether the service answered, and did not refuse.
        refused: Whether it was answered 429.
        pause: Seconds for which the service then asked to wait; None where it did not say.
    """

    grace: float | None
    answered: bool = False
    refused: bool = False
    pause: float | None = None

    def settle(self, slot: Slot) -> None:
        """Settle a slot with it."""
        if self.refused:
            slot.limited(self.pause)
        elif self.answered:
            slot.answered()
        elif self.grace is None:
            slot.release()
        else:
            slot.lost()


ANSWERED: Final = Outcome(0.0, answered=True)
LOST: Final = Outcome(LOST_GRACE)
NEVER_SENT: Final = Outcome(None)


class SettledOnce(ABC):
    """The base of the slots: only the first outcome counts."""

    __slots__ = ("_is_settled",)

    def __init__(self) -> None:
        self._is_settled = False

    def answered(self) -> None:
        """See ``Slot``, as for the others."""
        self._settle(ANSWERED)

    def limited(self, pause: float | None) -> None:
        """Note a 429."""
        self._settle(Outcome(0.0, refused=True, pause=pause))

    def lost(self) -> None:
        """Note that nobody knows what became of the request."""
        self._settle(LOST)

    def release(self) -> None:
        """Note that the request was never sent."""
        self._settle(NEVER_SENT)

    def _settle(self, outcome: Outcome) -> None:
        if not self._is_settled:
            self._is_settled = True
            self.on_outcome(outcome)

    @abstractmethod
    def on_outcome(self, outcome: Outcome) -> None:
        """Act on the first outcome."""
