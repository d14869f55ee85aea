"""Peaks of the heatmaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from grouping.maps import LARGEST_VALUE
from grouping.tiles import TILE_HEIGHT_PX, TILE_WIDTH_PX, measure_tile_row


@kernel
def _is_peak(heatmaps: NDArray[np.float32], joint: int, y: int, x: int, radius: int) -> bool:
    """Whether no pixel of the square around (x, y) is higher; outside the map there is nothing."""
    height, width = heatmaps.shape[1:]
    value = heatmaps[joint, y, x]
    # The nearest neighbours first: they turn down nearly every pixel of a slope.
    if (x > 0 and heatmaps[joint, y, x - 1] > value) or (
        x + 1 < width and heatmaps[joint, y, x + 1] > value
    ):
        return radius == 0
    for near_y in range(max(y - radius, 0), min(y + radius + 1, height)):
        for near_x in range(max(x - radius, 0), min(x + radius + 1, width)):
            if heatmaps[joint, near_y, near_x] > value:
                return False
    return True


@kernel
def _insert_peak(
    joint: int,
    count: int,
    x: int,
    y: int,
    score: np.float32,
    peak_x: NDArray[np.int32],
    peak_y: NDArray[np.int32],
    peak_score: NDArray[np.float32],
) -> int:
    """Puts a peak in its place among the `count` best of a joint, equal ones in row-major order;
    returns how many there are.
    """
    place = count
    while place > 0:
        before = peak_score[joint, place - 1]
        row, column = peak_y[joint, place - 1], peak_x[joint, place - 1]
        if score < before or (score == before and (y > row or (y == row and x > column))):
            break
        place -= 1
    capacity = peak_x.shape[1]
    if place == capacity:
        return count
    count = min(count + 1, capacity)
    for later in range(count - 1, place, -1):
        peak_x[joint, later] = peak_x[joint, later - 1]
        peak_y[joint, later] = peak_y[joint, later - 1]
        peak_score[joint, later] = peak_score[joint, later - 1]
    peak_x[joint, place] = x
    peak_y[joint, place] = y
    peak_score[joint, place] = score
    return count


@kernel
def find_peaks(
    heatmaps: NDArray[np.float32],
    threshold: np.float32,
    radius: int,
    column_maxima: NDArray[np.float32],
    tile_maxima: NDArray[np.float32],
    peak_x: NDArray[np.int32],
    peak_y: NDArray[np.int32],
    peak_score: NDArray[np.float32],
    peak_count: NDArray[np.int64],
) -> None:
    """The K largest usable peaks of at least `threshold` per joint: max-pool NMS, then top-K, of
    the official parser.

    Only columns of tiles whose maximum reaches the threshold are looked at, so a map is read once
    and little of it twice. Peaks come in falling order, equal ones in row-major order. Fills
    `tile_maxima` (J, tile rows, tile columns) of every joint, and the first `peak_count` (J,)
    entries of `peak_x`, `peak_y`, `peak_score` (J, K).
    """
    joints, height, width = heatmaps.shape
    for joint in range(joints):
        count = 0
        for tile_y in range(tile_maxima.shape[1]):
            measure_tile_row(heatmaps, joint, tile_y, column_maxima, tile_maxima)
            for tile_x in range(tile_maxima.shape[2]):
                if not tile_maxima[joint, tile_y, tile_x] >= threshold:
                    continue
                for x in range(tile_x * TILE_WIDTH_PX, min((tile_x + 1) * TILE_WIDTH_PX, width)):
                    if not column_maxima[x] >= threshold:
                        continue
                    for y in range(
                        tile_y * TILE_HEIGHT_PX, min((tile_y + 1) * TILE_HEIGHT_PX, height)
                    ):
                        score = heatmaps[joint, y, x]
                        if threshold <= score <= LARGEST_VALUE and _is_peak(
                            heatmaps, joint, y, x, radius
                        ):
                            count = _insert_peak(
                                joint, count, x, y, score, peak_x, peak_y, peak_score
                            )
        peak_count[joint] = count
