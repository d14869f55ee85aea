"""What a run is made of: the configuration, the data, the network, and where it left off."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from configs import (
    CheckpointError,
    ConfigError,
    DataError,
    ModelConfig,
    load_keypoint_set,
    load_model_config,
)
from configs.loading import from_mapping
from configs.training import TrainingConfig, training_config_from_dict, training_config_to_dict
from training.checkpoints import read_training_checkpoint
from training.dataset import PoseDataset
from training.optimizer import batch_norms
from training.sampling import SampleStream

logger = logging.getLogger(__name__)

# What may differ when a run is resumed: how and where it runs, and where its data lies (which is
# checked by its size).
_FREE = ("execution", "data", "validation", "initial_weights", "initial_backbone", "description")


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is made of.

    Attributes:
        config: The configuration.
        model: The network's configuration.
        network: With the weights that the run starts or goes on from.
        dataset: What is trained on.
        validation: What is validated on; None validates nothing.
        stream: Which image comes when.
        folder: Where everything is written.
        state: The checkpoint that the run goes on from; None in a new run.
    """

    config: TrainingConfig
    model: ModelConfig
    network: nn.Module
    dataset: PoseDataset
    validation: PoseDataset | None
    stream: SampleStream
    folder: Path
    state: dict[str, Any] | None


def open_run(config: TrainingConfig, resume: Path | None = None) -> Run:
    """Reads the data and builds the network, of a new run or of one that goes on.

    Args:
        config: What to train.
        resume: The checkpoint to go on from.

    Raises:
        ConfigError: `config` is not what the checkpoint was trained with, there is no data, or the
            folder already holds a run.
        DataError: Annotations or images cannot be used.
        CheckpointError: Weights cannot be used.
    """
    state = read_training_checkpoint(resume) if resume is not None else None
    folder = config.execution.output or (
        resume.parent if resume is not None else Path("runs") / config.name
    )
    if state is None and (folder / "last.pt").exists():
        last = folder / "last.pt"
        raise ConfigError(
            f"{str(folder)!r} already holds a run; continue it with --resume {last}, or choose "
            "another --output"
        )
    if state is not None:
        _check_same(training_config_from_dict(state["training"], str(resume)), config, resume)
    if not config.data:
        raise ConfigError(
            "nothing to train on; give --data ANNOTATIONS IMAGES, or `data` in the configuration "
            "file"
        )
    model = load_model_config(config.model)
    if model.alignment != "centre":
        raise ConfigError(
            f"{config.model!r} has alignment {model.alignment}, for which there are no targets: "
            "train a preset with alignment centre"
        )
    keypoint_set = load_keypoint_set(model.keypoint_set)
    outputs = model.deconvolutions + 1
    dataset = PoseDataset(
        config.data,
        keypoint_set,
        outputs=outputs,
        augmentation=config.augmentation,
        seed=config.seed,
    )
    logger.info(
        "%d images, %d people", len(dataset), sum(len(image.joints) for image in dataset.images)
    )
    validation = None
    if config.validation is not None and config.execution.validate_images:
        limit = config.execution.validate_images
        validation = PoseDataset(
            [config.validation], keypoint_set, outputs=outputs, augmentation=None, limit=limit
        )
    if state is not None and state["set_sizes"] != dataset.set_sizes:
        raise DataError(
            f"{str(resume)!r} was trained on sets of {state['set_sizes']} images, not "
            f"{dataset.set_sizes}"
        )
    network = _network(model, config, state, resume)
    stream = SampleStream(dataset.set_sizes, [source.weight for source in config.data], config.seed)
    return Run(config, model, network, dataset, validation, stream, folder, state)


def resumed_config(resume: Path) -> TrainingConfig:
    """The configuration that a checkpoint was trained with.

    Raises:
        CheckpointError: It was not written by a training.
    """
    return training_config_from_dict(read_training_checkpoint(resume)["training"], str(resume))


def _network(
    model: ModelConfig, config: TrainingConfig, state: dict[str, Any] | None, resume: Path | None
) -> nn.Module:
    from engine import load_checkpoint, load_network

    torch.manual_seed(config.seed)
    network = load_network(model)
    if state is not None:
        if from_mapping(ModelConfig, state["model"], str(resume)) != model:
            raise CheckpointError(
                f"{str(resume)!r} holds another network than model {model.name!r} now describes"
            )
        network.load_state_dict(state["network"])
    elif config.initial_weights is not None:
        load_checkpoint(network, config.initial_weights)
    elif config.initial_backbone is not None:
        _load_backbone(network, config.initial_backbone)
    if config.optimizer.batch_norm_momentum is not None:
        for module in batch_norms(network):
            module.momentum = config.optimizer.batch_norm_momentum
    return network


def _load_backbone(network: nn.Module, path: Path) -> None:
    from engine.checkpoints.loading import load_backbone
    from engine.checkpoints.reading import read_state_dict

    backbone = getattr(network, "backbone", None)
    if not isinstance(backbone, nn.Module):
        load_backbone(network, path)
        return
    try:
        backbone.load_state_dict(read_state_dict(path))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{str(path)!r} does not fit the backbone: {reason[:300]}") from error


def _check_same(trained: TrainingConfig, config: TrainingConfig, resume: Path | None) -> None:
    before, now = training_config_to_dict(trained), training_config_to_dict(config)
    different = [f"{key} {old!r} -> {new!r}" for key, old, new in _differences(before, now)]
    if different:
        raise ConfigError(
            f"{str(resume)!r} was trained with another configuration ({', '.join(different)}); "
            "resume it without these "
            "changes, or start anew from its weights with --initial-weights"
        )


def _differences(
    before: dict[str, Any], now: dict[str, Any], prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    found: list[tuple[str, Any, Any]] = []
    for key, old in before.items():
        new = now[key]
        if not prefix and key in _FREE:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{key}.")
        elif old != new:
            found.append((prefix + key, old, new))
    return found
