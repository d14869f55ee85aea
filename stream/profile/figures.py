"""The document of a run, made from what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.statistics import Statistics
from stream.frame import SourceInfo
from stream.pipeline.inference import is_engine
from stream.pipeline.summary import Summary
from stream.pipeline.timing import StageStatistics, Timings
from stream.profile.document import (
    Distribution,
    EnvironmentFigures,
    FramesFigures,
    GroupingFigures,
    PartFigures,
    ProfileDocument,
    RateFigures,
    RunFigures,
    SlowFrame,
    SourceFigures,
    StageFigures,
    statistics_figures,
)
from stream.profile.probes.environment import Environment
from stream.profile.recorder import Recorder
from stream.profile.samples import Samples
from stream.profile.timeline import timeline

SCHEMA = 1  # goes up when a field changes its meaning or goes; new fields may come

_POINTS = 1500  # frames of which each has a point in a plot
_SLOWEST = 8
_SLICES = 60  # bars of the distribution


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What was run.

    Attributes:
        command: The command line, without secrets.
        model: Preset or file.
        runtime: What executed it.
        precision: In which precision.
        devices: What computed: `cpu`, or numbers and names of GPUs.
        input_size: Size of the network's input; None where the caller does not know it.
        policy: Which frames may be dropped; None where the caller does not know it.
        sources: What is known of each, in order; None for one that was never reached.
        error: Why it failed; None where it did not.
    """

    command: str
    model: str
    runtime: str
    precision: str
    devices: tuple[str, ...] = ()
    input_size: str | None = None
    policy: str | None = None
    sources: tuple[SourceInfo | None, ...] = ()
    error: str | None = None


def document(
    facts: RunFacts,
    summary: Summary,
    timings: Timings,
    recorder: Recorder,
    samples: dict[str, Samples],
    environment: Environment,
) -> ProfileDocument:
    """Everything about the run as JSON values."""
    return {
        "schema": SCHEMA,
        "run": _run(facts, summary),
        "environment": _environment(environment),
        **_rates(summary, recorder),
        "latency_ms": statistics_figures(summary.latency_ms),
        "people_per_frame": statistics_figures(
            Statistics.of(recorder.deliveries.even(recorder.every)["value"])
        ),
        "stages": [_stage(stage) for stage in summary.stages],
        "parts": _parts(timings, recorder, summary.elapsed_s),
        "queues": {name: statistics_figures(figures) for name, figures in summary.depths.items()},
        "drops": summary.drops,
        "sources": [
            _source(summary, index, facts.sources) for index in range(len(summary.sources))
        ],
        "telemetry": {
            name: statistics_figures(Statistics.of(track.values)) for name, track in samples.items()
        },
        "kept_every": recorder.every,
        "timeline": timeline(
            recorder, samples, began_ns=timings.began_ns, elapsed_s=summary.elapsed_s
        ),
        "frames": _frames(recorder, timings.began_ns),
        "slowest_frames": _slowest(
            recorder, timings.began_ns, [stage.name for stage in summary.stages]
        ),
        "latency_distribution": _distribution(recorder),
        "grouping_by_people": _grouping(recorder),
    }


def _run(facts: RunFacts, summary: Summary) -> RunFigures:
    outcome = "failed" if facts.error is not None else "stopped" if summary.stopped else "finished"
    return {
        "command": facts.command,
        "model": facts.model,
        "runtime": facts.runtime,
        "precision": facts.precision,
        "devices": list(facts.devices),
        "input_size": facts.input_size,
        "policy": facts.policy,
        "outcome": outcome,
        "error": facts.error,
    }


def _environment(environment: Environment) -> EnvironmentFigures:
    return {
        "began": environment.began,
        "versions": environment.versions,
        "hardware": environment.hardware,
        "power": environment.power,
        "load_average": environment.load_average,
    }


def _stage(stage: StageStatistics) -> StageFigures:
    return {
        "name": stage.name,
        **statistics_figures(stage.time_ms),
        "busy_share": stage.busy_share,
    }


def _rates(summary: Summary, recorder: Recorder) -> RateFigures:
    frames_in = summary.frames + sum(summary.drops.values())
    ends_ns = recorder.deliveries.kept()["end_ns"]
    steady_s = float(ends_ns.max() - ends_ns.min()) * 1e-9 if len(ends_ns) > 1 else 0.0
    return {
        "elapsed_s": summary.elapsed_s,
        "frames_in": frames_in,
        "frames_out": summary.frames,
        "people": summary.people,
        "fps_in": frames_in / summary.elapsed_s if summary.elapsed_s > 0 else 0.0,
        "fps_out": summary.fps,
        "fps_steady": (recorder.deliveries.seen - 1) / steady_s if steady_s > 0 else 0.0,
    }


