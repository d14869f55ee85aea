"""Maps read tile by tile: what is in a tile at most, and a tile in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from grouping.maps import LARGEST_VALUE

# A tile is the smallest part of a map that is skipped as a whole. Eight rows at once keep the
# maximum in registers; 32 columns are four AVX2 vectors, and about the width of a peak at the map
# sizes that networks deliver.
TILE_HEIGHT_PX = 8
TILE_WIDTH_PX = 32
TILE_PIXELS = TILE_HEIGHT_PX * TILE_WIDTH_PX
_INFINITY = np.float32(np.inf)


def tile_counts(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of tiles that cover a map of that size."""
    return -(-height // TILE_HEIGHT_PX), -(-width // TILE_WIDTH_PX)


@kernel
def measure_tile_row(
    heatmaps: NDArray[np.float32],
    joint: int,
    tile_y: int,
    column_maxima: NDArray[np.float32],
    tile_maxima: NDArray[np.float32],
) -> None:
    """Fills one row of tiles of `tile_maxima`, and `column_maxima` (w,) with the largest value of
    each column in it.

    NaN is never the largest. Column by column, because a maximum along a row is a reduction, which
    LLVM vectorises only under fastmath; a row below the map is the last one again, so that the
    inner loop has a constant length.
    """
    height, width = heatmaps.shape[1:]
    channel, top, last = np.uintp(joint), np.uintp(tile_y * TILE_HEIGHT_PX), np.uintp(height - 1)
    for x in range(np.uintp(width)):
        best = -_INFINITY
        for row in range(np.uintp(TILE_HEIGHT_PX)):
            value = heatmaps[channel, min(top + row, last), x]
            best = value if value > best else best
        column_maxima[x] = best
    for tile_x in range(tile_maxima.shape[2]):
        best = -_INFINITY
        for x in range(
            np.uintp(tile_x * TILE_WIDTH_PX), np.uintp(min((tile_x + 1) * TILE_WIDTH_PX, width))
        ):
            best = max(best, column_maxima[x])
        tile_maxima[joint, tile_y, tile_x] = best


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
                measure_tile_row(heatmaps, joint, tile_y, column_maxima, tile_maxima)


@kernel
def _measure_run(
    tags: NDArray[np.float32],
    first: int,
    row_stride: int,
    step: int,
    rows: int,
    count: int,
    lanes: NDArray[np.float32],
    first_lane: int,
) -> None:
    """Fills `count` lanes from `first_lane` on with the smallest and the largest of `rows` rows;
    NaN is neither.

    Indices are unsigned, and there are no views of rows: Numba's care for negative indices and its
    reference counts would each keep LLVM from vectorising. A row too many is the last one again, so
    that the inner loop has a constant length.
    """
    start, stride, last, target = (
        np.uintp(first),
        np.uintp(row_stride),
        np.uintp(rows - 1),
        np.uintp(first_lane),
    )
    if step == 1:  # the usual layouts: a constant that LLVM vectorises
        for lane in range(np.uintp(count)):
            lowest, highest = _INFINITY, -_INFINITY
            for row in range(np.uintp(TILE_HEIGHT_PX)):
                value = tags[start + (row if row < last else last) * stride + lane]
                lowest = value if value < lowest else lowest
                highest = value if value > highest else highest
            lanes[0, target + lane] = lowest
            lanes[1, target + lane] = highest
    else:
        for lane in range(np.uintp(count)):
            lowest, highest = _INFINITY, -_INFINITY
            for row in range(np.uintp(TILE_HEIGHT_PX)):
                value = tags[start + (row if row < last else last) * stride + lane * np.uintp(step)]
                lowest = value if value < lowest else lowest
                highest = value if value > highest else highest
            lanes[0, target + lane] = lowest
            lanes[1, target + lane] = highest


@kernel
def measure_columns(
    tags: NDArray[np.float32],
    strides: tuple[int, int, int, int],
    tag_length: int,
    start: int,
    rows: int,
    left: int,
    columns: int,
    lanes: NDArray[np.float32],
) -> None:
    """Fills `lanes` for columns of one row of tiles; `start` is where the first of them begins, at
    x `left`.
    """
    if strides[2] == tag_length and strides[3] == 1:  # interleaved: one run
        _measure_run(
            tags, start, strides[1], 1, rows, columns * tag_length, lanes, left * tag_length
        )
    else:
        plane = lanes.shape[1] // tag_length
        for dimension in range(tag_length):
            first = start + dimension * strides[3]
            _measure_run(
                tags, first, strides[1], strides[2], rows, columns, lanes, dimension * plane + left
            )


@kernel
def measure_tag_range(
    strides: tuple[int, int, int, int],
    left: int,
    columns: int,
    lanes: NDArray[np.float32],
    tag_range: NDArray[np.float32],
) -> None:
    """Fills `tag_range` with the smallest and largest tags in `columns` columns from `left` on."""
    tag_length = tag_range.shape[1]
    is_interleaved = strides[2] == tag_length and strides[3] == 1
    step = np.uintp(tag_length if is_interleaved else 1)
    for dimension in range(tag_length):
        plane = 1 if is_interleaved else lanes.shape[1] // tag_length
        first = np.uintp(dimension * plane) + np.uintp(left) * step
        lowest, highest = _INFINITY, -_INFINITY
        for column in range(np.uintp(columns)):
            lowest = min(lowest, lanes[0, first + column * step])
            highest = max(highest, lanes[1, first + column * step])
        tag_range[0, dimension] = lowest
        tag_range[1, dimension] = highest


@kernel
def load_tile(
    heatmaps: NDArray[np.float32],
    tags: NDArray[np.float32],
    strides: tuple[int, int, int, int],
    joint: int,
    top: int,
    left: int,
    score: NDArray[np.float32],
    tag: NDArray[np.float32],
) -> None:
    """Copies a tile, so that everybody's pass over it reads contiguous memory in the first-level
    cache.

    Heatmap values become -inf where they are not usable, and where the tile reaches over the edge
    of the map.
    """
    rows, columns = (
        min(TILE_HEIGHT_PX, heatmaps.shape[1] - top),
        min(TILE_WIDTH_PX, heatmaps.shape[2] - left),
    )
    if rows * columns < TILE_PIXELS:
        score[:] = -_INFINITY
    channel, x, count, step = (
        np.uintp(joint),
        np.uintp(left),
        np.uintp(columns),
        np.uintp(strides[2]),
    )
    for row in range(rows):
        y, target = np.uintp(top + row), np.uintp(row * TILE_WIDTH_PX)
        for column in range(count):
            value = heatmaps[channel, y, x + column]
            score[target + column] = value if abs(value) <= LARGEST_VALUE else -_INFINITY
    for dimension in range(tag.shape[0]):
        depth = np.uintp(dimension)
        for row in range(rows):
            target = np.uintp(row * TILE_WIDTH_PX)
            source = np.uintp(
                joint * strides[0]
                + (top + row) * strides[1]
                + left * strides[2]
                + dimension * strides[3]
            )
            # The same loop thrice: LLVM vectorises the first two, whose strides it knows. They are
            # those of the usual layouts.
            if step == 1:
                for column in range(count):
                    tag[depth, target + column] = tags[source + column]
            elif step == 2:
                for column in range(count):
                    tag[depth, target + column] = tags[source + np.uintp(2) * column]
            else:
                for column in range(count):
                    tag[depth, target + column] = tags[source + step * column]
