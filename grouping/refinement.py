"""Where exactly a joint is, and where a missing one may be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.candidates import CandidateBuffer
from grouping.kernels import kernel
from grouping.peaks import TILE_HEIGHT_PX, TILE_WIDTH_PX

_TILE_PIXELS = TILE_HEIGHT_PX * TILE_WIDTH_PX
_INFINITY = np.float32(np.inf)


class Search(NamedTuple):
    """Scratch of the search for one joint of everybody who misses it.

    person, best_value, best_pixel: (people,) who searches, what the best pixel so far is worth, and its row-major index.
    score, tag: (256,), (L, 256) float32, one tile of the maps, its pixels one after the other whatever the layout of the maps;
    score is -inf where there is no map or no finite value. tag_range: (2, L) float32, its smallest and largest tags; columns:
    (2, TILE_WIDTH_PX) float32, the same per column of one dimension. value: (256,) float32, what its pixels are worth to one
    person.
    """

    person: NDArray[np.int64]
    best_value: NDArray[np.float32]
    best_pixel: NDArray[np.int64]
    score: NDArray[np.float32]
    tag: NDArray[np.float32]
    tag_range: NDArray[np.float32]
    columns: NDArray[np.float32]
    value: NDArray[np.float32]

    @classmethod
    def allocate(cls, people: int, tag_length: int) -> Search:
        """Room for `people` searching."""
        return cls(
            person=np.zeros(people, np.int64),
            best_value=np.zeros(people, np.float32),
            best_pixel=np.zeros(people, np.int64),
            score=np.zeros(_TILE_PIXELS, np.float32),
            tag=np.zeros((tag_length, _TILE_PIXELS), np.float32),
            tag_range=np.zeros((2, tag_length), np.float32),
            columns=np.zeros((2, TILE_WIDTH_PX), np.float32),
            value=np.zeros(_TILE_PIXELS, np.float32),
        )


@kernel
def _place(heatmap: NDArray[np.float32], x: int, y: int, keypoint: NDArray[np.float32]) -> None:
    """Writes x, y of the centre of a pixel, moved a quarter pixel to its higher neighbour (on ties to the lower index)."""
    height, width = heatmap.shape
    right = heatmap[y, min(x + 1, width - 1)] > heatmap[y, max(x - 1, 0)]
    below = heatmap[min(y + 1, height - 1), x] > heatmap[max(y - 1, 0), x]
    keypoint[0] = x + (0.75 if right else 0.25)
    keypoint[1] = y + (0.75 if below else 0.25)


@kernel
def adjust_joints(heatmaps: NDArray[np.float32], keypoints: NDArray[np.float32]) -> None:
    """Moves the found joints of `keypoints` (P, J, 3) from whole pixels to where the peak is: shared reference 3.1 step 4."""
    for person in range(keypoints.shape[0]):
        for joint in range(keypoints.shape[1]):
            keypoint = keypoints[person, joint]
            if keypoint[2] > 0:
                _place(heatmaps[joint], int(keypoint[0]), int(keypoint[1]), keypoint)


@kernel
def _value(
    score: np.float32, tags: NDArray[np.float32], pixel: int, tag_stride: int, person_tags: NDArray[np.float32], person: int
) -> np.float32:
    """What a pixel is worth to a person: heatmap value less the rounded tag distance, in float32 like the official parser."""
    total = np.float32(0)
    for dimension in range(person_tags.shape[1]):
        difference = tags[pixel + dimension * tag_stride] - person_tags[person, dimension]
        total += difference * difference
    return np.float32(score - np.rint(np.sqrt(total)))


@kernel
def _load_tile(
    heatmaps: NDArray[np.float32],
    tags: NDArray[np.float32],
    strides: tuple[int, int, int, int],
    joint: int,
    top: int,
    left: int,
    score: NDArray[np.float32],
    tag: NDArray[np.float32],
) -> None:
    """Copies a tile, so that everybody's pass over it reads contiguous memory in the first-level cache.

    Indices are unsigned and there are no views of rows: Numba's care for negative indices and its reference counts would each
    keep LLVM from vectorising (0.05 us a tile, not 0.4).
    """
    rows, columns = min(TILE_HEIGHT_PX, heatmaps.shape[1] - top), min(TILE_WIDTH_PX, heatmaps.shape[2] - left)
    if rows * columns < _TILE_PIXELS:
        score[:] = -np.inf
    channel, x, count = np.uintp(joint), np.uintp(left), np.uintp(columns)
    for row in range(rows):
        y, first = np.uintp(top + row), np.uintp(row * TILE_WIDTH_PX)
        for column in range(count):
            value = heatmaps[channel, y, x + column]
            score[first + column] = value if abs(value) < _INFINITY else -_INFINITY
    step = np.uintp(strides[2])
    for dimension in range(tag.shape[0]):
        depth = np.uintp(dimension)
        for row in range(rows):
            first = np.uintp(row * TILE_WIDTH_PX)
            start = np.uintp(joint * strides[0] + (top + row) * strides[1] + left * strides[2] + dimension * strides[3])
            # The same loop thrice: LLVM vectorises the first two, whose strides it knows. They are those of the usual layouts.
            if step == 1:
                for column in range(count):
                    tag[depth, first + column] = tags[start + column]
            elif step == 2:
                for column in range(count):
                    tag[depth, first + column] = tags[start + np.uintp(2) * column]
            else:
                for column in range(count):
                    tag[depth, first + column] = tags[start + step * column]


@kernel
def _measure_tags(tag: NDArray[np.float32], columns: NDArray[np.float32], tag_range: NDArray[np.float32]) -> None:
    """Fills the range of the loaded tile's tags. NaN is not in it; what an earlier tile left at the edge of the map may be."""
    for dimension in range(tag.shape[0]):
        for column in range(TILE_WIDTH_PX):
            lowest, highest = _INFINITY, -_INFINITY
            for row in range(TILE_HEIGHT_PX):
                value = tag[dimension, row * TILE_WIDTH_PX + column]
                lowest = value if value < lowest else lowest
                highest = value if value > highest else highest
            columns[0, column] = lowest
            columns[1, column] = highest
        lowest, highest = _INFINITY, -_INFINITY
        for column in range(TILE_WIDTH_PX):
            lowest = min(lowest, columns[0, column])
            highest = max(highest, columns[1, column])
        tag_range[0, dimension] = lowest
        tag_range[1, dimension] = highest


