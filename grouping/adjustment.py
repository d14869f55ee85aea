"""Where exactly in its pixel's neighbourhood a joint is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel


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
    shared reference 3.1 step 4.
    """
    for person in range(keypoints.shape[0]):
        for joint in range(keypoints.shape[1]):
            keypoint = keypoints[person, joint]
            if keypoint[2] > 0:
                place_joint(heatmaps[joint], int(keypoint[0]), int(keypoint[1]), keypoint)
