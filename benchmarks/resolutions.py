"""The paper's ablation of resolutions, small enough for one processor core.

    python -m benchmarks.resolutions --data train.json train_00.zip train_01.zip \
        --validation dev.json dev_00.zip --initial-weights lite.pth -o resolutions.json

Rows are heads as the paper has them (Table 3: stride 4 only, + deconvolution, + concatenation,
+ averaging, + residual blocks) on the features of `lite`'s backbone, which stays as it is. Every
head begins from random weights, and those of one seed see the same crops in the same order, so
that no row has a better start than another. Tags are regressed, which no head changes: rows differ
in heatmaps alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, cat, nn
from torch.utils.data import DataLoader

from configs import ModelConfig, load_keypoint_set
from configs.training import AugmentationConfig, DataSource, LossConfig
from engine import infer_maps, load_checkpoint, load_network
from engine.networks.hrnet import BasicBlock, initialise
from engine.networks.mobilenet import double
from evaluation.measuring.prediction import decoded, find_people
from evaluation.metrics.coco import CocoFigures, score
from grouping import Grouper
from keypoint_datasets import ImageStore, Result, load_dataset, to_results
from training.dataset import Normalise, PoseDataset, collate
from training.losses import Labels, PoseLoss
from training.optimizer import AveragedWeights
from training.sampling import BatchStream, SampleStream

logger = logging.getLogger(__name__)

_WIDTH = 32
_BATCH = 12
_LEARNING_RATE = 4e-3
_AVERAGED = 0.99  # of the moving average of the weights, which is what is measured


class Row(NamedTuple):
    """A head of the table; `shares` is the one whose weights it has."""

    name: str
    deconvolutions: int = 1
    concatenated: bool = True
    residual_blocks: int = 0
    averaged: bool = False
    shares: str = ""


ROWS = (
    Row("stride 4 only", deconvolutions=0, concatenated=False),
    Row("+ deconvolution", concatenated=False),
    Row("+ concatenation"),
    Row("+ averaging", averaged=True, shares="+ concatenation"),
    Row("+ residual blocks", averaged=True, residual_blocks=2),
)


class Head(nn.Module):
    """Features at stride 4 to heatmaps, coarsest first: the paper's modules (section 3.3)."""

    def __init__(self, row: Row, channels: int, joints: int) -> None:
        super().__init__()
        self.row = row
        self.stem = nn.Sequential(
            nn.Conv2d(channels, _WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(_WIDTH),
            nn.ReLU(inplace=True),
        )
        self.coarse = nn.Conv2d(_WIDTH, joints, 1)
        if row.deconvolutions:
            inputs = _WIDTH + (joints if row.concatenated else 0)
            self.finer = nn.Sequential(
                nn.ConvTranspose2d(inputs, _WIDTH, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(_WIDTH),
                nn.ReLU(inplace=True),
                *(BasicBlock(_WIDTH) for _ in range(row.residual_blocks)),
            )
            self.fine = nn.Conv2d(_WIDTH, joints, 1)
        initialise(self)
        for block in self.modules():
            if isinstance(block, BasicBlock):  # begins as if it were not there
                nn.init.zeros_(block.bn2.weight)

    def forward(self, features: Tensor) -> list[Tensor]:
        features = self.stem(features)
        maps = [self.coarse(features)]
        if self.row.deconvolutions:
            inputs = cat((features, maps[0]), dim=1) if self.row.concatenated else features
            maps.append(self.fine(self.finer(inputs)))
        return maps


class Network(nn.Module):
    """`lite`'s backbone and regressed tags, and heads of every row side by side."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        lite: Any = load_network("lite")
        load_checkpoint(lite, weights)
        self.config: ModelConfig = replace(lite.config, heatmap_exponent=1.0)
        self.mean, self.std = lite.mean, lite.std
        self.backbone, self.tags = lite.backbone, lite.tags
        self.heads: dict[str, nn.Module] = {}
        self.shown = ROWS[0]
        self._seen: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    def features(self, image: Tensor) -> Tensor:
        """What heads read."""
        features: Tensor = self.backbone(image).pyramid[0]
        return features

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps of the row that is shown; features of one image are made once for all rows."""
        if self._seen is None or not torch.equal(self._seen[0], image):
            features = self.features(image)
            self._seen = (image, features, *self.tags(features))
        _, features, tags, closeness = self._seen
        maps = self.heads[self.shown.shares or self.shown.name](features)
        coarse, *finer = maps
        finer = [each * double(closeness) for each in finer]
        return [cat((coarse * closeness, tags), dim=1), *finer]


def train(
    network: Network,
    seed: int,
    steps: int,
    side_px: int,
    dataset: PoseDataset,
    weights: list[float],
) -> None:
    """Heads of all rows, trained side by side on the same crops."""
    torch.manual_seed(seed)
    network.backbone.requires_grad_(False).eval()
    trained = [row for row in ROWS if not row.shares]
    heads = {row.name: Head(row, 24, 17) for row in trained}
    averaged = {name: AveragedWeights(head, _AVERAGED) for name, head in heads.items()}
    optimizers = {name: torch.optim.Adam(head.parameters()) for name, head in heads.items()}
    stream = SampleStream(dataset.set_sizes, weights, seed)
    batches = BatchStream(stream, batch_size=_BATCH, size_px=lambda step: side_px)
    loss = PoseLoss(_LOSS, network.config)
    normalise = Normalise(network, torch.device("cpu"), True)
    loader = DataLoader(dataset, batch_sampler=batches, num_workers=1, collate_fn=collate)
    began = time.monotonic()
    for step, batch in zip(range(steps), loader, strict=False):
        rate = _LEARNING_RATE * min(1.0, (step + 1) / 30) * max(0.01, 1 - step / steps)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                features = network.features(normalise(batch.images))
            for name, head in heads.items():
                optimizers[name].param_groups[0]["lr"] = rate
                maps = head(features)
                tags = maps[0].new_zeros(len(features), 34, *maps[0].shape[-2:])
                outputs = [cat((maps[0], tags), dim=1), *maps[1:]]
                labels = batch.labels
                labels = Labels(labels.joints_unit, labels.mirrored, labels.masks[: len(maps)])
                total = loss(outputs, labels).total
                optimizers[name].zero_grad()
                total.backward()  # type: ignore[no-untyped-call]
                optimizers[name].step()
                averaged[name].update(step + 1)
        if step % 50 == 0:
            rate_images = (step + 1) * _BATCH / (time.monotonic() - began)
            logger.info("seed %d, step %d, %.1f images/s", seed, step, rate_images)
    network.heads = {name: each.network for name, each in averaged.items()}
    network.eval()


_LOSS = LossConfig(
    heatmap_factor=2,
    foreground_weight=4,
    sigma_growth=0.013,
    push_factor=0,
    pull_factor=0,
    position_factor=0,
)


def measure(network: Any, validation: Sequence[Path], input_size_px: int) -> dict[str, CocoFigures]:
    """COCO's figures of every row."""
    for head in network.heads.values():
        head.eval()
    keypoints = load_keypoint_set("coco")
    grouper = Grouper("coco")
    lite = network.config
    found: dict[str, list[Result]] = {row.name: [] for row in ROWS}
    with ImageStore(list(validation[1:])) as images:
        dataset = load_dataset(validation[0], images, keypoints)
        for image_id, image in decoded(dataset):
            for row in ROWS:
                network.shown = row
                network.config = replace(lite, aggregate_heatmaps=row.averaged)
                maps = infer_maps(network, image, input_size_px, map_stride=2)
                people = find_people(maps, grouper)
                found[row.name] += to_results(
                    people.keypoints, people.scores, image_id, dataset.category_id
                )
        return {name: score(dataset, results) for name, results in found.items()}


def table(seeds: Sequence[dict[str, dict[str, float]]]) -> str:
    """Mean and spread (lowest to highest) over the seeds, as Markdown."""
    names = ("ap", "ap50", "ap_medium", "ap_large", "ar")
    lines = ["| head | AP | AP50 | medium people | large people | AR |", "|---" * 6 + "|"]
    for row in ROWS:
        cells = []
        for name in names:
            values = [100 * figures[row.name][name] for figures in seeds]
            mean = statistics.mean(values)
            cells.append(f"{mean:.1f} ({min(values):.1f} to {max(values):.1f})")
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Trains and measures all rows with several seeds; prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", type=Path, action="append", required=True)
    parser.add_argument("--data-weights", nargs="+", type=float)
    parser.add_argument("--validation", nargs="+", type=Path, required=True)
    parser.add_argument(
        "--initial-weights", type=Path, required=True, help="checkpoint of lite, for its backbone"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--side", type=int, default=256, help="of the crops, in pixels")
    parser.add_argument("--input-size", type=int, default=256, help="at which rows are measured")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True, help="figures as JSON")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(options.threads)
    weights = options.data_weights or [1.0] * len(options.data)
    sources = [
        DataSource(annotations=each[0], images=tuple(each[1:]), weight=weight)
        for each, weight in zip(options.data, weights, strict=True)
    ]
    seeds = []
    for seed in range(options.seeds):
        dataset = PoseDataset(
            sources,
            load_keypoint_set("coco"),
            outputs=2,
            augmentation=AugmentationConfig(
                mirror="exact", scale_min=0.5, scale_max=1.3, centre_on_person=0.5
            ),
            seed=seed,
        )
        dataset.cache()
        network = Network(options.initial_weights)
        train(network, seed, options.steps, options.side, dataset, weights)
        figures = measure(network, options.validation, options.input_size)
        seeds.append({name: vars(each) for name, each in figures.items()})
        options.output.write_text(json.dumps(seeds, indent=1), encoding="utf-8")
        print(table(seeds), flush=True)


if __name__ == "__main__":
    main()
