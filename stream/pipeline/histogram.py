"""Numbers counted between fixed bounds: what can be added up over time and over machines."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Whole numbers that one thread adds; any thread may read.

    Attributes:
        bounds: Upper bounds, inclusive and ascending; a number above the last is counted, too.
    """

    __slots__ = ("_counts", "_total", "bounds")

    def __init__(self, bounds: Sequence[int]) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self._total = 0

    def add(self, value: int) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self._total += value

    @property
    def total(self) -> int:
        """The sum of all numbers."""
        return self._total

    def cumulative(self) -> list[int]:
        """How many numbers were at most each bound, and how many there were at all."""
        return list(accumulate(tuple(self._counts)))
