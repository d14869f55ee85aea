"""What is true about a rendering: COCO-17 keypoints with visibility, boxes and areas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from synthetic.actor import Actor
from synthetic.mesh import Floats
from synthetic.scene import Rendering

OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2

_REACH_PX = 2
# How far beneath the visible surface a keypoint may lie and still count as seen (metres, adult of
# 1.7 m): noses, eyes and ears lie on it, shoulders and hips deep inside, all under clothes of up to
# 5 cm. Order of COCO-17.
_TOLERANCE_M = np.array(
    [
        0.03,
        0.03,
        0.03,
        0.035,
        0.035,
        0.14,
        0.14,
        0.10,
        0.10,
        0.085,
        0.085,
        0.19,
        0.19,
        0.13,
        0.13,
        0.11,
        0.11,
    ],
    np.float32,
)


@dataclass(frozen=True)
class Label:
    """One person in an image, in its pixels (the centre of the first pixel is 0, 0).

    keypoints (17, 3): x, y and 0 outside the image, 1 hidden, 2 visible; box (x, y, width,
    height) and area belong to what is seen of the person, full_box to all of it.
    """

    person: int
    keypoints: NDArray[np.float64]
    box: tuple[float, float, float, float]
    full_box: tuple[float, float, float, float]
    area: float


def label_people(rendering: Rendering, actors: list[Actor], supersampling: int = 1) -> list[Label]:
    """A label for every actor, in order; one who is not seen has an area of 0. Pixels are those
    after downsampling.
    """
    camera = rendering.camera
    areas, boxes = _extents(rendering.owner, len(actors))
    labels = []
    for index, actor in enumerate(actors):
        screen = camera.project(actor.keypoints)
        keypoints = np.empty((len(screen), 3))
        keypoints[:, :2] = _shrunk(screen[:, :2], supersampling)
        tolerance = _TOLERANCE_M * np.float32(actor.scale)
        keypoints[:, 2] = _visibility(
            screen, tolerance, rendering.owner, rendering.nearness, index, _REACH_PX * supersampling
        )
        left, top, right, bottom = (float(edge) / supersampling for edge in boxes[index])
        outline = camera.project(actor.vertices)
        outline = _shrunk(outline[outline[:, 2] > 0, :2], supersampling)
        low, high = (outline.min(0), outline.max(0)) if len(outline) else (np.zeros(2), np.zeros(2))
        labels.append(
            Label(
                person=index,
                keypoints=keypoints,
                box=(left, top, right - left, bottom - top),
                full_box=(
                    float(low[0]),
                    float(low[1]),
                    float(high[0] - low[0]),
                    float(high[1] - low[1]),
                ),
                area=float(areas[index]) / supersampling**2,
            )
        )
    return labels


def _shrunk(points: Floats, supersampling: int) -> Floats:
    return np.asarray((points + 0.5) / supersampling - 0.5, np.float32)


@kernel(fastmath=True)
def _visibility(
    screen: Floats,
    tolerance: Floats,
    owner: NDArray[np.int16],
    nearness: Floats,
    person: int,
    reach: int,
) -> NDArray[np.int64]:
    height, width = owner.shape
    seen = np.zeros(len(screen), np.int64)
    for joint in range(len(screen)):
        if screen[joint, 2] <= 0:
            continue
        x, y = int(np.floor(screen[joint, 0] + 0.5)), int(np.floor(screen[joint, 1] + 0.5))
        if x < 0 or y < 0 or x >= width or y >= height:
            continue
        seen[joint] = 1
        shallowest = 1 / screen[joint, 2] - tolerance[joint]
        for row in range(max(0, y - reach), min(height, y + reach + 1)):
            for column in range(max(0, x - reach), min(width, x + reach + 1)):
                if owner[row, column] == person and nearness[row, column] * shallowest < 1:
                    seen[joint] = 2
    return seen


@kernel(fastmath=True)
def _extents(owner: NDArray[np.int16], people: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel counts (p,) and boxes (p, 4) left, top, right, bottom; the far edges are exclusive."""
    areas = np.zeros(people, np.int64)
    boxes = np.zeros((people, 4), np.int64)
    height, width = owner.shape
    for row in range(height):
        for column in range(width):
            person = owner[row, column]
            if person < 0:
                continue
            if areas[person] == 0:
                boxes[person, 0], boxes[person, 1] = column, row
            areas[person] += 1
            boxes[person, 0] = min(boxes[person, 0], column)
            boxes[person, 2] = max(boxes[person, 2], column + 1)
            boxes[person, 3] = row + 1
    return areas, boxes
