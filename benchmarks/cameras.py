"""What cameras get of one engine: the pipeline, and beside it the simulation that
`python -m evaluation cameras` is.

    python -m benchmarks.cameras --cameras 1 2 4 8 --batch-ms 20

The engine waits instead of computing, as the processor does while a GPU computes, and is as fast
for several images as `--batch-ms` says. The simulation is given what the engine was measured to
take in that run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.measuring.cameras import EngineTimes, simulate
from stream.pipeline.pipeline import Pipeline
from tests.stream.pipeline.parts import MemorySink, counted
from tests.support.blank_engine import BlankEngine
from tests.support.people import nobody


class BatchEngine(BlankEngine):
    """Takes for a batch what a GPU would, with the result of its first image."""

    def __init__(self, times: EngineTimes) -> None:
        super().__init__(batch_size=times.batch_size)
        self._times = times
        self._waits_s: list[float] = []
        self.spent_s: list[float] = []

    def submit_batch(self, images_bgr: Sequence[np.ndarray]) -> list[Any]:
        rest = len(images_bgr) - 1
        self._waits_s += [self._times.spent_s(len(images_bgr)), *[0.0] * rest]
        return super().submit_batch(images_bgr)

    def result(self, ticket: Any) -> Any:
        began_s = time.perf_counter()
        if wait_s := self._waits_s[ticket]:
            time.sleep(wait_s)
            self.spent_s.append((time.perf_counter() - began_s) / wait_s)
        return super().result(ticket)


def measure(cameras: int, fps: float, times: EngineTimes, seconds: float) -> str:
    """A row of the table."""
    sources = []
    for number in range(cameras):
        sources.append(counted(round(seconds * fps), fps=fps, name=str(number)))
        time.sleep(1 / fps / cameras)  # out of step
    engine = BatchEngine(times)
    with Pipeline(sources, engine, nobody, sinks=[[MemorySink()] for _ in sources]) as pipeline:
        pipeline.run()
        summary = pipeline.summary()
    late = float(np.mean(engine.spent_s))
    said = simulate(
        cameras, fps, EngineTimes(batch_ms=tuple(late * each for each in times.batch_ms))
    )
    latency = summary.latency_ms
    return (
        f"| {cameras} | {summary.frames / summary.elapsed_s / cameras:.1f} | {said.fps:.1f} | "
        f"{latency.p50:.0f} / {latency.p95:.0f} | "
        f"{said.latency_ms.p50:.0f} / {said.latency_ms.p95:.0f} | {late:.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 2, 4, 8], help="rows")
    parser.add_argument("--fps", type=float, default=25.0, help="of each camera (default: 25)")
    parser.add_argument(
        "--batch-ms", type=float, nargs="+", default=[20.0], help="of 1, 2, 4, ... images"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row (default: 10)")
    options = parser.parse_args()
    print("| cameras | FPS each | simulated | latency p50 / p95, ms | simulated | late |")
    print("|---|---|---|---|---|---|")
    times = EngineTimes(batch_ms=tuple(options.batch_ms))
    for cameras in options.cameras:
        print(measure(cameras, options.fps, times, options.seconds), flush=True)


if __name__ == "__main__":
    main()
