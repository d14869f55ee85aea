"""HRNet, the backbone: four branches at strides 4, 8, 16 and 32 that exchange what they see after
every module.

Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019.
Layer names, their order and the order of the sums are those of the official HigherHRNet code, so
that its checkpoints load with `strict=True`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

STEM_CHANNELS = 64
BLOCKS_PER_BRANCH = 4
STAGE_MODULES = {2: 1, 3: 4, 4: 3}  # stage s has s branches


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return self.relu(out)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 around an identity, or around a projection where the number of channels
    changes.
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


class HighResolutionModule(nn.Module):
    """Four basic blocks on every branch, then every output branch sums all of them, resampled to
    its own size.

    `outputs` is the number of branches that are summed: all, or only the finest at the end of the
    network.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(BLOCKS_PER_BRANCH)))
            for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resample(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            pairs = zip(layers, features, strict=True)  # type: ignore[call-overload]
            resampled = [layer(x) for layer, x in pairs]
            total = resampled[0]
            for x in resampled[1:]:
                total = total + x
            fused.append(self.relu(total))
        return fused


class HRNet(nn.Module):
    """HRNet of the given width (32, 40 or 48 channels on the finest branch), without any head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.conv2 = nn.Conv2d(STEM_CHANNELS, STEM_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM_CHANNELS)
        self.relu = nn.ReLU(inplace=True)
        expanded = STEM_CHANNELS * Bottleneck.expansion
        self.layer1 = nn.Sequential(
            Bottleneck(STEM_CHANNELS, STEM_CHANNELS),
            *(Bottleneck(expanded, STEM_CHANNELS) for _ in range(3)),
        )
        self.transition1 = nn.ModuleList(
            (_convolution(expanded, width), nn.Sequential(_convolution(expanded, 2 * width, 2)))
        )
        self.stage2 = _stage(2, width)
        self.transition2 = _transition(2, width)
        self.stage3 = _stage(3, width)
        self.transition3 = _transition(3, width)
        self.stage4 = _stage(4, width)

    def features(self, image: Tensor) -> Tensor:
        """(N, width, H/4, W/4) features of the normalised image (N, 3, H, W); H and W are multiples
        of 32.
        """
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        branches: list[Tensor] = [transition(x) for transition in self.transition1]
        branches = self.stage2(branches)
        # A new branch starts from the coarsest one before it.
        branches = [*branches, self.transition2[-1](branches[-1])]
        branches = self.stage3(branches)
        branches = [*branches, self.transition3[-1](branches[-1])]
        finest: Tensor = self.stage4(branches)[0]
        return finest


def initialise(module: nn.Module) -> None:
    """Random weights as the official code draws them: convolutions from N(0, 0.001), no bias, batch
    normalisation 1 and 0.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=0.001)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


def _stage(branches: int, width: int) -> nn.Sequential:
    channels = _channels(branches, width)
    modules = STAGE_MODULES[branches]
    finest_only = branches == max(STAGE_MODULES)
    outputs = [1 if finest_only and index == modules - 1 else branches for index in range(modules)]
    return nn.Sequential(*(HighResolutionModule(channels, count) for count in outputs))


def _transition(branches: int, width: int) -> nn.ModuleList:
    """From `branches` to one more; the old ones pass through, but keep their places in the official
    numbering.
    """
    coarsest = width * 2 ** (branches - 1)
    return nn.ModuleList(
        (
            *(nn.Identity() for _ in range(branches)),
            nn.Sequential(_convolution(coarsest, 2 * coarsest, 2)),
        )
    )


def _channels(branches: int, width: int) -> list[int]:
    return [width * 2**branch for branch in range(branches)]


def _resample(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """Branch `source` at the size and width of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(channels[source], channels[target], 1, bias=False),
            nn.BatchNorm2d(channels[target]),
            nn.Upsample(scale_factor=float(2 ** (source - target)), mode="nearest"),
        )
    halvings = target - source
    steps = [_convolution(channels[source], channels[source], 2) for _ in range(halvings - 1)]
    last = nn.Sequential(
        nn.Conv2d(channels[source], channels[target], 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels[target]),
    )
    return nn.Sequential(*steps, last)


def _convolution(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
