"""What smoothing does to jitter and to lag, on a clip whose joints, or boxes of people, are known.

Boxes say who stands still, and how fast and where to somebody walks. The trunk is not in their
centre, but people walk in all directions, so that the median of the lag keeps little of that; the
lag of two strengths differs by what smoothing adds. Error has no meaning with boxes.
"""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from configs import load_keypoint_set
from evaluation.metrics.oks import match_people, object_keypoint_similarity
from evaluation.metrics.tracking import match_frame
from evaluation.metrics.tracks import Enlargement, FramePeople, Tracks, boxes_around, read_mot
from stream.tracking import Tracker
from stream.tracking.settings import settings_for
from stream.tracking.smoothing import SmoothingSettings

COCO = load_keypoint_set("coco")
_STILL_PX_S, _WALKING_SIZES_S = 6.0, (0.25, 1.2)  # speeds of joints in the truth
_TRUNK = [0, 5, 6, 11, 12]
_BOX_OVERLAP = 0.3
_LABELLED_EVERY = 5  # frames, at most, between which boxes are interpolated


class Matched(NamedTuple):
    """Where joints are said to be, and where they are; nan where that is not known.

    Attributes:
        found: (people of the truth, frames, 17, 2) px.
        known: Likewise.
        ids: (people, frames) identity that the tracker gave, -1 for none.
        sizes: (people, frames) px.
        times_s: (frames,).
    """

    found: NDArray[np.float64]
    known: NDArray[np.float64]
    ids: NDArray[np.int64]
    sizes: NDArray[np.float64]
    times_s: NDArray[np.float64]

    @classmethod
    def allocate(cls, people: int, clip: Any) -> Matched:
        shape = (people, len(clip.moments))
        return cls(
            found=np.full((*shape, 17, 2), np.nan),
            known=np.full((*shape, 17, 2), np.nan),
            ids=np.full(shape, -1),
            sizes=np.full(shape, np.nan),
            times_s=np.array([moment.time_s for moment in clip.moments]),
        )

    def fill(self, person: int, frame: int, keypoints: NDArray[np.float32], identity: int) -> None:
        """`person` of the truth was found with these joints."""
        there = keypoints[:, 2] >= 0.15
        self.found[person, frame][there] = keypoints[there, :2]
        self.ids[person, frame] = identity


def smoothing(clip: Any, truth_path: Path) -> None:
    """A row per strength: acceleration of still joints, distance of all joints from the truth, and
    how late joints of the trunk are at walking pace.

    Args:
        clip: The moments of `benchmarks.tracking`.
        truth_path: The joints of a synthetic clip (`.json.gz`), or boxes as MOTChallenge text.
    """
    boxes: Tracks | None = None
    if truth_path.suffix == ".gz":
        truth = json.loads(gzip.decompress(truth_path.read_bytes()))
    else:
        boxes = every_frame(read_mot(truth_path), len(clip.moments))
    print("| cutoff Hz | slope | jitter px (still) | its median | error px | lag ms (walking) |")
    print("|---|---|---|---|---|---|")
    choices: list[SmoothingSettings | None] = [None]
    choices += [
        SmoothingSettings(cutoff_hz=cutoff, slope=slope)
        for cutoff in (0.5, 1.0, 2.0)
        for slope in (2.0, 6.0, 12.0)
    ]
    for choice in choices:
        matched = _matched(clip, truth, choice) if boxes is None else _in_boxes(clip, boxes, choice)
        name = "off | –" if choice is None else f"{choice.cutoff_hz:g} | {choice.slope:g}"
        error = "–" if boxes is not None else f"{_error(matched):.2f}"
        still = _second_differences(matched)
        print(
            f"| {name} | {np.sqrt(np.mean(still**2)):.2f} | {np.median(still):.2f} | {error} | "
            f"{_lag_ms(matched):.0f} |",
            flush=True,
        )


def _matched(clip: Any, truth: list[Any], choice: SmoothingSettings | None) -> Matched:
    """By the joints of a rendered clip."""
    tracker = Tracker(COCO, settings_for(clip.min_score, 2.0), smooth=choice or False)
    count = 1 + max(person["person"] for frame in truth for person in frame)
    matched = Matched.allocate(count, clip)
    for moment in clip.moments:
        people = tracker.track(moment.people, moment.time_s, moment.image)
        assert people.ids is not None
        labels = truth[moment.index]
        joints = np.array([person["keypoints"] for person in labels]).reshape(-1, 17, 3)
        areas = [person["area"] for person in labels]
        likeness = object_keypoint_similarity(moment.people.keypoints, joints, areas, COCO.sigmas)
        matches = match_people(likeness, people.scores)
        for index, label in enumerate(labels):
            seen = joints[index, :, 2] == 2
            matched.known[label["person"], moment.index][seen] = joints[index, seen, :2]
            box = np.ptp(joints[index, :, :2], axis=0)
            matched.sizes[label["person"], moment.index] = np.hypot(*box)
        for person, index in zip(matches.found, matches.labelled, strict=True):
            row, identity = people.keypoints[person], int(people.ids[person])
            matched.fill(labels[index]["person"], moment.index, row, identity)
    return matched


