"""How long a step takes; the first runs, which compile, allocate and warm caches, kept apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.statistics import Statistics


@dataclass(frozen=True)
class Times:
    """Milliseconds of every run of a step, in order.

    Attributes:
        warm_up_ms: (W,) of the runs before.
        runs_ms: (N,) of the runs that count.
    """

    warm_up_ms: NDArray[np.float64]
    runs_ms: NDArray[np.float64]

    @property
    def statistics(self) -> Statistics:
        """Milliseconds of the runs that count, in brief."""
        return Statistics.of(self.runs_ms)

    def to_json(self, name: str) -> dict[str, float]:
        """`NAME_mean`, `_p50`, `_p95` and `_p99` of the runs that count, in milliseconds."""
        brief = self.statistics
        return {
            f"{name}_mean": brief.mean,
            f"{name}_p50": brief.p50,
            f"{name}_p95": brief.p95,
            f"{name}_p99": brief.p99,
        }


def measure(step: Callable[[], Any], *, runs: int, warm_up: int) -> Times:
    """Times of `step`, called `warm_up` and then `runs` times."""
    milliseconds = np.empty(warm_up + runs)
    for index in range(warm_up + runs):
        started = time.perf_counter_ns()
        step()
        milliseconds[index] = (time.perf_counter_ns() - started) / 1e6
    return Times(milliseconds[:warm_up], milliseconds[warm_up:])
