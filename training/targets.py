"""What the network should answer: target heatmaps, and where people's joints are in the maps."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_PEOPLE = 30  # whose tags are supervised in one image (docs/reference.md, section 4.1)


@dataclass(frozen=True)
class JointPositions:
    """The M visible joints of a batch that lie in the map, one row each, ordered by image, person
    and joint.

    Attributes:
        image: (M,) int64.
        person: (M,) int64, counts all people of the image.
        joint: (M,) int64.
        x: (M,) int64, column of the map.
        y: (M,) int64, row of the map.
        resolution: Side of the map.
    """

    image: Tensor
    person: Tensor
    joint: Tensor
    x: Tensor
    y: Tensor
    resolution: int


def to_map(joints_unit: Tensor, mirrored: Tensor, resolution: int) -> Tensor:
    """Joints of crops in pixels of a map.

    Args:
        joints_unit: (N, P, J, 3) in units of the crop side, and visibility.
        mirrored: (N,) bool, crops that are shown mirrored; there x becomes R - x - 1, whatever the
            resolution R, as the official code does it (docs/reference.md, section 4.3), so
            positions at two resolutions are not exact multiples of each other.
        resolution: Side of the map.

    Returns:
        (N, P, J, 3) x, y in map pixels, and visibility.
    """
    x, y, visible = joints_unit.unbind(-1)
    x, y = x * resolution, y * resolution
    x = torch.where(mirrored[:, None, None], resolution - x - 1, x)
    return torch.stack((x, y, visible), dim=-1)


def locate(joints: Tensor, resolution: int) -> JointPositions:
    """Those of the (N, P, J, 3) joints in map pixels that are labelled (visibility 1 or 2) and
    inside the square map.

    Coordinates are truncated towards zero, so -0.5 counts as 0 (docs/reference.md,
    section 4.1).
    """
    whole = joints[..., :2].trunc().long()
    inside = ((whole >= 0) & (whole < resolution)).all(dim=-1)
    image, person, joint = torch.nonzero(inside & (joints[..., 2] > 0), as_tuple=True)
    x, y = whole[image, person, joint].unbind(-1)
    return JointPositions(image, person, joint, x, y, resolution)


def heatmap_targets(
    positions: JointPositions, images: int, joints: int, sigma_px: float | Tensor
) -> Tensor:
    """(images, joints, R, R) float32: a Gaussian peak of height 1 at each joint, the larger value
    where peaks meet.

    The Gaussian is cut to a square of 6 sigma + 3 pixels, of the largest sigma.

    Args:
        positions: Where the joints are.
        images: How many there are.
        joints: How many a person has.
        sigma_px: In map pixels, one for all (the paper, section 3.1: the same at every resolution)
            or one per position (M,).
    """
    resolution = positions.resolution
    if isinstance(sigma_px, Tensor):
        widest = float(sigma_px.max()) if len(sigma_px) else 1.0
        dx, dy = square_offsets(int(3 * widest + 1), positions.x.device)
        height = peak_height(dx, dy, sigma_px[:, None])
    else:
        dx, dy, height = _kernel(sigma_px, positions.x.device)
    column, row = positions.x[:, None] + dx, positions.y[:, None] + dy
    inside = (column >= 0) & (column < resolution) & (row >= 0) & (row < resolution)
    plane = (positions.image * joints + positions.joint)[:, None] * resolution
    index = ((plane + row) * resolution + column)[inside]
    target = torch.zeros(images * joints * resolution * resolution, device=positions.x.device)
    target.scatter_reduce_(0, index, height.expand_as(inside)[inside], "amax")
    return target.reshape(images, joints, resolution, resolution)


def size_aware_sigma(
    joints: Tensor, positions: JointPositions, *, base_px: float, growth: float, most_px: float
) -> Tensor:
    """(M,) spread of each position's peak in map pixels: base + growth * extent of the person, at
    most `most_px`.

    The extent is the longer side of the box of a person's labelled joints. All lengths are map
    pixels.

    Args:
        joints: (N, P, J, 3) in map pixels.
        positions: Joints that have a peak.
        base_px: The spread for a person without extent.
        growth: Spread per extent.
        most_px: The largest spread.
    """
    labelled = joints[..., 2:] > 0
    high = torch.where(labelled, joints[..., :2], -torch.inf).amax(dim=2)
    low = torch.where(labelled, joints[..., :2], torch.inf).amin(dim=2)
    extent = (high - low).amax(dim=-1).clamp(min=0)
    sigma = (base_px + growth * extent).clamp(max=most_px)
    return sigma[positions.image, positions.person].float()


def square_offsets(radius_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """dx, dy (K,) int64 of the pixels of a square around its centre."""
    offset = torch.arange(-radius_px, radius_px + 1, device=device)
    dy, dx = torch.meshgrid(offset, offset, indexing="ij")
    return dx.flatten(), dy.flatten()


def peak_height(dx: Tensor, dy: Tensor, sigma_px: float | Tensor) -> Tensor:
    """Float32 height of a target peak at an offset from its centre."""
    return torch.exp(-(dx**2 + dy**2).double() / (2 * sigma_px**2)).float()


def joint_indices(positions: JointPositions, images: int, joints: int) -> Tensor:
    """(images, 30, joints, 2) int64: each person's joints, packed to the front, as (index in the
    flattened (J, R, R) maps, 1).

    Unused slots are (0, 0). Of more than 30 people, the first 30 that have a joint in the map are
    kept; up to 30, a person's row is their place in the annotation.
    """
    packed = torch.zeros(
        images, MAX_PEOPLE, joints, 2, dtype=torch.int64, device=positions.x.device
    )
    if not len(positions.x):
        return packed
    people = int(positions.person.max()) + 1
    counts = torch.zeros(images, people, dtype=torch.int64, device=positions.x.device)
    counts.index_put_(
        (positions.image, positions.person), torch.ones_like(positions.x), accumulate=True
    )
    row = positions.person
    if people > MAX_PEOPLE:
        crowded = (torch.arange(people, device=row.device) >= MAX_PEOPLE) & (counts > 0)
        rank = torch.where(
            crowded.any(dim=1)[:, None],
            (counts > 0).cumsum(dim=1) - 1,
            torch.arange(people, device=row.device),
        )
        row = rank[positions.image, positions.person]
    order = torch.arange(len(row), device=row.device)
    starts = (counts.flatten().cumsum(0) - counts.flatten()).reshape(images, people)
    slot = order - starts[positions.image, positions.person]
    kept = row < MAX_PEOPLE
    index = (
        positions.joint * positions.resolution + positions.y
    ) * positions.resolution + positions.x
    value = torch.stack((index, torch.ones_like(index)), dim=-1)
    packed[positions.image[kept], row[kept], slot[kept]] = value[kept]
    return packed


@functools.cache
def _kernel(sigma_px: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets dx, dy (K,) and float32 heights (K,) of the truncated Gaussian."""
    dx, dy = square_offsets(int(3 * sigma_px + 1), device)
    return dx, dy, peak_height(dx, dy, sigma_px)
