"""How long does grouping take, stage by stage, and how does it grow with people, map size, tag
length and stray peaks?

    python benchmarks/grouping.py                        the whole table
    python benchmarks/grouping.py --background people    between people, maps like those of a trained network
    python benchmarks/grouping.py --people 5 --repeats 500

One row a case: p50 and p99 in ms of a whole call and of each stage, and how many times longer the
official decoder written in NumPy with munkres takes (benchmarks/grouping_reference.py; the best of
`--baseline-repeats` on the same maps, same process).

The maps are drawn (`draw_maps`), not from a network: of each person 90 % of the joints as Gaussian
peaks of sigma 2 px and height 0.3 to 1, with the person's tag around them; stray peaks with tags of
their own, so that most become a person and miss all other joints. What is between people matters
for the search of missing joints:

noise (as in the recorded cases, and the hard case): heatmaps up to 0.02, tags of sigma 0.25 around
    one value per map. Nobody's tag is anywhere but on their peaks, so everybody who misses a joint
    has every tile of its map looked at.
people (as a trained network has it): heatmaps of sigma 0.003 with a weak response where a joint is
    missing, tags near those of the nearest person.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __name__ != "benchmarks.grouping":
    # This script, or one beside it, was started by its path. Then this folder comes before the
    # repository, and this file would be taken for the package of the same name.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.modules.pop("grouping", None)

from benchmarks import grouping_reference
from grouping import Grouper

STAGES = ("peaks", "match", "adjust", "refine")
SIZES = ((128, 176), (256, 352), (512, 704))


def draw_maps(
    rng: np.random.Generator,
    people: int,
    height: int,
    width: int,
    *,
    tag_length: int = 1,
    stray: int = 0,
    joints: int = 17,
    background: str = "noise",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps (joints, height, width) and tags (joints, height, width, tag_length) with `people`
    people and
    `stray` peaks per joint that belong to nobody; the tags are a view of planes, as networks
    deliver them.
    """
    reaches = rng.uniform(0.05, 0.25, people) * min(height, width)
    centres = rng.uniform(reaches[:, None], np.array((width, height)) - reaches[:, None])
    person_tags = _distinct_tags(rng, people, tag_length)
    tags = rng.normal(0, 0.25, (joints, tag_length, height, width)).astype(np.float32)
    if background == "noise" or people == 0:
        heatmaps = rng.uniform(0, 0.02, (joints, height, width)).astype(np.float32)
        tags += rng.normal(0, 2, (joints, tag_length, 1, 1)).astype(np.float32)
    else:
        heatmaps = rng.normal(0, 0.003, (joints, height, width)).astype(np.float32)
        y, x = np.mgrid[:height, :width]
        nearest = np.argmin([(x - x0) ** 2 + (y - y0) ** 2 for x0, y0 in centres], axis=0)
        tags += person_tags[nearest].transpose(2, 0, 1).astype(np.float32)
    offsets = np.arange(-6, 7)
    peak = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 2.0**2)).astype(np.float32)

    def add_peak(joint: int, x: float, y: float, score: float, tag: NDArray[np.float64]) -> None:
        column, row = (int(np.clip(v, 6, size - 7)) for v, size in ((x, width), (y, height)))
        window = (joint, slice(row - 6, row + 7), slice(column - 6, column + 7))
        heatmaps[window] = np.maximum(heatmaps[window], score * peak)
        near = (joint, slice(None), slice(row - 4, row + 5), slice(column - 4, column + 5))
        tags[near] = (tag + rng.normal(0, 0.05, tag_length)).astype(np.float32)[:, None, None]

    for reach, centre, tag in zip(reaches, centres, person_tags, strict=True):
        for joint in range(joints):
            place = centre + rng.uniform(-reach, reach, 2)
            if rng.random() < 0.9:
                add_peak(joint, *place, rng.uniform(0.3, 1), tag)
            elif background == "people":
                add_peak(joint, *place, rng.uniform(0.02, 0.09), tag)
    for joint in range(joints):
        for _ in range(stray):
            tag = rng.uniform(-people - 2, people + 2, tag_length)
            add_peak(
                joint, rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.15, 0.5), tag
            )
    return heatmaps, tags.transpose(0, 2, 3, 1)


def _distinct_tags(rng: np.random.Generator, people: int, tag_length: int) -> NDArray[np.float64]:
    """(people, tag_length) tags about 2 apart in the first dimension, in random order: what
    training pulls apart.
    """
    tags = rng.normal(0, max(people, 3), (people, tag_length))
    tags[:, 0] = rng.permutation(people) * 2.0 - people + rng.uniform(-0.2, 0.2, people)
    return tags


def time_stages(
    grouper: Grouper, heatmaps: NDArray[np.float32], tags: NDArray[np.float32]
) -> list[float]:
    """Milliseconds of each of STAGES, run one by one, and of a whole call."""
    times_ms: list[float] = []

    def timed(stage: Callable[..., object], *arguments: object) -> object:
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
        grouping_reference.decode(
            *frames[repeat % len(frames)], grouper.keypoint_set.visiting_order
        )
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
    if options.baseline_repeats and (problem := grouping_reference.munkres_missing()):
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
