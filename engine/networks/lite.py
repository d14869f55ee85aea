"""`lite`: a HigherHRNet head on a MobileNetV2 pyramid, small enough for two CPU cores.

The head is the paper's (section 3.3): heatmaps and tags at stride 4, a transposed convolution that
reads the features and the stride-4 heatmaps, heatmaps again at stride 2, both averaged at
inference. Two things differ, because the product trains on a small budget:

* Heatmaps start as the backbone's own, through identity connections, so that training refines
  instead of starting anew.
* Tags have two dimensions: where the centre of the person is, in units of `tag_unit_px` of network
  input. Such tags separate people from the first steps on; with free tags the push loss has almost
  no gradient while all tags are near equal. They are ordinary tags to everything downstream: only
  distances count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import ConfigError, ModelConfig, load_keypoint_set
from configs.model import SIZE_MULTIPLE_PX
from engine.networks.joint_correction import JointCorrection
from engine.networks.mobilenet import Conv3x3, MobileNetPyramid, Pyramid, SeparableConv, double
from engine.networks.regressed_tags import RegressedPeople, RegressedTags, merge_looks

_NECK_CHANNELS = (48, 64, 96)  # at strides 4, 8 and 16
_DECONVOLVED = 24  # of the features at stride 4, as many as the deconvolution reads


class WideDepthwiseConv(nn.Conv2d):
    """5x5 depthwise without bias, in single precision also under autocast on a CPU.

    PyTorch's backward pass of it in bf16 takes 4 to 10 times as long (2.13, AVX-512 and AMX,
    channels last: 98 against 21 ms for 8 x 48 x 64 x 64).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype == self.weight.dtype:
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class WideSeparableConv(nn.Sequential):
    """5x5 depthwise without bias, 1x1 pointwise, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            WideDepthwiseConv(inputs),
            nn.Conv2d(inputs, outputs, 1),
            nn.ReLU(),
        )


class WideResidualBlock(nn.Module):
    """A 5x5 separable convolution and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = WideSeparableConv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convolution(x)
        return x + y


class Neck(nn.Module):
    """A second, wider way up the pyramid, (N, 48, H/4, W/4): what tags and better heatmaps need.

    A joint's tag says where the middle of its person is, which for a large person is farther away
    than the backbone's own pyramid carries: strides 16 and 32 see that far.
    """

    def __init__(self, backbone: MobileNetPyramid) -> None:
        super().__init__()
        c2, c3, c4, c5 = backbone.backbone_channels
        p2, p3, p4 = backbone.pyramid_channels
        n2, n3, n4 = _NECK_CHANNELS
        self.from_stride_32 = nn.Conv2d(c5, n4, 1)
        self.from_stride_16 = nn.Conv2d(c4 + p4, n4, 1)
        self.at_stride_16 = nn.Sequential(WideResidualBlock(n4), WideResidualBlock(n4))
        self.down_16_to_8 = nn.Conv2d(n4, n3, 1)
        self.from_stride_8 = nn.Conv2d(c3 + p3, n3, 1)
        self.at_stride_8 = WideResidualBlock(n3)
        self.down_8_to_4 = nn.Conv2d(n3, n2, 1)
        self.from_stride_4 = nn.Conv2d(c2 + p2, n2, 1)
        self.at_stride_4 = WideResidualBlock(n2)

    def forward(self, pyramid: Pyramid) -> Tensor:
        c2, c3, c4, c5 = pyramid.backbone
        p2, p3, p4 = pyramid.pyramid
        x = double(self.from_stride_32(c5)) + self.from_stride_16(torch.cat((c4, p4), dim=1))
        x = self.at_stride_16(functional.relu(x))
        x = double(self.down_16_to_8(x)) + self.from_stride_8(torch.cat((c3, p3), dim=1))
        x = self.at_stride_8(functional.relu(x))
        x = double(self.down_8_to_4(x)) + self.from_stride_4(torch.cat((c2, p2), dim=1))
        features: Tensor = self.at_stride_4(functional.relu(x))
        return features


