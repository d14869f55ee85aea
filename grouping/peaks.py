"""Peaks of the heatmaps, and the tile maxima that let later stages skip most of a map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping.kernels import kernel

# A tile is the smallest part of a map that is skipped as a whole. Eight rows at once keep the maximum in registers;
# 32 columns are four AVX2 vectors, and about the width of a peak at the map sizes that networks deliver.
TILE_HEIGHT_PX = 8
TILE_WIDTH_PX = 32


def tile_counts(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of tiles that cover a map of that size."""
    return -(-height // TILE_HEIGHT_PX), -(-width // TILE_WIDTH_PX)


@kernel
def _column_maxima(heatmap: NDArray[np.float32], top: int, column_maxima: NDArray[np.float32]) -> None:
    """The largest value in each column of one row of tiles. NaN is never the largest: `NaN > x` is false.

    Element-wise on purpose: maxima along a row are a reduction, which LLVM vectorises only under fastmath.
    """
    height, width = heatmap.shape
    if top + 8 <= height:
        for x in range(width):
            best = np.float32(-np.inf)
            for row in range(8):
                value = heatmap[top + row, x]
                best = value if value > best else best
            column_maxima[x] = best
        return
    for x in range(width):
        column_maxima[x] = np.float32(-np.inf)
    for y in range(top, height):
        for x in range(width):
            value = heatmap[y, x]
            column_maxima[x] = value if value > column_maxima[x] else column_maxima[x]


@kernel
def _measure_tile_row(
    heatmap: NDArray[np.float32], tile_y: int, column_maxima: NDArray[np.float32], tile_maxima: NDArray[np.float32]
) -> None:
    """Fills one row of tiles of `tile_maxima` (tile rows, tile columns), and `column_maxima` on the way."""
    _column_maxima(heatmap, tile_y * TILE_HEIGHT_PX, column_maxima)
    width = heatmap.shape[1]
    for tile_x in range(tile_maxima.shape[1]):
        best = np.float32(-np.inf)
        for x in range(tile_x * TILE_WIDTH_PX, min((tile_x + 1) * TILE_WIDTH_PX, width)):
            best = max(best, column_maxima[x])
        tile_maxima[tile_y, tile_x] = best


@kernel
def measure_tiles(
    heatmaps: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    column_maxima: NDArray[np.float32],
    tile_maxima: NDArray[np.float32],
) -> None:
    """Fills `tile_maxima` (J, tile rows, tile columns) for the joints that are `wanted` (J,)."""
    for joint in range(heatmaps.shape[0]):
        if wanted[joint]:
            for tile_y in range(tile_maxima.shape[1]):
                _measure_tile_row(heatmaps[joint], tile_y, column_maxima, tile_maxima[joint])


@kernel
def _is_peak(heatmap: NDArray[np.float32], y: int, x: int, radius: int) -> bool:
    """Whether no pixel of the square around (x, y) is higher; outside the map there is nothing."""
    height, width = heatmap.shape
    value = heatmap[y, x]
    for near_y in range(max(y - radius, 0), min(y + radius + 1, height)):
        for near_x in range(max(x - radius, 0), min(x + radius + 1, width)):
            if heatmap[near_y, near_x] > value:
                return False
    return True


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
    """The K largest finite peaks of at least `threshold` per joint: max-pool NMS, then top-K, of the official parser.

    Only tiles whose maximum reaches the threshold are looked at, so a map is read once and little of it twice. Peaks come in
    falling order, equal ones in row-major order. Fills `tile_maxima` (J, tile rows, tile columns) of every joint, the first
    `peak_count` (J,) entries of `peak_x`, `peak_y`, `peak_score` (J, K).
    """
    width = heatmaps.shape[2]
    capacity = peak_x.shape[1]
    for joint in range(heatmaps.shape[0]):
        heatmap = heatmaps[joint]
        count = 0
        for tile_y in range(tile_maxima.shape[1]):
            _measure_tile_row(heatmap, tile_y, column_maxima, tile_maxima[joint])
            top = tile_y * TILE_HEIGHT_PX
            bottom = min(top + TILE_HEIGHT_PX, heatmap.shape[0])
            for tile_x in range(tile_maxima.shape[2]):
                if not tile_maxima[joint, tile_y, tile_x] >= threshold:
                    continue
                for x in range(tile_x * TILE_WIDTH_PX, min((tile_x + 1) * TILE_WIDTH_PX, width)):
                    if not column_maxima[x] >= threshold:
                        continue
                    for y in range(top, bottom):
                        score = heatmap[y, x]
                        if not threshold <= score < np.inf:
                            continue
                        place = count
                        while place > 0 and (
                            score > peak_score[joint, place - 1]
                            or (
                                score == peak_score[joint, place - 1]
                                and y * width + x < peak_y[joint, place - 1] * width + peak_x[joint, place - 1]
                            )
                        ):
                            place -= 1
                        if place == capacity or not _is_peak(heatmap, y, x, radius):
                            continue
                        count = min(count + 1, capacity)
                        for later in range(count - 1, place, -1):
                            peak_x[joint, later] = peak_x[joint, later - 1]
                            peak_y[joint, later] = peak_y[joint, later - 1]
                            peak_score[joint, later] = peak_score[joint, later - 1]
                        peak_x[joint, place] = x
                        peak_y[joint, place] = y
                        peak_score[joint, place] = score
        peak_count[joint] = count
