"""Training of a joint correction (`engine.networks.joint_correction`) beside a network that stays
as it is.

The network looks at each crop once; what it shows around the joints of the people that it finds is
kept, a few kilobytes a person. Learning from that takes minutes on one core.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.utils.data import DataLoader

from basics.progress import make_progress
from configs import ConfigError, DataError, ModelConfig, load_keypoint_set, load_model_config
from configs.training import (
    AugmentationConfig,
    CorrectionConfig,
    DataSource,
    OptimizerConfig,
    ScheduleConfig,
)
from engine.networks.joint_correction import JointCorrection
from engine.networks.lite import LiteHigherHRNet
from engine.networks.regressed_tags import RegressedPeople
from training.checkpoints import save_checkpoint
from training.dataset import Batch, Normalise, PoseDataset, collate
from training.losses import STRIDE_PX
from training.optimizer import AveragedWeights, make_optimizer, set_learning_rate
from training.sampling import BatchStream, SampleStream
from training.schedule import Schedule

logger = logging.getLogger(__name__)

_AUGMENTATION = AugmentationConfig(
    rotation_degrees=25,
    scale_min=0.6,
    scale_max=2.4,
    centre_on_person=0.5,
    mosaic=0.35,
    mirror="exact",
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue_degrees=10,
)
_IMAGES_AT_ONCE = 4
_LEAST_SCORE = 0.07  # somewhat less than at inference: doubtful people are learnt from, too
_SAME_PERSON = 0.3  # mean likeness of joints from which a labelled person is the one that was found
_FARTHEST = 2.0  # error beyond which nothing is learnt, in units of the root of the area
_KEPT_BACK = 10  # every tenth crop
_AVERAGE = 0.998  # share of the averaged weights that a step keeps


class Learnt(NamedTuple):
    """P people that were found and are labelled.

    Attributes:
        views: (P, F, J) float16, as `JointCorrection.views` has them.
        ways: (P, J, 2) from the regressed joints to the labelled ones, in units of the root of the
            person's area.
        labelled: (P, J) 1 or 0.
        crop: (P,) number of the crop that shows the person.
    """

    views: Tensor
    ways: Tensor
    labelled: Tensor
    crop: Tensor


def train_correction(config: CorrectionConfig, data: Sequence[DataSource], output: Path) -> None:
    """Trains the joint correction of a model, and writes a checkpoint of the whole network.

    Args:
        config: Of which model, and how.
        data: Labelled images.
        output: The checkpoint, which `python -m training export` takes.

    Raises:
        ConfigError: The model has no joint correction.
        DataError: Annotations or an image cannot be used, or nobody who is labelled is found.
        CheckpointError: Weights cannot be used, or the checkpoint cannot be written.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model = load_model_config(config.model)
    network = _network(model, config.initial_weights)
    if network.correction is None:
        raise ConfigError(f"model {model.name!r} has no corrected_joints to train")
    dataset = PoseDataset(
        data,
        load_keypoint_set(model.keypoint_set),
        outputs=model.deconvolutions + 1,
        augmentation=_AUGMENTATION,
        seed=config.seed,
    )
    stream = SampleStream(dataset.set_sizes, [source.weight for source in data], config.seed)
    began_s = time.monotonic()
    with make_progress(percent=True, transient=False) as bar:
        people = find_people(network, dataset, stream, config, bar)
        logger.info("%d people who are labelled, in %d crops", len(people.crop), config.images)
        before, after, steps = learn(network.correction, people, config, bar)
    logger.info(
        "joints that were kept back are off by %.3f -> %.3f of the root of the person's area",
        before,
        after,
    )
    save_checkpoint(
        output,
        {
            "model": dataclasses.asdict(model),
            "training": {"name": "correct", **_plain(config)},
            "network": network.state_dict(),
            "ema": None,
            "step": steps,
            "epoch": config.epochs,
            "elapsed_s": time.monotonic() - began_s,
        },
    )


