"""Joints that heatmaps around them move."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from configs import ConfigError, load_model_config
from engine import load_network
from engine.networks.joint_correction import JointCorrection
from engine.networks.regressed_tags import RegressedPeople

FLIP = (0, 2, 1)  # a nose, a left and a right eye
GRID = 81


def someone(x: float, y: float, side: float, joint_x: float, joint_y: float) -> RegressedPeople:
    """One person whose three joints are at one place."""

    def one(value: float) -> Tensor:
        return torch.full((1, 1), value)

    joints = torch.ones(1, 3, 1)
    return RegressedPeople(
        score=one(0.5),
        somebody=one(1),
        x=one(x),
        y=one(y),
        joint_x=joint_x * joints,
        joint_y=joint_y * joints,
        area=one(side * side),
        coarse=one(0),
        reach=joints.clone(),
    )


def grids(heat: Tensor, person: RegressedPeople) -> Tensor:
    """What is seen of the heatmaps (3, h, w), as (own and mirrored, joint, 9, 9)."""
    views = JointCorrection(FLIP).views(person, [heat[None]])
    return views[0, : 2 * GRID, :, 0].reshape(2, 9, 9, 3).permute(0, 3, 1, 2)


def test_before_it_has_learnt_it_moves_nothing() -> None:
    person = someone(10, 12, 8, 11, 9)
    moved = JointCorrection(FLIP)(person, [torch.rand(1, 3, 24, 32)])
    for before, after in zip(person, moved, strict=True):
        torch.testing.assert_close(before, after)


def test_joints_move_seven_tenths_of_the_way_which_is_in_units_of_the_persons_size() -> None:
    correction = JointCorrection(FLIP)
    with torch.no_grad():
        correction.last.bias.copy_(torch.tensor([0.25, -0.5, -1.5]).repeat(3))
    for side in (8.0, 16.0):
        moved = correction(someone(10, 12, side, 11, 9), [torch.rand(1, 3, 24, 32)])
        assert moved.joint_x.flatten().tolist() == pytest.approx([11 + 0.7 * side / 4] * 3)
        assert moved.joint_y.flatten().tolist() == pytest.approx([9 - 0.7 * side / 2] * 3)


def test_the_grid_lies_around_the_joint_with_the_roots_of_its_own_map_and_the_mirrored() -> None:
    heat = torch.zeros(3, 24, 32)
    heat[1, 9, 13] = 0.25  # two pixels right of the guess, the left eye
    seen = grids(heat, someone(10, 12, 8, 11, 9))  # a step is one pixel

    expected = torch.zeros(2, 3, 9, 9)
    expected[0, 1, 4, 6] = expected[1, 2, 4, 6] = 0.5
    torch.testing.assert_close(seen, expected)


@pytest.mark.parametrize("side, step_px", [(25.0, 2), (50.0, 4), (75.0, 6)])
def test_no_peak_is_between_the_points_of_a_large_persons_grid(side: float, step_px: int) -> None:
    person = someone(30, 30, side, 30, 30)
    for away_px in range(step_px):
        heat = torch.zeros(3, 64, 64)
        heat[0, 30, 30 + away_px] = 1.0
        assert grids(heat, person)[0, 0].sum() >= 1


def test_beyond_the_map_there_is_nothing() -> None:
    seen = grids(torch.ones(3, 24, 32), someone(2, 2, 8, 1, 22))

    inside = torch.zeros(9, 9)
    inside[:6, 3:] = 1  # rows up to 23, columns from 0
    torch.testing.assert_close(seen, inside.expand(2, 3, 9, 9))


def test_a_map_of_twice_the_size_counts_half() -> None:
    coarse, fine = torch.zeros(1, 3, 24, 32), torch.zeros(1, 3, 48, 64)
    coarse[..., 9, 11] = 0.1
    fine[..., 18:20, 22:24] = 0.62
    views = JointCorrection(FLIP).views(someone(10, 12, 8, 11, 9), [coarse, fine])
    assert views[0, GRID // 2, :, 0].tolist() == pytest.approx([0.6] * 3)  # root of 0.36


def test_it_needs_regressed_tags() -> None:
    config = load_model_config("lite")
    with pytest.raises(ConfigError, match="corrected_joints needs tags: regressed"):
        dataclasses.replace(config, tags="learned")
    without = load_network(dataclasses.replace(config, corrected_joints=False))
    with pytest.raises(ConfigError, match="has no corrected_joints"):
        without.views(torch.zeros(1, 3, 64, 64))
