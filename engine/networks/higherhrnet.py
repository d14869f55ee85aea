"""HigherHRNet: HRNet, and a head that predicts heatmaps at rising resolutions and tags at the
first.

Cheng et al., "HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose
Estimation", CVPR 2020, section 3. Parameter names are the official ones; everything that the
paper's ablation varies comes from ModelConfig.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from configs import ModelConfig, load_keypoint_set
from engine.networks.hrnet import BasicBlock, HRNet, initialise

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class HigherHRNet(HRNet):
    """The network of the paper, with the random weights that its code starts from.

    Attributes:
        config: What it was built from.
        mean: Per-channel mean (RGB, images scaled to 0..1) that the input is normalised with.
        std: Per-channel standard deviation, likewise.
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.width)
        self.config = config
        self.final_layers = make_final_layers(config, config.width)
        self.deconv_layers = make_deconv_layers(config, config.width)
        initialise(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Raw maps of the normalised RGB image (N, 3, H, W), coarsest first.

        The first has J heatmaps, then D tag channels per joint (channel J + j*D + d), at stride 4;
        each later one doubles the resolution and has J heatmaps. Values are regressed: nothing
        clips them to 0..1.
        """
        return predict(
            self.features(image), self.final_layers, self.deconv_layers, self.config.concat_heatmaps
        )


def output_channels(config: ModelConfig) -> list[int]:
    """Channels of each output of the network, coarsest first; only the first carries tags."""
    joints = len(load_keypoint_set(config.keypoint_set))
    return [joints * (1 + config.tag_dimensions), *[joints] * config.deconvolutions]


def make_final_layers(config: ModelConfig, width: int) -> nn.ModuleList:
    """The 1x1 convolutions that read each resolution's maps off its `width` channels."""
    return nn.ModuleList(nn.Conv2d(width, channels, 1) for channels in output_channels(config))


def make_deconv_layers(config: ModelConfig, width: int) -> nn.ModuleList:
    """The modules that double the resolution of `width` channels; each also reads the maps before
    it, if the config says so.
    """
    previous = output_channels(config)[:-1]
    layers = []
    for maps in previous:
        in_channels = width + (maps if config.concat_heatmaps else 0)
        upsample = nn.Sequential(
            nn.ConvTranspose2d(in_channels, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        blocks = (nn.Sequential(BasicBlock(width)) for _ in range(config.residual_blocks))
        layers.append(nn.Sequential(upsample, *blocks))
    return nn.ModuleList(layers)


def predict(
    features: Tensor, final_layers: nn.ModuleList, deconv_layers: nn.ModuleList, concat: bool
) -> list[Tensor]:
    """The outputs of a head on stride-4 features, coarsest first. The maps are concatenated as they
    are, tags included.
    """
    outputs: list[Tensor] = [final_layers[0](features)]
    for deconv, final in zip(deconv_layers, list(final_layers)[1:], strict=True):
        features = deconv(torch.cat((features, outputs[-1]), dim=1) if concat else features)
        outputs.append(final(features))
    return outputs
