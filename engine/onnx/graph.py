"""The one deployable graph: image bytes in, maps and candidates out. Every runtime executes it or
what was exported from it.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import ConfigError, load_keypoint_set
from engine.maps import MAX_CANDIDATES
from engine.networks.aggregation import enlarge, merge_resolutions
from engine.networks.network import PoseNetwork

MAP_STRIDES = (1, 2)
NMS_KERNEL_PX = 5  # of the official configuration (docs/reference.md, section 2.4)


class GraphOutputs(NamedTuple):
    """What the deployable graph gives; candidates by falling score.

    Attributes:
        heatmaps: (N, J, h, w).
        tags: (N, J, D, h, w).
        x: (N, J, K) int32 columns in map pixels.
        y: (N, J, K) int32 rows in map pixels.
        score: (N, J, K).
        tag: (N, J, K, D).
    """

    heatmaps: Tensor
    tags: Tensor
    x: Tensor
    y: Tensor
    score: Tensor
    tag: Tensor


class PoseGraph(nn.Module):
    """A network with everything around it that need not be done outside."""

    def __init__(self, network: nn.Module, map_stride: int = 2) -> None:
        """Takes the network, which is in evaluation mode from here on.

        Args:
            network: Of `load_network`.
            map_stride: Network input pixels per map pixel; 1 is the official evaluation's, 2 is the
                resolution of the finest output of the paper's network, and a quarter of the work.

        Raises:
            ConfigError: Another map stride.
        """
        super().__init__()
        if map_stride not in MAP_STRIDES:
            raise ConfigError(f"map_stride must be 1 or 2, not {map_stride}")
        self.network = network.eval()
        model = cast(PoseNetwork, network)
        self.config = model.config
        self.dtype = next(network.parameters()).dtype
        self.joints = len(load_keypoint_set(self.config.keypoint_set))
        self.map_zoom = 4.0 / 2**self.config.deconvolutions / map_stride
        # (x / 255 - mean) / std as one multiplication and one addition.
        std = torch.tensor(model.std).view(3, 1, 1)
        self.gain: Tensor
        self.offset: Tensor
        self.register_buffer("gain", 1 / (255 * std), persistent=False)
        self.register_buffer(
            "offset", -torch.tensor(model.mean).view(3, 1, 1) / std, persistent=False
        )

    def forward(self, image: Tensor) -> GraphOutputs:
        """Maps and candidates of images (N, H, W, 3) uint8 BGR; H and W are multiples of 32."""
        # The cast comes first: it is the only operation that TensorRT has for uint8.
        pixels = image.to(self.gain.dtype).permute(0, 3, 1, 2)
        pixels = (
            torch.cat((pixels[:, 2:3], pixels[:, 1:2], pixels[:, 0:1]), dim=1) * self.gain
            + self.offset
        )
        # On GPUs the network alone is in half precision (engine/runtimes/torch_cuda.py); otherwise
        # nothing is converted.
        outputs = [output.to(self.gain.dtype) for output in self.network(pixels.to(self.dtype))]
        heatmaps, tags = merge_resolutions(outputs, self.config)
        corners = self.config.alignment == "udp"
        heatmaps, tags = (
            enlarge(maps, self.map_zoom, self.joints, corners) for maps in (heatmaps, tags)
        )
        tags = tags.reshape(-1, self.joints, self.config.tag_dimensions, *tags.shape[2:])
        return GraphOutputs(heatmaps, tags, *pick_candidates(heatmaps, tags))


def pick_candidates(heatmaps: Tensor, tags: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y, score and tag of the highest 5x5 maxima of every heatmap; see GraphOutputs."""
    pooled = functional.max_pool2d(heatmaps, NMS_KERNEL_PX, stride=1, padding=NMS_KERNEL_PX // 2)
    peaks = torch.where(
        heatmaps == pooled, heatmaps, torch.zeros((), dtype=heatmaps.dtype, device=heatmaps.device)
    )
    width = heatmaps.shape[3]
    score, index = peaks.flatten(2).topk(MAX_CANDIDATES, dim=2)
    y = torch.div(index, width, rounding_mode="trunc")
    x = index - y * width
    dimensions = tags.shape[2]
    tag = tags.flatten(3).gather(3, index.unsqueeze(2).expand(-1, -1, dimensions, -1))
    return x.to(torch.int32), y.to(torch.int32), score, tag.transpose(2, 3)
