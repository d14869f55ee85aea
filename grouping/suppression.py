"""Leaving out a person who was found twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel


@kernel
def find_duplicates(
    keypoints: NDArray[np.float32],
    scores: NDArray[np.float32],
    distance_px: float,
    kept: NDArray[np.bool_],
) -> None:
    """Fills `kept` (P,): false for the weaker of two people whose common joints are nearer than
    `distance_px` on average.

    Common joints are those that have a score in both, filled ones included: a stray peak becomes a
    person by borrowing the joints of a real one. Strong people are decided on first, so nobody is
    left out because of someone who is left out.
    """
    order = np.argsort(-scores, kind="mergesort")
    for rank in range(len(order)):
        person = order[rank]
        kept[person] = True
        for stronger in order[:rank]:
            if (
                kept[stronger]
                and _mean_distance(keypoints[person], keypoints[stronger]) < distance_px
            ):
                kept[person] = False
                break


@kernel
def _mean_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean distance of two people's common joints in pixels; infinite where there are none."""
    total = 0.0
    common = 0
    for joint in range(one.shape[0]):
        if one[joint, 2] > 0 and other[joint, 2] > 0:
            total += np.hypot(one[joint, 0] - other[joint, 0], one[joint, 1] - other[joint, 1])
            common += 1
    return total / common if common else np.inf
