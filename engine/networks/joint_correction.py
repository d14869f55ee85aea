"""Regressed joints moved to where heatmaps around them say that they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.regressed_tags import RegressedPeople

# All of it chosen by the negative log-likelihood of joints that were kept back
# (docs/model-card-lite.md).
_GRID = 9  # points a side
_STEP = 0.08  # between points, in units of the root of a person's area
_LEAST_STEP_PX = 1.0
# Steps from which the highest value of so many pixels a side is looked at: no peak is stepped over.
_POOLS = ((1.5, 3), (3.0, 5), (5.0, 7))
_CHANNELS = 96
_JOINT_CHANNELS = 48  # between joints
_LOG_SPREAD = (-3.2, -0.5)  # 0.04 to 0.6 of the root of a person's area
# Of the way that was learnt, which was chosen on the development images: all of it has 0.4 AP less
# with `base`, and as much with `lite`.
_SHARE = 0.7
_DROPPED = 0.1  # of what goes into a block, while it learns
_USUAL_LOG_SPREAD = -1.5  # with which a joint reaches as far as one that is not corrected


class JointCorrection(nn.Module):
    """For each person that a backbone sees: where their joints are, and how exactly that is known.

    Heads of the backbone say at a person's centre where the joints are, and for a large person that
    is a guess: they err by 0.14 of the root of the person's area on average. This looks at the
    heatmaps on a square grid around each guess, at the joint's own and at that of its mirror image,
    brings what all joints of a person see together, and gives the way to each joint (then 0.10 on
    average) and a spread. The features of the backbone at the guesses add nothing to that.

    Only a few points are computed for at most 20 people: 40 million multiply-accumulates.
    """

    _mirrored: Tensor

    def __init__(self, flip_indices: Sequence[int]) -> None:
        """Moves nothing until it is trained.

        Args:
            flip_indices: Of the keypoint set.
        """
        super().__init__()
        joints = len(flip_indices)
        self.register_buffer("_mirrored", torch.tensor(list(flip_indices)), persistent=False)
        self.first = nn.Conv2d(2 * _GRID**2 + 7, _CHANNELS, 1)
        self.joint = nn.Parameter(0.3 * torch.randn(1, _CHANNELS, joints, 1))
        self.blocks = nn.ModuleList([_Block(joints), _Block(joints)])
        self.last = nn.Conv2d(joints * _CHANNELS, joints * 3, 1, groups=joints)
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            offset = torch.tensor([0.0, 0.0, _USUAL_LOG_SPREAD])
            self.last.bias.copy_(offset.repeat(joints))  # type: ignore[union-attr]

    def forward(self, people: RegressedPeople, maps: Sequence[Tensor]) -> RegressedPeople:
        """The people with other joints and reaches.

        Args:
            people: As regressed.
            maps: Heatmaps (N, J, h, w), and those of twice the size where there are some.
        """
        way, log_spread = self.ways(self.views(people, maps))
        unit = _SHARE * people.area.sqrt()[:, None]
        return people._replace(
            joint_x=people.joint_x + way[:, 0] * unit,
            joint_y=people.joint_y + way[:, 1] * unit,
            reach=(log_spread - _USUAL_LOG_SPREAD).exp(),
        )

    def ways(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen around joints, (N, F, J, K), as the ways to them (N, 2, J, K) and the
        logarithms of their spreads (N, J, K), in units of the root of the person's area.
        """
        images, _, joints, people = views.shape
        x: Tensor = functional.relu(self.first(views) + self.joint)
        for block in self.blocks:
            x = block(functional.dropout(x, _DROPPED, self.training))
        of_joints = x.transpose(1, 2).reshape(images, joints * _CHANNELS, 1, people)
        ways = self.last(of_joints).reshape(images, joints, 3, people).transpose(1, 2)
        return ways[:, :2], ways[:, 2].clamp(*_LOG_SPREAD)

    def views(self, people: RegressedPeople, maps: Sequence[Tensor]) -> Tensor:
        """What there is to see of each person's joints, (N, F, J, K): heatmaps on the two grids,
        where the joint is from the centre and from the picture's edges, and how large and how sure
        the person is.
        """
        heat = maps[0]
        if len(maps) > 1:
            heat = (heat + functional.avg_pool2d(maps[1], 2)) / 2
        height, width = heat.shape[-2:]
        side = people.area.sqrt()[:, None]  # (N, 1, K)
        away_x = (people.joint_x - people.x[:, None]) / side
        away_y = (people.joint_y - people.y[:, None]) / side
        to_side = torch.minimum(people.joint_x + 0.5, width - 0.5 - people.joint_x) / side
        to_end = torch.minimum(people.joint_y + 0.5, height - 0.5 - people.joint_y) / side
        size = (side.log() - 3).expand_as(away_x)
        score = people.score[:, None].expand_as(away_x)
        sure = (people.score[:, None] + 1e-3).log().expand_as(away_x)
        rest = (away_x, away_y, to_side.clamp(-1, 1), to_end.clamp(-1, 1), size, score, sure)
        return torch.cat((self._grids(people, heat), torch.stack(rest, dim=1)), dim=1)

    def _grids(self, people: RegressedPeople, heat: Tensor) -> Tensor:
        """(N, 2 G, J, K) roots of heatmaps at the points around each joint, 0 outside the map."""
        images, joints, height, width = heat.shape
        step = (people.area.sqrt() * _STEP).clamp(min=_LEAST_STEP_PX)[:, None, None]  # (N, 1, 1, K)
        pools = [heat]
        level = torch.zeros_like(step, dtype=torch.int64)
        for least_step_px, kernel_px in _POOLS:
            pools.append(functional.max_pool2d(heat, kernel_px, stride=1, padding=kernel_px // 2))
            level = level + (step >= least_step_px)
        along = torch.arange(_GRID, device=heat.device, dtype=heat.dtype) - _GRID // 2
        along = along.reshape(1, _GRID, 1, 1) * step
        column = (people.joint_x[:, None] + along).round()  # (N, 9, J, K)
        row = (people.joint_y[:, None] + along).round()
        inside_x = ((column >= 0) & (column < width)).to(heat.dtype)
        inside_y = ((row >= 0) & (row < height)).to(heat.dtype)
        column = column.clamp(0, width - 1).to(torch.int64)
        row = row.clamp(0, height - 1).to(torch.int64)
        joint = torch.arange(joints, device=heat.device)
        planes = torch.stack((joint, self._mirrored))[None, :, None, None, :, None]
        first = (level[:, None, None] * joints + planes) * (height * width)  # (N, 2, 1, 1, J, K)
        index = first + (row * width)[:, None, :, None] + column[:, None, None]
        seen = torch.stack(pools, dim=1).flatten(1).gather(1, index.flatten(1)).reshape(index.shape)
        inside = inside_y[:, None, :, None] * inside_x[:, None, None]
        return (seen.clamp(min=0).sqrt() * inside).reshape(images, -1, joints, index.shape[-1])


class _Block(nn.Module):
    """(N, C, J, K) to the same: first joints see each other, then channels."""

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.between_joints = _perceptron(joints, _JOINT_CHANNELS)
        self.between_channels = _perceptron(_CHANNELS, 2 * _CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.between_joints(x.transpose(1, 2)).transpose(1, 2)
        z: Tensor = y + self.between_channels(y)
        return z


def _perceptron(channels: int, hidden: int) -> nn.Sequential:
    """Two layers, as 1x1 convolutions: TensorRT-RTX has no matrix product for some GPUs."""
    last = nn.Conv2d(hidden, channels, 1)
    with torch.no_grad():
        last.weight.mul_(0.3)  # without normalisation the sum of blocks must not grow
    return nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), last)
