"""Images as a network wants them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Normalise:
    """(N, S, S, 3) uint8 BGR to the (N, 3, S, S) float32 RGB that a network expects by its `mean`
    and `std`.
    """

    def __init__(self, network: nn.Module, device: torch.device, channels_last: bool) -> None:
        mean, std = (
            torch.tensor(getattr(network, name), device=device).reshape(3, 1, 1)
            for name in ("mean", "std")
        )
        self._factor, self._offset = 1 / (255 * std), -mean / std
        self._format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """Normalised images."""
        rgb = images.flip(3).permute(0, 3, 1, 2).float()
        return (rgb * self._factor + self._offset).contiguous(memory_format=self._format)
