"""Readings of sensors over a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CAPACITY = 1 << 12  # 34 minutes at two readings a second; every second one goes when it is full


class Samples:
    """One quantity over time, appended by one thread, in memory that is taken once."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._times_ns = np.zeros(capacity, np.int64)
        self._values = np.zeros(capacity)
        self._count = 0
        self._every = 1
        self._seen = 0

    def append(self, time_ns: int, value: float) -> None:
        self._seen += 1
        if (self._seen - 1) % self._every:
            return
        if self._count == len(self._values):
            kept = (self._count + 1) // 2
            self._times_ns[:kept] = self._times_ns[: self._count : 2].copy()
            self._values[:kept] = self._values[: self._count : 2].copy()
            self._count = kept
            self._every *= 2
            if (self._seen - 1) % self._every:
                return
        self._times_ns[self._count] = time_ns
        self._values[self._count] = value
        self._count += 1

    def __len__(self) -> int:
        return self._count

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """(n,) `time.perf_counter_ns()`."""
        return self._times_ns[: self._count]

    @property
    def values(self) -> NDArray[np.float64]:
        """(n,)"""
        return self._values[: self._count]
