"""What a run came to as JSON values: what profile.json, the tables, the report and the benchmark
line all show. `schema.json` beside this file says it in JSON Schema.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from basics.statistics import Statistics

Figure = Literal["mean", "p50", "p95", "p99", "max"]


class StatisticsFigures(TypedDict):
    """A `basics.statistics.Statistics`: n, mean and max are of all values, percentiles of the last
    65,536.
    """

    n: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


class StageFigures(StatisticsFigures):
    """Milliseconds that a stage takes per frame.

    Attributes:
        name: `decode`; `decode 0` where there are several sources.
        busy_share: Share of the run in which its thread was at work.
    """

    name: str
    busy_share: float


class PartFigures(StatisticsFigures):
    """Milliseconds that a part of a stage takes per frame.

    Attributes:
        name: Stage and part, `infer: wait`.
        busy_share: As of a stage; None for what may overlap from frame to frame.
    """

    name: str
    busy_share: float | None


class GroupingFigures(StatisticsFigures):
    """Milliseconds that grouping takes for frames with so many people."""

    people: int


class RunFigures(TypedDict):
    """What was run, and how it ended: `finished`, `stopped` or `failed`."""

    command: str
    model: str
    runtime: str
    precision: str
    devices: list[str]
    input_size: str | None
    policy: str | None
    outcome: str
    error: str | None


class EnvironmentFigures(TypedDict):
    """Where it ran: `stream.profile.probes.environment.Environment`."""

    began: str
    versions: dict[str, str]
    hardware: dict[str, str]
    power: dict[str, str]
    load_average: float | None


class SourceFigures(TypedDict):
    """One source; None where it was never reached."""

    name: str
    width: int | None
    height: int | None
    announced_fps: float | None
    live: bool | None
    frames_in: int
    frames_out: int
    fps_in: float
    fps_out: float
    people: int
    drops: dict[str, int]
    reconnects: int
    damaged_packets: int


class SlowFrame(TypedDict):
    """One of the slowest frames, and where its time went."""

    source: int
    frame: int
    t_s: float
    latency_ms: float
    people: int
    stages_ms: dict[str, float]


class FramesFigures(TypedDict):
    """When frames were delivered and how late; all of them, or an even choice with the slowest."""

    t_s: list[float]
    latency_ms: list[float]


class Distribution(TypedDict):
    """How many frames had which latency; `beyond` is how many had more than the last edge."""

    edges_ms: list[float]
    counts: list[int]
    beyond: int


class Timeline(TypedDict):
    """Steps of equal length from the beginning of the run; None where nothing was seen in a step.

    Attributes:
        step_s: Their length.
        t_s: Their middles.
        latency_mean_ms: Of the frames delivered in the step, as all that follows.
        latency_p50_ms: Median.
        latency_p95_ms: 95th percentile.
        latency_max_ms: The largest.
        fps: Frames delivered per second.
        people: Per frame, on average.
        drops: Frames dropped in the step.
        stages_ms: By stage, mean from begin to end of the work.
        queues: By stage, mean of the frames that waited in front of it.
        telemetry: By quantity, mean.
    """

    step_s: float
    t_s: list[float]
    latency_mean_ms: list[float | None]
    latency_p50_ms: list[float | None]
    latency_p95_ms: list[float | None]
    latency_max_ms: list[float | None]
    fps: list[float]
    people: list[float | None]
    drops: list[float]
    stages_ms: dict[str, list[float | None]]
    queues: dict[str, list[float | None]]
    telemetry: dict[str, list[float | None]]


class RateFigures(TypedDict):
    """How much of what in which time.

    Attributes:
        elapsed_s: Length of the run.
        frames_in: Frames that the sources gave and that were asked for: delivered or dropped.
        frames_out: Frames delivered to the sinks.
        people: In the frames delivered.
        fps_in: `frames_in` per second.
        fps_out: `frames_out` per second.
        fps_steady: Between the first delivery and the last, without what starting and finishing
            take.
    """

    elapsed_s: float
    frames_in: int
    frames_out: int
    people: int
    fps_in: float
    fps_out: float
    fps_steady: float


class ProfileDocument(RateFigures):
    """Everything about a run. See `schema.json` for what each field means.

    Attributes:
        schema: Goes up when a field changes its meaning or goes; new fields may come.
        kept_every: Plots and trace show every so manieth frame, and the slow ones.
    """

    schema: int
    run: RunFigures
    environment: EnvironmentFigures
    latency_ms: StatisticsFigures
    people_per_frame: StatisticsFigures
    stages: list[StageFigures]
    parts: list[PartFigures]
    queues: dict[str, StatisticsFigures]
    drops: dict[str, int]
    sources: list[SourceFigures]
    telemetry: dict[str, StatisticsFigures]
    kept_every: int
    timeline: Timeline
    frames: FramesFigures
    slowest_frames: list[SlowFrame]
    latency_distribution: Distribution
    grouping_by_people: list[GroupingFigures]


def statistics_figures(statistics: Statistics) -> StatisticsFigures:
    """The same as JSON values."""
    return {
        "n": statistics.n,
        "mean": statistics.mean,
        "p50": statistics.p50,
        "p95": statistics.p95,
        "p99": statistics.p99,
        "max": statistics.max,
    }
