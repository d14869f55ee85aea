"""How long do identities last, beside other trackers; what do they cost; what does smoothing do?

    python -m benchmarks.tracking identities CLIP TRUTH --threshold 0.3 --ignore 720,0,48,110
    python -m benchmarks.tracking identities CLIP TRUTH --every 3      drops two of three frames
    python -m benchmarks.tracking crossings --seed 1                   a rendered clip of meetings
    python -m benchmarks.tracking boxes CLIP TRUTH                    the truth itself as detections
    python -m benchmarks.tracking cost                                 5, 30 and 100 people
    python -m benchmarks.tracking smoothing CLIP TRUTH.json.gz

`identities` finds people once (kept in CLIP.MODEL.npz beside `--cache`), gives every tracker the
same ones in the same run, and scores them with `evaluation.metrics.tracking`. Trackers that know
boxes get boxes around bodies (`Enlargement`). `trackers` (pip install trackers) and `norfair`
(pip install --no-deps norfair filterpy: it asks for NumPy 1) are left out where they are missing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.other_trackers import OTHERS
from configs import load_keypoint_set
from evaluation.commands.track import parse_region
from evaluation.metrics.tracking import Box, TrackingFigures, compare_tracks, match_frame
from evaluation.metrics.tracks import Enlargement, FramePeople, Tracks, boxes_around, read_tracks
from grouping import Grouper, People
from stream.tracking import DOUBTFUL_SHARE, Tracker
from stream.tracking.settings import settings_for
from tests.stream.tracking.walkers import crowd, people_of

COCO = load_keypoint_set("coco")
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Moment:
    """One frame of a clip and who was found in it."""

    index: int
    time_s: float
    people: People
    image: NDArray[np.uint8] | None


# Who each person is; or people of its own, with identities.
Update = Callable[[Moment], Ids | People]


@dataclass(frozen=True)
class Clip:
    """Moments, and the score from which the model's people are kept."""

    moments: list[Moment]
    min_score: float

    def every(self, step: int, phase: int) -> Clip:
        """What is left when the frames between are dropped."""
        return Clip(self.moments[phase::step], self.min_score)


def find_people(clip: Path, model: str, cache: Path) -> Clip:
    """The people of every frame, down to the doubtful ones, from `cache` if they are there."""
    from engine import open_estimator

    with open_estimator(model) as estimator:
        least = estimator.min_person_score
        if not cache.exists():
            grouper = Grouper.for_model(estimator, min_person_score=DOUBTFUL_SHARE * least)
            found: list[People] = []
            for _, image in _images(clip):
                maps = estimator.result(estimator.submit_batch([image])[0])
                people = grouper(maps.heatmaps, maps.tags, maps.candidates)
                found.append(people.to_image(maps.alignment))
                maps.release()
            np.savez_compressed(
                cache,
                counts=[len(people) for people in found],
                keypoints=np.concatenate([people.keypoints for people in found]),
                scores=np.concatenate([people.scores for people in found]),
            )
    with np.load(cache) as arrays:
        counts, keypoints, scores = (arrays[name] for name in ("counts", "keypoints", "scores"))
    ends = np.cumsum(counts)
    kept = np.asarray(scores >= np.float32(DOUBTFUL_SHARE * least))
    moments = []
    for index, (time_s, image) in enumerate(_images(clip)):
        rows = slice(ends[index] - counts[index], ends[index])
        people = People(keypoints[rows], scores[rows], np.zeros((counts[index], 1), np.float32))
        moments.append(Moment(index, time_s, people.only(kept[rows]), image))
    return Clip(moments, least)


