"""How long everything took: kept while it happens, in memory that does not grow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np

from basics.statistics import Statistics, percentiles

WINDOW = 1 << 16  # samples kept of each series: 36 minutes at 30 frames a second, 512 KiB


class Observer(Protocol):
    """Is told of everything as soon as it was measured, in the thread that it happened in: it must
    be quick, and not raise.

    Times are `time.perf_counter_ns()`; `source` is the number of the source among those of the run,
    `index` that of its frame.
    """

    def work(self, stage: str, begin_ns: int, end_ns: int, index: int, source: int) -> None:
        """A stage, or a part of one, has dealt with a frame."""

    def queue(self, stage: str, depth: int) -> None:
        """So many frames wait in front of a stage."""

    def delivered(self, index: int, source: int, latency_ns: int, people: int, drops: int) -> None:
        """A frame is handed to the sinks, so long after its capture; its source has dropped so many
        frames so far.
        """


class Ranges(Protocol):
    """Marks in a foreign profiler's timeline (NVTX): what is pushed lasts until it is popped, in
    the same thread.
    """

    def push(self, name: str) -> None: ...
    def pop(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class StageStatistics:
    """One stage: time per frame in milliseconds, and the share of the run in which it was at work.

    Waiting for a frame, for room behind the stage or for a live source to send something is no
    work. The engine's thread is at work while it submits an image and while it waits for the
    result of one: what the engine computes while its thread waits for neither is hidden behind
    other work, and not counted. So no share can exceed 1.

    Attributes:
        name: Of the stage.
        time_ms: Milliseconds of work on a frame.
        busy_share: Share of the run, 0..1, in which it was at work.
    """

    name: str
    time_ms: Statistics
    busy_share: float


class Series:
    """Numbers that one thread adds; any thread may ask for `statistics`. Percentiles are exact over
    the last `window`.
    """

    __slots__ = ("_count", "_max", "_total", "_values")

    def __init__(self, window: int = WINDOW) -> None:
        self._values = np.full(
            window, 0.0
        )  # touched now: memory that grows for half an hour looks like a leak
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
        """The series in brief, every value multiplied by `scale`: n, mean and max of all values,
        percentiles of those in the window.
        """
        count = self._count
        if count == 0:
            return Statistics()
        p50, p95, p99 = percentiles(self._values[: min(count, len(self._values))])
        return Statistics(
            n=count,
            mean=self._total / count * scale,
            p50=p50 * scale,
            p95=p95 * scale,
            p99=p99 * scale,
            max=self._max * scale,
        )


class Depth(Series):
    """Lengths of the queue in front of a stage."""

    __slots__ = ("_observer", "_stage")

    def __init__(self, stage: str, observer: Observer | None) -> None:
        super().__init__()
        self._stage = stage
        self._observer = observer

    def add(self, value: float) -> None:
        super().add(value)
        if self._observer is not None:
            self._observer.queue(self._stage, int(value))


class StageTimer:
    """Times the work of one stage; used by the thread of that stage.

    with timer.measure(frame.index, source):
        ...
    """

    def __init__(
        self, name: str, observer: Observer | None = None, ranges: Ranges | None = None
    ) -> None:
        self.name = name
        self.ranges = ranges
        self._series = Series()
        self._observer = observer

    def measure(self, index: int, source: int = 0) -> TimedBlock:
        """Times the block as work on that frame of that source."""
        return TimedBlock(self, index, source)

    @contextmanager
    def marked(self) -> Iterator[None]:
        """Marks the block in the foreign profiler's timeline, if there is one; what is counted is
        told with `add`.
        """
        if self.ranges is None:
            yield
            return
        self.ranges.push(self.name)
        try:
            yield
        finally:
            self.ranges.pop()

    def add(
        self,
        begin_ns: int,
        end_ns: int,
        index: int,
        source: int = 0,
        *,
        spent_ns: int | None = None,
    ) -> None:
        """Counts work that was timed with `time.perf_counter_ns()`.

        Args:
            begin_ns: When it began.
            end_ns: When it ended.
            index: Number of the frame.
            source: Number of its source.
            spent_ns: How much of that time the thread spent on it; all of it, if not given.
        """
        self._series.add(end_ns - begin_ns if spent_ns is None else spent_ns)
        if self._observer is not None:
            self._observer.work(self.name, begin_ns, end_ns, index, source)

    @property
    def busy_s(self) -> float:
        """Seconds of work so far."""
        return self._series.total * 1e-9

    @property
    def count(self) -> int:
        """Pieces of work so far; frames, for a stage."""
        return len(self._series)

    def statistics(self, elapsed_s: float) -> StageStatistics:
        """What the stage did in a run that has lasted `elapsed_s`."""
        busy_s = self.busy_s
        return StageStatistics(
            name=self.name,
            time_ms=self._series.statistics(1e-6),
            busy_share=busy_s / elapsed_s if elapsed_s > 0 else 0.0,
        )


class Timings:
    """All that is measured in one run.

    Args:
        observer: Is told of everything, for profiles and traces.
        ranges: Where blocks that are measured are marked too.

    Attributes:
        stages: One timer per stage, in the order of the pipeline.
        parts: Timers of parts of a stage's work, by name.
        depths: Frames waiting in front of a stage, looked at whenever it takes one.
        latency_ns: From the capture of a frame to the moment when its results are handed to the
            sinks.
    """

    def __init__(self, observer: Observer | None = None, ranges: Ranges | None = None) -> None:
        self.stages: dict[str, StageTimer] = {}
        self.parts: dict[str, StageTimer] = {}
        self.depths: dict[str, Series] = {}
        self.latency_ns = Series()
        self._observer = observer
        self._ranges = ranges
        self._began_ns = time.perf_counter_ns()
        self._ended_ns: int | None = None

    def stage(self, name: str) -> StageTimer:
        """The timer of the stage called `name`, made at the first call."""
        return self._timer(self.stages, name)

    def part(self, name: str) -> StageTimer:
        """The timer of a part of a stage, which no figure of the stages counts again; made at the
        first call.
        """
        return self._timer(self.parts, name)

    def depth(self, name: str) -> Series:
        """The series of queue lengths in front of the stage called `name`."""
        if name not in self.depths:
            self.depths[name] = Depth(name, self._observer)
        return self.depths[name]

    def delivered(
        self, index: int, source: int, *, capture_ns: int, people: int, drops: int
    ) -> int:
        """A frame captured at `capture_ns` (`time.monotonic_ns()`) is handed to the sinks now: its
        latency in ns.
        """
        latency_ns = time.monotonic_ns() - capture_ns
        self.latency_ns.add(latency_ns)
        if self._observer is not None:
            self._observer.delivered(index, source, latency_ns, people, drops)
        return latency_ns

    def begin(self) -> None:
        """The run begins now."""
        self._began_ns = time.perf_counter_ns()
        self._ended_ns = None

    def end(self) -> None:
        """The run is over now."""
        self._ended_ns = time.perf_counter_ns()

    @property
    def began_ns(self) -> int:
        """When the run began, `time.perf_counter_ns()`."""
        return self._began_ns

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

    def _timer(self, timers: dict[str, StageTimer], name: str) -> StageTimer:
        if name not in timers:
            timers[name] = StageTimer(name, self._observer, self._ranges)
        return timers[name]


class TimedBlock:
    """A block of work; `begin_ns` and `end_ns` are `time.perf_counter_ns()`."""

    __slots__ = ("_index", "_source", "_timer", "begin_ns", "end_ns")

    def __init__(self, timer: StageTimer, index: int, source: int) -> None:
        self._timer = timer
        self._index = index
        self._source = source
        self.begin_ns = self.end_ns = 0

    @property
    def spent_ns(self) -> int:
        """How long it took."""
        return self.end_ns - self.begin_ns

    def __enter__(self) -> TimedBlock:
        if self._timer.ranges is not None:
            self._timer.ranges.push(self._timer.name)
        self.begin_ns = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end_ns = time.perf_counter_ns()
        self._timer.add(self.begin_ns, self.end_ns, self._index, self._source)
        if self._timer.ranges is not None:
            self._timer.ranges.pop()