@kernel
def _bound(
    largest_score: np.float32, tag_range: NDArray[np.float32], person_tags: NDArray[np.float32], person: int
) -> np.float32:
    """What no pixel of the loaded tile exceeds for a person.

    Exact and not only nearly so: the float32 operations are those of `_value`, and each is monotone with its rounding.
    """
    total = np.float32(0)
    for dimension in range(person_tags.shape[1]):
        own = person_tags[person, dimension]
        difference = max(tag_range[0, dimension] - own, own - tag_range[1, dimension], np.float32(0))
        total += difference * difference
    return np.float32(largest_score - np.rint(np.sqrt(total)))


@kernel
def _measure_values(
    score: NDArray[np.float32],
    tag: NDArray[np.float32],
    person_tags: NDArray[np.float32],
    person: int,
    limit: np.float32,
    value: NDArray[np.float32],
) -> bool:
    """Fills `value` with what each pixel of the loaded tile is worth to a person; whether any reaches `limit`. Vectorised."""
    own = person_tags[person, 0]
    for pixel in range(_TILE_PIXELS):
        difference = tag[0, pixel] - own
        value[pixel] = difference * difference
    for dimension in range(1, person_tags.shape[1]):
        own = person_tags[person, dimension]
        for pixel in range(_TILE_PIXELS):
            difference = tag[dimension, pixel] - own
            value[pixel] += difference * difference
    reached = False
    for pixel in range(_TILE_PIXELS):
        value[pixel] = score[pixel] - np.rint(np.sqrt(value[pixel]))
        reached |= value[pixel] >= limit
    return reached


