"""What people wear, as far as their joints say where to look: mean colours of torso and legs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from configs import KeypointSet

TORSO, LEGS = 0, 1
UNKNOWN = -1.0
_ROWS, _COLUMNS = 9, 5  # points of the torso
_POINTS = 8  # along a thigh and along a shin
_INSET = 0.1  # of the torso's height, above and below: collars and belts
# Differences of colour say more than differences of light, which turning and shade change as well.
_CHROMA = 2.5


class ClothedJoints(NamedTuple):
    """Indices of joints (left, right) between which there are clothes; -1 for one that is missing.

    Attributes:
        shoulders: (2,).
        hips: (2,).
        knees: (2,).
        ankles: (2,).
    """

    shoulders: NDArray[np.int64]
    hips: NDArray[np.int64]
    knees: NDArray[np.int64]
    ankles: NDArray[np.int64]


def clothed_joints(keypoint_set: KeypointSet) -> ClothedJoints:
    """The joints of `keypoint_set` that clothes are looked for between, by their names."""

    def pair(name: str) -> NDArray[np.int64]:
        names = keypoint_set.names
        sides = (f"{side}_{name}" for side in ("left", "right"))
        return np.array([names.index(side) if side in names else -1 for side in sides], np.int64)

    return ClothedJoints(pair("shoulder"), pair("hip"), pair("knee"), pair("ankle"))


@kernel
def sample_colours(
    image: NDArray[np.uint8],
    keypoints: NDArray[np.float64],
    joints: ClothedJoints,
    threshold: float,
    colours: NDArray[np.float64],
) -> None:
    """Fills `colours` (2, 3) with the means over torso and legs of one person (J, 3) in `image`
    (H, W, 3) BGR: light 0 to 1, and two differences of colour; `UNKNOWN` where joints are missing.
    """
    colours[:] = UNKNOWN
    left, right = joints.shoulders
    left_hip, right_hip = joints.hips
    total = np.zeros(4)
    if _there(keypoints, left, right, threshold) and _there(
        keypoints, left_hip, right_hip, threshold
    ):
        for row in range(_ROWS):
            down = _INSET + (1.0 - 2.0 * _INSET) * row / (_ROWS - 1)
            first_x, first_y = _between(keypoints, left, left_hip, down)
            last_x, last_y = _between(keypoints, right, right_hip, down)
            for column in range(_COLUMNS):
                across = column / (_COLUMNS - 1)
                x, y = first_x + across * (last_x - first_x), first_y + across * (last_y - first_y)
                _add(image, x, y, total)
        _finish(total, _ROWS * _COLUMNS, colours[TORSO])
    total[:] = 0.0
    points = 0
    for side in range(2):
        hip, knee, ankle = joints.hips[side], joints.knees[side], joints.ankles[side]
        for start, end in ((hip, knee), (knee, ankle)):
            if not _there(keypoints, start, end, threshold):
                continue
            points += _POINTS
            for point in range(_POINTS):
                x, y = _between(keypoints, start, end, (point + 0.5) / _POINTS)
                _add(image, x, y, total)
    _finish(total, points, colours[LEGS])


@kernel
def _there(keypoints: NDArray[np.float64], first: int, second: int, threshold: float) -> bool:
    return (
        first >= 0
        and second >= 0
        and keypoints[first, 2] >= threshold
        and keypoints[second, 2] >= threshold
    )


@kernel
def _between(
    keypoints: NDArray[np.float64], first: int, second: int, share: float
) -> tuple[float, float]:
    return (
        keypoints[first, 0] + share * (keypoints[second, 0] - keypoints[first, 0]),
        keypoints[first, 1] + share * (keypoints[second, 1] - keypoints[first, 1]),
    )


@kernel
def _add(image: NDArray[np.uint8], x: float, y: float, total: NDArray[np.float64]) -> None:
    """Adds the pixel at (x, y), if it is in the image, and counts it."""
    if not (0.0 <= x < image.shape[1] and 0.0 <= y < image.shape[0]):
        return
    pixel = image[int(y), int(x)]
    total[0] += pixel[0]
    total[1] += pixel[1]
    total[2] += pixel[2]
    total[3] += 1.0


@kernel
def _finish(total: NDArray[np.float64], points: int, colour: NDArray[np.float64]) -> None:
    """The mean as light and two differences of colour (BT.601), if half the points were inside."""
    if points == 0 or 2.0 * total[3] < points:
        return
    blue, green, red = total[0] / total[3], total[1] / total[3], total[2] / total[3]
    light = 0.114 * blue + 0.587 * green + 0.299 * red
    colour[0] = light / 255.0
    # raised, so that no known colour is below 0
    colour[1] = _CHROMA * (0.5 + 0.564 * (blue - light) / 255.0)
    colour[2] = _CHROMA * (0.5 + 0.713 * (red - light) / 255.0)
