"""Maps drawn from known people: what a perfect network would say, at any size and for any number of
people.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.maps import MAX_CANDIDATES, Candidates

SIGMA_MAP_PX = 2.0  # of the training targets, at every resolution (docs/reference.md, section 4.1)
TAG_STEP = 3.0  # between people: far beyond the distance of 1 within which grouping joins


def draw_maps(
    keypoints: NDArray[np.float64], size: tuple[int, int], *, tag_dimensions: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps with a Gaussian at every labelled joint and tags that tell people apart.

    Grouping adds half a pixel to a peak (docs/reference.md, section 3.4), which is taken off here.

    Args:
        keypoints: (P, J, 3) x, y in map pixels, visibility; joints with visibility 0 or off the map
            are left out.
        size: Height and width of the maps.
        tag_dimensions: L.

    Returns:
        Heatmaps (J, h, w) float32, and tags (J, h, w, L) float32 laid out as planes.
    """
    height, width = size
    people, joints = keypoints.shape[:2]
    heatmaps = np.zeros((joints, height, width), np.float32)
    tags = np.moveaxis(np.zeros((joints, tag_dimensions, height, width), np.float32), 1, 3)
    reach = math.ceil(3 * SIGMA_MAP_PX)
    for person in range(people):
        for joint, (x, y, visible) in enumerate(keypoints[person] - np.array([0.5, 0.5, 0.0])):
            column, row = round(x), round(y)
            if visible <= 0 or not (0 <= column < width and 0 <= row < height):
                continue
            rows = slice(max(row - reach, 0), min(row + reach + 1, height))
            columns = slice(max(column - reach, 0), min(column + reach + 1, width))
            down, across = np.mgrid[rows, columns]
            peak = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * SIGMA_MAP_PX**2)).astype(
                np.float32
            )
            around = heatmaps[joint, rows, columns]
            tags[joint, rows, columns][peak > around] = TAG_STEP * person
            np.maximum(around, peak, out=around)
    return heatmaps, tags


def scatter_people(
    people: int, joints: int, size: tuple[int, int], generator: np.random.Generator
) -> NDArray[np.float64]:
    """(P, J, 3) people spread over maps of `size` (height, width), each about a third as tall as
    the map.

    A third of their joints is not labelled, as in COCO, so that grouping has something to fill.
    """
    height, width = size
    extent = height / 3
    centres = generator.uniform(
        (extent / 2, extent / 2),
        (max(width - extent / 2, extent), height - extent / 2),
        (people, 2),
    )
    offsets = generator.uniform(-extent / 2, extent / 2, (people, joints, 2))
    visible = 2.0 * (generator.random((people, joints, 1)) < 2 / 3)
    return np.concatenate((centres[:, None] + offsets, visible), axis=2)


def draw_candidates(
    keypoints: NDArray[np.float64], heatmaps: NDArray[np.float32], tags: NDArray[np.float32]
) -> Candidates:
    """The peaks of maps that `draw_maps` made of `keypoints`, as a graph picks them: highest first,
    score 0 beyond the last.
    """
    joints, _, _, dimensions = tags.shape
    found = Candidates(
        x=np.zeros((joints, MAX_CANDIDATES), np.int32),
        y=np.zeros((joints, MAX_CANDIDATES), np.int32),
        score=np.zeros((joints, MAX_CANDIDATES), np.float32),
        tag=np.zeros((joints, MAX_CANDIDATES, dimensions), np.float32),
    )
    for joint in range(joints):
        columns, rows = (
            np.rint(keypoints[keypoints[:, joint, 2] > 0, joint, :2] - 0.5).astype(np.int32).T
        )
        scores = heatmaps[joint, rows, columns]
        best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
        count = len(best)
        found.x[joint, :count], found.y[joint, :count] = columns[best], rows[best]
        found.score[joint, :count] = scores[best]
        found.tag[joint, :count] = tags[joint, rows[best], columns[best]]
    return found


def add_clutter(
    heatmaps: NDArray[np.float32], tags: NDArray[np.float32], generator: np.random.Generator
) -> None:
    """Adds what a network leaves where nobody is, in place: heat below the detection threshold of
    0.1, and stray tags.

    Without it a search for missing joints is over at once, and grouping looks faster than it is.
    """
    joints, height, width, dimensions = tags.shape
    coarse = (
        joints,
        -(-height // 8),
        -(-width // 8),
    )  # as smooth as what a network of stride 32 leaves
    heat = generator.uniform(0, 0.05, coarse).astype(np.float32)
    stray = generator.normal(0, TAG_STEP, (*coarse, dimensions)).astype(np.float32)
    for joint in range(joints):
        nobody = heatmaps[joint] < 0.05
        heatmaps[joint] += cv2.resize(heat[joint], (width, height)) * nobody
        for dimension in range(dimensions):
            tags[joint, ..., dimension] += (
                cv2.resize(stray[joint, ..., dimension], (width, height)) * nobody
            )
