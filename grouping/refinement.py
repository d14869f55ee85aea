"""Where a missing joint may be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from grouping.adjustment import place_joint
from grouping.candidates import CandidateBuffer
from grouping.maps import LARGEST_VALUE
from grouping.tiles import (
    TILE_HEIGHT_PX,
    TILE_PIXELS,
    TILE_WIDTH_PX,
    load_tile,
    measure_columns,
    measure_tag_range,
)

_INFINITY = np.float32(np.inf)
_NOWHERE = 2**62
# Tiles are searched in passes by their largest heatmap value: peaks, then weak peaks, then the
# rest, of which little can be better by then and need be read. Any values give the same people;
# these halve the time on the maps of a trained network.
_PASSES = (np.float32(0.1), np.float32(0.02), -_INFINITY)


class Search(NamedTuple):
    """Scratch of the search for one joint of everybody who misses it, S people.

    Attributes:
        person: (S,) who searches.
        own_tag: (L, S) float32, their mean tags.
        best_value: (S,) what the best pixel so far is worth.
        best_pixel: (S,) its row-major index.
        bound: (S,) float32, what the tile at hand is worth at most.
        lanes: (2, w * L) float32, smallest and largest tags per column of a row of tiles.
        tag_range: (2, L) the same of a tile.
        score: (256,) float32, a tile of the heatmap, its pixels one after the other whatever the
            layout of the maps; -inf where there is no map or no usable value.
        tag: (L, 256) float32, the same tile of the tags.
        value: (256,) float32, what its pixels are worth to one person.
    """

    person: NDArray[np.int64]
    own_tag: NDArray[np.float32]
    best_value: NDArray[np.float32]
    best_pixel: NDArray[np.int64]
    bound: NDArray[np.float32]
    lanes: NDArray[np.float32]
    tag_range: NDArray[np.float32]
    score: NDArray[np.float32]
    tag: NDArray[np.float32]
    value: NDArray[np.float32]

    @classmethod
    def allocate(cls, people: int, width: int, tag_length: int) -> Search:
        """Room for `people` searching in maps of that width."""
        return cls(
            person=np.zeros(people, np.int64),
            own_tag=np.zeros((tag_length, people), np.float32),
            best_value=np.zeros(people, np.float32),
            best_pixel=np.zeros(people, np.int64),
            bound=np.zeros(people, np.float32),
            lanes=np.zeros((2, width * tag_length), np.float32),
            tag_range=np.zeros((2, tag_length), np.float32),
            score=np.zeros(TILE_PIXELS, np.float32),
            tag=np.zeros((tag_length, TILE_PIXELS), np.float32),
            value=np.zeros(TILE_PIXELS, np.float32),
        )


@kernel
def _measure_bounds(
    largest_score: np.float32,
    tag_range: NDArray[np.float32],
    own_tag: NDArray[np.float32],
    best_value: NDArray[np.float32],
    searching: int,
    bound: NDArray[np.float32],
) -> bool:
    """Fills `bound` with what no pixel of a tile exceeds for each who searches; whether any reaches
    their best. Vectorised.

    The bounds are exact, not only nearly so: the float32 operations are those of `_measure_values`,
    and each is monotone with its rounding.
    """
    bound[:searching] = 0
    for dimension in range(own_tag.shape[0]):
        lowest, highest = tag_range[0, dimension], tag_range[1, dimension]
        for searcher in range(searching):
            own = own_tag[dimension, searcher]
            difference = max(lowest - own, own - highest, np.float32(0))
            bound[searcher] += difference * difference
    reached = False
    for searcher in range(searching):
        bound[searcher] = largest_score - np.rint(np.sqrt(bound[searcher]))
        reached |= bound[searcher] >= best_value[searcher]
    return reached


@kernel
def _measure_values(
    score: NDArray[np.float32],
    tag: NDArray[np.float32],
    own_tag: NDArray[np.float32],
    searcher: int,
    limit: np.float32,
    value: NDArray[np.float32],
) -> bool:
    """Fills `value` with what each pixel of the loaded tile is worth to one who searches; whether
    any reaches `limit`.

    Heatmap value less rounded tag distance, in float32 like the official parser. Vectorised.
    """
    value[:] = 0
    for dimension in range(own_tag.shape[0]):
        own = own_tag[dimension, searcher]
        for pixel in range(TILE_PIXELS):
            difference = tag[dimension, pixel] - own
            value[pixel] += difference * difference
    reached = False
    for pixel in range(TILE_PIXELS):
        value[pixel] = score[pixel] - np.rint(np.sqrt(value[pixel]))
        reached |= value[pixel] >= limit
    return reached


@kernel
def _offer(
    worth: np.float32,
    pixel: int,
    best_value: NDArray[np.float32],
    best_pixel: NDArray[np.int64],
    searcher: int,
) -> None:
    """Takes a pixel if it is worth more than the best so far, or as much and comes first in
    row-major order.
    """
    if worth > best_value[searcher] or (
        worth == best_value[searcher] and pixel < best_pixel[searcher]
    ):
        best_value[searcher] = worth
        best_pixel[searcher] = pixel


@kernel
def _begin_search(
    heatmaps: NDArray[np.float32],
    tags: NDArray[np.float32],
    strides: tuple[int, int, int, int],
    joint: int,
    candidates: CandidateBuffer,
    keypoints: NDArray[np.float32],
    person_tags: NDArray[np.float32],
    search: Search,
) -> int:
    """Gathers who misses a joint, each with the best of the joint's candidates for a start: hard to
    beat. Returns how many.
    """
    best_value, best_pixel, own_tag = search.best_value, search.best_pixel, search.own_tag
    searching = 0
    for person in range(keypoints.shape[0]):
        if keypoints[person, joint, 2] == 0:
            search.person[searching] = person
            for dimension in range(own_tag.shape[0]):
                own_tag[dimension, searching] = person_tags[person, dimension]
            best_value[searching] = -_INFINITY
            best_pixel[searching] = _NOWHERE
            searching += 1
    for place in range(candidates.counts[joint] if searching else 0):
        x, y = int(candidates.x[joint, place]), int(candidates.y[joint, place])
        score, pixel = heatmaps[joint, y, x], joint * strides[0] + y * strides[1] + x * strides[2]
        for searcher in range(searching if abs(score) <= LARGEST_VALUE else 0):
            distance = np.float32(0)
            for dimension in range(own_tag.shape[0]):
                difference = tags[pixel + dimension * strides[3]] - own_tag[dimension, searcher]
                distance += difference * difference
            worth = score - np.rint(np.sqrt(distance))
            _offer(worth, y * heatmaps.shape[2] + x, best_value, best_pixel, searcher)
    return searching


@kernel
def _search_tile(
    top: int,
    left: int,
    width: int,
    searching: int,
    own_tag: NDArray[np.float32],
    best_value: NDArray[np.float32],
    best_pixel: NDArray[np.int64],
    bound: NDArray[np.float32],
    score: NDArray[np.float32],
    tag: NDArray[np.float32],
    value: NDArray[np.float32],
) -> bool:
    """Looks through the loaded tile for each whose `bound` says that it may hold something better;
    whether it did.
    """
    is_improved = False
    for searcher in range(searching):
        best, at = best_value[searcher], best_pixel[searcher]
        if bound[searcher] < best or (bound[searcher] == best and at < top * width + left):
            continue
        # A pixel worth as much counts only if it comes first, which it does not where the best one
        # is above the tile.
        limit = np.nextafter(best, _INFINITY) if at < top * width else best
        if _measure_values(score, tag, own_tag, searcher, limit, value):
            is_improved = True
            for pixel in range(TILE_PIXELS):
                if value[pixel] >= limit and value[pixel] > -_INFINITY:
                    y, x = top + pixel // TILE_WIDTH_PX, left + pixel % TILE_WIDTH_PX
                    _offer(value[pixel], y * width + x, best_value, best_pixel, searcher)
    return is_improved


@kernel
def _smallest(values: NDArray[np.float32], count: int) -> np.float32:
    """The smallest of the first `count` values."""
    smallest = _INFINITY
    for i in range(count):
        smallest = min(smallest, values[i])
    return smallest


@kernel
def _search_joint(
    heatmaps: NDArray[np.float32],
    tags: NDArray[np.float32],
    strides: tuple[int, int, int, int],
    joint: int,
    tile_maxima: NDArray[np.float32],
    search: Search,
    searching: int,
) -> None:
    """Everybody's search for one joint; see fill_missing_joints."""
    height, width = heatmaps.shape[1:]
    own_tag, best_value, best_pixel, bound = (
        search.own_tag,
        search.best_value,
        search.best_pixel,
        search.bound,
    )
    lanes, tag_range, score, tag, value = (
        search.lanes,
        search.tag_range,
        search.score,
        search.tag,
        search.value,
    )
    weakest = _smallest(best_value, searching)
    below = _INFINITY
    for least in _PASSES:
        for tile_y in range(tile_maxima.shape[1]):
            wanted = 0
            for tile_x in range(tile_maxima.shape[2]):
                wanted += max(least, weakest) <= tile_maxima[joint, tile_y, tile_x] < below
            if wanted == 0:
                continue
            top = tile_y * TILE_HEIGHT_PX
            rows = min(TILE_HEIGHT_PX, height - top)
            start = joint * strides[0] + top * strides[1]
            # A whole row of tiles at once takes a third of the time per tile.
            is_dense = 3 * wanted > tile_maxima.shape[2]
            if is_dense:
                measure_columns(tags, strides, tag.shape[0], start, rows, 0, width, lanes)
            for tile_x in range(tile_maxima.shape[2]):
                largest_score = tile_maxima[joint, tile_y, tile_x]
                if not max(least, weakest) <= largest_score < below:
                    continue
                left = tile_x * TILE_WIDTH_PX
                columns = min(TILE_WIDTH_PX, width - left)
                if not is_dense:
                    measure_columns(
                        tags,
                        strides,
                        tag.shape[0],
                        start + left * strides[2],
                        rows,
                        left,
                        columns,
                        lanes,
                    )
                measure_tag_range(strides, left, columns, lanes, tag_range)
                if _measure_bounds(largest_score, tag_range, own_tag, best_value, searching, bound):
                    load_tile(heatmaps, tags, strides, joint, top, left, score, tag)
                    if _search_tile(
                        top,
                        left,
                        width,
                        searching,
                        own_tag,
                        best_value,
                        best_pixel,
                        bound,
                        score,
                        tag,
                        value,
                    ):
                        weakest = _smallest(best_value, searching)
        below = least


