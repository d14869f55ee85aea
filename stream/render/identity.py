"""Numbers that stay with people from frame to frame, so that colours and trails do not jump.

Greedy matching of near skeletons: enough for drawing, not a tracker. A person who leaves for longer
than `PATIENCE` frames comes back as somebody new.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel

PATIENCE = 20
_CAPACITY = 128
_FAR = 0.35  # mean joint distance over person size from which two skeletons are different people


class PersonIds:
    """Gives each person of a frame a number from 0 on."""

    def __init__(self, joints: int) -> None:
        self._keypoints = np.zeros((_CAPACITY, joints, 3))
        self._ids = np.full(_CAPACITY, -1, np.int64)
        self._unseen = np.zeros(_CAPACITY, np.int32)
        self._next = 0

    def assign(self, keypoints: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
        """(P,) numbers of the people (P, J, 3) x, y, score; joints below `threshold` are not
        compared.
        """
        ids = np.empty(len(keypoints), np.int64)
        self._next = _match(
            keypoints, threshold, self._keypoints, self._ids, self._unseen, self._next, ids
        )
        return ids


@kernel
def _match(
    keypoints: NDArray[np.float64],
    threshold: float,
    known: NDArray[np.float64],
    known_ids: NDArray[np.int64],
    unseen: NDArray[np.int32],
    next_id: int,
    ids: NDArray[np.int64],
) -> int:
    people, capacity = keypoints.shape[0], known.shape[0]
    distances = np.empty((people, capacity))
    for person in range(people):
        ids[person] = -1
        for other in range(capacity):
            there = known_ids[other] >= 0
            distances[person, other] = (
                _distance(keypoints[person], known[other], threshold) if there else np.inf
            )
    matched = np.zeros(capacity, np.bool_)
    for _ in range(min(people, capacity)):
        # Plain loops: NumPy's argmin and slices take seconds to compile, and this is rarely more
        # than ten by ten.
        person, other, least = -1, -1, _FAR
        for row in range(people):
            for column in range(capacity):
                if ids[row] < 0 and not matched[column] and distances[row, column] < least:
                    person, other, least = row, column, distances[row, column]
        if person < 0:
            break
        ids[person] = known_ids[other]
        matched[other] = True
        known[other] = keypoints[person]
    for other in range(capacity):
        unseen[other] = 0 if matched[other] else unseen[other] + 1
        if unseen[other] > PATIENCE:
            known_ids[other] = -1
    for person in range(people):
        if ids[person] >= 0:
            continue
        ids[person] = next_id
        place = 0
        for other in range(capacity):  # a free place, else that of whoever is missing the longest
            if known_ids[other] < 0:
                place = other
                break
            if unseen[other] > unseen[place]:
                place = other
        known_ids[place], unseen[place] = next_id, 0
        known[place] = keypoints[person]
        next_id += 1
    return next_id


@kernel
def _distance(first: NDArray[np.float64], second: NDArray[np.float64], threshold: float) -> float:
    total, count = 0.0, 0
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for joint in range(first.shape[0]):
        if first[joint, 2] >= threshold:
            left, right = min(left, first[joint, 0]), max(right, first[joint, 0])
            top, bottom = min(top, first[joint, 1]), max(bottom, first[joint, 1])
            if second[joint, 2] >= threshold:
                total += np.hypot(
                    first[joint, 0] - second[joint, 0], first[joint, 1] - second[joint, 1]
                )
                count += 1
    if count == 0:
        return np.inf
    return total / count / max(1.0, right - left, bottom - top)
