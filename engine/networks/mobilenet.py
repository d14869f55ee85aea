"""MobileNetV2 with a feature pyramid: the backbone of `lite`.

Layer for layer the network of Google's MoveNet (Apache-2.0) up to its keypoint heatmaps, so that
its published weights are a warm start: MultiPose Lightning at a width of 1.5, SinglePose Lightning
at 1.0. Batch normalisation is folded into the convolutions, as in the published files. References:
Sandler et al., "MobileNetV2", CVPR 2018; Lin et al., "Feature Pyramid Networks", CVPR 2017.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

# Output channels and stride of every inverted residual block (MobileNetV2, table 2, width 1.0).
_BLOCKS = (
    *((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1)),
    *((96, 1), (96, 1), (96, 1), (160, 2), (160, 1), (160, 1), (320, 1)),
)
_TAPS = (2, 5, 9)  # the last blocks at strides 4, 8 and 16
_LAST_CHANNELS = 1280  # of the last convolution; not scaled below 1.0, nor in MoveNet at 1.5


class Pyramid(NamedTuple):
    """What the head reads, NCHW.

    Attributes:
        backbone: Maps of MobileNetV2 at strides 4, 8, 16 and 32.
        pyramid: Maps of the feature pyramid at strides 4, 8 and 16.
        logits: Keypoint logits at stride 4, in COCO order.
    """

    backbone: tuple[Tensor, Tensor, Tensor, Tensor]
    pyramid: tuple[Tensor, Tensor, Tensor]
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

    joints = 17
    pyramid_channels = (24, 24, 32)

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        stem = _scaled(32, width)
        self.stem = Conv3x3(3, stem, stride=2)
        blocks, inputs, channels = [], stem, []
        for index, (outputs, stride) in enumerate(_BLOCKS):
            outputs = _scaled(outputs, width)
            blocks.append(
                InvertedResidual(inputs, outputs, stride=stride, expansion=6 if index else 1)
            )
            inputs = outputs
            if index in _TAPS:
                channels.append(outputs)
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(inputs, _LAST_CHANNELS, 1)
        self.backbone_channels = (*channels, _LAST_CHANNELS)
        self.lateral5 = nn.Conv2d(_LAST_CHANNELS, 64, 1)
        self.lateral4 = nn.Conv2d(channels[2], 64, 1)
        self.lateral3 = nn.Conv2d(channels[1], 32, 1)
        self.lateral2 = nn.Conv2d(channels[0], 24, 1)
        self.smooth4 = SeparableConv(64, 32)
        self.smooth3 = SeparableConv(32, 24)
        self.smooth2 = SeparableConv(24, 24)
        self.heatmap = nn.Sequential(SeparableConv(24, 96), nn.Conv2d(96, self.joints, 1))

    def forward(self, x: Tensor) -> Pyramid:
        x = functional.relu6(self.stem(x))
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        c2, c3, c4 = taps
        c5 = functional.relu6(self.last(x))
        p4 = self.smooth4(double(self.lateral5(c5)) + self.lateral4(c4))
        p3 = self.smooth3(double(p4) + self.lateral3(c3))
        p2 = self.smooth2(double(p3) + self.lateral2(c2))
        return Pyramid((c2, c3, c4, c5), (p2, p3, p4), self.heatmap(p2))


def _scaled(channels: int, width: float) -> int:
    """`channels` times `width` as a multiple of 8, at most 10 % lower (as in the MobileNets)."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * scaled else rounded + 8


def double(x: Tensor) -> Tensor:
    """`x` bilinearly enlarged to twice its height and width (half-pixel centres)."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
