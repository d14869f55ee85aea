"""Targets and losses against numbers recorded from the reference, and what the position code
promises.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from configs import ConfigError, ModelConfig
from configs.training import LossConfig
from engine.networks.aggregation import merge_resolutions
from training.losses import Labels, PoseLoss, heatmap_loss, position_loss, push_pull_loss
from training.targets import (
    MAX_PEOPLE,
    heatmap_targets,
    joint_indices,
    locate,
    size_aware_sigma,
    to_map,
)

CASES = range(5)


@pytest.fixture(scope="module", params=CASES)
def recorded(
    request: pytest.FixtureRequest, golden: Callable[[str], Path]
) -> dict[str, np.ndarray]:
    with np.load(golden(f"training/loss_{request.param}.npz")) as file:
        return {name: file[name] for name in file}


def labels_of(recorded: dict[str, np.ndarray]) -> Labels:
    joints = torch.from_numpy(recorded["joints_unit"])
    masks = [torch.from_numpy(recorded[f"mask_{level}"] > 0) for level in range(2)]
    return Labels(joints, torch.zeros(len(joints), dtype=torch.bool), masks)


def test_targets_and_indices_equal_the_reference(recorded: dict[str, np.ndarray]) -> None:
    labels = labels_of(recorded)
    for level, resolution in enumerate(recorded["resolutions"].tolist()):
        positions = locate(to_map(labels.joints_unit, labels.mirrored, resolution), resolution)
        target = heatmap_targets(positions, len(labels.mirrored), 17, 2.0)
        np.testing.assert_array_equal(target.numpy(), recorded[f"heatmaps_{level}"])
        if level == 0:
            indices = joint_indices(positions, len(labels.mirrored), 17)
            np.testing.assert_array_equal(indices.numpy(), recorded["joint_indices_0"])


def test_losses_and_gradients_equal_the_reference(recorded: dict[str, np.ndarray]) -> None:
    model = ModelConfig(name="golden", description="")
    outputs = [
        torch.from_numpy(recorded[f"prediction_{level}"].astype(np.float32)).requires_grad_()
        for level in range(2)
    ]
    losses = PoseLoss(LossConfig(), model)(outputs, labels_of(recorded))
    losses.total.backward()
    assert [loss.item() for loss in losses.heatmaps] == pytest.approx(
        recorded["heatmap_loss"].tolist(), rel=1e-5
    )
    assert losses.push.item() == pytest.approx(float(recorded["push_loss"]), rel=1e-5)
    assert losses.pull.item() == pytest.approx(float(recorded["pull_loss"]), rel=1e-5)
    assert losses.total.item() == pytest.approx(float(recorded["total"]), rel=1e-5)
    norms = [output.grad.norm().item() for output in outputs if output.grad is not None]
    assert norms == pytest.approx(recorded["gradient_norm"].tolist(), rel=1e-4)


def test_the_mean_of_the_resolutions_can_be_what_is_supervised(
    recorded: dict[str, np.ndarray],
) -> None:
    model = ModelConfig(name="golden", description="")
    labels = labels_of(recorded)
    coarse, fine = (torch.from_numpy(recorded[f"prediction_{i}"]).float() for i in range(2))
    mean = merge_resolutions([coarse, fine], model)[0]
    supervised = PoseLoss(LossConfig(supervise="mean"), model)([coarse, fine], labels)
    by_itself = PoseLoss(LossConfig(), model)([coarse, mean], labels)
    assert supervised.heatmaps[1].item() == pytest.approx(by_itself.heatmaps[1].item(), rel=1e-6)
    alone = PoseLoss(LossConfig(), model)([coarse, fine], labels)
    assert supervised.heatmaps[1].item() != pytest.approx(alone.heatmaps[1].item(), rel=1e-3)
    assert supervised.heatmaps[0].item() == alone.heatmaps[0].item()


def crowd(people: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    joints = torch.rand(1, people, 17, 3, generator=generator, dtype=torch.float64)
    joints[..., 2] = 2
    return joints


def test_people_beyond_thirty_are_left_out_of_the_tags_but_not_of_the_heatmaps() -> None:
    joints = crowd(60)
    joints[:, :5, :, 2] = 0
    positions = locate(to_map(joints, torch.zeros(1, dtype=torch.bool), 64), 64)
    indices = joint_indices(positions, 1, 17)
    assert indices[..., 1].sum(dim=2).eq(17).all(), "30 people with 17 joints each"
    first = positions.person == 5
    assert set(indices[0, 0, :, 0].tolist()) == set(
        ((positions.joint * 64 + positions.y) * 64 + positions.x)[first].tolist()
    )
    target = heatmap_targets(positions, 1, 17, 2.0)
    assert target[positions.image, positions.joint, positions.y, positions.x].eq(1).all()
    assert indices.shape[1] == MAX_PEOPLE


def test_mirrored_joints_land_on_the_mirrored_pixel_at_every_resolution() -> None:
    joints = crowd(1)
    for resolution in (64, 128):
        plain = to_map(joints, torch.tensor([False]), resolution)
        mirrored = to_map(joints, torch.tensor([True]), resolution)
        torch.testing.assert_close(mirrored[..., 0], resolution - 1 - plain[..., 0])
        torch.testing.assert_close(mirrored[..., 1:], plain[..., 1:])


def test_tags_of_more_dimensions_in_one_axis_cost_as_one_dimension() -> None:
    positions = locate(to_map(crowd(4), torch.zeros(1, dtype=torch.bool), 32), 32)
    indices = joint_indices(positions, 1, 17)
    tags = torch.randn(1, 17, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    wide = torch.cat((torch.zeros_like(tags), tags, torch.zeros_like(tags)), dim=2)
    torch.testing.assert_close(push_pull_loss(wide, indices), push_pull_loss(tags, indices))


def test_the_hinge_parts_people_whose_tags_are_equal() -> None:
    positions = locate(to_map(crowd(2), torch.zeros(1, dtype=torch.bool), 32), 32)
    indices = joint_indices(positions, 1, 17)
    tags = (
        1e-4 * torch.randn(1, 17, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    ).requires_grad_()
    gradients = {}
    for kind in ("exp", "max"):
        push, _ = push_pull_loss(tags, indices, kind, 2.0)
        (gradients[kind],) = torch.autograd.grad(push, tags)
    assert gradients["max"].norm() > 50 * gradients["exp"].norm()


def perfect_position_tags(joints: torch.Tensor, resolution: int, unit_px: float) -> torch.Tensor:
    """Tags that hold the right centre at each joint's pixel and its eight neighbours, written
    person by person.
    """
    tags = torch.zeros(1, 17, 2, resolution, resolution)
    for person in joints[0]:
        centre = person[:, :2].mean(dim=0) * 4 / unit_px
        for joint, (x, y, _) in enumerate(person.tolist()):
            top, left = max(int(y) - 1, 0), max(int(x) - 1, 0)
            tags[0, joint, :, top : int(y) + 2, left : int(x) + 2] = centre.float()[:, None, None]
    return tags


def test_the_position_code_is_free_of_loss_exactly_at_the_centres() -> None:
    config, resolution = LossConfig(position_factor=1.0), 64
    joints = to_map(crowd(1), torch.zeros(1, dtype=torch.bool), resolution)
    positions = locate(joints, resolution)
    target = heatmap_targets(positions, 1, 17, config.sigma_px)
    tags = perfect_position_tags(joints, resolution, 32.0)
    assert position_loss(
        tags, target, positions, joints, config, 32.0, config.sigma_px
    ).item() == pytest.approx(0, abs=1e-6)
    assert position_loss(
        tags + 3, target, positions, joints, config, 32.0, config.sigma_px
    ).item() == pytest.approx(5.5, rel=1e-3)


def test_a_pixel_between_two_people_belongs_to_the_nearer_one() -> None:
    config, resolution = LossConfig(position_factor=1.0, position_radius_px=2), 64
    joints = torch.zeros(1, 2, 17, 3, dtype=torch.float64)
    joints[0, 0, 0] = torch.tensor([20.0, 30.0, 2.0])
    joints[0, 1, 0] = torch.tensor([23.0, 30.0, 2.0])
    positions = locate(joints, resolution)
    target = heatmap_targets(positions, 1, 17, config.sigma_px)
    tags = torch.zeros(1, 17, 2, resolution, resolution)
    tags[0, 0, 1] = 30 / 8
    tags[0, 0, 0, :, :22] = 20 / 8
    tags[0, 0, 0, :, 22:] = 23 / 8
    assert position_loss(
        tags, target, positions, joints, config, 32.0, config.sigma_px
    ).item() == pytest.approx(0, abs=1e-6)


def test_the_position_code_gives_way_to_push_and_pull() -> None:
    config = LossConfig(position_factor=0.5, position_from=0.4, position_until=0.6)
    loss = PoseLoss(
        config, ModelConfig(name="code", description="", tag_dimensions=2, tag_unit_px=32.0)
    )
    assert [loss.position_share(progress) for progress in (0, 0.4, 0.5, 0.6, 1)] == pytest.approx(
        [1, 1, 0.5, 0, 0]
    )


def test_a_position_code_without_a_unit_is_refused() -> None:
    with pytest.raises(ConfigError, match="tag_unit_px"):
        PoseLoss(LossConfig(position_factor=0.5), ModelConfig(name="free", description=""))


def test_a_peak_is_as_wide_as_its_person_is_large() -> None:
    joints = torch.zeros(1, 2, 17, 3, dtype=torch.float64)
    joints[0, 0, :2] = torch.tensor([[20, 20, 2], [20, 30, 1]])  # 10 map pixels from end to end
    joints[0, 1, :2] = torch.tensor([[90, 10, 2], [30, 110, 2]])  # 100
    positions = locate(joints, 128)

    sigma = size_aware_sigma(joints, positions, base_px=1.0, growth=0.02, most_px=2.5)

    assert sigma.tolist() == pytest.approx([1.2, 1.2, 2.5, 2.5])
    target = heatmap_targets(positions, 1, 17, sigma)
    assert target[0, 0, 20, 20] == target[0, 0, 10, 90] == 1
    assert target[0, 0, 20, 22].item() == pytest.approx(np.exp(-4 / (2 * 1.2**2)))
    assert target[0, 0, 10, 92].item() == pytest.approx(np.exp(-4 / (2 * 2.5**2)))


def test_one_spread_for_all_and_the_same_spread_for_each_make_the_same_targets() -> None:
    joints = to_map(crowd(4), torch.zeros(1, dtype=torch.bool), 64)
    positions = locate(joints, 64)
    each = torch.full((len(positions.x),), 2.0)
    torch.testing.assert_close(
        heatmap_targets(positions, 1, 17, each), heatmap_targets(positions, 1, 17, 2.0)
    )


def test_the_gradient_of_weighted_heatmaps_is_that_of_the_written_out_loss() -> None:
    generator = torch.Generator().manual_seed(2)
    prediction = torch.randn(2, 3, 8, 8, generator=generator, requires_grad=True)
    target, mask = (
        torch.rand(2, 3, 8, 8, generator=generator),
        torch.rand(2, 8, 8, generator=generator) > 0.3,
    )
    written_out = ((prediction - target) ** 2 * mask[:, None] * (1 + 9 * target)).mean()
    loss = heatmap_loss(prediction, target, mask, 10.0)
    torch.testing.assert_close(loss, written_out)
    torch.testing.assert_close(
        torch.autograd.grad(3 * loss, prediction), torch.autograd.grad(3 * written_out, prediction)
    )
