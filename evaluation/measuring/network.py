"""A torch network in memory as an estimator, for validation while it is being trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine import InputSize, PoseMaps

if TYPE_CHECKING:
    from torch import nn


class NetworkEstimator:
    """Runs `engine.infer_maps`, the official inference with maps as large as the network input, on
    a network as it is now.

    The network keeps its weights, its device and its mode (training or not). Nothing overlaps:
    `submit` waits for the maps.
    """

    in_flight = 1
    runtime = "reference"

    def __init__(
        self,
        network: nn.Module,
        *,
        input_size: InputSize | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
    ) -> None:
        """Leaves the network as it is.

        Args:
            network: Made by `engine.load_network`.
            input_size: By default the one of the network's configuration.
            scales: Of a multi-scale test.
            flip: Whether to average with the mirrored image.
        """
        self._network = network
        own: int = network.config.input_size  # type: ignore[union-attr, assignment]
        self._input_size: InputSize = own if input_size is None else input_size
        self._scales = tuple(scales)
        self._flip = flip

    @property
    def model(self) -> str:
        """Name of the network's configuration."""
        return str(self._network.config.name)  # type: ignore[union-attr]

    @property
    def precision(self) -> str:
        """`fp32`, `fp16` or `bf16`, as the weights are."""
        kind = str(next(self._network.parameters()).dtype).removeprefix("torch.")
        return {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}.get(kind, kind)

    def submit(self, image_bgr: NDArray[np.uint8]) -> PoseMaps:
        """The maps themselves serve as the ticket. `image_bgr` is (H, W, 3) uint8."""
        from engine import infer_maps

        return infer_maps(self._network, image_bgr, self._input_size, self._scales, self._flip)

    def result(self, ticket: PoseMaps) -> PoseMaps:
        """The maps of `ticket`."""
        return ticket
