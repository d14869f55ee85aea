"""A series of numbers in brief."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A series of numbers in brief; all zero for a series without numbers.

    Attributes:
        n: How many numbers there were.
        mean: Their arithmetic mean.
        p50: Their median.
        p95: Their 95th percentile.
        p99: Their 99th percentile.
        max: The largest.
    """

    n: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, values: NDArray[Any] | Iterable[float]) -> Statistics:
        """Statistics of all `values`, an array of any shape or an iterable of numbers."""
        array = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.float64)
        if not array.size:
            return cls()
        p50, p95, p99 = percentiles(array)
        return cls(
            n=array.size,
            mean=float(array.mean()),
            p50=p50,
            p95=p95,
            p99=p99,
            max=float(array.max()),
        )


def percentiles(values: NDArray[Any]) -> tuple[float, float, float]:
    """Median, 95th and 99th percentile of at least one number, by NumPy's linear interpolation."""
    p50, p95, p99 = np.percentile(values, PERCENTILES)
    return float(p50), float(p95), float(p99)
