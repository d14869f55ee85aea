"""How a run went over time, in as many steps as a plot can show."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stream.profile.document import Timeline
from stream.profile.recorder import Recorder
from stream.profile.samples import Samples

_STEPS = 240
_FRAMES = 6  # delivered in a step, on average: fewer have no percentiles worth drawing
# fmt: off
_STEP_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200,
    86400,
)
# fmt: on

Floats = NDArray[np.float64]


def timeline(
    recorder: Recorder, samples: dict[str, Samples], *, began_ns: int, elapsed_s: float
) -> Timeline:
    """How the run went over time, in as many steps as a plot can show."""
    most = min(_STEPS, max(1, recorder.deliveries.seen // _FRAMES))
    step_s = next((step for step in _STEP_S if elapsed_s / step <= most), _STEP_S[-1])
    edges_s = np.arange(max(1, math.ceil(elapsed_s / step_s)) + 1, dtype=float) * step_s
    steps = _Steps(edges_s, began_ns)
    frames, even = recorder.deliveries.kept(), recorder.deliveries.even(recorder.every)
    latency_ms = (frames["end_ns"] - frames["begin_ns"]) * 1e-6
    lengths_s = np.minimum(edges_s[1:], max(elapsed_s, 1e-9)) - edges_s[:-1]
    return {
        "step_s": step_s,
        "t_s": _listed((edges_s[:-1] + edges_s[1:]) / 2),
        "latency_mean_ms": steps.of(
            even["end_ns"], (even["end_ns"] - even["begin_ns"]) * 1e-6, _mean
        ),
        "latency_p50_ms": steps.of(
            frames["end_ns"], latency_ms, lambda values: float(np.percentile(values, 50))
        ),
        "latency_p95_ms": steps.of(
            frames["end_ns"], latency_ms, lambda values: float(np.percentile(values, 95))
        ),
        "latency_max_ms": steps.of(
            frames["end_ns"], latency_ms, lambda values: float(values.max())
        ),
        "fps": _listed(steps.counts(even["end_ns"]) * recorder.every / np.maximum(lengths_s, 1e-9)),
        "people": steps.of(even["end_ns"], even["value"].astype(float), _mean),
        "drops": _listed(_dropped(steps, frames)),
        "stages_ms": {
            stage: steps.of(
                rows.kept()["end_ns"],
                (rows.kept()["end_ns"] - rows.kept()["begin_ns"]) * 1e-6,
                _mean,
            )
            for stage, rows in recorder.works.items()
        },
        "queues": {
            stage: steps.of(rows.kept()["end_ns"], rows.kept()["value"].astype(float), _mean)
            for stage, rows in recorder.queues.items()
        },
        "telemetry": {
            name: steps.of(track.times_ns, track.values, _mean) for name, track in samples.items()
        },
    }


class _Steps:
    def __init__(self, edges_s: Floats, began_ns: int) -> None:
        self._edges_ns = began_ns + (edges_s * 1e9).astype(np.int64)
        self.count = len(edges_s) - 1

    def where(self, times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The step of each time; what happened outside of the run belongs to the nearest one."""
        return np.clip(
            np.searchsorted(self._edges_ns, times_ns, side="right") - 1, 0, self.count - 1
        )

    def counts(self, times_ns: NDArray[np.int64]) -> Floats:
        return np.bincount(self.where(times_ns), minlength=self.count).astype(float)

    def of(
        self, times_ns: NDArray[np.int64], values: Floats, figure: Callable[[Floats], float]
    ) -> list[float | None]:
        """`figure` of the values in each step."""
        where = self.where(times_ns)
        order = np.argsort(where, kind="stable")
        bounds = np.searchsorted(where[order], np.arange(self.count + 1))
        ordered = values[order]
        return [
            None if first == last else round(figure(ordered[first:last]), 4)
            for first, last in pairwise(bounds.tolist())
        ]


def _dropped(steps: _Steps, frames: NDArray[np.void]) -> Floats:
    """Frames dropped in each step, by what the sources had dropped when their frames were
    delivered.
    """
    total = np.zeros(steps.count)
    for source in np.unique(frames["source"]):
        own = frames[frames["source"] == source]
        np.add.at(total, steps.where(own["end_ns"]), np.diff(own["drops"], prepend=0))
    return total


def _mean(values: Floats) -> float:
    return float(values.mean())


def _listed(values: Floats) -> list[float]:
    return [round(float(value), 4) for value in values]
