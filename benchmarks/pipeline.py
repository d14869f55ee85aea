"""Does the pipeline run as fast as its slowest stage, and does its memory stay flat?

    python -m benchmarks.pipeline                  each stage as the slowest, against it alone
    python -m benchmarks.pipeline --memory 10000   the demo over and over, all but the network real

Stages are stand-ins of known length that release the GIL, as the real ones do. Ratio = throughput
of the pipeline / throughput of its slowest stage alone in a loop, measured in turns in one process;
the aim is >= 0.95.

waiting: the slowest stage waits (a device computes elsewhere), the other four compute.
computing: all five compute. Cores that share their units, or are busy with something else, slow
such a stage down as soon as anything runs beside it, so its ratio is also given against the same
five loops side by side, without a pipeline.
"""

from __future__ import annotations

import argparse
import itertools
import operator
import os
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.demo import DEMO_CLIP, DEMO_FRAMES
from basics.kernels import kernel
from benchmarks.process import resident_mib
from configs import load_keypoint_set
from engine import PoseMaps, align
from grouping import Grouper, People
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.pipeline.pipeline import Pipeline
from stream.render.renderer import Renderer
from stream.sinks import make_sinks
from stream.sources import Source
from stream.sources.sequence import SequenceSource
from tests.support.blank_engine import WorkEngine
from tests.support.people import no_people

STAGES = ("decode", "infer", "group", "render", "write")
SLOW_MS, QUICK_MS = 10.0, 1.0
SIZE = (480, 640)


@kernel
def _compute(rounds: int) -> float:
    total = 0.0
    for index in range(rounds):
        total += (index % 7) * 0.5 / (1.0 + total * total)
    return total


def make_work(milliseconds: float, kind: str, rounds_per_ms: float) -> Callable[[], None]:
    """Something that takes `milliseconds` and releases the GIL."""
    if kind == "waiting":
        return lambda: time.sleep(milliseconds / 1e3)
    rounds = round(milliseconds * rounds_per_ms)

    def work() -> None:
        _compute(rounds)

    return work


def calibrate() -> float:
    """Rounds of the kernel in a millisecond."""
    _compute(10)
    times_s = []
    for _ in range(5):
        begin_s = time.perf_counter()
        _compute(2_000_000)
        times_s.append(time.perf_counter() - begin_s)
    return 2_000_000 / statistics.median(times_s) / 1e3


class WorkSource(Source):
    """`count` frames of a (height, width); `work` fills each, given its index and its image."""

    name = "work"

    def __init__(
        self,
        count: int,
        work: Callable[[int, NDArray[np.uint8]], None],
        size: tuple[int, int] = SIZE,
    ) -> None:
        super().__init__()
        self._left, self._work, self._size, self._index = count, work, size, -1

    @property
    def info(self) -> SourceInfo:
        return SourceInfo(name=self.name, width=self._size[1], height=self._size[0], fps=25.0)

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        self._left = 0

    def grab(self) -> FrameStamp | None:
        self._index += 1
        self._left -= 1
        if self._left < 0:
            return None
        return FrameStamp(source=self.name, index=self._index, time_s=self._index / 25)

    def retrieve(self, frame: Frame) -> None:
        self._work(self._index, frame.allocate(*self._size))


class WorkSink:
    """A sink whose every frame takes `work`."""

    needs_image = True

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    def open(self, *arguments: object) -> None:
        pass

    def close(self) -> None:
        pass

    def write(self, *arguments: object, **keywords: object) -> None:
        self._work()