@kernel
def _fill(
    heatmaps: NDArray[np.float32],
    joint: int,
    floor: float,
    search: Search,
    searching: int,
    keypoints: NDArray[np.float32],
) -> None:
    """Writes what the search has found."""
    heatmap = heatmaps[joint]
    for searcher in range(searching):
        if search.best_pixel[searcher] != _NOWHERE:
            y, x = divmod(int(search.best_pixel[searcher]), heatmap.shape[1])
            if heatmap[y, x] > 0 and heatmap[y, x] >= floor:
                keypoint = keypoints[search.person[searcher], joint]
                place_joint(heatmap, x, y, keypoint)
                keypoint[2] = heatmap[y, x]


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
    """Fills joints of `keypoints` (P, J, 3) with score 0 where the heatmap and the person's mean
    tag (P, L) say: docs/reference.md, section 3.1, step 6.

    The pixel with the largest heatmap value less rounded tag distance, the first in row-major order
    among equals, if its heatmap value is above 0 and at least `floor`. Each map is read once for
    everybody who misses the joint, and of it only tiles whose largest heatmap value
    (`tile_maxima`), less their distance from somebody's tag, can beat what they have.
    """
    for joint in range(heatmaps.shape[0]):
        searching = _begin_search(
            heatmaps, tags, strides, joint, candidates, keypoints, person_tags, search
        )
        if searching > 0:
            _search_joint(heatmaps, tags, strides, joint, tile_maxima, search, searching)
            _fill(heatmaps, joint, floor, search, searching, keypoints)