def every_frame(truth: Tracks, frames: int) -> Tracks:
    """`truth` with the boxes of the frames between two that are labelled."""
    whole: dict[int, dict[int, NDArray[np.float64]]] = {index: {} for index in range(frames)}
    for identity in _identities(truth):
        labelled = [index for index in sorted(truth) if identity in truth[index].ids]
        boxes = [truth[index].boxes[truth[index].ids == identity][0] for index in labelled]
        for (before, first), (after, last) in pairwise(zip(labelled, boxes, strict=True)):
            if after - before <= _LABELLED_EVERY:
                for index in range(before, min(after + 1, frames)):
                    share = (index - before) / (after - before)
                    whole[index][identity] = (1 - share) * first + share * last
    return {
        index: FramePeople(
            ids=np.array(list(people), np.int64),
            boxes=np.array(list(people.values())).reshape(-1, 4),
            scored=np.ones(len(people), bool),
        )
        for index, people in whole.items()
    }


def _in_boxes(clip: Any, truth: Tracks, choice: SmoothingSettings | None) -> Matched:
    """By the boxes of people, in whose centre all their joints are taken to be."""
    tracker = Tracker(COCO, settings_for(clip.min_score, 2.0), smooth=choice or False)
    rows = {identity: row for row, identity in enumerate(_identities(truth))}
    matched = Matched.allocate(len(rows), clip)
    for moment in clip.moments:
        people = tracker.track(moment.people, moment.time_s, moment.image)
        assert people.ids is not None
        labels = truth[moment.index]
        for identity, box in zip(labels.ids.tolist(), labels.boxes, strict=True):
            matched.known[rows[identity], moment.index] = box[:2] + 0.5 * box[2:]
            matched.sizes[rows[identity], moment.index] = np.hypot(*box[2:])
        # As they were found, so that the same joints are compared whatever is smoothed.
        around = FramePeople(
            ids=np.arange(len(people)),
            boxes=Enlargement()(boxes_around(moment.people.keypoints.astype(np.float64))),
            scored=np.ones(len(people), bool),
        )
        labelled, persons = match_frame(around, labels, COCO, _BOX_OVERLAP)
        for label, person in zip(labelled, persons, strict=True):
            row, identity = people.keypoints[person], int(people.ids[person])
            matched.fill(rows[int(labels.ids[label])], moment.index, row, identity)
    return matched


def _identities(truth: Tracks) -> list[int]:
    return sorted({int(each) for people in truth.values() for each in people.ids})


def _second_differences(matched: Matched) -> NDArray[np.float64]:
    """Of joints that hardly move in the truth, px, while the tracker keeps the identity: where
    somebody else is taken for the person is not jitter.
    """
    velocity = np.gradient(matched.known, matched.times_s, axis=1)
    still = np.linalg.norm(velocity, axis=3)[:, 1:-1] < _STILL_PX_S
    ids = matched.ids
    kept = (ids[:, 1:-1] >= 0) & (ids[:, :-2] == ids[:, 1:-1]) & (ids[:, 2:] == ids[:, 1:-1])
    second = np.linalg.norm(np.diff(matched.found, 2, axis=1), axis=3)
    return np.asarray(second[still & kept[:, :, None] & ~np.isnan(second)], np.float64)


def _error(matched: Matched) -> float:
    """Median distance from the truth, px."""
    return float(np.nanmedian(np.linalg.norm(matched.found - matched.known, axis=3)))


def _lag_ms(matched: Matched) -> float:
    """How long ago the trunk was where it is said to be, at walking pace: the median of what lies
    behind along the direction of motion, over speed. What the network puts aside is in it.
    """
    known = matched.known
    velocity = np.gradient(known, matched.times_s, axis=1)[:, :, _TRUNK]
    speed = np.linalg.norm(velocity, axis=3)
    along = ((known - matched.found)[:, :, _TRUNK] * velocity).sum(axis=3)
    behind = np.divide(along, speed**2, where=speed > 0, out=np.full_like(along, np.nan))
    pace = speed / matched.sizes[:, :, None]
    walking = (pace > _WALKING_SIZES_S[0]) & (pace < _WALKING_SIZES_S[1])
    return float(1e3 * np.nanmedian(behind[walking]))
