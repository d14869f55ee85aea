"""From what the network puts out to one heatmap and one tag map a joint (reference/higherhrnet.md, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from configs import ConfigError, ModelConfig, load_keypoint_set


def merge_resolutions(outputs: Sequence[Tensor], config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Heatmaps (N, J, h, w) and tags (N, J*D, h, w), both at the size of the finest output.

    Heatmaps are the mean over the resolutions, or the finest alone where the config says so.
    """
    joints = len(load_keypoint_set(config.keypoint_set))
    finest = len(outputs) - 1
    resized = [
        functional.interpolate(output, scale_factor=float(2 ** (finest - index)), mode="bilinear", align_corners=False)
        if index < finest
        else output
        for index, output in enumerate(outputs)
        # Of a coarser output only the tags are needed if heatmaps are not averaged, and only the first output has tags.
        if config.aggregate_heatmaps or index in (0, finest)
    ]
    tags = resized[0][:, joints:]
    if not config.aggregate_heatmaps:
        return resized[-1][:, :joints], tags
    heatmaps = resized[0][:, :joints]
    for output in resized[1:]:
        heatmaps = heatmaps + output[:, :joints]
    return heatmaps / len(resized) if len(resized) > 1 else heatmaps, tags


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """The maps (N, C, h, w) at another (height, width), bilinear."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def unflip(maps: Tensor, flip_indices: Sequence[int], dimensions: int = 1) -> Tensor:
    """Maps (N, J*D, h, w) of a mirrored image as those of the image: mirrored back, left and right joints exchanged."""
    channels = [joint * dimensions + d for joint in flip_indices for d in range(dimensions)]
    return torch.flip(maps, (3,))[:, channels]


def check_scales(scales: Sequence[float]) -> None:
    """Raises ConfigError unless the scales of a multi-scale test are positive and hold 1, the scale whose tags are kept."""
    if not scales:
        raise ConfigError("scales must hold at least one scale, such as 1")
    for scale in scales:
        if not 0 < scale <= 4:
            raise ConfigError(f"scales must be above 0 and at most 4, not {scale:g}")
    if len(scales) > 1 and 1.0 not in scales:
        shown = " ".join(f"{scale:g}" for scale in scales)
        raise ConfigError(f"several scales must include 1, whose tags are kept; add it to {shown}")
