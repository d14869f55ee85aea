"""What smoothing does to jitter and to lag, on a clip whose joints are known."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import load_keypoint_set
from evaluation.metrics.oks import match_people, object_keypoint_similarity
from stream.tracking import Tracker
from stream.tracking.settings import settings_for
from stream.tracking.smoothing import SmoothingSettings

COCO = load_keypoint_set("coco")
_STILL_PX_S, _WALKING_SIZES_S = 6.0, (0.25, 1.2)  # speeds of joints in the truth
_TRUNK = [0, 5, 6, 11, 12]


def smoothing(clip: Any, truth_path: Path) -> None:
    """A row per strength: acceleration of still joints, distance of all joints from the truth, and
    how late joints of the trunk are at walking pace.
    """
    truth = json.loads(gzip.decompress(truth_path.read_bytes()))
    print("| cutoff Hz | slope | jitter px (still) | error px (all) | lag ms (walking) |")
    print("|---|---|---|---|---|")
    choices: list[SmoothingSettings | None] = [None]
    choices += [
        SmoothingSettings(cutoff_hz=cutoff, slope=slope)
        for cutoff in (0.5, 1.0, 2.0)
        for slope in (2.0, 6.0, 12.0)
    ]
    for choice in choices:
        found, known, times_s, sizes = _matched(clip, truth, choice)
        name = "off | –" if choice is None else f"{choice.cutoff_hz:g} | {choice.slope:g}"
        print(
            f"| {name} | {_jitter(found, known, times_s):.2f} | {_error(found, known):.2f} | "
            f"{_lag_ms(found, known, times_s, sizes):.0f} |",
            flush=True,
        )


def _matched(
    clip: Any, truth: list[Any], choice: SmoothingSettings | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(people, frames, 17, 2) where joints were said to be, and are; nan where they are not known;
    the times, and the sizes (people, frames) of the people.
    """
    tracker = Tracker(COCO, settings_for(clip.min_score, 2.0), smooth=choice or False)
    count = 1 + max(person["person"] for frame in truth for person in frame)
    shape = (count, len(clip.moments), 17, 2)
    found, known = np.full(shape, np.nan), np.full(shape, np.nan)
    sizes = np.full(shape[:2], np.nan)
    for moment in clip.moments:
        people = tracker.track(moment.people, moment.time_s, moment.image)
        labels = truth[moment.index]
        joints = np.array([person["keypoints"] for person in labels]).reshape(-1, 17, 3)
        areas = [person["area"] for person in labels]
        likeness = object_keypoint_similarity(people.keypoints, joints, areas, COCO.sigmas)
        matches = match_people(likeness, people.scores)
        for index, label in enumerate(labels):
            seen = joints[index, :, 2] == 2
            known[label["person"], moment.index][seen] = joints[index, seen, :2]
            box = np.ptp(joints[index, :, :2], axis=0)
            sizes[label["person"], moment.index] = np.hypot(*box)
        for person, index in zip(matches.found, matches.labelled, strict=True):
            row = people.keypoints[person]
            there = row[:, 2] >= 0.15
            found[labels[index]["person"], moment.index][there] = row[there, :2]
    return found, known, np.array([moment.time_s for moment in clip.moments]), sizes


def _jitter(found: NDArray[Any], known: NDArray[Any], times_s: NDArray[Any]) -> float:
    """Root mean square of the second difference, px, of joints that hardly move in the truth."""
    speed = np.linalg.norm(np.gradient(known, times_s, axis=1), axis=3)
    second = np.linalg.norm(np.diff(found, 2, axis=1), axis=3)
    return float(np.sqrt(np.nanmean(second[speed[:, 1:-1] < _STILL_PX_S] ** 2)))


def _error(found: NDArray[Any], known: NDArray[Any]) -> float:
    """Median distance from the truth, px."""
    return float(np.nanmedian(np.linalg.norm(found - known, axis=3)))


def _lag_ms(
    found: NDArray[Any], known: NDArray[Any], times_s: NDArray[Any], sizes: NDArray[Any]
) -> float:
    """How long ago the trunk was where it is said to be, at walking pace: the median of what lies
    behind along the direction of motion, over speed. What the network puts aside is in it.
    """
    velocity = np.gradient(known, times_s, axis=1)[:, :, _TRUNK]
    speed = np.linalg.norm(velocity, axis=3)
    along = ((known - found)[:, :, _TRUNK] * velocity).sum(axis=3)
    behind = np.divide(along, speed**2, where=speed > 0, out=np.full_like(along, np.nan))
    pace = speed / sizes[:, :, None]
    walking = (pace > _WALKING_SIZES_S[0]) & (pace < _WALKING_SIZES_S[1])
    return float(1e3 * np.nanmedian(behind[walking]))
