"""How well identities last: HOTA, IDF1, MOTA, switches and fragmentations, from TrackEval.

Why trackeval (1.3.0, MIT): it is the evaluator of MOTChallenge itself, maintained for current
NumPy, needs only what the extra `evaluation` has anyway, and its metrics take arrays. `trackers`
(2.6.1, Apache-2.0) brings the same three families, checked against TrackEval, but only from text
files with boxes, and with supervision, requests and five more packages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet, RuntimeUnavailableError
from evaluation.metrics.figures import Figures
from evaluation.metrics.oks import object_keypoint_similarity
from evaluation.metrics.tracks import NOBODY, FramePeople, Tracks

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class TrackingFigures(Figures):
    """Identities against a truth; shares are 0 to 1, nan where nobody was to be found.

    Attributes:
        frames: Frames compared.
        frames_absent: Frames of the truth that the run has nothing of (dropped); not compared.
        people: People to be found, one count per frame.
        identities: How many different ones they are.
        identities_found: How many identities the run gave in these frames.
        hota: Higher Order Tracking Accuracy, mean over thresholds 0.05 to 0.95 of similarity.
        det_a: Its detection part.
        ass_a: Its association part.
        idf1: F1 of identities under the best one-to-one assignment over the whole run.
        idp: Precision of identities.
        idr: Recall of identities.
        mota: 1 - (misses + ghosts + switches) / people.
        recall: People found over people.
        precision: People found over people that the run reported.
        switches: Times that a person's identity was not what it had been.
        fragmentations: Times that a person was found again after having been lost.
    """

    frames: int
    frames_absent: int
    people: int
    identities: int
    identities_found: int
    hota: float
    det_a: float
    ass_a: float
    idf1: float
    idp: float
    idr: float
    mota: float
    recall: float
    precision: float
    switches: int
    fragmentations: int


def compare_tracks(
    found: Tracks,
    truth: Tracks,
    keypoint_set: KeypointSet,
    *,
    threshold: float = 0.5,
    ignored: Sequence[Box] = (),
) -> TrackingFigures:
    """The identities of `found` against those of `truth`, at the frames that both have.

    Args:
        found: A run; people without an identity are left out.
        truth: Every frame, or every n-th; frames between its first and last that it should have
            and has not hold nobody.
        keypoint_set: Whose sigmas measure the distance of joints.
        threshold: Similarity from which a found person may be a true one; OKS where both have
            joints, IoU of boxes otherwise. HOTA has its own thresholds.
        ignored: Regions left, top, width, height in which the truth is not complete: people found
            there (by the centre of their box) that are nobody's are no ghosts.

    Raises:
        DataError: No frame is in both.
        RuntimeUnavailableError: trackeval is not installed.
    """
    frames = _frames(truth)
    compared = [frame for frame in frames if frame in found]
    if not compared:
        raise DataError("the truth and the run have no frame in common: another clip?")
    steps = [
        _compare(found[frame], truth.get(frame), keypoint_set, threshold, ignored)
        for frame in compared
    ]
    results = _evaluate(steps, threshold)
    people = sum(len(step.true_ids) for step in steps)
    return TrackingFigures(
        frames=len(compared),
        frames_absent=len(frames) - len(compared),
        people=people,
        identities=len({int(identity) for step in steps for identity in step.true_ids}),
        identities_found=len({int(identity) for step in steps for identity in step.found_ids}),
        hota=float(np.mean(results["HOTA"])) if people else math.nan,
        det_a=float(np.mean(results["DetA"])) if people else math.nan,
        ass_a=float(np.mean(results["AssA"])) if people else math.nan,
        idf1=_share(results["IDF1"], people),
        idp=_share(results["IDP"], people),
        idr=_share(results["IDR"], people),
        mota=_share(results["MOTA"], people),
        recall=_share(results["CLR_Re"], people),
        precision=_share(results["CLR_Pr"], people),
        switches=int(results["IDSW"]),
        fragmentations=int(results["Frag"]),
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """One frame as TrackEval takes it, identities as they were given."""

    true_ids: NDArray[np.int64]
    found_ids: NDArray[np.int64]
    similarity: NDArray[np.float64]  # (true, found)


def _share(value: Any, people: int) -> float:
    return float(value) if people else math.nan


def _frames(truth: Tracks) -> list[int]:
    """Frames that the truth speaks of: from its first to its last, in its largest common stride."""
    known = sorted(truth)
    stride = int(np.gcd.reduce(np.diff(known))) if len(known) > 1 else 1
    return list(range(known[0], known[-1] + 1, stride))


def _compare(
    found: FramePeople,
    truth: FramePeople | None,
    keypoint_set: KeypointSet,
    threshold: float,
    ignored: Sequence[Box],
) -> _Step:
    found = found.only(found.ids != NOBODY)
    if truth is None:
        kept = ~_inside(found.boxes, ignored)
        none = np.zeros(0, np.int64)
        return _Step(none, found.ids[kept], np.zeros((0, int(kept.sum()))))
    similarity = _similarity(found, truth, keypoint_set)
    excused = _inside(found.boxes, ignored)
    true_rows, found_columns = _assign_above(similarity, threshold)
    for row, column in zip(true_rows, found_columns, strict=True):
        excused[column] = not truth.scored[row]
    return _Step(
        truth.ids[truth.scored], found.ids[~excused], similarity[np.ix_(truth.scored, ~excused)]
    )


def _similarity(
    found: FramePeople, truth: FramePeople, keypoint_set: KeypointSet
) -> NDArray[np.float64]:
    if found.keypoints is not None and truth.keypoints is not None and truth.areas is not None:
        return object_keypoint_similarity(
            found.keypoints, truth.keypoints, truth.areas, keypoint_set.sigmas
        ).T
    return intersection_over_union(truth.boxes, found.boxes)


def intersection_over_union(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, M) intersection over union of (N, 4) and (M, 4) left, top, width, height."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    common = np.clip(high - low, 0, None).prod(axis=2)
    union = first[:, 2:].prod(axis=1)[:, None] + second[:, 2:].prod(axis=1)[None] - common
    shares: NDArray[np.float64] = np.divide(
        common, union, out=np.zeros_like(common), where=union > 0
    )
    return shares


def match_frame(
    found: FramePeople, truth: FramePeople, keypoint_set: KeypointSet, threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Who of a frame is whom.

    Args:
        found: Of a run.
        truth: Of the same frame.
        keypoint_set: As for `compare_tracks`.
        threshold: As for `compare_tracks`.

    Returns:
        Rows of `truth` and of `found` that belong together, at the largest total similarity.
    """
    return _assign_above(_similarity(found, truth, keypoint_set), threshold)


