"""What does a 1080p frame cost the thread that submits, and how fast is the pipeline then?

    python -m benchmarks.alignment                    0, 1, 2, 4 threads that lay images
    python -m benchmarks.alignment --input-size 640   of another size

Frames are decoded from the demo, enlarged to 1920x1080 and copied into the pipeline as decoding
does. The engine is the real estimator on a stand-in of a GPU, which takes a fixed time for an
image, one after the other, and computes nothing; grouping finds nobody. Given are the processor
time of the submitting thread for a frame, and frames a second: the best of some rounds, in which
the modes take turns.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.demo import DEMO_CLIP
from basics.hardware import describe_hardware
from benchmarks.pipeline import WorkSource
from engine import Estimator, PoseMaps
from keypoint_datasets.images import load_images
from stream.pipeline.pipeline import Pipeline
from tests.support.people import nobody
from tests.support.stand_in import StandIn

SIZE = (1080, 1920)


class TimedEstimator(Estimator):
    """Notes how much processor time the submitting thread had taken at each result."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.spent_s: list[float] = []

    def result(self, ticket: Any) -> PoseMaps:
        self.spent_s.append(time.thread_time())
        return super().result(ticket)


def measure(
    images: list[np.ndarray], threads: int, frames: int, engine_s: float, input_size: int
) -> tuple[float, float]:
    """Processor time of the submitting thread for a frame in ms, and frames a second."""
    estimator = TimedEstimator("lite", StandIn(engine_s), input_size)
    with estimator:
        estimator.align_threads = threads
        estimator.warm_up([SIZE])
        estimator.spent_s.clear()

        def copy_decoded(index: int, target: NDArray[np.uint8]) -> None:
            np.copyto(target, images[index % len(images)])

        source = WorkSource(frames, copy_decoded, SIZE)
        begin_s = time.perf_counter()
        with Pipeline([source], estimator, nobody) as pipeline:
            pipeline.run()
        fps = frames / (time.perf_counter() - begin_s)
        spent_s = estimator.spent_s
    return (spent_s[-1] - spent_s[frames // 10]) / (frames - 1 - frames // 10) * 1e3, fps


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine-ms", type=float, default=1.0)
    parser.add_argument("--input-size", type=int, default=512)
    parser.add_argument("--threads", type=int, nargs="+", default=[0, 1, 2, 4])
    options = parser.parse_args()
    images = [cv2.resize(image, SIZE[::-1]) for image in load_images([DEMO_CLIP])]
    found: dict[int, list[tuple[float, float]]] = {threads: [] for threads in options.threads}
    for _ in range(options.rounds):
        for threads, figures in found.items():
            figures.append(
                measure(
                    images, threads, options.frames, options.engine_ms * 1e-3, options.input_size
                )
            )
    print(f"{describe_hardware()}; engine {options.engine_ms:g} ms, input {options.input_size}")
    print("threads  submitting thread ms/frame  frames/s")
    for threads, figures in found.items():
        # On a machine with other work the least is nearest to the truth.
        spent_ms, fps = min(each[0] for each in figures), max(each[1] for each in figures)
        print(f"{threads:7d}  {spent_ms:26.3f}  {fps:8.1f}")


if __name__ == "__main__":
    main()
