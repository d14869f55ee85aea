"""Networks by name."""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

from torch import Tensor, nn

from configs import ModelConfig, load_model_config
from engine.networks.higherhrnet import HigherHRNet


@runtime_checkable
class PoseNetwork(Protocol):
    """What the rest of the engine expects of a network, whatever its backbone; every network is
    also a `torch.nn.Module`.

    Attributes:
        config: What it was built from.
        mean: Per-channel mean (RGB, images scaled to 0..1) that the input is normalised with.
        std: Per-channel standard deviation, likewise.
    """

    config: ModelConfig
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, image: Tensor) -> list[Tensor]: ...


def load_network(preset: str | ModelConfig) -> nn.Module:
    """The network of a preset with random weights, in training mode.

    Args:
        preset: Its name, the path of a YAML file, or a configuration.

    Returns:
        A `PoseNetwork`. Called with normalised RGB (N, 3, H, W) float, H and W multiples of 32, it
        gives a list of maps, coarsest first: (N, J + J*D, H/4, W/4) heatmaps and tags, then
        (N, J, ...) heatmaps at twice the resolution each time.

    Raises:
        ConfigError: An unknown preset, or a file that holds none.
    """
    config = load_model_config(preset) if isinstance(preset, str) else preset
    if config.backbone == "hrnet":
        return HigherHRNet(config)
    from engine.networks.lite import LiteHigherHRNet

    return cast(nn.Module, LiteHigherHRNet(config))
