"""What profiling costs, and whether its figures are true.

    python -m benchmarks.profiling cost                 one event in ns; FPS with and without
    python -m benchmarks.profiling cost --work-ms 0     stages that do nothing: what is added
    python -m benchmarks.profiling cost --engine lite   the network that ships, on the demo clip
    python -m benchmarks.profiling truth                stages of known length, own clocks; aim: 2 %

cost: "without" is a run as it always is, whose timings have no observer; "with" is `--profile`
until the files are written: every event recorded, the machine watched twice a second. Rounds go
without, with, with, without, ... so that a machine that gets slower or faster favours neither; the
ratio is the median over neighbours.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from benchmarks.pipeline import WorkSource, calibrate, make_work
from engine import open_estimator
from grouping import Grouper, People
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.timing import StageTimer, Timings
from stream.profile import Profiler, RunFacts
from stream.profile.config import ProfileConfig
from stream.profile.recorder import Recorder
from stream.sources import Source, make_source
from tests.support.blank_engine import WorkEngine
from tests.support.people import no_people, nobody

FACTS = RunFacts(command="benchmark", model="work", runtime="none", precision="none")
Work = Callable[[], None]


class Sink:
    """Takes `work` for each frame."""

    needs_image = False

    def __init__(self, work: Work) -> None:
        self._work = work

    def open(self, *arguments: object) -> None: ...
    def close(self) -> None: ...

    def write(self, *arguments: object, **keywords: object) -> None:
        self._work()


class Clocked:
    """Work that knows how long each of its turns took, in ms."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.took_ms: list[float] = []

    def __call__(self, *frame: Any) -> None:
        begin_ns = time.perf_counter_ns()
        self._work()
        self.took_ms.append((time.perf_counter_ns() - begin_ns) * 1e-6)


def event_ns(count: int = 20_000, repeats: int = 7) -> tuple[float, float]:
    """What one measured piece of work costs without an observer, and what a recorder adds; the best
    of `repeats`.
    """
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(repeats):
        for recorded in (False, True):
            timer = StageTimer("group", Recorder() if recorded else None)
            begin_ns = time.perf_counter_ns()
            for index in range(count):
                timer.add(index, index + 1, index)
            times[recorded].append((time.perf_counter_ns() - begin_ns) / count)
    return min(times[False]), min(times[True]) - min(times[False])


def measure(
    make: Callable[[], tuple[Source, Any, Any]], work: Work, *, profiled: bool
) -> tuple[float, float]:
    """Frames a second of one run, and the processor time that a frame took, in ms."""
    profiler = Profiler(ProfileConfig(benchmark=True)) if profiled else None
    source, engine, group = make()
    timings = Timings() if profiler is None else profiler.timings
    sinks, watched = [[Sink(work)]], profiler or nullcontext()
    with (
        source,
        Pipeline([source], engine, group, sinks=sinks, timings=timings) as pipeline,
        watched,
    ):
        begin_s = time.process_time()
        summary = pipeline.run()
        return summary.fps, (time.process_time() - begin_s) / summary.frames * 1e3


def cost(options: argparse.Namespace) -> None:
    bare_ns, added_ns = event_ns()
    print(f"one event: {bare_ns:.0f} ns measured as always, {added_ns:.0f} ns more recorded")
    if options.engine == "work":
        rounds_per_ms = calibrate()
        quick = make_work(options.work_ms, "computing", rounds_per_ms)
        engine, group = WorkEngine(quick), nobody
        fill = Clocked(quick)
        compare(lambda: (WorkSource(options.frames, fill), engine, group), quick, options)
        return
    with open_estimator(options.engine, input_size=256) as estimator:
        grouper = Grouper("coco")
        compare(lambda: (make_source("demo"), estimator, grouper), lambda: None, options)


