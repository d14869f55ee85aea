"""How long everything took: kept while it happens, in memory that does not grow."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

import numpy as np

WINDOW = 1 << 16  # samples kept of each series: 36 minutes at 30 frames a second, 512 KiB

Observer = Callable[[str, int, int, int], None]
"""Called with stage name, begin and end (`time.perf_counter_ns()`) and frame index after every piece of work."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A series of numbers in brief. n, mean and max are of all of them, the percentiles of the last 65,536."""

    n: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StageStatistics:
    """One stage: time per frame in milliseconds, and the share of the run in which it was at work."""

    name: str
    time_ms: Statistics
    busy_share: float


class Series:
    """Numbers that one thread adds; any thread may ask for `statistics`. Percentiles are exact over the last `window`."""

    __slots__ = ("_count", "_max", "_total", "_values")

    def __init__(self, window: int = WINDOW) -> None:
        self._values = np.zeros(window)
        self._count = 0
        self._total = 0.0
        self._max = 0.0

    def add(self, value: float) -> None:
        self._values[self._count % len(self._values)] = value
        self._count += 1
        self._total += value
        if value > self._max:
            self._max = value

    def __len__(self) -> int:
        return self._count

    @property
    def total(self) -> float:
        return self._total

    def recent(self) -> np.ndarray:
        """(n,) float64, the values in the window, oldest first."""
        if self._count <= len(self._values):
            return self._values[: self._count].copy()
        return np.roll(self._values, -(self._count % len(self._values)))

    def statistics(self, scale: float = 1.0) -> Statistics:
        """The series in brief, every value multiplied by `scale`."""
        count = self._count
        if count == 0:
            return Statistics()
        p50, p95, p99 = np.percentile(self._values[: min(count, len(self._values))], (50, 95, 99)) * scale
        return Statistics(
            n=count,
            mean=self._total / count * scale,
            p50=float(p50),
            p95=float(p95),
            p99=float(p99),
            max=self._max * scale,
        )


class StageTimer:
    """Times the work of one stage; used by the thread of that stage.

    with timer.measure(frame.index):
        ...
    """

    def __init__(self, name: str, observer: Observer | None = None) -> None:
        self.name = name
        self._series = Series()
        self._observer = observer

    def measure(self, index: int) -> AbstractContextManager[None]:
        """Times the block as work on the frame with that index."""
        return _Measurement(self, index)

    def add(self, begin_ns: int, end_ns: int, index: int) -> None:
        """Counts work that was timed with `time.perf_counter_ns()`."""
        self._series.add(end_ns - begin_ns)
        if self._observer is not None:
            self._observer(self.name, begin_ns, end_ns, index)

    def statistics(self, elapsed_s: float) -> StageStatistics:
        """What the stage did in a run that has lasted `elapsed_s`."""
        busy_s = self._series.total * 1e-9
        return StageStatistics(
            name=self.name,
            time_ms=self._series.statistics(1e-6),
            busy_share=busy_s / elapsed_s if elapsed_s > 0 else 0.0,
        )


class Timings:
    """All that is measured in one run.

    stages: one timer a stage, in the order of the pipeline.
    depths: frames waiting in front of a stage, looked at whenever it takes one.
    latency_ns: from the capture of a frame to the moment when its results are handed to the sinks.
    observer: is told of every piece of work, for traces.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self.stages: dict[str, StageTimer] = {}
        self.depths: dict[str, Series] = {}
        self.latency_ns = Series()
        self._observer = observer
        self._began_ns = time.perf_counter_ns()
        self._ended_ns: int | None = None

    def stage(self, name: str) -> StageTimer:
        """The timer of the stage called `name`, made at the first call."""
        return self.stages.setdefault(name, StageTimer(name, self._observer))

    def depth(self, name: str) -> Series:
        """The series of queue lengths in front of the stage called `name`."""
        return self.depths.setdefault(name, Series())

    def begin(self) -> None:
        """The run begins now."""
        self._began_ns = time.perf_counter_ns()
        self._ended_ns = None

    def end(self) -> None:
        """The run is over now."""
        self._ended_ns = time.perf_counter_ns()

    @property
    def elapsed_s(self) -> float:
        """How long the run has lasted."""
        end_ns = time.perf_counter_ns() if self._ended_ns is None else self._ended_ns
        return (end_ns - self._began_ns) * 1e-9

    def statistics(self) -> tuple[StageStatistics, ...]:
        """Every stage that did something, in the order of the pipeline."""
        elapsed_s = self.elapsed_s
        every = (timer.statistics(elapsed_s) for timer in self.stages.values())
        return tuple(stage for stage in every if stage.time_ms.n)


class _Measurement:
    __slots__ = ("_begin_ns", "_index", "_timer")

    def __init__(self, timer: StageTimer, index: int) -> None:
        self._timer = timer
        self._index = index

    def __enter__(self) -> None:
        self._begin_ns = time.perf_counter_ns()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.add(self._begin_ns, time.perf_counter_ns(), self._index)