def _assign_above(
    similarity: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return _assign(np.where(similarity >= threshold, similarity, 0.0))


def _assign(similarity: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs of largest total similarity, those above 0."""
    from scipy.optimize import linear_sum_assignment  # comes with trackeval

    rows, columns = linear_sum_assignment(-similarity)
    good = similarity[rows, columns] > 0
    return rows[good], columns[good]


def _inside(boxes: NDArray[np.float64], regions: Sequence[Box]) -> NDArray[np.bool_]:
    """(N,) whether a box's centre is in one of the regions."""
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    inside = np.zeros(len(boxes), bool)
    for left, top, width, height in regions:
        beyond = centres - (left, top)
        inside |= ((beyond >= 0) & (beyond < (width, height))).all(axis=1)
    return inside


def _evaluate(steps: Sequence[_Step], threshold: float) -> dict[str, Any]:
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError as error:
        raise RuntimeUnavailableError(
            "scoring identities needs the package trackeval: install the extra [evaluation]"
        ) from error
    options = {"THRESHOLD": threshold, "PRINT_CONFIG": False}
    data = _sequence(steps)
    results: dict[str, Any] = {}
    for metric in (HOTA(), CLEAR(options), Identity(options)):
        results.update(metric.eval_sequence(data))
    return results


def _sequence(steps: Sequence[_Step]) -> dict[str, Any]:
    """TrackEval's own form of a sequence, in which identities count from 0."""
    true_ids, true_count = _counted([step.true_ids for step in steps])
    found_ids, found_count = _counted([step.found_ids for step in steps])
    return {
        "num_timesteps": len(steps),
        "gt_ids": true_ids,
        "tracker_ids": found_ids,
        "similarity_scores": [step.similarity for step in steps],
        "num_gt_ids": true_count,
        "num_tracker_ids": found_count,
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, found_ids)),
    }


def _counted(ids: Sequence[NDArray[np.int64]]) -> tuple[list[NDArray[np.int64]], int]:
    """The same identities as numbers from 0, and how many there are."""
    known = np.unique(np.concatenate(ids))
    return [np.searchsorted(known, frame) for frame in ids], len(known)
