"""How good a network is now, on images that it is not trained on."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn
from torch.utils.data import DataLoader

from configs import load_keypoint_set
from configs.training import DataSource, ExecutionConfig
from training.dataset import Normalise, PoseDataset, SampleKey, collate
from training.losses import PoseLoss

_BATCH_SIZE = 8


@torch.no_grad()
def validation_losses(
    network: nn.Module,
    dataset: PoseDataset,
    loss: PoseLoss,
    *,
    input_size_px: int,
    progress: float,
    execution: ExecutionConfig,
) -> dict[str, float]:
    """Mean losses over a whole dataset, each image shown whole in a square.

    Args:
        network: Keeps its mode.
        dataset: What to validate on.
        loss: As it is trained with.
        input_size_px: Side of the square.
        progress: Of the training, 0 to 1, on which the loss depends.
        execution: How the network runs.

    Returns:
        Losses by name, as in scalars.csv.
    """
    device = next(network.parameters()).device
    normalise = Normalise(network, device, execution.channels_last)
    keys = [SampleKey(index, index, input_size_px) for index in range(len(dataset))]
    loader = DataLoader(dataset, batch_sampler=_chunks(keys), collate_fn=collate)
    training = network.training
    network.eval()
    sums: dict[str, float] = {}
    for batch in loader:
        batch = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=execution.precision == "bf16"):
            outputs = network(normalise(batch.images))
        losses = loss(outputs, batch.labels, progress)
        values = {f"heatmaps_{level}": value for level, value in enumerate(losses.heatmaps)}
        values.update(
            push=losses.push, pull=losses.pull, position=losses.position, total=losses.total
        )
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(batch.images)
    network.train(training)
    return {name: value / len(dataset) for name, value in sums.items()}


def validation_figures(
    network: nn.Module, source: DataSource, keypoint_set: str, images: int
) -> dict[str, float]:
    """COCO's ten figures (`ap`, `ap50`, ...) of a network as it is now, with reference grouping and
    without flip.

    Args:
        network: Keeps its mode.
        source: What to validate on.
        keypoint_set: Name of the network's.
        images: How many images, from the first.

    Raises:
        RuntimeUnavailableError: pycocotools is missing.
        DataError: Labels or images cannot be used.
    """
    from evaluation import NetworkEstimator, evaluate
    from grouping import Grouper
    from keypoint_datasets import ImageStore, load_dataset

    with ImageStore(source.images) as store:
        dataset = load_dataset(
            source.annotations, store, load_keypoint_set(keypoint_set), limit=images
        )
        figures = evaluate(NetworkEstimator(network), Grouper(keypoint_set), dataset)
    return dataclasses.asdict(figures)


def _chunks(keys: list[SampleKey]) -> list[list[SampleKey]]:
    return [keys[first : first + _BATCH_SIZE] for first in range(0, len(keys), _BATCH_SIZE)]
