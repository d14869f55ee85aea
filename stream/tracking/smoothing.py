"""Joints that do not jitter: a One Euro filter per joint (Casiez, Roussel and Vogel, CHI 2012).

The filter follows slow joints with a low cutoff frequency, which takes the jitter out, and fast
ones with a high one, which keeps the lag short. Speed counts in sizes of the person per second, so
that near and far people are treated alike; a doubtful joint is followed less; time is stream time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel


class SmoothingSettings(NamedTuple):
    """How much is smoothed (figures: docs/tracking.md).

    Attributes:
        cutoff_hz: Cutoff frequency of a joint that does not move.
        slope: How much it rises with speed, Hz per (size per second).
        speed_cutoff_hz: Cutoff frequency of the speed itself.
        sure: Score from which a joint is followed in full.
        least_weight: Share of that with which the most doubtful joint is followed.
        patience_s: A joint that was missing for longer begins anew.
    """

    cutoff_hz: float = 1.0
    slope: float = 12.0
    speed_cutoff_hz: float = 1.0
    sure: float = 0.4
    least_weight: float = 0.3
    patience_s: float = 0.5


class SmoothedJoints(NamedTuple):
    """What is remembered of J joints of the people at C places.

    Attributes:
        owners: (C,) int64 which of a place's people these joints are of, see `Tracks.births`.
        position: (C, J, 2) px, smoothed.
        speed: (C, J, 2) px/s, smoothed.
        seen_s: (C, J) when; -inf for a joint that was not seen.
    """

    owners: NDArray[np.int64]
    position: NDArray[np.float64]
    speed: NDArray[np.float64]
    seen_s: NDArray[np.float64]

    @classmethod
    def allocate(cls, capacity: int, joints: int) -> SmoothedJoints:
        """Nobody, at `capacity` places."""
        return cls(
            owners=np.full(capacity, -1, np.int64),
            position=np.zeros((capacity, joints, 2)),
            speed=np.zeros((capacity, joints, 2)),
            seen_s=np.full((capacity, joints), -np.inf),
        )


@kernel
def smooth_joints(
    memory: SmoothedJoints,
    places: NDArray[np.int64],
    births: NDArray[np.int64],
    sizes_px: NDArray[np.float64],
    time_s: float,
    settings: SmoothingSettings,
    keypoints: NDArray[np.float32],
) -> None:
    """Smooths `keypoints` (P, J, 3) x, y, score in place; scores stay.

    Args:
        places: (P,) row of `memory` that each person has, -1 for people who are left as they are.
        births: (C,) number of the person at each place; a row that was somebody else's begins anew.
        sizes_px: (C,) how large the person at each place is.
        time_s: Of the frame.
    """
    for person in range(keypoints.shape[0]):
        place = places[person]
        if place < 0:
            continue
        if memory.owners[place] != births[place]:
            memory.owners[place] = births[place]
            memory.seen_s[place] = -np.inf
        for joint in range(keypoints.shape[1]):
            score = keypoints[person, joint, 2]
            if score <= 0.0:
                continue
            step_s = time_s - memory.seen_s[place, joint]
            if step_s <= 0.0 or step_s > settings.patience_s:
                for axis in range(2):
                    memory.position[place, joint, axis] = keypoints[person, joint, axis]
                    memory.speed[place, joint, axis] = 0.0
            else:
                weight = min(1.0, max(settings.least_weight, score / settings.sure))
                _follow(
                    memory, place, joint, keypoints[person, joint], sizes_px[place], step_s,
                    weight, settings,
                )  # fmt: skip
            memory.seen_s[place, joint] = time_s


@kernel
def _follow(
    memory: SmoothedJoints,
    place: int,
    joint: int,
    keypoint: NDArray[np.float32],
    size_px: float,
    step_s: float,
    weight: float,
    settings: SmoothingSettings,
) -> None:
    position, speed = memory.position[place, joint], memory.speed[place, joint]
    share = weight * _share(settings.speed_cutoff_hz, step_s)
    for axis in range(2):
        speed[axis] += share * ((keypoint[axis] - position[axis]) / step_s - speed[axis])
    pace = math.hypot(speed[0], speed[1]) / max(1.0, size_px)
    share = weight * _share(settings.cutoff_hz + settings.slope * pace, step_s)
    for axis in range(2):
        position[axis] += share * (keypoint[axis] - position[axis])
        keypoint[axis] = position[axis]


@kernel
def _share(cutoff_hz: float, step_s: float) -> float:
    """The share of the new value in a low-pass filter of first order."""
    turn = 2.0 * math.pi * cutoff_hz * step_s
    return turn / (1.0 + turn)
