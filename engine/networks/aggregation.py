"""From what the network puts out to one heatmap and one tag map a joint (docs/reference.md,
section 2.3).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from configs import ModelConfig, load_keypoint_set


def merge_resolutions(outputs: Sequence[Tensor], config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Heatmaps (N, J, h, w) and tags (N, J*D, h, w), both at the size of the finest output.

    Heatmaps are the mean over the resolutions, or the finest alone where the config says so, raised
    to the power that the config names.
    """
    joints = len(load_keypoint_set(config.keypoint_set))
    doublings = len(outputs) - 1
    corners = config.alignment == "udp"
    tags = enlarge(outputs[0][:, joints:], 2**doublings, joints, corners)
    if not config.aggregate_heatmaps:
        return sharpen(outputs[-1][:, :joints], config.heatmap_exponent), tags
    return sharpen(mean_heatmaps(outputs, joints, corners), config.heatmap_exponent), tags


def mean_heatmaps(outputs: Sequence[Tensor], joints: int, align_corners: bool = False) -> Tensor:
    """Mean over the resolutions of the heatmaps, (N, J, h, w) at the size of the finest output."""
    doublings = len(outputs) - 1
    # Heatmaps and tags part before they are enlarged: splitting the large maps cost OpenVINO 5.7 ms
    # of 20 (lite, 320x448).
    enlarged = [
        enlarge(output[:, :joints], 2 ** (doublings - index), joints, align_corners)
        for index, output in enumerate(outputs)
    ]
    total = enlarged[0]
    for maps in enlarged[1:]:
        total = total + maps
    return total / len(enlarged) if len(enlarged) > 1 else total


def sharpen(heatmaps: Tensor, exponent: float) -> Tensor:
    """Heatmaps to a power; what is negative becomes 0, unless the exponent is 1."""
    if exponent == 1:
        return heatmaps
    positive = heatmaps.clamp(min=0)
    # A square root is one instruction, a power a call.
    return positive * positive.sqrt() if exponent == 1.5 else positive**exponent


def enlarge(maps: Tensor, factor: float, joints: int, align_corners: bool = False) -> Tensor:
    """The maps (N, J*D, h, w) with sides `factor` times as long, bilinear.

    With `align_corners` the outer pixels stay where they are, as alignment `udp` has it.

    J channels at a time, as a larger batch: OpenVINO takes 4.0 ms to turn 34 enlarged channels into
    planes, but 1.8 ms for twice 17 (80x112 to 160x224, two cores).
    """
    if factor == 1:
        return maps
    channels, rows, columns = maps.shape[1:]
    grouped = maps.reshape(-1, joints, rows, columns)
    enlarged = functional.interpolate(
        grouped, scale_factor=float(factor), mode="bilinear", align_corners=align_corners
    )
    return enlarged.reshape(-1, channels, *enlarged.shape[2:])


def resize(maps: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """The maps (N, C, h, w) at another (height, width), bilinear."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=align_corners)


def unflip(maps: Tensor, flip_indices: Sequence[int], dimensions: int = 1) -> Tensor:
    """Maps (N, J*D, h, w) of a mirrored image as those of the image: mirrored back, left and right
    joints exchanged.
    """
    channels = [joint * dimensions + d for joint in flip_indices for d in range(dimensions)]
    return torch.flip(maps, (3,))[:, channels]
