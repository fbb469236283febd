"""The figures that the choice of splits depends on."""

from __future__ import annotations

from attrs import frozen


@frozen
class Tuning:
    """Figures found with ``benchmarks/window_simulator.py``; change them only with its tables in hand.

    They count pages, or requests, unless said otherwise.

    Attributes:
        free_waste: How many wasted requests any list may cost, however short ..
        free_waste_growth: .. and how fast that is reached, per page known.
        waste_share: Wasted requests allowed per page known besides ..
        waste_share_late: .. and per page beyond ``late_from``.
        trust: How many pages that are only estimated are counted as known for each one received.
        tight_waste: The most where the budget is not sure to last for the rest of the list ..
        tight_waste_bounded: .. the same where the filter tells the list's end ..
        tight_share: .. and besides, per page known.
        quick_waste: The most where one reader alone would use the budget up, and it seems to last ..
        quick_share: .. and besides, per page received.
        margin: By what factor the estimate of the rest may fall short.
        reserve: Requests that must be left beyond it.
        open_share: How much longer a list whose end is unknown may be, as a share of what is known.
        first_leap: How far ahead of its newest page a reader looks for the end at first ..
        leap: .. and at most, a page farther for each one received.
        leap_throttled: The same once the budget has run out, since readers then wait for it anyway.
        blind: Readers besides the first that begin within a known range before anything is known of it.
        smallest_half: Below this a window is not worth halving.
        smallest_share: The same, as a share of what one reader has left to do on average.
        smoothing: The weight of the newest page in a window's density.
        outlier: How many usual gaps the largest gap of a page may count for.
        doubling: How many pages more are expected of a window for each one that it had too many.
        overshot: What remains of a window's boldness when it looked too far ahead.
        undershot: What is added to it when it did not look far enough.
        open_boldness: The boldness of leaps into the unknown, as a share of the window's.
        crowded: The share of the buffer from which on only what is needed soon is read.
    """

    free_waste: float = 3
    free_waste_growth: float = 1
    waste_share: float = 0.064
    waste_share_late: float = 0.05
    late_from: float = 160
    trust: float = 2
    tight_waste: float = 7
    tight_waste_bounded: float = 2
    tight_share: float = 0.02
    quick_waste: float = 3
    quick_share: float = 0.03
    margin: float = 1.15
    reserve: float = 4
    open_share: float = 0.5
    first_leap: float = 16
    leap: float = 22
    leap_throttled: float = 48
    blind: int = 3
    smallest_half: float = 2
    smallest_share: float = 0.6
    smoothing: float = 0.5
    outlier: float = 16
    doubling: float = 2.0
    overshot: float = 0.3
    undershot: float = 0.25
    open_boldness: float = 0.85
    crowded: float = 0.5
