"""Peaks are those of a max-pool NMS and a top-K over whole maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from grouping.peaks import find_peaks
from grouping.tiles import measure_tiles, tile_counts
from tests.support import reference_decoder
from tests.support.pose_maps import draw_maps

THRESHOLD = np.float32(0.1)


def peaks(
    heatmaps: NDArray[np.float32], capacity: int = 30, radius: int = 2
) -> list[list[tuple[int, int, float]]]:
    """x, y, score per joint."""
    joints, height, width = heatmaps.shape
    x, y = np.zeros((2, joints, capacity), np.int32)
    score, count = np.zeros((joints, capacity), np.float32), np.zeros(joints, np.int64)
    tiles = np.zeros((joints, *tile_counts(height, width)), np.float32)
    find_peaks(heatmaps, THRESHOLD, radius, np.zeros(width, np.float32), tiles, x, y, score, count)
    return [
        list(zip(x[j, :n].tolist(), y[j, :n].tolist(), score[j, :n].tolist(), strict=True))
        for j, n in enumerate(count)
    ]


def expected_peaks(
    heatmaps: NDArray[np.float32], capacity: int = 30, radius: int = 2
) -> list[list[tuple[int, int, float]]]:
    tags = np.zeros((*heatmaps.shape, 0), np.float32)
    found = reference_decoder.find_candidates(heatmaps, tags, capacity, radius)
    return [
        [(int(x), int(y), float(score)) for x, y, score in joint if score >= THRESHOLD]
        for joint in found
    ]


sizes = st.tuples(st.just(2), st.integers(1, 40), st.integers(1, 70))


@given(
    heatmaps=sizes.flatmap(
        lambda size: arrays(np.float32, size, elements=st.floats(-1, 1, width=16))
    )
)
@settings(deadline=None, max_examples=60)
def test_peaks_of_any_map(heatmaps: NDArray[np.float32]) -> None:
    assert peaks(heatmaps) == expected_peaks(heatmaps)


@given(
    heatmaps=sizes.flatmap(
        lambda size: arrays(np.float32, size, elements=st.sampled_from([0.0, 0.5, 0.75]))
    )
)
@settings(deadline=None, max_examples=60)
def test_among_equal_peaks_the_first_in_row_major_order_is_kept(
    heatmaps: NDArray[np.float32],
) -> None:
    assert peaks(heatmaps, capacity=4) == expected_peaks(heatmaps, capacity=4)


@pytest.mark.parametrize("radius", [0, 1, 2, 4])
@pytest.mark.parametrize("size", [(64, 96), (61, 75), (7, 200)])
def test_any_kernel_on_any_size(size: tuple[int, int], radius: int) -> None:
    heatmaps = np.random.default_rng(radius).uniform(-1, 1, (3, *size)).astype(np.float32)
    assert peaks(heatmaps, radius=radius) == expected_peaks(heatmaps, radius=radius)


def test_a_peak_on_the_threshold_is_one_and_below_it_none() -> None:
    heatmaps = np.zeros((1, 16, 16), np.float32)
    heatmaps[0, 4, 4] = THRESHOLD
    heatmaps[0, 12, 12] = np.nextafter(THRESHOLD, np.float32(0))
    assert peaks(heatmaps) == [[(4, 4, float(THRESHOLD))]]


def test_what_is_not_finite_is_no_peak_and_hides_none_but_its_neighbours() -> None:
    heatmaps, _ = draw_maps(np.random.default_rng(3), 4, 64, 96)
    clean = peaks(heatmaps)
    for value in (np.nan, np.inf, -np.inf):
        spoilt = heatmaps.copy()
        spoilt[:, ::16, ::16] = value
        kept = [set(joint) for joint in peaks(spoilt)]
        for joint, before in enumerate(clean):
            for x, y, score in before:
                near = any(
                    abs(x - nx) <= 2 and abs(y - ny) <= 2
                    for nx in range(0, 96, 16)
                    for ny in range(0, 64, 16)
                )
                assert near or (x, y, score) in kept[joint]
        assert all(np.isfinite(score) for joint in kept for _, _, score in joint)


@given(size=st.tuples(st.integers(1, 40), st.integers(1, 70)))
@settings(deadline=None, max_examples=30)
def test_tile_maxima_cover_the_map(size: tuple[int, int]) -> None:
    heatmaps = np.random.default_rng(size).normal(0, 1, (2, *size)).astype(np.float32)
    tiles = np.full((2, *tile_counts(*size)), 7, np.float32)
    measure_tiles(heatmaps, np.array([True, False]), np.zeros(size[1], np.float32), tiles)
    for tile_y, tile_x in np.ndindex(tiles.shape[1:]):
        assert (
            tiles[0, tile_y, tile_x]
            == heatmaps[0, tile_y * 8 : tile_y * 8 + 8, tile_x * 32 : tile_x * 32 + 32].max()
        )
    assert (tiles[1] == 7).all()
