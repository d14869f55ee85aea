"""Does a run that never ends stay the size that it is? The demo clip over and over, everything
real, for as long as asked.

    python -m benchmarks.soak --seconds 600

`lite` at full speed, annotated video and keypoint record written; memory, threads and open files
are looked at every second. The slope of a straight line through the second half, times 24, is what
a day is expected to add; the interval is two standard errors wide to either side. The first half is
left out: buffers, pools and tables reach their size within some 2,000 frames
(python -m benchmarks.pipeline --memory 8000: 305 MiB after 800 frames, 306.2 after 2,400, 306.3
after 7,200), and a line through that would promise growth for ever.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from basics.demo import DEMO_CLIP, DEMO_FRAMES
from benchmarks.process import open_files, resident_mib, threads
from engine import open_estimator
from stream import Pipeline, PipelineConfig, Progress
from stream.estimator import suitable_grouper
from stream.render.renderer import Renderer
from stream.sinks import make_sinks
from stream.sources.sequence import SequenceSource

SETTLED_S = 60.0
PERIOD_S = 1.0
FASTEST_FPS = 2000  # nothing reads more of the clip than this


@dataclass(frozen=True)
class Sample:
    """What the process held at a moment. resident_mib: memory. frames: written so far."""

    time_s: float
    resident_mib: float
    threads: int
    open_files: int
    frames: int


class Watch:
    """Takes a sample every `PERIOD_S`, told by the pipeline of its progress, and ends the run in
    time.
    """

    def __init__(self, seconds: float) -> None:
        self.samples: list[Sample] = []
        self.pipeline: Pipeline | None = None
        self._seconds = seconds

    def look(self, progress: Progress) -> None:
        if progress.finished or (
            self.samples and progress.elapsed_s < self.samples[-1].time_s + PERIOD_S
        ):
            return
        self.samples.append(
            Sample(progress.elapsed_s, resident_mib(), threads(), open_files(), progress.frames)
        )
        if progress.elapsed_s >= self._seconds and self.pipeline is not None:
            self.pipeline.stop()


def growth(samples: list[Sample]) -> tuple[float, float]:
    """Slope of memory in MiB an hour and its standard error, by least squares."""
    hours = np.array([sample.time_s for sample in samples]) / 3600
    sizes = np.array([sample.resident_mib for sample in samples])
    hours -= hours.mean()
    slope = float((hours * sizes).sum() / (hours**2).sum())
    residual = sizes - sizes.mean() - slope * hours
    error = float(np.sqrt((residual**2).sum() / max(1, len(sizes) - 2) / (hours**2).sum()))
    return slope, error


def _minutes(samples: list[Sample]) -> list[float]:
    return [60.0 * minute for minute in range(1, int(samples[-1].time_s // 60) + 1)]


def report(samples: list[Sample]) -> None:
    settled = [sample for sample in samples if sample.time_s >= SETTLED_S] or samples
    minutes = [
        next(sample for sample in settled if sample.time_s >= time_s)
        for time_s in _minutes(settled)
    ]
    for sample in [*minutes, settled[-1]]:
        print(
            f"after {sample.time_s:5.0f} s: {sample.resident_mib:7.1f} MiB resident, "
            f"{sample.threads} threads, "
            f"{sample.open_files} open files, {sample.frames} frames"
        )
    span_s = settled[-1].time_s - settled[0].time_s
    if span_s > 0:
        print(f"{(settled[-1].frames - settled[0].frames) / span_s:.1f} FPS after the first minute")
    half = settled[len(settled) // 2 :]
    if len(half) > 2:
        slope, error = growth(half)
        print(
            f"memory grows {slope:+.1f} +- {2 * error:.1f} MiB an hour; a day: {24 * slope:+.0f} "
            f"+- {48 * error:.0f} MiB"
        )
    threads, files = (
        {getattr(sample, name) for sample in settled} for name in ("threads", "open_files")
    )
    print(
        f"threads seen {min(threads)}..{max(threads)}, open files seen {min(files)}..{max(files)}"
    )
    print(f"after the run: {threading.active_count()} Python threads")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--runtime", default="auto")
    options = parser.parse_args()
    clips = [str(DEMO_CLIP)] * round(options.seconds * FASTEST_FPS / DEMO_FRAMES)
    watch = Watch(options.seconds)
    with (
        tempfile.TemporaryDirectory() as folder,
        SequenceSource("demo", clips) as source,
        open_estimator(options.model, runtime=options.runtime) as estimator,
    ):
        grouper = suitable_grouper(estimator)
        sinks = make_sinks([str(Path(folder) / "out.mp4"), str(Path(folder) / "out.jsonl")])
        renderers = [Renderer(grouper.keypoint_set)]
        with Pipeline(
            [source],
            estimator,
            grouper,
            sinks=[sinks],
            renderers=renderers,
            options=PipelineConfig(),
        ) as watch.pipeline:
            begin_s = time.monotonic()
            print(f"{estimator.model}, {estimator.runtime} {estimator.precision}", flush=True)
            print(
                watch.pipeline.run(watch.look), f"({time.monotonic() - begin_s:.0f} s)", flush=True
            )
    report(watch.samples)


if __name__ == "__main__":
    main()