def _images(clip: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(clip)) as container:
        return [
            (float(frame.time), np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
            for frame in container.decode(container.streams.video[0])
        ]


def track(clip: Clip, update: Update) -> tuple[Tracks, NDArray[np.float64]]:
    """The tracks that `update` makes, and how long each frame took, ms."""
    enlargement, tracks, took_ms = Enlargement(), {}, []
    for moment in clip.moments:
        begin_s = time.perf_counter()
        answer = update(moment)
        took_ms.append(1e3 * (time.perf_counter() - begin_s))
        people = answer if isinstance(answer, People) else replace(moment.people, ids=answer)
        assert people.ids is not None
        ids = people.ids
        known = people.only(ids >= 0)
        keypoints = known.keypoints.astype(np.float64)
        boxes = enlargement(boxes_around(keypoints))
        tracks[moment.index] = FramePeople(
            ids=ids[ids >= 0],
            boxes=boxes,
            scored=np.ones(len(boxes), bool),
            keypoints=keypoints,
            areas=boxes[:, 2] * boxes[:, 3],
        )
    return tracks, np.array(took_ms)


def ours(clip: Clip, *, colours: bool = True) -> Update:
    """This project's tracker, as `run_stream.py` uses it; or in a picture without colours."""
    tracker = Tracker(COCO, settings_for(clip.min_score, 2.0))
    tracker.warm_up()
    grey: dict[tuple[int, ...], NDArray[np.uint8]] = {}

    def update(moment: Moment) -> Ids:
        image = moment.image
        if image is not None and not colours:  # the size of the picture is still known
            if image.shape not in grey:
                grey[image.shape] = np.zeros_like(image)
            image = grey[image.shape]
        return tracker.update(moment.people, moment.time_s, image)

    return update


def bridging(clip: Clip, bridge_s: float, *, colours: bool = True) -> Update:
    """This project's tracker, which shows who is missed for so long; in a picture without colours
    or not.
    """
    tracker = Tracker(COCO, settings_for(clip.min_score, 2.0), bridge_s=bridge_s)
    tracker.warm_up()

    def update(moment: Moment) -> People:
        image = moment.image
        if image is not None and not colours:
            image = np.zeros_like(image)
        return tracker.track(moment.people, moment.time_s, image)

    return update


def oracle(clip: Clip, truth: Tracks, threshold: float, ignored: list[Box]) -> TrackingFigures:
    """The bound of all trackers that show nobody who was not found: everybody found has the
    identity of the truth, and ghosts have none.
    """
    numbered, _ = track(clip, lambda moment: np.arange(len(moment.people)))
    named = {}
    for frame, found in numbered.items():
        ids = np.full(len(found.ids), -1)
        if frame in truth:
            rows, columns = match_frame(found, truth[frame], COCO, threshold)
            ids[columns] = truth[frame].ids[rows]
        named[frame] = replace(found, ids=ids)
    return compare_tracks(named, truth, COCO, threshold=threshold, ignored=ignored)


TRACKERS: dict[str, Callable[[Clip], Update | None]] = {
    "ours": ours,
    "ours, no colours": lambda clip: ours(clip, colours=False),
    "ours, --bridge-s 0.3": lambda clip: bridging(clip, 0.3),
    "ours, no colours, --bridge-s 0.3": lambda clip: bridging(clip, 0.3, colours=False),
    **OTHERS,
}


def identities(clip: Clip, truth: Tracks, threshold: float, ignored: list[Box], every: int) -> None:
    """A row per tracker: means over the phases of dropping, and sums of what is counted."""
    print(
        "| tracker | IDF1 | HOTA | MOTA | switches | fragmentations | identities | p50 / p99 ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    bounds = [oracle(clip.every(every, phase), truth, threshold, ignored) for phase in range(every)]
    print(_row("oracle", bounds, np.zeros(1)), flush=True)
    for name, make in TRACKERS.items():
        figures: list[TrackingFigures] = []
        took_ms: list[NDArray[np.float64]] = []
        for phase in range(every):
            part = clip.every(every, phase)
            update = make(part)
            if update is None:
                break
            tracks, spent_ms = track(part, update)
            figures.append(
                compare_tracks(tracks, truth, COCO, threshold=threshold, ignored=ignored)
            )
            took_ms.append(spent_ms)
        if figures:
            print(_row(name, figures, np.concatenate(took_ms)), flush=True)
        else:
            print(f"| {name} | not installed | | | | | | |")


def _row(name: str, figures: list[TrackingFigures], took_ms: NDArray[np.float64]) -> str:
    def mean(key: str) -> str:
        return f"{100 * np.mean([getattr(item, key) for item in figures]):.1f}"

    def total(key: str) -> str:
        return str(sum(getattr(item, key) for item in figures))

    p50, p99 = np.percentile(took_ms, (50, 99))
    cells = [name, mean("idf1"), mean("hota"), mean("mota"), total("switches")]
    cells += [total("fragmentations"), total("identities_found"), f"{p50:.2f} / {p99:.2f}"]
    return f"| {' | '.join(cells)} |"


def boxes_as_people(truth: Tracks, clip: Path, seed: int) -> Clip:
    """The truth as detections: a tenth of the boxes is left out, the rest is moved and resized at
    random by 3 % of its height; frames between those that are labelled are interpolated.
    """
    rng = np.random.default_rng(seed)
    shape = crowd(1)[0].joints(0.0)
    around = boxes_around(shape[None].astype(np.float64))[0]
    unit = (shape[:, :2] - around[:2]) / around[2:]
    moments = []
    for index, (time_s, image) in enumerate(_images(clip)):
        joints = []
        for box in _interpolated(truth, index):
            noisy = box + rng.normal(0, 0.03 * box[3], 4)
            inner = Enlargement()(np.array([[0.0, 0.0, 1.0, 1.0]]))[0]
            size = noisy[2:] / inner[2:]
            corner = noisy[:2] - inner[:2] * size
            if rng.random() >= 0.1:
                xy = corner + unit * size
                joints.append(np.column_stack((xy, np.full(17, 0.8))).astype(np.float32))
        moments.append(Moment(index, time_s, people_of(joints), image))
    return Clip(moments, 0.2)


def _interpolated(truth: Tracks, index: int) -> list[NDArray[np.float64]]:
    known = sorted(truth)
    before = max((frame for frame in known if frame <= index), default=None)
    after = min((frame for frame in known if frame >= index), default=None)
    if before is None or after is None:
        return []
    share = (index - before) / max(1, after - before)
    last = dict(zip(truth[after].ids.tolist(), truth[after].boxes, strict=True))
    return [
        (1 - share) * box + share * last[identity]
        for identity, box in zip(truth[before].ids.tolist(), truth[before].boxes, strict=True)
        if identity in last
    ]


def write_crossings(seed: int, folder: Path) -> tuple[Path, Path]:
    """The rendered clip of `seed` and its truth, made if they are not there (minutes)."""
    from synthetic.clip import ClipConfig, write_clip
    from synthetic.crossings import SECONDS

    clip, truth = folder / f"crossings-{seed}.mp4", folder / f"crossings-{seed}.json.gz"
    if not truth.exists():
        config = ClipConfig(
            seconds=SECONDS, fps=12.5, supersampling=1, action="crossings", seed=seed
        )
        write_clip(config, clip, truth)
    return clip, truth


def cost(frames: int = 2000) -> None:
    """Milliseconds of CPU time of one thread per frame, colours included."""
    image = np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), np.uint8)
    print("| people | p50 ms | p99 ms | p50 ms with --smooth |")
    print("|---|---|---|---|")
    for count in (5, 30, 100):
        took = {}
        for smooth in (False, True):
            walkers, tracker = crowd(count), Tracker(COCO, settings_for(0.2, 2.0), smooth=smooth)
            spent_ms = []
            for frame in range(frames):
                time_s = 0.04 * frame
                # there and back, so that everybody stays in the picture
                place_s = abs((time_s + 4) % 16 - 8) - 4
                people = people_of([walker.joints(place_s) for walker in walkers])
                begin_ns = time.thread_time_ns()
                tracker.track(people, time_s, image)
                spent_ms.append(1e-6 * (time.thread_time_ns() - begin_ns))
            took[smooth] = np.array(spent_ms[50:])
        p50, p99 = np.percentile(took[False], (50, 99))
        print(f"| {count} | {p50:.3f} | {p99:.3f} | {np.median(took[True]):.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("identities", "crossings", "boxes", "cost", "smoothing"))
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("truth", nargs="?", type=Path)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--ignore", nargs="*", default=[], metavar="LEFT,TOP,WIDTH,HEIGHT")
    parser.add_argument("--every", type=int, default=1, help="keep every n-th frame")
    parser.add_argument("--seed", type=int, default=1, help="of crossings")
    parser.add_argument("--cache", type=Path, default=Path(), help="folder for what was found")
    options: Any = parser.parse_args()
    if options.what == "cost":
        cost()
        return
    if options.what == "crossings":
        options.clip, options.truth = write_crossings(options.seed, options.cache)
    if options.clip is None or options.truth is None:
        parser.error("CLIP and TRUTH are needed")
    truth = read_tracks(options.truth, COCO)
    if options.what == "boxes":
        clip = boxes_as_people(truth, options.clip, seed=0)
    else:
        name = f"{options.clip.name}.{Path(options.model).stem}.npz"
        clip = find_people(options.clip, options.model, options.cache / name)
    if options.what == "smoothing":
        from benchmarks.smoothing import smoothing

        smoothing(clip, options.truth)
        return
    ignored = [parse_region(region, "ignore") for region in options.ignore]
    identities(clip, truth, options.threshold, ignored, options.every)


if __name__ == "__main__":
    main()