def compare(
    make: Callable[[], tuple[Source, Any, Any]], work: Work, options: argparse.Namespace
) -> None:
    """Prints the ratios of frame rates and of processor time; the latter holds on a machine that is
    not idle, too.
    """
    measure(make, work, profiled=False)  # warm-up
    rounds: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for turn in range(options.rounds):
        for profiled in (False, True) if turn % 2 == 0 else (True, False):
            rounds[profiled].append(measure(make, work, profiled=profiled))
    without, with_it = (np.array(rounds[profiled]) for profiled in (False, True))
    for column, name in enumerate(("FPS", "ms of processor time a frame")):
        ratios = with_it[:, column] / without[:, column]
        low, middle, high = np.percentile(ratios, (25, 50, 75))
        print(
            f"without {np.median(without[:, column]):.2f}, with "
            f"{np.median(with_it[:, column]):.2f} {name}: "
            f"ratio {middle:.4f} (middle half {low:.4f} to {high:.4f}) over {options.rounds} "
            "pairs; aim: within 1 %"
        )
    added_us = float(np.median(with_it[:, 1] - without[:, 1])) * 1e3
    print(f"processor time added: {added_us:.1f} us a frame")
    period_ms = 1000 / float(np.median(with_it[:, 0]))
    events, threads = (
        9,
        5,
    )  # 6 pieces of work, 3 queues, in a frame without drawing; a delivery beside them
    share = (events + 1) * event_ns()[1] * 1e-6 / period_ms
    print(
        f"by the cost of its events: {share * 100:.3f} % of one core at this frame rate, spread "
        f"over {threads} threads"
    )


def truth(options: argparse.Namespace) -> None:
    """Stages of known length, two that sleep and two that compute, each of which knows by its own
    clock how long it was.
    """
    rounds_per_ms = calibrate()
    stages = {
        "decode": Clocked(make_work(10, "computing", rounds_per_ms)),
        "infer: wait": Clocked(make_work(20, "waiting", rounds_per_ms)),
        "group": Clocked(make_work(12, "waiting", rounds_per_ms)),
        "write": Clocked(make_work(8, "computing", rounds_per_ms)),
    }

    def group(*maps: Any) -> People:
        stages["group"]()
        return no_people()

    profiler = Profiler(ProfileConfig(benchmark=True))
    source = WorkSource(options.frames, stages["decode"])
    engine = WorkEngine(stages["infer: wait"])
    sinks = [[Sink(stages["write"])]]
    with (
        source,
        Pipeline([source], engine, group, sinks=sinks, timings=profiler.timings) as pipeline,
        profiler,
    ):
        pipeline.run()
    found = profiler.document(FACTS, pipeline.summary())
    entries = {entry["name"]: entry for entry in [*found["stages"], *found["parts"]]}
    worst = 0.0
    print(
        f"{'':12} {'mean':>16} {'p50':>16} {'p95':>16} {'p99':>16} {'max':>16} {'busy':>16}   ms, "
        "profile / own clock"
    )
    for name, clocked in stages.items():
        own_ms = np.array(clocked.took_ms)
        own = [
            own_ms.mean(),
            *np.percentile(own_ms, (50, 95, 99)),
            own_ms.max(),
            own_ms.sum() / found["elapsed_s"] / 1e3,
        ]
        told = [
            entries[name][figure] for figure in ("mean", "p50", "p95", "p99", "max", "busy_share")
        ]
        worst = max(
            worst, *(abs(one - other) / other for one, other in zip(told, own, strict=True))
        )
        print(
            f"{name:12} "
            + " ".join(f"{one:8.3f}/{other:7.3f}" for one, other in zip(told, own, strict=True))
        )
    verdict = "within" if worst <= 0.02 else "NOT within"
    print(f"largest difference {worst * 100:.2f} %, {verdict} 2 %, over {options.frames} frames")
    if worst > 0.02:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", choices=("cost", "truth"))
    parser.add_argument("--engine", default="work", help="work, or a model")
    parser.add_argument(
        "--work-ms",
        type=float,
        default=2.0,
        help="what every stage computes for a frame, with --engine work",
    )
    parser.add_argument(
        "--frames", type=int, default=300, help="frames of a run, with --engine work"
    )
    parser.add_argument("--rounds", type=int, default=12, help="pairs of runs")
    options = parser.parse_args()
    (cost if options.question == "cost" else truth)(options)
    print(
        f"{os.cpu_count()} cores, {threading.active_count()} thread left, load "
        f"{os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