class WorkRenderer(Renderer):
    """A renderer whose every picture takes `work`."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(load_keypoint_set("coco"))
        self._do = work

    def draw(self, *arguments: object, **keywords: object) -> None:
        self._do()


def fps_of_pipeline(work: dict[str, Callable[[], None]], frames: int) -> float:
    """Frames a second through all five stages."""
    found = no_people()

    def group(*arguments: object) -> People:
        work["group"]()
        return found

    pipeline = Pipeline(
        [WorkSource(frames, lambda *_: work["decode"]())],
        WorkEngine(work["infer"]),
        group,
        sinks=[[WorkSink(work["write"])]],
        renderers=[WorkRenderer(work["render"])],
    )
    with pipeline:
        begin_s = time.perf_counter()
        summary = pipeline.run()
        return summary.frames / (time.perf_counter() - begin_s)


def fps_alone(work: Callable[[], None], frames: int) -> float:
    """Frames a second of one stage in a loop."""
    begin_s = time.perf_counter()
    for _ in range(frames):
        work()
    return frames / (time.perf_counter() - begin_s)


def fps_side_by_side(work: dict[str, Callable[[], None]], frames: int) -> float:
    """Frames a second of five stages in five loops that know nothing of each other: all that the
    cores can give.
    """
    threads = [threading.Thread(target=fps_alone, args=(stage, frames)) for stage in work.values()]
    begin_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return frames / (time.perf_counter() - begin_s)


def compare(slowest: str, kind: str, frames: int, rounds: int) -> float:
    """Prints one line; returns the ratio, the median over `rounds` turns."""
    rounds_per_ms = calibrate()
    work = {name: make_work(QUICK_MS, "computing", rounds_per_ms) for name in STAGES}
    work[slowest] = make_work(SLOW_MS, kind, rounds_per_ms)
    alone, together, beside = [], [], []
    for _ in range(rounds):
        alone.append(fps_alone(work[slowest], frames))
        together.append(fps_of_pipeline(work, frames))
        beside.append(fps_side_by_side(work, frames))
    ratio = statistics.median(map(operator.truediv, together, alone))
    fps = [
        f"{name} {statistics.median(values):6.1f} FPS"
        for name, values in (("alone", alone), ("pipeline", together))
    ]
    to_beside = statistics.median(map(operator.truediv, together, beside))
    print(
        f"{slowest:8} {kind:10} {fps[0]}  {fps[1]}  ratio {ratio:.3f}  to loops side by side "
        f"{to_beside:.3f}",
        flush=True,
    )
    return float(ratio)


def memory(frames: int) -> None:
    """Prints resident memory over a long run with real decoding, grouping, rendering, MP4 and JSON
    Lines.
    """
    random = np.random.default_rng(0)
    alignment = align(SIZE, 256)
    map_size = alignment.input_size[0] // 2, alignment.input_size[1] // 2
    shape = (17, *map_size)
    maps = []
    for _ in range(4):
        heatmaps = np.zeros(shape, np.float32)
        for joint, _person in itertools.product(range(17), range(5)):
            heatmaps[joint, random.integers(5, shape[1] - 5), random.integers(5, shape[2] - 5)] = (
                random.uniform(0.3, 1)
            )
        tags = random.integers(0, 5, (*shape, 1)).astype(np.float32)
        maps.append(PoseMaps(heatmaps, tags, alignment.with_map_size(map_size)))
    samples: list[tuple[int, float]] = []
    step = max(1, frames // 10)

    def look(progress: Any) -> None:
        if progress.frames >= (samples[-1][0] if samples else 0) + step:
            samples.append((progress.frames, resident_mib()))

    clips = [str(DEMO_CLIP)] * -(-frames // DEMO_FRAMES)
    with tempfile.TemporaryDirectory() as folder, SequenceSource("demo", clips) as source:
        sinks = make_sinks([str(Path(folder) / "out.mp4"), str(Path(folder) / "out.jsonl")])
        renderer = Renderer(load_keypoint_set("coco"))
        engine = WorkEngine(lambda: None, maps=maps)
        with Pipeline(
            [source], engine, Grouper("coco"), sinks=[sinks], renderers=[renderer]
        ) as pipeline:
            print(pipeline.run(look))
    for count, size_mib in samples:
        print(f"after {count:6d} frames {size_mib:7.1f} MiB")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    growth = samples[-1][1] - samples[1][1]
    print(
        f"growth from the second sample to the last {growth:+.1f} MiB; peak of the process "
        f"{peak_mib:.1f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=150, help="frames per run")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each comparison")
    parser.add_argument(
        "--memory", type=int, metavar="FRAMES", help="measure memory over so many frames instead"
    )
    options = parser.parse_args()
    if options.memory is not None:
        memory(options.memory)
        return
    worst = min(compare(name, "waiting", options.frames, options.rounds) for name in STAGES)
    compare("infer", "computing", options.frames, options.rounds)
    print(f"worst ratio of a stage that waits {worst:.3f} (aim >= 0.95), {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