def find_people(
    network: LiteHigherHRNet,
    dataset: PoseDataset,
    stream: SampleStream,
    config: CorrectionConfig,
    bar: Progress,
) -> Learnt:
    """What the network shows of labelled people in crops of a dataset.

    Raises:
        DataError: An image cannot be used, or nobody who is labelled is found.
    """
    batches = BatchStream(
        stream,
        batch_size=_IMAGES_AT_ONCE,
        size_px=lambda step: config.input_sizes_px[step % len(config.input_sizes_px)],
    )
    loader: DataLoader[Any] = DataLoader(dataset, batch_sampler=batches, collate_fn=collate)
    normalise = Normalise(network, torch.device("cpu"), channels_last=True)
    count = -(-config.images // _IMAGES_AT_ONCE)
    task = bar.add_task("looking", total=count)
    found: list[Learnt] = []
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        for number, batch in enumerate(islice(loader, count)):
            people, views = network.views(normalise(batch.images))
            found += _labelled(people, views, batch, number * _IMAGES_AT_ONCE)
            bar.advance(task)
    if not found:
        raise DataError("nobody who is labelled is found in these images; nothing can be learnt")
    return Learnt(*(torch.cat(each) for each in zip(*found, strict=True)))


def _labelled(
    people: RegressedPeople, views: Tensor, batch: Batch, first_crop: int
) -> Iterator[Learnt]:
    """Those people of each crop who are labelled."""
    resolution = batch.images.shape[1] / STRIDE_PX
    for index, joints in enumerate(batch.labels.joints_unit.float()):
        inside = ((joints[..., :2] >= 0) & (joints[..., :2] < 1)).all(dim=-1)
        labelled = ((joints[..., 2] > 0) & inside).float()  # (T, J)
        position = joints[..., :2] * resolution - 0.5
        regressed = torch.stack((people.joint_x[index], people.joint_y[index]), dim=-1)  # (J, K, 2)
        way = position[:, :, None] - regressed  # (T, J, K, 2)
        area = people.area[index]
        like = torch.exp(way.square().sum(dim=-1) / (-0.1 * area)) * labelled[..., None]
        like = like.sum(dim=1) / labelled.sum(dim=1, keepdim=True).clamp(min=1)  # (T, K)
        likeness, truth = like.max(dim=0)
        [kept] = ((likeness > _SAME_PERSON) & (people.score[index] > _LEAST_SCORE)).nonzero(
            as_tuple=True
        )
        if len(kept):
            ways = way[truth[kept], :, kept] / area[kept].sqrt()[:, None, None]
            shown = views[index][:, :, kept].permute(2, 0, 1).half()
            crop = torch.full_like(kept, first_crop + index)
            yield Learnt(shown, ways, labelled[truth[kept]], crop)


def learn(
    correction: JointCorrection, people: Learnt, config: CorrectionConfig, bar: Progress
) -> tuple[float, float, int]:
    """Trains `correction` in place.

    Returns:
        The mean error of joints that were kept back, before and after, and the number of steps.
    """
    generator = torch.Generator().manual_seed(config.seed)
    [kept_back] = (people.crop % _KEPT_BACK == 0).nonzero(as_tuple=True)
    [used] = (people.crop % _KEPT_BACK != 0).nonzero(as_tuple=True)
    steps = max(1, round(config.epochs * len(used) / config.batch_size))
    before = mean_error(correction, people, kept_back)
    averaged = AveragedWeights(correction, _AVERAGE)
    optimizer = make_optimizer(correction, OptimizerConfig(weight_decay=config.weight_decay))
    schedule = Schedule(
        ScheduleConfig(steps=steps, learning_rate=config.learning_rate, warmup_steps=steps // 10),
        epoch_steps=steps,
        input_size_px=config.input_sizes_px[0],
    )
    task = bar.add_task("learning", total=steps)
    order = torch.empty(0, dtype=torch.int64)
    correction.train()
    for step in range(steps):
        if len(order) < config.batch_size:
            order = torch.cat((order, used[torch.randperm(len(used), generator=generator)]))
        chosen, order = order[: config.batch_size], order[config.batch_size :]
        views = people.views[chosen].float().permute(1, 2, 0)[None]
        ways, log_spread = correction.ways(views)
        loss = unlikelihood(ways, log_spread, people.ways[chosen], people.labelled[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(correction.parameters(), 2.0)
        set_learning_rate(optimizer, schedule.learning_rate(step, schedule.progress(step, 0.0)))
        optimizer.step()
        averaged.update(step)
        bar.advance(task)
    correction.eval().load_state_dict(averaged.network.state_dict())
    return before, mean_error(correction, people, kept_back), steps


def unlikelihood(ways: Tensor, log_spread: Tensor, truth: Tensor, labelled: Tensor) -> Tensor:
    """Negative logarithm of the likelihood of labelled joints where the distance from the predicted
    place falls off exponentially in every direction, averaged over people and all joints; a scalar.

    Args:
        ways: (1, 2, J, P) predicted.
        log_spread: (1, J, P) logarithm of the distance at which the density falls by a factor e.
        truth: (P, J, 2).
        labelled: (P, J) 1 or 0.
    """
    distance = _distance(ways, truth).clamp(max=_FARTHEST)
    each = distance / log_spread[0].T.exp() + 2 * log_spread[0].T
    return (each * labelled).mean()


def mean_error(correction: JointCorrection, people: Learnt, chosen: Tensor) -> float:
    """Mean distance of labelled joints of the chosen people from where they are said to be; nan of
    nobody.
    """
    distances: list[Tensor] = []
    with torch.inference_mode():
        for part in torch.split(chosen, 512):
            ways, _ = correction.ways(people.views[part].float().permute(1, 2, 0)[None])
            distances.append(_distance(ways, people.ways[part])[people.labelled[part] > 0])
    return torch.cat(distances).mean().item() if distances else float("nan")


def _distance(ways: Tensor, truth: Tensor) -> Tensor:
    """(P, J)."""
    way: Tensor = ways[0].permute(2, 1, 0) - truth
    return (way.square().sum(dim=-1) + 1e-6).sqrt()


def _network(model: ModelConfig, weights: Path | None) -> LiteHigherHRNet:
    """The network of `model` with the weights of one that may lack the correction."""
    from engine import load_checkpoint, load_network
    from engine.model_source import PACKAGED_WEIGHTS
    from engine.onnx.weights import load_exported_network

    network = load_network(model)
    if not isinstance(network, LiteHigherHRNet):
        raise ConfigError(f"model {model.name!r} has no corrected_joints to train")
    if weights is None:
        other = load_exported_network(PACKAGED_WEIGHTS / f"{model.name}.onnx")
    else:
        other = load_network(dataclasses.replace(model, corrected_joints=False))
        load_checkpoint(other, weights)
    state = other.state_dict()
    state = {name: value for name, value in state.items() if not name.startswith("correction.")}
    network.load_state_dict(state, strict=False)
    return network


def _plain(config: CorrectionConfig) -> dict[str, Any]:
    values = dataclasses.asdict(config)
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in values.items()
    }
