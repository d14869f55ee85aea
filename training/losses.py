"""The loss: heatmap error at every resolution, and what makes tags tell people apart.

Everything is computed per image in float32 and then averaged over the batch, so that the mean over
equal parts of a batch is the loss of the whole batch (which is what DDP relies on).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from configs import ConfigError, ModelConfig, load_keypoint_set
from configs.training import LossConfig
from engine.networks.aggregation import mean_heatmaps
from training.targets import (
    JointPositions,
    heatmap_targets,
    joint_indices,
    locate,
    peak_height,
    size_aware_sigma,
    square_offsets,
    to_map,
)

STRIDE_PX = (
    4  # network-input pixels that a pixel of the coarsest map covers, in every network of the paper
)

# tag distance at which the position error turns from squared to absolute: half of what grouping
# joins
_BEND = 0.5


@dataclass(frozen=True)
class Labels:
    """What is known of a batch of N square crops.

    Attributes:
        joints_unit: (N, P, J, 3) float64 x, y in units of the crop side, and visibility; rows
            without a person are zero. From before mirroring; left and right are already swapped.
        mirrored: (N,) bool, crops that are shown mirrored.
        masks: One (N, R, R) bool for every resolution; False where nothing is supervised.
    """

    joints_unit: Tensor
    mirrored: Tensor
    masks: list[Tensor]


@dataclass(frozen=True)
class Losses:
    """Scalars, already multiplied by their factors; `total` is their sum.

    Attributes:
        heatmaps: One for every resolution.
        push: Between the tags of different people.
        pull: Of tags to their person's mean.
        position: Between tags and their person's centre.
    """

    heatmaps: tuple[Tensor, ...]
    push: Tensor
    pull: Tensor
    position: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return torch.stack((*self.heatmaps, self.push, self.pull, self.position)).sum()


def heatmap_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, foreground_weight: float = 1.0
) -> Tensor:
    """Squared error of heatmaps, averaged over all of (N, J, R, R). docs/reference.md, section 4.2.

    Args:
        prediction: (N, J, R, R) heatmaps.
        target: (N, J, R, R).
        mask: (N, R, R), where the error counts.
        foreground_weight: A pixel counts 1 + (foreground_weight - 1) * target times.

    Returns:
        A scalar.
    """
    apply: Callable[..., Tensor] = _HeatmapError.apply
    return apply(prediction, target, mask, foreground_weight)


class _HeatmapError(torch.autograd.Function):
    """The weighted error is its own gradient up to a factor, so one map is kept instead of one for
    every operation.

    With operators, this loss takes as long as a tenth of the network (`lite` at 256 px, 2 cores);
    like this, a third of that.
    """

    @staticmethod
    def forward(
        context: Any, prediction: Tensor, target: Tensor, mask: Tensor, foreground_weight: float
    ) -> Tensor:
        error = prediction.float() - target
        weighted = error * mask[:, None]
        if foreground_weight != 1:
            weighted = weighted.addcmul_(weighted, target, value=foreground_weight - 1)
        context.save_for_backward(weighted)
        context.dtype = prediction.dtype
        return torch.dot(weighted.flatten(), error.flatten()) / error.numel()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (weighted,) = context.saved_tensors
        return (weighted * (gradient * (2 / weighted.numel()))).to(context.dtype), None, None, None


def push_pull_loss(
    tags: Tensor, indices: Tensor, kind: str = "exp", margin: float = 1.0
) -> tuple[Tensor, Tensor]:
    """How far tags are from telling people apart, averaged over images. Images without people add
    0, and a single person is pushed by nobody.

    Args:
        tags: (N, J, D, R, R).
        indices: (N, P, J, 2) packed joint indices (`targets.joint_indices`).
        kind: `exp` (paper, section 3.1) or `max`.
        margin: Of kind `max`.

    Returns:
        push: How near the mean tags of different people are, exp(-d^2) or the hinge max(margin - d,
            0), summed over ordered pairs / (2 n (n - 1)); a scalar.
        pull: Mean over people of the mean squared distance of their joints' tags to their mean tag;
            a scalar.
    """
    images, joints, dimensions = tags.shape[:3]
    flat = tags.transpose(1, 2).reshape(images, dimensions, -1)
    index, used = indices[..., 0], indices[..., 1].to(tags.dtype)
    people = index.shape[1]
    chosen = flat.gather(2, index.reshape(images, 1, -1).expand(-1, dimensions, -1)).reshape(
        images, dimensions, people, joints
    )
    count = used.sum(dim=2)  # (N, P) joints of each person
    present = (count > 0).to(tags.dtype)
    joint_count = count.clamp(min=1)
    mean = (chosen * used[:, None]).sum(dim=3) / joint_count[:, None]  # (N, D, P)
    spread = ((chosen - mean[..., None]) ** 2).sum(dim=1) * used  # (N, P, J)
    people_count = present.sum(dim=1)
    pull = (spread.sum(dim=2) / joint_count).sum(dim=1) / people_count.clamp(min=1)

    squared = ((mean[:, :, :, None] - mean[:, :, None, :]) ** 2).sum(dim=1)  # (N, P, P)
    # The hinge's root has no gradient at 0, where two tags are equal and must still be parted:
    # hence the small constant.
    nearness = (
        torch.exp(-squared) if kind == "exp" else (margin - torch.sqrt(squared + 1e-6)).clamp(min=0)
    )
    others = (
        present[:, :, None]
        * present[:, None, :]
        * (1 - torch.eye(people, device=tags.device, dtype=tags.dtype))
    )
    pairs = people_count * (people_count - 1)
    push = 0.5 * (nearness * others).sum(dim=(1, 2)) / pairs.clamp(min=1)
    return push.mean(), pull.mean()


def position_loss(
    tags: Tensor,
    target: Tensor,
    positions: JointPositions,
    joints: Tensor,
    config: LossConfig,
    unit_px: float,
    sigma_px: float | Tensor,
) -> Tensor:
    """Smooth L1 between tags near labelled joints and the centre of the joint's person, averaged
    over images.

    Args:
        tags: (N, J, 2, R, R) x and y of the centre in units of `unit_px`.
        target: (N, J, R, R) target heatmaps; where joints of two people meet, a pixel belongs to
            the one whose peak is higher there.
        positions: The joints inside the map.
        joints: (N, P, J, 3) in map pixels; a person's centre is the mean of their labelled joints,
            those outside the crop too.
        config: Radius around a joint.
        unit_px: Network-input pixels per unit of a tag; a map pixel covers 4 of them.

    Returns:
        A scalar.
    """
    images, joint_count, _, resolution, _ = tags.shape
    labelled = (joints[..., 2] > 0).to(joints.dtype)
    centre = (joints[..., :2] * labelled[..., None]).sum(dim=2) / labelled.sum(dim=2).clamp(min=1)[
        ..., None
    ]
    code = (centre * (STRIDE_PX / unit_px)).to(tags.dtype)

    dx, dy = square_offsets(config.position_radius_px, tags.device)
    column, row = positions.x[:, None] + dx, positions.y[:, None] + dy
    inside = (column >= 0) & (column < resolution) & (row >= 0) & (row < resolution)
    column, row = column.clamp(0, resolution - 1), row.clamp(0, resolution - 1)
    plane = (positions.image * joint_count + positions.joint)[:, None]
    index = (plane * resolution + row) * resolution + column
    spread = sigma_px[:, None] if isinstance(sigma_px, Tensor) else sigma_px
    own = peak_height(dx, dy, spread) >= target.flatten()[index]
    used = (inside & own).to(tags.dtype)  # (M, K)

    predicted = tags.permute(0, 1, 3, 4, 2).reshape(-1, 2)[index]
    expected = code[positions.image, positions.person][:, None].expand_as(predicted)
    error = (
        functional.smooth_l1_loss(predicted, expected, reduction="none", beta=_BEND).sum(dim=2)
        * used
    )
    per_image = tags.new_zeros(images).index_add_(0, positions.image, error.sum(dim=1))
    count = tags.new_zeros(images).index_add_(0, positions.image, used.sum(dim=1))
    return (per_image / count.clamp(min=1)).mean()


class PoseLoss:
    """The whole loss of maps; which tag terms count depends on how far the training is."""

    def __init__(self, config: LossConfig, model: ModelConfig) -> None:
        if config.position_factor and model.tag_unit_px is None:
            raise ConfigError(
                f"--position-factor needs a model with tag_unit_px, which {model.name!r} has not; "
                "set it to 0"
            )
        self.config = config
        self.unit_px = model.tag_unit_px
        self.tag_dimensions = model.tag_dimensions
        self.joints = len(load_keypoint_set(model.keypoint_set))

    def __call__(self, outputs: Sequence[Tensor], labels: Labels, progress: float = 0.0) -> Losses:
        """Losses of the raw network outputs.

        Args:
            outputs: Coarsest first, the first with tags.
            labels: What is right.
            progress: Of the training, 0 at the start, 1 at the end.
        """
        config, images = self.config, len(outputs[0])
        heatmap_losses = []
        for level, (output, mask) in enumerate(zip(outputs, labels.masks, strict=True)):
            resolution = output.shape[-1]
            joints = to_map(labels.joints_unit, labels.mirrored, resolution)
            positions = locate(joints, resolution)
            sigma_px = self._sigma_px(joints, positions, STRIDE_PX / 2**level)
            target = heatmap_targets(positions, images, self.joints, sigma_px)
            if level == 0:
                first = (target, positions, joints, sigma_px)
            heatmaps = output[:, : self.joints]
            if config.supervise == "mean" and level == len(outputs) - 1:
                heatmaps = mean_heatmaps(outputs, self.joints)
            error = heatmap_loss(heatmaps, target, mask, config.foreground_weight)
            heatmap_losses.append(config.heatmap_factor * error)
        target, positions, joints, sigma_px = first
        tags = outputs[0][:, self.joints :].float()
        tags = tags.reshape(images, self.joints, self.tag_dimensions, *tags.shape[-2:])
        share = self.position_share(progress)
        push = pull = position = tags.new_zeros(())
        if share < 1 and (config.push_factor or config.pull_factor):
            indices = joint_indices(positions, images, self.joints)
            push, pull = push_pull_loss(tags, indices, config.push, config.push_margin)
        if share > 0 and self.unit_px is not None:
            position = position_loss(
                tags, target, positions, joints, config, self.unit_px, sigma_px
            )
        return Losses(
            heatmaps=tuple(heatmap_losses),
            push=(1 - share) * config.push_factor * push,
            pull=(1 - share) * config.pull_factor * pull,
            position=share * config.position_factor * position,
        )

    def _sigma_px(
        self, joints: Tensor, positions: JointPositions, stride_px: float
    ) -> float | Tensor:
        """The spread of target peaks in pixels of a map of that stride."""
        config = self.config
        if not config.sigma_growth:
            return config.sigma_px
        return size_aware_sigma(
            joints,
            positions,
            base_px=config.sigma_base_px / stride_px,
            growth=config.sigma_growth,
            most_px=config.sigma_most_px / stride_px,
        )

    def position_share(self, progress: float) -> float:
        """Share of the position code in the tag loss: 1 before `position_from`, 0 after
        `position_until`, linear between.
        """
        config = self.config
        if not config.position_factor:
            return 0.0
        if progress <= config.position_from:
            return 1.0
        if progress >= config.position_until:
            return 0.0
        return (config.position_until - progress) / (config.position_until - config.position_from)
