"""Joints are moved to the maximum of a parabola through the logarithms around their pixel, as
alignment `udp` has it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs import ConfigError, GroupingConfig
from grouping import Grouper

NEWTON = GroupingConfig(adjustment="newton")


@pytest.fixture(scope="module")
def grouper() -> Grouper:
    return Grouper("coco", mode="tuned", config=NEWTON)


def only_person(grouper: Grouper, heatmap: NDArray[np.floating]) -> NDArray[np.float32]:
    """x and y of the nose of the one person of a map, filled joints aside."""
    heatmaps = np.zeros((17, *heatmap.shape), np.float32)
    heatmaps[0] = heatmap
    people = grouper(heatmaps, np.zeros((*heatmaps.shape, 1), np.float32))
    assert len(people) == 1
    return people.keypoints[0, 0, :2]


def test_a_joint_goes_where_it_was_worked_out_by_hand(grouper: Grouper) -> None:
    """Values are a product of (0, 0.2, 0.8, 0.4, 0) across and (0, 0.5, 1, 0.5, 0) down.

    After (1 2 1) / 4 the three in the middle are 0.3, 0.55, 0.4 across and 0.5, 0.75, 0.5 down. Of
    the logarithms, half the difference of the outer ones is ln(0.4 / 0.3) / 2 = 0.14384, the second
    difference ln(0.3 * 0.4 / 0.55^2) = -0.9246: the maximum lies 0.1556 to the right. Down both
    sides are equal, and a product has no mixed difference.
    """
    heatmap = np.zeros((20, 30))
    heatmap[8:13, 14:19] = np.outer([0, 0.5, 1, 0.5, 0], [0, 0.2, 0.8, 0.4, 0])

    found = only_person(grouper, heatmap)

    right = (math.log(0.4 / 0.3) / 2) / -math.log(0.3 * 0.4 / 0.55**2)
    assert right == pytest.approx(0.1556, abs=5e-5)
    np.testing.assert_allclose(found, [16 + 0.5 + right, 10 + 0.5], atol=1e-4)


@pytest.mark.parametrize("x, y", [(10.0, 8.0), (10.3, 7.9), (12.49, 9.51)])
def test_the_centre_of_a_gaussian_is_found_between_pixels(
    grouper: Grouper, x: float, y: float
) -> None:
    rows, columns = np.mgrid[:24, :32]
    heatmap = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.0**2))

    error = np.abs(only_person(grouper, heatmap) - [x + 0.5, y + 0.5]).max()

    quarter = only_person(Grouper("coco", mode="tuned"), heatmap)
    assert error < 0.01 < np.abs(quarter - [x + 0.5, y + 0.5]).max()


def newton_step(heatmap: NDArray[np.float32], x: int, y: int) -> NDArray[np.float64]:
    """Section 3.8 of the reference, plainly."""
    blurred = cv2.GaussianBlur(heatmap, (3, 3), 0)
    logarithm = np.pad(np.log(np.clip(blurred.astype(np.float64), 0.001, 50)), 1, mode="edge")
    near = logarithm[y : y + 3, x : x + 3]
    slope = np.array([near[1, 2] - near[1, 0], near[2, 1] - near[0, 1]]) / 2
    bend = np.array([near[1, 2], near[2, 1]]) - 2 * near[1, 1] + [near[1, 0], near[0, 1]]
    twist = near[2, 2] - near[1, 2] - near[2, 1] + 2 * near[1, 1]
    twist = (twist - near[1, 0] - near[0, 1] + near[0, 0]) / 2
    return -np.linalg.solve([[bend[0], twist], [twist, bend[1]]], slope)


@pytest.mark.parametrize("seed", range(8))
def test_peaks_of_noisy_maps_move_as_written_plainly(grouper: Grouper, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :32]
    x, y = rng.uniform(0, 31), rng.uniform(0, 23)
    heatmap = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) + rng.normal(0, 0.02, (24, 32))
    heatmap = heatmap.astype(np.float32)
    heatmap[np.hypot(columns - x, rows - y) > 6] = 0
    row, column = np.unravel_index(np.argmax(heatmap), heatmap.shape)

    people = grouper(
        np.where(np.arange(17)[:, None, None] == 0, heatmap, np.float32(0)).astype(np.float32),
        np.zeros((17, 24, 32, 1), np.float32),
    )

    best = people.keypoints[np.argmax(people.keypoints[:, 0, 2]), 0]
    expected = [column, row] + newton_step(heatmap, int(column), int(row)) + 0.5
    np.testing.assert_allclose(best[:2], expected, atol=1e-4)


@pytest.mark.parametrize("column, row", [(0, 0), (31, 23), (1, 10), (15, 0)])
def test_at_the_edge_the_logarithms_go_on_level(grouper: Grouper, column: int, row: int) -> None:
    rows, columns = np.mgrid[:24, :32]
    heatmap = np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / 8).astype(np.float32)

    found = only_person(grouper, heatmap)

    expected = [column, row] + newton_step(heatmap, column, row) + 0.5
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_where_there_is_no_maximum_the_joint_stays_at_its_pixel(grouper: Grouper) -> None:
    ridge = np.zeros((20, 30))
    ridge[:, 15] = 0.5

    found = only_person_of_ridge(grouper, ridge)

    assert found[0] == pytest.approx(15.5)


def only_person_of_ridge(grouper: Grouper, ridge: NDArray[np.floating]) -> NDArray[np.float32]:
    heatmaps = np.zeros((17, *ridge.shape), np.float32)
    heatmaps[0] = ridge
    people = grouper(heatmaps, np.zeros((*heatmaps.shape, 1), np.float32))
    assert np.isfinite(people.keypoints).all()
    assert (people.keypoints[:, 0, 1] % 1 == 0.5).all()
    found: NDArray[np.float32] = people.keypoints[0, 0, :2]
    return found


def test_filled_joints_lie_a_quarter_pixel_from_the_centre_as_without_udp(grouper: Grouper) -> None:
    heatmaps = np.zeros((17, 20, 30), np.float32)
    heatmaps[0, 8:13, 14:19] = np.outer([0.1, 0.5, 1, 0.5, 0.1], [0.1, 0.2, 0.8, 0.4, 0.1])
    heatmaps[5, 4, 7], heatmaps[5, 4, 8] = 0.09, 0.05  # below the threshold: filled

    people = grouper(heatmaps, np.zeros((*heatmaps.shape, 1), np.float32))

    np.testing.assert_array_equal(people.keypoints[0, 5, :2], [7.75, 4.25])


def test_the_official_decoder_does_not_have_it() -> None:
    with pytest.raises(ConfigError, match="adjustment: not in the reference decoder"):
        Grouper(mode="reference", config=NEWTON)