def _parts(timings: Timings, recorder: Recorder, elapsed_s: float) -> list[PartFigures]:
    """Parts of stages, and how long the engine has an image (the next one may overlap)."""
    found = [timer.statistics(elapsed_s) for timer in timings.parts.values()]
    parts: list[PartFigures] = [
        {
            "name": part.name,
            **statistics_figures(part.time_ms),
            "busy_share": part.busy_share,
        }
        for part in found
        if part.time_ms.n
    ]
    for name in filter(is_engine, recorder.works):
        rows = recorder.works[name].even(recorder.every)
        in_engine = Statistics.of((rows["end_ns"] - rows["begin_ns"]) * 1e-6)
        parts.append(
            {
                "name": f"{name}: submit to result",
                **statistics_figures(in_engine),
                "busy_share": None,
            }
        )
    return parts


def _source(summary: Summary, index: int, infos: tuple[SourceInfo | None, ...]) -> SourceFigures:
    source = summary.sources[index]
    info = infos[index] if index < len(infos) else None
    frames_in = source.frames + sum(source.drops.values())
    elapsed_s = max(summary.elapsed_s, 1e-9)
    return {
        "name": source.name,
        "width": None if info is None else info.width,
        "height": None if info is None else info.height,
        "announced_fps": None if info is None else info.fps,
        "live": None if info is None else info.live,
        "frames_in": frames_in,
        "frames_out": source.frames,
        "fps_in": frames_in / elapsed_s,
        "fps_out": source.frames / elapsed_s,
        "people": source.people,
        "drops": source.drops,
        "reconnects": source.health.reconnects,
        "damaged_packets": source.health.corrupt_packets,
    }


def _frames(recorder: Recorder, began_ns: int) -> FramesFigures:
    """Time and latency of frames: all of them, or an even choice of `_POINTS` with the slowest
    among them.
    """
    rows = recorder.deliveries.kept()
    latency_ms = (rows["end_ns"] - rows["begin_ns"]) * 1e-6
    if len(rows) > _POINTS:
        even = np.linspace(0, len(rows) - 1, _POINTS - _POINTS // 10).astype(int)
        chosen = np.unique(np.concatenate([even, np.argsort(latency_ms)[-_POINTS // 10 :]]))
        rows, latency_ms = rows[chosen], latency_ms[chosen]
    return {"t_s": _rounded((rows["end_ns"] - began_ns) * 1e-9), "latency_ms": _rounded(latency_ms)}


def _slowest(recorder: Recorder, began_ns: int, stages: list[str]) -> list[SlowFrame]:
    rows = recorder.deliveries.kept()
    latency_ms = (rows["end_ns"] - rows["begin_ns"]) * 1e-6
    spent_ms: dict[str, dict[int, float]] = {}
    for stage in stages:
        where, lengths_ms = recorder.per_frame(stage)
        spent_ms[stage] = dict(zip(where.tolist(), lengths_ms.tolist(), strict=True))
    return [
        {
            "source": int(rows["source"][position]),
            "frame": int(rows["index"][position]),
            "t_s": round(float(rows["end_ns"][position] - began_ns) * 1e-9, 3),
            "latency_ms": round(float(latency_ms[position]), 3),
            "people": int(rows["value"][position]),
            "stages_ms": {
                stage: round(spent[position], 3)
                for stage, spent in spent_ms.items()
                if position in spent
            },
        }
        for position in np.argsort(latency_ms, kind="stable")[::-1][:_SLOWEST].tolist()
    ]


def _distribution(recorder: Recorder) -> Distribution:
    """How many frames had which latency, up to the 99.5th percentile; `beyond` is how many had
    more.
    """
    rows = recorder.deliveries.even(recorder.every)
    latency_ms = (rows["end_ns"] - rows["begin_ns"]) * 1e-6
    if not latency_ms.size:
        return {"edges_ms": [], "counts": [], "beyond": 0}
    low, high = float(latency_ms.min()), float(np.percentile(latency_ms, 99.5))
    counts, edges = np.histogram(latency_ms, bins=_SLICES, range=(low, max(high, low + 0.01)))
    return {
        "edges_ms": _rounded(edges),
        "counts": counts.tolist(),
        "beyond": int(latency_ms.size - counts.sum()),
    }


def _grouping(recorder: Recorder) -> list[GroupingFigures]:
    """For each number of people in a frame, how long grouping took."""
    where, lengths_ms = recorder.per_frame("group")
    people = recorder.deliveries.kept()["value"][where]
    return [
        {"people": int(count), **statistics_figures(Statistics.of(lengths_ms[people == count]))}
        for count in np.unique(people)
    ]


def _rounded(values: NDArray[Any]) -> list[float]:
    return [round(float(value), 3) for value in values]
