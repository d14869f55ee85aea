"""MobileNetV2 with a feature pyramid: the backbone of `lite`.

Layer for layer the network of Google's MoveNet SinglePose Lightning v4 (Apache-2.0) up to its
keypoint heatmaps, so that its published weights are a warm start: it was trained for one person,
but its heatmaps already show several. Batch normalisation is folded into the convolutions, as in
the published file. References: Sandler et al., "MobileNetV2", CVPR 2018; Lin et al., "Feature
Pyramid Networks", CVPR 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

# Output channels and stride of every inverted residual block (MobileNetV2, table 2, width 1.0).
_BLOCKS = (
    *((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1)),
    *((96, 1), (96, 1), (96, 1), (160, 2), (160, 1), (160, 1), (320, 1)),
)
_STRIDE_4_BLOCK, _STRIDE_8_BLOCK, _STRIDE_16_BLOCK = 2, 5, 9


class Pyramid(NamedTuple):
    """What the head reads, NCHW: features at strides 4, 8 and 16, and keypoint logits at stride 4
    in COCO order.
    """

    stride_4: Tensor
    stride_8: Tensor
    stride_16: Tensor
    logits: Tensor


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution padded as TensorFlow's 'SAME': at stride 2 on even sides the padding is
    right and bottom only.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(
            inputs, outputs, 3, stride, padding=1 if stride == 1 else 0, groups=groups, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, (0, 1, 0, 1)) if self.stride[0] == 2 else x)


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, 1x1 projection (MobileNetV2, figure 3b)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = nn.Conv2d(inputs, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Conv3x3(hidden, hidden, stride=stride, groups=hidden)
        self.project = nn.Conv2d(hidden, outputs, 1)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu6(self.expand(x)) if isinstance(self.expand, nn.Conv2d) else x
        y: Tensor = self.project(functional.relu6(self.depthwise(hidden)))
        return x + y if self.has_shortcut else y


class SeparableConv(nn.Sequential):
    """3x3 depthwise without bias, 1x1 pointwise, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            Conv3x3(inputs, inputs, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1),
            nn.ReLU(),
        )


class MobileNetPyramid(nn.Module):
    """RGB in [-1, 1], NCHW, sides multiples of 32, to a `Pyramid`. Parameter names are those of the
    warm-start file.
    """

    stride_4_channels = 24
    stride_8_channels = 24
    stride_16_channels = 32
    joints = 17

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv3x3(3, 32, stride=2)
        blocks, inputs = [], 32
        for index, (outputs, stride) in enumerate(_BLOCKS):
            blocks.append(
                InvertedResidual(inputs, outputs, stride=stride, expansion=6 if index else 1)
            )
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(320, 1280, 1)
        self.lateral5 = nn.Conv2d(1280, 64, 1)
        self.lateral4 = nn.Conv2d(64, 64, 1)
        self.lateral3 = nn.Conv2d(32, 32, 1)
        self.lateral2 = nn.Conv2d(24, 24, 1)
        self.smooth4 = SeparableConv(64, 32)
        self.smooth3 = SeparableConv(32, 24)
        self.smooth2 = SeparableConv(24, 24)
        self.heatmap = nn.Sequential(SeparableConv(24, 96), nn.Conv2d(96, 17, 1))

    def forward(self, x: Tensor) -> Pyramid:
        x = functional.relu6(self.stem(x))
        taps: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in (_STRIDE_4_BLOCK, _STRIDE_8_BLOCK, _STRIDE_16_BLOCK):
                taps[index] = x
        top = functional.relu6(self.last(x))
        stride_16 = self.smooth4(double(self.lateral5(top)) + self.lateral4(taps[_STRIDE_16_BLOCK]))
        stride_8 = self.smooth3(double(stride_16) + self.lateral3(taps[_STRIDE_8_BLOCK]))
        stride_4 = self.smooth2(double(stride_8) + self.lateral2(taps[_STRIDE_4_BLOCK]))
        return Pyramid(stride_4, stride_8, stride_16, self.heatmap(stride_4))


def double(x: Tensor) -> Tensor:
    """`x` bilinearly enlarged to twice its height and width (half-pixel centres)."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def load_warm_start(backbone: MobileNetPyramid, state: dict[str, Tensor]) -> None:
    """Copies MoveNet's published parameters (any float type) into `backbone`; raises RuntimeError
    where keys differ.
    """
    backbone.load_state_dict({name: value.to(torch.float32) for name, value in state.items()})