class TagHead(nn.Module):
    """Features to tags (N, J * 2, H/4, W/4), channels `2 j`, `2 j + 1` the x, y of the centre."""

    def __init__(self, channels: int, joints: int, unit_px: float) -> None:
        super().__init__()
        self.mix = WideSeparableConv(channels, channels)
        self.offsets = nn.Conv2d(channels, 2 * joints, 1)
        _zero(self.offsets)
        self.joints = joints
        self.unit_px = unit_px

    def forward(self, features: Tensor) -> Tensor:
        offsets: Tensor = self.offsets(self.mix(features))
        height, width = offsets.shape[-2:]
        x = (torch.arange(width, device=offsets.device) + 0.5) * (4 / self.unit_px)
        y = (torch.arange(height, device=offsets.device) + 0.5) * (4 / self.unit_px)
        columns = x.reshape(1, 1, 1, width).expand(1, 1, height, width)
        rows = y.reshape(1, 1, height, 1).expand(1, 1, height, width)
        position = torch.cat((columns, rows), dim=1).to(offsets.dtype)
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


class _Look(NamedTuple):
    """What the layers make of images at one size.

    Attributes:
        maps: Heatmaps (N, J, H/4, W/4), then (N, J, H/2, W/2) where there is a deconvolution.
        pyramid: Features of the backbone at stride 4.
        features: Those of the neck, where there is one.
    """

    maps: list[Tensor]
    pyramid: Tensor
    features: Tensor | None


def halve(image: Tensor) -> Tensor:
    """Normalised images (N, 3, H, W) at half their size, with black at the right and below where
    sides would be no multiples of 32.
    """
    half = functional.interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=False)
    below, right = (-side % SIZE_MULTIPLE_PX for side in half.shape[-2:])
    # Not in a graph for many sizes, which takes multiples of 64: TensorRT cannot tell that sides
    # which are rounded up to multiples of 32 can be halved and doubled.
    return functional.pad(half, (0, right, 0, below), value=-1.0) if below or right else half


