"""Where exactly in its pixel's neighbourhood a joint is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel

# A peak is the largest of the pixels around it; a maximum beyond them belongs to something else.
_FARTHEST_PX = 2.0


@kernel
def place_joint(
    heatmap: NDArray[np.float32], x: int, y: int, keypoint: NDArray[np.float32]
) -> None:
    """Writes x, y of the centre of a pixel, moved a quarter pixel to its higher neighbour (on ties
    to the lower index).
    """
    height, width = heatmap.shape
    right = heatmap[y, min(x + 1, width - 1)] > heatmap[y, max(x - 1, 0)]
    below = heatmap[min(y + 1, height - 1), x] > heatmap[max(y - 1, 0), x]
    keypoint[0] = x + (0.75 if right else 0.25)
    keypoint[1] = y + (0.75 if below else 0.25)


@kernel
def adjust_joints(heatmaps: NDArray[np.float32], keypoints: NDArray[np.float32]) -> None:
    """Moves the found joints of `keypoints` (P, J, 3) from whole pixels to where the peak is:
    docs/reference.md, section 3.4.
    """
    for person in range(keypoints.shape[0]):
        for joint in range(keypoints.shape[1]):
            keypoint = keypoints[person, joint]
            if keypoint[2] > 0:
                place_joint(heatmaps[joint], int(keypoint[0]), int(keypoint[1]), keypoint)


@kernel
def _blurred(heatmap: NDArray[np.float32], x: int, y: int) -> float:
    """The map at a pixel after (1 2 1) / 4 both ways, mirrored at its outer pixels."""
    height, width = heatmap.shape
    left, right = min(abs(x - 1), width - 1), max(width - 1 - abs(width - 2 - x), 0)
    above, below = min(abs(y - 1), height - 1), max(height - 1 - abs(height - 2 - y), 0)
    blurred: float = (
        4.0 * heatmap[y, x]
        + 2.0 * (heatmap[y, left] + heatmap[y, right] + heatmap[above, x] + heatmap[below, x])
        + heatmap[above, left]
        + heatmap[above, right]
        + heatmap[below, left]
        + heatmap[below, right]
    ) / 16.0
    return blurred


@kernel
def _logarithm(heatmap: NDArray[np.float32], x: int, y: int) -> float:
    """Of the blurred map, at the pixel of it that is nearest to (x, y)."""
    height, width = heatmap.shape
    value = _blurred(heatmap, min(max(x, 0), width - 1), min(max(y, 0), height - 1))
    logarithm: float = np.log(min(max(value, 0.001), 50.0))
    return logarithm


@kernel
def maximise_joints(heatmaps: NDArray[np.float32], keypoints: NDArray[np.float32]) -> None:
    """Moves the found joints of `keypoints` (P, J, 3) from whole pixels to where the peak of a
    Gaussian would be: docs/reference.md, section 3.8.
    """
    for person in range(keypoints.shape[0]):
        for joint in range(keypoints.shape[1]):
            keypoint = keypoints[person, joint]
            if not keypoint[2] > 0:
                continue
            heatmap, x, y = heatmaps[joint], int(keypoint[0]), int(keypoint[1])
            here = _logarithm(heatmap, x, y)
            left, right = _logarithm(heatmap, x - 1, y), _logarithm(heatmap, x + 1, y)
            above, below = _logarithm(heatmap, x, y - 1), _logarithm(heatmap, x, y + 1)
            first, last = _logarithm(heatmap, x - 1, y - 1), _logarithm(heatmap, x + 1, y + 1)
            slope_x, slope_y = (right - left) / 2, (below - above) / 2
            bend_x, bend_y = right - 2 * here + left, below - 2 * here + above
            twist = (last - right - below + 2 * here - left - above + first) / 2
            determinant = bend_x * bend_y - twist * twist
            move_x = move_y = 0.0
            if bend_x < 0 and determinant > 0:  # else there is no maximum to go to
                move_x = (twist * slope_y - bend_y * slope_x) / determinant
                move_y = (twist * slope_x - bend_x * slope_y) / determinant
            if max(abs(move_x), abs(move_y)) > _FARTHEST_PX:
                move_x = move_y = 0.0
            keypoint[0] = x + 0.5 + move_x
            keypoint[1] = y + 0.5 + move_y
