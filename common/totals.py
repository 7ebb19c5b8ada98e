"""Totals that are known to be large, so that a list that is asked often does not count its rows at each call."""

from collections.abc import Callable, Hashable
from time import monotonic

KEPT = 10.0  # seconds
MOST_KEPT = 1_000


class LargeTotals:
    """For keys of one list: whether its total was at least twice the bound within the last `KEPT` seconds.

    A total above the bound is not given as a number, so it need not be counted again as long as it cannot have fallen
    below the bound. Only twice the bound is trusted to stay above it for `KEPT` seconds.
    """

    def __init__(self) -> None:
        self._until: dict[Hashable, tuple[bool, float]] = {}

    def holds(self, key: Hashable) -> bool:
        """Whether the total of `key` is known to be above the bound."""
        is_large, until = self._until.get(key, (False, 0.0))
        return is_large and monotonic() < until

    def exceeded(self, key: Hashable, *, is_twice: Callable[[], bool]) -> None:
        """Record that a count of `key` reached the bound.

        `is_twice` counts further. It is called when a key exceeds the bound for the second time, so that queries that
        are not repeated are not counted twice, and then at most once in `KEPT` seconds.
        """
        known = self._until.get(key)
        if known is None:
            if len(self._until) >= MOST_KEPT:
                self._until.clear()
            self._until[key] = (False, 0.0)
        elif monotonic() >= known[1]:
            self._until[key] = (is_twice(), monotonic() + KEPT)

    def forget(self) -> None:
        self._until.clear()
