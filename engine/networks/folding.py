"""Batch normalisation made part of the convolutions in front of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def fold_batch_normalisation(network: nn.Module) -> nn.Module:
    """Folds every batch normalisation whose input comes from a convolution into that, in place.

    A W32 has 300 of them: as many kernels less, and statistics that are not cut to half precision.

    Args:
        network: In evaluation mode; run once, on a small image.

    Returns:
        The network.
    """
    pairs = _find_pairs(network)
    parents = {
        child: (parent, name)
        for parent in network.modules()
        for name, child in parent.named_children()
    }
    for normalisation, convolution in pairs.items():
        assert normalisation.running_mean is not None and normalisation.running_var is not None
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            normalisation.running_mean,
            normalisation.running_var,
            normalisation.eps,
            normalisation.weight,
            normalisation.bias,
            transpose=isinstance(convolution, nn.ConvTranspose2d),
        )
        parent, name = parents[normalisation]
        setattr(parent, name, nn.Identity())
    return network


def _find_pairs(network: nn.Module) -> dict[nn.BatchNorm2d, Any]:
    """Which convolution made the input of each batch normalisation, seen while it runs."""
    made: list[tuple[Tensor, nn.Module]] = []  # keeps the tensors, so that no two are at one place
    pairs: dict[nn.BatchNorm2d, Any] = {}

    def after(module: nn.Module, arguments: Any, output: Tensor) -> None:
        made.append((output, module))

    def before(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        for output, convolution in made:
            if output is arguments[0]:
                pairs[module] = convolution  # type: ignore[index]

    handles: list[Callable[[], None]] = []
    for module in network.modules():
        if isinstance(module, _CONVOLUTIONS):
            handles.append(module.register_forward_hook(after).remove)
        elif isinstance(module, nn.BatchNorm2d):
            handles.append(module.register_forward_pre_hook(before).remove)
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, 64, 64))
    finally:
        for remove in handles:
            remove()
    return pairs
