"""Whole-image inference as the official evaluation does it: flip test, several scales, maps at full
input size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from configs import load_keypoint_set
from engine.geometry import InputSize, align, check_scales
from engine.maps import PoseMaps
from engine.networks.aggregation import merge_resolutions, resize, unflip
from engine.networks.network import PoseNetwork


def infer_maps(
    network: nn.Module,
    image_bgr: NDArray[np.uint8],
    input_size: InputSize = 512,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    map_stride: int | None = None,
) -> PoseMaps:
    """The maps of one image, as the official evaluation makes them (docs/reference.md,
    section 2.3).

    Heatmaps are the mean over scales and, with `flip`, over the image and its mirror image; tags
    are those of scale 1, and with `flip` the mirrored image's are appended (L doubles).

    Args:
        network: Of `load_network`; it runs in evaluation mode, wherever its weights are, and gets
            its mode back.
        image_bgr: (H, W, 3) uint8 BGR.
        input_size: Short side, or (height, width), of scale 1.
        scales: Of a multi-scale test; several hold 1.
        flip: Whether the mirrored image is looked at, too.
        map_stride: Input pixels per map pixel; by default that of the evaluation which the
            network's alignment comes from, 1 for the official one, 2 for mmpose's UDP. The
            deployable graph gives 2.

    Returns:
        Maps at the size of the network input of scale 1, divided by `map_stride`; no candidates.

    Raises:
        ConfigError: An input size that is not a multiple of 32, or scales that cannot be used.
    """
    check_scales(scales)
    model = cast(PoseNetwork, network)
    config = model.config
    flip_indices = load_keypoint_set(config.keypoint_set).flip_indices
    image_size = image_bgr.shape[:2]
    rule, corners = config.alignment, config.alignment == "udp"
    if map_stride is None:
        map_stride = 2 if corners else 1
    base = align(image_size, input_size, min_scale=min(scales), rule=rule)
    rows, columns = (side // map_stride for side in base.input_size)
    heatmaps: list[Tensor] = []
    tags: list[Tensor] = []
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for scale in sorted(scales, reverse=True):
                alignment = align(
                    image_size, input_size, scale=scale, min_scale=min(scales), rule=rule
                )
                pixels = normalise(alignment.warp(image_bgr), model)
                keep_tags = scale == 1.0 or len(scales) == 1
                for mirrored in (False, True) if flip else (False,):
                    found, ids = merge_resolutions(
                        model(torch.flip(pixels, (3,)) if mirrored else pixels), config
                    )
                    if mirrored:
                        found, ids = (
                            unflip(found, flip_indices),
                            unflip(ids, flip_indices, config.tag_dimensions),
                        )
                    heatmaps.append(resize(found, (rows, columns), corners))
                    if keep_tags:
                        tags.append(resize(ids, (rows, columns), corners))
    finally:
        network.train(training)
    mean = torch.stack(heatmaps).mean(dim=0)[0]
    stacked = torch.cat(
        [ids.view(len(mean), config.tag_dimensions, rows, columns) for ids in tags], dim=1
    )
    return PoseMaps(
        mean.float().cpu().numpy(),
        stacked.permute(0, 2, 3, 1).float().cpu().numpy(),
        base.with_map_size((rows, columns)),
    )


def normalise(image_bgr: NDArray[np.uint8], network: PoseNetwork) -> Tensor:
    """An image (h, w, 3) uint8 BGR as the network's input (1, 3, h, w), on its device and in its
    precision.
    """
    parameter = next(cast(nn.Module, network).parameters())
    pixels = torch.from_numpy(image_bgr).to(parameter.device).permute(2, 0, 1).flip(0).float() / 255
    mean, std = (
        torch.tensor(values, device=parameter.device).view(3, 1, 1)
        for values in (network.mean, network.std)
    )
    return ((pixels - mean) / std).to(parameter.dtype)[None]