@kernel
def fill_missing_joints(
    heatmaps: NDArray[np.float32],
    tags: NDArray[np.float32],
    strides: tuple[int, int, int, int],
    tile_maxima: NDArray[np.float32],
    candidates: CandidateBuffer,
    person_tags: NDArray[np.float32],
    floor: float,
    search: Search,
    keypoints: NDArray[np.float32],
) -> None:
    """Fills joints of `keypoints` (P, J, 3) with score 0 where the heatmap and the person's mean tag (P, L) say: 3.1 step 6.

    The pixel with the largest heatmap value less rounded tag distance, the first in row-major order among equals, if its
    heatmap value is above 0 and at least `floor`. Each map is read once for everybody who misses the joint, and only in tiles
    whose largest heatmap value (`tile_maxima`) can beat what somebody already has: a distance is never negative.
    """
    width = heatmaps.shape[2]
    pixels = heatmaps.shape[1] * width
    searchers, best_value, best_pixel = search.person, search.best_value, search.best_pixel
    score, tag, tag_range, columns, value = search.score, search.tag, search.tag_range, search.columns, search.value
    for joint in range(heatmaps.shape[0]):
        searching = 0
        for person in range(keypoints.shape[0]):
            if keypoints[person, joint, 2] == 0:
                searchers[searching] = person
                best_value[searching] = -_INFINITY
                best_pixel[searching] = pixels
                searching += 1
        if searching == 0:
            continue

        # The joint's candidates first: they are hard to beat.
        for place in range(candidates.counts[joint]):
            x, y = int(candidates.x[joint, place]), int(candidates.y[joint, place])
            start = joint * strides[0] + y * strides[1] + x * strides[2]
            for searcher in range(searching):
                worth = _value(heatmaps[joint, y, x], tags, start, strides[3], person_tags, searchers[searcher])
                _offer(worth, y * width + x, best_value, best_pixel, searcher)

        for tile_y in range(tile_maxima.shape[1]):
            for tile_x in range(tile_maxima.shape[2]):
                top, left = tile_y * TILE_HEIGHT_PX, tile_x * TILE_WIDTH_PX
                largest_score = tile_maxima[joint, tile_y, tile_x]
                loaded = False
                for searcher in range(searching):
                    best = best_value[searcher]
                    is_later = best_pixel[searcher] < top * width + left
                    if largest_score < best or (largest_score == best and is_later):
                        continue
                    if not loaded:
                        _load_tile(heatmaps, tags, strides, joint, top, left, score, tag)
                        _measure_tags(tag, columns, tag_range)
                        loaded = True
                    person = searchers[searcher]
                    bound = _bound(largest_score, tag_range, person_tags, person)
                    if bound < best or (bound == best and is_later):
                        continue
                    limit = np.nextafter(best, _INFINITY) if best_pixel[searcher] < top * width else best
                    if _measure_values(score, tag, person_tags, person, limit, value):
                        for pixel in range(_TILE_PIXELS):
                            if value[pixel] >= limit and value[pixel] > -_INFINITY:
                                y, x = top + pixel // TILE_WIDTH_PX, left + pixel % TILE_WIDTH_PX
                                _offer(value[pixel], y * width + x, best_value, best_pixel, searcher)

        for searcher in range(searching):
            if best_pixel[searcher] < pixels:
                y, x = divmod(int(best_pixel[searcher]), width)
                found = heatmaps[joint, y, x]
                if found > 0 and found >= floor:
                    keypoint = keypoints[searchers[searcher], joint]
                    _place(heatmaps[joint], x, y, keypoint)
                    keypoint[2] = found


@kernel
def _offer(
    worth: np.float32, pixel: int, best_value: NDArray[np.float32], best_pixel: NDArray[np.int64], searcher: int
) -> None:
    """Takes a pixel if it is worth more than the best so far, or as much and comes first in row-major order."""
    if worth > best_value[searcher] or (worth == best_value[searcher] and pixel < best_pixel[searcher]):
        best_value[searcher] = worth
        best_pixel[searcher] = pixel