class LiteHigherHRNet(nn.Module):
    """RGB scaled to [-1, 1] (`mean`, `std`), NCHW, sides multiples of 32, to heatmaps and tags.

    Returns [(N, 3 J, H/4, W/4) heatmaps then tags, (N, J, H/2, W/2) heatmaps].

    Raises:
        ConfigError: This network has no form for the configuration.
    """

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        keypoint_set = load_keypoint_set(config.keypoint_set)
        joints = len(keypoint_set)
        if config.tag_unit_px is None or config.deconvolutions > 1 or config.width < joints:
            raise ConfigError(
                "backbone mobilenet_v2 needs tag_unit_px, at most one deconvolution and a width "
                f"of at least {joints}; "
                f"model {config.name!r} has {config.tag_unit_px}, {config.deconvolutions} and "
                f"{config.width}"
            )
        self.config = config
        self.backbone = MobileNetPyramid(config.backbone_width)
        self.tags: TagHead | RegressedTags
        if config.tags == "regressed":
            channels = self.backbone.pyramid_channels[0]
            self.tags = RegressedTags(channels, joints, config.tag_unit_px)
        else:
            self.tags = TagHead(_NECK_CHANNELS[0], joints, config.tag_unit_px)
        self.correction: JointCorrection | None = None
        if config.corrected_joints:
            self.correction = JointCorrection(keypoint_set.flip_indices)
        self.neck: Neck | None = None
        if config.deconvolutions or config.tags == "learned":
            self.neck = Neck(self.backbone)
            self._add_heatmap_layers(config, joints)

    def _add_heatmap_layers(self, config: ModelConfig, joints: int) -> None:
        width, channels = config.width, _NECK_CHANNELS[0]
        heatmaps = nn.Conv2d(channels + self.backbone.joints, joints, 1)
        _zero(heatmaps)
        if joints == self.backbone.joints:
            _pass_through(heatmaps, first_input=channels)
        self.final_layers = nn.ModuleList([heatmaps])
        if config.deconvolutions:
            # Of the stride-4 predictions only the heatmaps are concatenated: tags are absolute
            # positions, which a convolution has no use for, and leaving them out saves 40 % of the
            # deconvolution. Features are halved before it for the same reason.
            self.narrow = nn.Conv2d(channels, _DECONVOLVED, 1)
            inputs = _DECONVOLVED + (joints if config.concat_heatmaps else 0)
            deconvolution = nn.ConvTranspose2d(inputs, width, 4, stride=2, padding=1)
            if config.concat_heatmaps:
                _enlarge_bilinearly(deconvolution, first_input=_DECONVOLVED)
            self.deconv_layers = nn.ModuleList([deconvolution])
            blocks = (ResidualBlock(width) for _ in range(config.residual_blocks))
            self.residual_blocks = nn.Sequential(*blocks)
            fine_heatmaps = nn.Conv2d(width, joints, 1)
            _zero(fine_heatmaps)
            _pass_through(fine_heatmaps, first_input=0)
            self.final_layers.append(fine_heatmaps)

    def forward(self, x: Tensor) -> list[Tensor]:
        look = self._look(x)
        if not isinstance(self.tags, RegressedTags):
            return [torch.cat((look.maps[0], self.tags(look.features)), dim=1), *look.maps[1:]]
        maps, people = look.maps, self._people(self.tags, look)
        half = self._look(halve(x)) if self.config.looks == 2 else None
        if half is not None:
            people = merge_looks(people, self._people(self.tags, half))
        cells = self.tags.cells(people, look.pyramid.shape[-2:])
        if half is not None:
            shares = (cells.coarse, double(cells.coarse))
            maps = [_blend(*each) for each in zip(maps, half.maps, shares, strict=False)]
        closeness = (cells.closeness, double(cells.closeness))
        maps = [heatmaps * near for heatmaps, near in zip(maps, closeness, strict=False)]
        return [torch.cat((maps[0], cells.tags), dim=1), *maps[1:]]

    def views(self, x: Tensor) -> tuple[RegressedPeople, Tensor]:
        """What its joint correction learns from: the people of images at full size as regressed,
        and what there is to see around their joints, `JointCorrection.views`.

        Raises:
            ConfigError: The network corrects no joints.
        """
        if self.correction is None or not isinstance(self.tags, RegressedTags):
            raise ConfigError(f"model {self.config.name!r} has no corrected_joints")
        look = self._look(x)
        people = self.tags.people(look.pyramid)
        return people, self.correction.views(people, look.maps)

    def _people(self, tags: RegressedTags, look: _Look) -> RegressedPeople:
        people = tags.people(look.pyramid)
        return people if self.correction is None else self.correction(people, look.maps)

    def _look(self, x: Tensor) -> _Look:
        pyramid = self.backbone(x)
        own = pyramid.logits.sigmoid()
        maps, features = [own], None
        if self.neck is not None:
            features = self.neck(pyramid)
            heatmaps = self.final_layers[0](torch.cat((features, own), dim=1))
            if self.config.tags == "learned":
                maps = [heatmaps]
            # Otherwise what is averaged at stride 4 are the backbone's own: with corrected ones in
            # their place AP is 39.2 instead of 39.8, for they err where the fine ones err.
            if self.config.deconvolutions:
                fine = functional.relu(self.narrow(features))
                if self.config.concat_heatmaps:
                    fine = torch.cat((fine, heatmaps), dim=1)
                fine = self.residual_blocks(functional.relu(self.deconv_layers[0](fine)))
                maps.append(self.final_layers[1](fine))
        return _Look(maps, pyramid.pyramid[0], features)


def _blend(full: Tensor, half: Tensor, share: Tensor) -> Tensor:
    """Maps of an image at full size, with `share` (0..1, of their size) of those at half size."""
    rows, columns = full.shape[-2:]
    return full + share * (double(half)[..., :rows, :columns] - full)


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
