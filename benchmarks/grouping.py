"""How long does grouping take, stage by stage, and how does it grow with people, map size, tag
length and stray peaks?

    python -m benchmarks.grouping                        the whole table
    python -m benchmarks.grouping --background people    maps like a trained network's
    python -m benchmarks.grouping --people 5 --repeats 500

One row a case: p50 and p99 in ms of a whole call and of each stage, and how many times longer the
official decoder written in NumPy with munkres takes (tests/support/reference_decoder.py; the best
of `--baseline-repeats` on the same maps, same process).

The maps are drawn, not from a network: see tests/support/pose_maps.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from grouping import Grouper
from tests.support import reference_decoder
from tests.support.pose_maps import draw_maps

STAGES = ("peaks", "match", "adjust", "refine")
T = TypeVar("T")
SIZES = ((128, 176), (256, 352), (512, 704))


def time_stages(
    grouper: Grouper, heatmaps: NDArray[np.float32], tags: NDArray[np.float32]
) -> list[float]:
    """Milliseconds of each of STAGES, run one by one, and of a whole call."""
    times_ms: list[float] = []

    def timed(stage: Callable[..., T], *arguments: object) -> T:
        began_ns = time.perf_counter_ns()
        result = stage(*arguments)
        times_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
        return result

    frame = grouper.prepare(heatmaps, tags)
    timed(grouper.find_candidates, frame)
    people = timed(grouper.match, frame)
    timed(grouper.adjust, frame, people)
    timed(lambda: grouper.refine(frame, people, tiles_measured=True))
    timed(grouper, heatmaps, tags)
    return times_ms


def measure(
    grouper: Grouper,
    frames: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
    repeats: int,
    baseline_repeats: int,
) -> tuple[NDArray[np.float64], float]:
    """Times in ms (repeats, stages and total), the frames taken in turns, and the baseline's best
    on the same frames.
    """
    frames = list(frames)
    for heatmaps, tags in frames:
        grouper(heatmaps, tags)
    times_ms = [time_stages(grouper, *frames[repeat % len(frames)]) for repeat in range(repeats)]
    baseline_ms = []
    for repeat in range(baseline_repeats):
        began = time.perf_counter()
        reference_decoder.decode(*frames[repeat % len(frames)], grouper.keypoint_set.visiting_order)
        baseline_ms.append((time.perf_counter() - began) * 1e3)
    return np.array(times_ms), min(baseline_ms, default=float("nan"))


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, nargs="*", default=[1, 5, 30])
    parser.add_argument("--tag-length", type=int, nargs="*", default=[1, 2])
    parser.add_argument(
        "--stray", type=int, nargs="*", default=[0, 3], help="stray peaks per joint"
    )
    parser.add_argument(
        "--repeats", type=int, default=200, help="calls per case, over 4 different frames"
    )
    parser.add_argument(
        "--baseline-repeats",
        type=int,
        default=2,
        help="calls of the NumPy decoder per case, 0 for none",
    )
    parser.add_argument(
        "--background", choices=("noise", "people"), default="noise", help="what is between people"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.baseline_repeats and (problem := reference_decoder.munkres_missing()):
        print(f"error: {problem}, or use --baseline-repeats 0", file=sys.stderr)
        return 2

    grouper = Grouper("coco")
    columns = ["map", "L", "people", "stray", "found", "total p50", "total p99"]
    columns += [f"{stage} {percentile}" for stage in STAGES for percentile in ("p50", "p99")] + [
        "NumPy",
        "ratio",
    ]
    print("|" + "|".join(columns) + "|")
    print("|" + "---|" * len(columns))
    for height, width in SIZES:
        for tag_length in options.tag_length:
            for people in options.people:
                for stray in options.stray:
                    rng = np.random.default_rng((options.seed, height, tag_length, people, stray))
                    how = {
                        "tag_length": tag_length,
                        "stray": stray,
                        "background": options.background,
                    }
                    frames = [draw_maps(rng, people, height, width, **how) for _ in range(4)]
                    times_ms, baseline_ms = measure(
                        grouper, frames, options.repeats, options.baseline_repeats
                    )
                    *stages, total = np.percentile(times_ms, (50, 99), axis=0).T
                    found = len(grouper(*frames[0]))
                    cells = [
                        f"{width}x{height}",
                        tag_length,
                        people,
                        stray,
                        found,
                        *(f"{time_ms:.2f}" for time_ms in total),
                    ]
                    cells += [f"{time_ms:.3f}" for stage in stages for time_ms in stage]
                    cells += [f"{baseline_ms:.0f}", f"{baseline_ms / total[0]:.0f}"]
                    print("|" + "|".join(map(str, cells)) + "|", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
