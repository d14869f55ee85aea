"""`lite`: a HigherHRNet head on a MobileNetV2 pyramid, small enough for two CPU cores.

The head is the paper's (section 3.3): heatmaps and tags at stride 4, a transposed convolution that
reads the features and the stride-4 heatmaps, heatmaps again at stride 2, both averaged at
inference. Two things differ, because the product trains on a small budget:

* Heatmaps start as the backbone's own, through identity connections, so that training refines
instead of starting anew.
* Tags have a branch of their own and two dimensions: where the centre of the person is, in units of
  `tag_unit_px` of network input. Such tags separate people from the first steps on; with free tags
  the push loss has almost no gradient while all tags are near equal. They are ordinary tags to
  everything downstream: only distances count.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import ConfigError, ModelConfig, load_keypoint_set
from engine.networks.mobilenet import Conv3x3, MobileNetPyramid, Pyramid, SeparableConv, double

_TAG_CHANNELS = 48


class WideSeparableConv(nn.Sequential):
    """5x5 depthwise without bias, 1x1 pointwise, ReLU: a centre is farther from a joint than 3x3
    kernels see.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
        )


class TagBranch(nn.Module):
    """Pyramid features to tags (N, J * 2, H/4, W/4), channel `2 j` the x and `2 j + 1` the y of the
    person's centre.
    """

    def __init__(self, joints: int, unit_px: float) -> None:
        super().__init__()
        self.from_stride_4 = nn.Conv2d(MobileNetPyramid.stride_4_channels, _TAG_CHANNELS, 1)
        self.from_stride_8 = nn.Conv2d(MobileNetPyramid.stride_8_channels, _TAG_CHANNELS, 1)
        self.from_stride_16 = nn.Conv2d(MobileNetPyramid.stride_16_channels, _TAG_CHANNELS, 1)
        self.mix = nn.Sequential(WideSeparableConv(_TAG_CHANNELS), WideSeparableConv(_TAG_CHANNELS))
        self.offsets = nn.Conv2d(_TAG_CHANNELS, 2 * joints, 1)
        _zero(self.offsets)
        self.joints = joints
        self.unit_px = unit_px

    def forward(self, pyramid: Pyramid) -> Tensor:
        features = double(self.from_stride_16(pyramid.stride_16)) + self.from_stride_8(
            pyramid.stride_8
        )
        features = double(features) + self.from_stride_4(pyramid.stride_4)
        offsets: Tensor = self.offsets(self.mix(functional.relu(features)))
        height, width = offsets.shape[-2:]
        x = ((torch.arange(width, device=offsets.device) + 0.5) * (4 / self.unit_px)).reshape(
            1, 1, 1, width
        )
        y = ((torch.arange(height, device=offsets.device) + 0.5) * (4 / self.unit_px)).reshape(
            1, 1, height, 1
        )
        position = torch.cat(
            (x.expand(1, 1, height, width), y.expand(1, 1, height, width)), dim=1
        ).to(offsets.dtype)
        return offsets + position.repeat(1, self.joints, 1, 1)


class ResidualBlock(nn.Module):
    """Two separable convolutions and a shortcut; begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.Conv2d(channels, channels, 1)
        _zero(last)
        self.convolutions = nn.Sequential(
            SeparableConv(channels, channels),
            Conv3x3(channels, channels, groups=channels, bias=False),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.convolutions(x))


class LiteHigherHRNet(nn.Module):
    """RGB scaled to [-1, 1] (`mean`, `std`), NCHW, sides multiples of 32, to heatmaps and tags.

    Returns [(N, 3 J, H/4, W/4) heatmaps then tags, (N, J, H/2, W/2) heatmaps]. Raises ConfigError
    for a configuration that this network has no form for.
    """

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        joints = len(load_keypoint_set(config.keypoint_set))
        if config.tag_unit_px is None or config.deconvolutions > 1 or config.width < joints:
            raise ConfigError(
                "backbone mobilenet_v2 needs tag_unit_px, at most one deconvolution and a width "
                f"of at least {joints}; "
                f"model {config.name!r} has {config.tag_unit_px}, {config.deconvolutions} and "
                f"{config.width}"
            )
        self.config = config
        width = config.width
        self.backbone = MobileNetPyramid()
        self.trunk = nn.Sequential(
            SeparableConv(MobileNetPyramid.stride_4_channels, width), SeparableConv(width, width)
        )
        self.tags = TagBranch(joints, config.tag_unit_px)
        heatmaps = nn.Conv2d(width + MobileNetPyramid.joints, joints, 1)
        _zero(heatmaps)
        if joints == MobileNetPyramid.joints:
            _pass_through(heatmaps, first_input=width)
        self.final_layers = nn.ModuleList([heatmaps])
        if config.deconvolutions:
            # Of the stride-4 predictions only the heatmaps are concatenated: tags are absolute
            # positions, which a convolution has no use for, and leaving them out saves 40 % of the
            # deconvolution.
            deconvolution = nn.ConvTranspose2d(
                width + (joints if config.concat_heatmaps else 0), width, 4, stride=2, padding=1
            )
            if config.concat_heatmaps:
                _enlarge_bilinearly(deconvolution, first_input=width)
            self.deconv_layers = nn.ModuleList([deconvolution])
            self.residual_blocks = nn.Sequential(
                *(ResidualBlock(width) for _ in range(config.residual_blocks))
            )
            fine_heatmaps = nn.Conv2d(width, joints, 1)
            _zero(fine_heatmaps)
            _pass_through(fine_heatmaps, first_input=0)
            self.final_layers.append(fine_heatmaps)

    def forward(self, x: Tensor) -> list[Tensor]:
        pyramid = self.backbone(x)
        features = self.trunk(pyramid.stride_4)
        heatmaps = self.final_layers[0](torch.cat((features, pyramid.logits.sigmoid()), dim=1))
        outputs = [torch.cat((heatmaps, self.tags(pyramid)), dim=1)]
        if self.config.deconvolutions:
            if self.config.concat_heatmaps:
                features = torch.cat((features, heatmaps), dim=1)
            features = self.residual_blocks(functional.relu(self.deconv_layers[0](features)))
            outputs.append(self.final_layers[1](features))
        return outputs


def _zero(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _pass_through(layer: nn.Conv2d, *, first_input: int) -> None:
    """Makes output j of a 1x1 convolution copy input `first_input + j`: heatmaps begin as those
    that came in.
    """
    with torch.no_grad():
        joint = torch.arange(layer.out_channels)
        layer.weight[joint, first_input + joint] = 1


def _enlarge_bilinearly(layer: nn.ConvTranspose2d, *, first_input: int) -> None:
    """Makes the first outputs of a 4x4 stride-2 transposed convolution its inputs from
    `first_input`, enlarged.
    """
    with torch.no_grad():
        joint = torch.arange(layer.in_channels - first_input)
        tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
        layer.weight[:, joint] = 0
        layer.weight[first_input + joint, joint] = torch.outer(tent, tent)
        if layer.bias is not None:
            layer.bias[joint] = 0
