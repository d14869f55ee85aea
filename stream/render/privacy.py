"""Making people unrecognisable before they are drawn: backgrounds and faces."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from configs import KeypointSet

# A face that is only just suspected is still a face: far below the threshold for drawing.
FACE_THRESHOLD = 0.05
_BLUR_REDUCTION = 24


class HeadJoints(NamedTuple):
    """Which joints tell where a head is: those on it, and the shoulders and hips (-1 where the set
    has none).
    """

    face: NDArray[np.int32]
    shoulders: NDArray[np.int32]
    hips: NDArray[np.int32]


def head_joints(keypoint_set: KeypointSet) -> HeadJoints:
    """The joints of `keypoint_set` that tell where a head is."""
    names = keypoint_set.names
    face = [
        joint
        for joint, name in enumerate(names)
        if name in ("nose", "head") or name.endswith(("_eye", "_ear"))
    ]

    def pair(part: str) -> NDArray[np.int32]:
        wanted = (f"left_{part}", f"right_{part}")
        return np.array([names.index(name) if name in names else -1 for name in wanted], np.int32)

    return HeadJoints(np.array(face, np.int32), pair("shoulder"), pair("hip"))


def blur_background(image: NDArray[np.uint8]) -> None:
    """Reduces the whole of `image` (H, W, 3) to soft patches of colour, in place."""
    height, width = image.shape[:2]
    size = max(1, width // _BLUR_REDUCTION), max(1, height // _BLUR_REDUCTION)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    cv2.resize(cv2.blur(small, (3, 3)), (width, height), dst=image, interpolation=cv2.INTER_LINEAR)


@kernel
def mosaic_heads(
    image: NDArray[np.uint8], keypoints: NDArray[np.float64], heads: HeadJoints
) -> None:
    """Replaces every head of the people (P, J, 3) by at most 6 x 6 blocks of their mean colour."""
    for person in range(keypoints.shape[0]):
        x, y, radius = _head(keypoints[person], heads)
        if radius > 0:
            _mosaic(image, x, y, radius, max(4, math.ceil(radius / 3)))


@kernel
def _head(joints: NDArray[np.float64], heads: HeadJoints) -> tuple[float, float, float]:
    """Centre and radius of a disc around the head; radius 0 where nothing tells where it is."""
    x, y, count = 0.0, 0.0, 0
    for joint in heads.face:
        if joints[joint, 2] >= FACE_THRESHOLD:
            x, y, count = x + joints[joint, 0], y + joints[joint, 1], count + 1
    shoulder_x, shoulder_y, width = _between(joints, heads.shoulders)
    hip_x, hip_y, _ = _between(joints, heads.hips)
    torso = 0.0
    if shoulder_x > -np.inf and hip_x > -np.inf:
        torso = math.hypot(shoulder_x - hip_x, shoulder_y - hip_y)
    # Proportions of the body: a head is about as wide as 0.55 of the shoulders, and half as high as
    # the torso. Seen from the side the shoulders shrink, so that the larger of the two decides.
    body = max(0.55 * width, 0.38 * torso)
    if count > 0:
        x, y = x / count, y / count
        spread = 0.0
        for joint in heads.face:
            if joints[joint, 2] >= FACE_THRESHOLD:
                spread = max(spread, math.hypot(joints[joint, 0] - x, joints[joint, 1] - y))
        return x, y, max(1.6 * spread, body, 8.0)
    if body == 0.0:
        return 0.0, 0.0, 0.0
    up_x, up_y = 0.0, -1.0
    if torso > 0:
        up_x, up_y = (shoulder_x - hip_x) / torso, (shoulder_y - hip_y) / torso
    return shoulder_x + 1.1 * body * up_x, shoulder_y + 1.1 * body * up_y, 1.25 * body


@kernel
def _between(joints: NDArray[np.float64], pair: NDArray[np.int32]) -> tuple[float, float, float]:
    """Middle of a pair of joints and the distance between them; -inf where neither was found."""
    left, right = pair[0], pair[1]
    has_left = left >= 0 and joints[left, 2] >= FACE_THRESHOLD
    has_right = right >= 0 and joints[right, 2] >= FACE_THRESHOLD
    if has_left and has_right:
        apart = math.hypot(joints[left, 0] - joints[right, 0], joints[left, 1] - joints[right, 1])
        return (
            0.5 * (joints[left, 0] + joints[right, 0]),
            0.5 * (joints[left, 1] + joints[right, 1]),
            apart,
        )
    if has_left:
        return joints[left, 0], joints[left, 1], 0.0
    if has_right:
        return joints[right, 0], joints[right, 1], 0.0
    return -np.inf, -np.inf, 0.0


@kernel
def _mosaic(image: NDArray[np.uint8], x: float, y: float, radius: float, block: int) -> None:
    height, width = image.shape[0], image.shape[1]
    for top in range(int(y - radius), int(y + radius), block):
        for left in range(int(x - radius), int(x + radius), block):
            first_row, last_row = max(0, top), min(height, top + block)
            first_column, last_column = max(0, left), min(width, left + block)
            far = math.hypot(left + 0.5 * block - x, top + 0.5 * block - y) > radius + 0.5 * block
            if far or first_row >= last_row or first_column >= last_column:
                continue
            count = (last_row - first_row) * (last_column - first_column)
            for channel in range(3):
                total = 0
                for row in range(first_row, last_row):
                    for column in range(first_column, last_column):
                        total += image[row, column, channel]
                mean = np.uint8(total // count)
                for row in range(first_row, last_row):
                    for column in range(first_column, last_column):
                        image[row, column, channel] = mean
