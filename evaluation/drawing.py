"""Maps drawn from known people: what a perfect network would say, at any size and for any number of people."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.maps import MAX_CANDIDATES, Candidates

SIGMA_MAP_PX = 2.0  # of the training targets, at every resolution (reference 4.1)
TAG_STEP = 3.0  # between people: far beyond the distance of 1 within which grouping joins


def draw_maps(
    keypoints: NDArray[np.float64], size: tuple[int, int], *, tag_dimensions: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps (J, h, w) with a Gaussian at every labelled joint, and tags (J, h, w, L) that tell people apart.

    keypoints: (P, J, 3) x, y in map pixels, visibility; joints with visibility 0 or off the map are left out. size: height and
    width of the maps. Grouping adds half a pixel to a peak (reference 3.1), which is taken off here.
    """
    height, width = size
    people, joints = keypoints.shape[:2]
    heatmaps = np.zeros((joints, height, width), np.float32)
    tags = np.zeros((joints, height, width, tag_dimensions), np.float32)
    reach = math.ceil(3 * SIGMA_MAP_PX)
    for person in range(people):
        for joint, (x, y, visible) in enumerate(keypoints[person] - np.array([0.5, 0.5, 0.0])):
            column, row = round(x), round(y)
            if visible <= 0 or not (0 <= column < width and 0 <= row < height):
                continue
            rows = slice(max(row - reach, 0), min(row + reach + 1, height))
            columns = slice(max(column - reach, 0), min(column + reach + 1, width))
            down, across = np.mgrid[rows, columns]
            peak = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * SIGMA_MAP_PX**2)).astype(np.float32)
            around = heatmaps[joint, rows, columns]
            tags[joint, rows, columns][peak > around] = TAG_STEP * person
            np.maximum(around, peak, out=around)
    return heatmaps, tags


def scatter_people(
    people: int, joints: int, size: tuple[int, int], generator: np.random.Generator
) -> NDArray[np.float64]:
    """(P, J, 3) people spread over maps of `size` (height, width), each about a third as tall as the map."""
    height, width = size
    extent = height / 3
    centres = generator.uniform((extent / 2, extent / 2), (max(width - extent / 2, extent), height - extent / 2), (people, 2))
    offsets = generator.uniform(-extent / 2, extent / 2, (people, joints, 2))
    visible = np.full((people, joints, 1), 2.0)
    return np.concatenate((centres[:, None] + offsets, visible), axis=2)


def draw_candidates(
    keypoints: NDArray[np.float64], heatmaps: NDArray[np.float32], tags: NDArray[np.float32]
) -> Candidates:
    """The peaks of maps that `draw_maps` made of `keypoints`, as a graph picks them: highest first, score 0 beyond the last."""
    joints, height, width, dimensions = tags.shape
    found = Candidates(
        x=np.zeros((joints, MAX_CANDIDATES), np.int32),
        y=np.zeros((joints, MAX_CANDIDATES), np.int32),
        score=np.zeros((joints, MAX_CANDIDATES), np.float32),
        tag=np.zeros((joints, MAX_CANDIDATES, dimensions), np.float32),
    )
    columns = np.clip(np.rint(keypoints[..., 0] - 0.5), 0, width - 1).astype(np.int32)
    rows = np.clip(np.rint(keypoints[..., 1] - 0.5), 0, height - 1).astype(np.int32)
    for joint in range(joints):
        scores = heatmaps[joint, rows[:, joint], columns[:, joint]]
        best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
        count = len(best)
        found.x[joint, :count], found.y[joint, :count] = columns[best, joint], rows[best, joint]
        found.score[joint, :count] = scores[best]
        found.tag[joint, :count] = tags[joint, rows[best, joint], columns[best, joint]]
    return found
