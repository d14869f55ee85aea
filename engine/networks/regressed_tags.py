"""Tags made from where heads of the backbone see people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.mobilenet import SeparableConv, double

# Of RegressedTags, measured on the development images (docs/model-card-lite.md).
_PEOPLE = 20
_LEAST_CENTRE = 0.1
_SLOPE = 0.2
_DOUBT = 5.0
_SAME = 0.4  # mean likeness of joints from which two centres are one person's
_LIKENESS = 0.02  # joints are as like as OKS has them, with this in place of (2 sigma)^2
_TRUST = 0.02  # a tenth of the score is 0.05 of the person's squared size farther away

# Of merge_looks, measured likewise (docs/model-card-lite.md).
_TURNING_SIZE = 38.0  # map pixels, of a person who is as well seen at half size as at full size
_TURNING_WIDTH = 0.5  # in units of a factor e of the size
_LEAST_CENTRE_OF_A_LOOK = 0.05  # at the turning size each look has half of its score


class RegressedPeople(NamedTuple):
    """Where a network sees up to K people in each image, the surest first.

    All lengths are pixels of the map at stride 4, 0 in the middle of the first one.

    Attributes:
        score: (N, K) how sure each centre is, 0..1.
        somebody: (N, K) 1, or 0 where nobody is.
        x: (N, K) of the centre.
        y: Likewise.
        joint_x: (N, J, K) of each joint, as regressed at the centre.
        joint_y: Likewise.
        area: (N, K) of the box around the person.
        coarse: (N, K) how much of the heatmaps around the person comes from a second look at the
            image at half its size, 0..1.
        reach: (N, J, K) how far from each joint its person's pixels reach: a factor of `area`, 1
            where nothing is known.
    """

    score: Tensor
    somebody: Tensor
    x: Tensor
    y: Tensor
    joint_x: Tensor
    joint_y: Tensor
    area: Tensor
    coarse: Tensor
    reach: Tensor


class PeopleMaps(NamedTuple):
    """What follows from `RegressedPeople` for each pixel of a map at stride 4.

    Attributes:
        tags: (N, J * 2, h, w), channels `2 j`, `2 j + 1` the x, y.
        closeness: (N, J, h, w), 0..1: 1 at the nearest regressed joint, and less with the distance
            relative to the person's size. A factor for heatmaps, whose peaks are doubtful where
            nobody's joint is expected.
        coarse: (N, J, h, w), that of the person whose pixel it is.
    """

    tags: Tensor
    closeness: Tensor
    coarse: Tensor


class Cells(nn.Module):
    """A Voronoi diagram with a scale for every cell: which person's is each pixel, for each joint.

    A pixel of joint j belongs to the person whose regressed joint j is nearest, relative to that
    person's size, where people whose centre is doubtful are a little farther away (`_TRUST`). Its
    tag is that person's centre plus `_SLOPE` times the way from the regressed joint to the pixel:
    so two peaks in one person's cell have different tags, which the grouping needs to keep both.

    All of it is computed at stride 8 and enlarged: a quarter of the work for 0.1 AP.
    """

    _surer: Tensor

    def __init__(self, unit_px: float) -> None:
        super().__init__()
        self.unit_px = unit_px
        # of person k (rows), those that come before
        self.register_buffer("_surer", torch.ones(_PEOPLE, _PEOPLE).tril(-1), persistent=False)

    def forward(self, people: RegressedPeople, size: Sequence[int]) -> PeopleMaps:
        """The maps of (height, width) pixels at stride 4, both even."""
        height, width = size
        joint_x, joint_y = people.joint_x, people.joint_y
        dtype, device = joint_x.dtype, joint_x.device
        area = people.area[:, None, :, None]
        reach = area * people.reach[..., None]  # (N, J, K, 1)
        # Large people have several peaks; the surest keeps the cells.
        x_apart = joint_x[..., :, None] - joint_x[..., None, :]
        y_apart = joint_y[..., :, None] - joint_y[..., None, :]
        larger = torch.maximum(area, area.transpose(2, 3))  # (N, 1, K, K)
        apart = (x_apart**2 + y_apart**2) / larger
        alike = torch.exp(-apart / (2 * _LIKENESS)).mean(dim=1)
        again = ((alike > _SAME).to(dtype) * self._surer).amax(dim=2)  # (N, K)
        nobody = ((1 - people.somebody * (1 - again)) * 3e4)[:, None, :, None]

        y = torch.arange(height // 2, device=device, dtype=dtype) * 2 + 0.5
        x = torch.arange(width // 2, device=device, dtype=dtype) * 2 + 0.5
        vertical = (y - joint_y[..., None]) ** 2 / reach + nobody  # (N, J, K, h/2)
        horizontal = (x - joint_x[..., None]) ** 2 / reach
        vertical = vertical - _TRUST * people.score.clamp(min=1e-3).log()[:, None, :, None]
        distance = vertical[..., None] + horizontal[..., None, :]  # (N, J, K, h/2, w/2)
        least = distance.amin(dim=2, keepdim=True)
        nearest = (distance <= least).to(dtype).flatten(3)
        x_of_person = people.x[:, None] + 0.5 - _SLOPE * joint_x
        y_of_person = people.y[:, None] + 0.5 - _SLOPE * joint_y
        coarse = people.coarse[:, None].expand_as(joint_x)
        of_person = torch.stack((x_of_person, y_of_person, coarse), dim=2) @ nearest
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        slope = _SLOPE * torch.stack((columns, rows)).flatten(1)
        tags = (of_person[:, :, :2] + slope) * (4 / self.unit_px)
        joints = tags.shape[1]
        closeness = torch.exp(-_DOUBT * least.squeeze(2).clamp(max=10))
        share = of_person[:, :, 2].clamp(max=1).reshape(closeness.shape)
        return PeopleMaps(
            double(tags.reshape(-1, 2 * joints, *rows.shape)), double(closeness), double(share)
        )


def merge_looks(full: RegressedPeople, half: RegressedPeople) -> RegressedPeople:
    """The people of images that were looked at twice, by how sure the look is that suits their
    size.

    Small people are seen better at full size, and at half of it those who are larger than the
    network has learned. In between, the surer look counts.

    Args:
        full: As seen at full size.
        half: As seen at half of it, in pixels of that map.

    Returns:
        As many people, in pixels of the map at full size.
    """
    half_area = half.area * 4
    full_suits, half_suits = 1 - _suits_half(full.area), _suits_half(half_area)
    rank = torch.cat((full.score * full_suits, half.score * half_suits), dim=1)
    rank, index = rank.topk(_PEOPLE, dim=1)

    def surest(of_full: Tensor, of_half: Tensor) -> Tensor:
        values = torch.cat((of_full, of_half), dim=-1)
        if values.dim() == 2:
            return values.gather(1, index)
        return values.gather(2, index[:, None].expand(-1, values.shape[1], -1))

    return RegressedPeople(
        score=surest(full.score, half.score),
        somebody=(rank > _LEAST_CENTRE_OF_A_LOOK).to(rank.dtype),
        x=surest(full.x, _at_full(half.x)),
        y=surest(full.y, _at_full(half.y)),
        joint_x=surest(full.joint_x, _at_full(half.joint_x)),
        joint_y=surest(full.joint_y, _at_full(half.joint_y)),
        area=surest(full.area, half_area),
        reach=surest(full.reach, half.reach),
        coarse=surest(_suits_half(full.area), half_suits),
    )


def _suits_half(area: Tensor) -> Tensor:
    """How much more a person of that area, in pixels of the map at full size, is for the look at
    half size, 0..1.
    """
    return torch.sigmoid((area.log() / 2 - math.log(_TURNING_SIZE)) / _TURNING_WIDTH)


def _at_full(position: Tensor) -> Tensor:
    """Pixels of the map at half size as those at full size, both from the middle of the first."""
    return 2 * position + 0.5


class Head(nn.Sequential):
    """A head of MoveNet MultiPose: 3x3 depthwise, 1x1, ReLU, 1x1."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(SeparableConv(channels, 96), nn.Conv2d(96, outputs, 1))

    def at(self, features: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """What the head gives for features (N, C, h, w) at (N, K) pixels of them, (N, outputs, K).

        Nothing is computed for other pixels: with two heads of three asked like this, `lite` takes
        61.2 instead of 63.7 ms (320x448, OpenVINO, one core of a Xeon with AVX-512).
        """
        width = features.shape[-1] + 2
        padded = functional.pad(features, (1, 1, 1, 1)).flatten(2)
        first = row * width + column
        around = torch.stack([first + y * width + x for y in range(3) for x in range(3)], dim=1)
        index = around.flatten(1)[:, None].expand(-1, padded.shape[1], -1)
        pixels = padded.gather(2, index).reshape(-1, padded.shape[1], 9, row.shape[1])
        depthwise, pointwise, activation = cast(SeparableConv, self[0])
        weights = cast(Tensor, depthwise.weight).reshape(1, -1, 9, 1)
        hidden = (pixels * weights).sum(dim=2, keepdim=True)
        values: Tensor = self[1](activation(pointwise(hidden)))
        return values.squeeze(2)


class RegressedTags(nn.Module):
    """Tags from the backbone's own view of who is where; nothing in it is learned here.

    MoveNet MultiPose says where the centres of people are and, at each centre, how far away each of
    the person's joints is; `Cells` says what follows from that for every pixel.
    """

    def __init__(self, channels: int, joints: int, unit_px: float) -> None:
        super().__init__()
        self.centre = Head(channels, 1)
        self.regression = Head(channels, 2 * joints)
        self.box_size = Head(channels, 2)
        self.joints = joints
        self.cells = Cells(unit_px)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Tags and closeness of (N, C, h, w) features at stride 4, as `Cells` has them."""
        cells = self.cells(self.people(features), features.shape[-2:])
        return cells.tags, cells.closeness

    def people(self, features: Tensor) -> RegressedPeople:
        """The surest centres of (N, C, h, w) features at stride 4, by score."""
        width = features.shape[-1]
        score = self.centre(features).sigmoid()
        pooled = functional.max_pool2d(score, 5, stride=1, padding=2)
        peaks = torch.where(score >= pooled, score, torch.zeros_like(score)).flatten(1)
        score, index = peaks.topk(_PEOPLE, dim=1)  # (N, K)
        row = torch.div(index, width, rounding_mode="floor")
        column = index - row * width
        way = self.regression.at(features, row, column).reshape(-1, self.joints, 2, _PEOPLE)
        area = self.box_size.at(features, row, column).clamp(min=1).prod(dim=1)
        row, column = row.to(score.dtype), column.to(score.dtype)
        return RegressedPeople(
            score=score,
            somebody=(score > _LEAST_CENTRE).to(score.dtype),
            x=column,
            y=row,
            joint_x=column[:, None] + way[:, :, 1],
            joint_y=row[:, None] + way[:, :, 0],
            area=area,
            coarse=torch.zeros_like(score),
            reach=torch.ones_like(way[:, :, 0]),
        )
