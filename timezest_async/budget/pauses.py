"""When the budget stands still: what follows a 429, above all one that does not say for how long."""

from __future__ import annotations

import math

FIRST_PAUSE = 1 / 8
"""The first pause after a 429 that does not say for how long, in windows; the next are each twice as long."""
LONGEST_PAUSE = 1 / 2
"""The longest such pause, in windows."""
PATIENCE = 2.0
"""Windows for which a request that is always refused is sent again."""


class Pauses:
    """The pauses of a budget.

    A guessed pause ends with a single request that shows whether the service answers again; the others follow
    once it does. Each such pause has a number, and each slot the number of the last one before it: by that,
    the many refusals of one burst count as one.

    Args:
        period: The budget's window in seconds.

    Attributes:
        number: How many pauses there were.
        until: When the pause that was asked for, or guessed, ends.
        held_until: Until when everybody waits for what becomes of the single request.
    """

    held_until: float
    until: float

    def __init__(self, period: float) -> None:
        self._period = period
        self.number: int = 0
        self.until = self.held_until = -math.inf
        self._probing = False
        self._guess = self._since = 0.0

    def pause(self, now: float, seconds: float) -> None:
        """Let nobody send for some seconds; a longer pause that runs stays."""
        self.until = max(self.until, now + seconds)

    def limited(self, now: float, number: int, seconds: float | None) -> None:
        """Note a 429.

        Args:
            now: The time.
            number: The refused slot's.
            seconds: What the service asked for; None where it did not say.
        """
        if seconds is not None:
            self.pause(now, seconds)
        if number < self.number or (seconds is not None and not self.is_probing(now)):
            return
        if not self.is_probing(now):
            self._probing, self._since, self._guess = True, now, FIRST_PAUSE * self._period
        self.number += 1
        self.held_until = -math.inf
        if seconds is None:
            self.pause(now, self._guess)
            self._guess = min(2 * self._guess, LONGEST_PAUSE * self._period)

    def is_probing(self, now: float) -> bool:
        """Return whether only one request may be sent when the pause is over."""
        return self._probing and now < self.until + self._period

    def granted(self, now: float) -> int:
        """Note that a slot is given to a request; return its number."""
        # A service that refuses for so long is not worth waiting in line for: each tries for itself.
        if self.is_probing(now) and now - self._since < PATIENCE * self._period:
            self.held_until = now + LONGEST_PAUSE * self._period
        return self.number

    def settled(self, number: int, *, answered: bool) -> None:
        """Note that a slot's request was not refused.

        Args:
            number: The slot's.
            answered: Whether the service answered it.
        """
        if number == self.number:
            self.held_until = -math.inf
            self._probing = self._probing and not answered
