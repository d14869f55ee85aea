"""The training loop."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from configs import DataError, ExecutionError
from configs.training import training_config_to_dict
from training.dataset import Batch, Normalise, collate
from training.losses import Losses, PoseLoss
from training.optimizer import (
    AveragedWeights,
    backbone_parameters,
    batch_norms,
    freeze_parameters,
    make_optimizer,
    set_learning_rate,
)
from training.processes import Processes
from training.run import Run
from training.sampling import BatchStream
from training.scalars import Meter
from training.schedule import Schedule

logger = logging.getLogger(__name__)


class Trainer:
    """Trains the network of a run, step by step; `state` is everything that it needs to go on
    elsewhere.

    Attributes:
        run: What is trained.
        step: Optimiser steps made.
        elapsed_s: Wall-clock time of training, over all resumptions.
        best: AP and negative loss of the best validation; None before the first.
    """

    def __init__(self, run: Run, processes: Processes) -> None:
        config = run.config
        self.run = run
        self.processes = processes
        self.step = 0
        self.best: list[float] | None = None
        self.meter = Meter()
        self.loss = PoseLoss(config.loss, run.model)
        epoch_steps = run.stream.epoch_samples / config.batch_size
        self.schedule = Schedule(
            config.schedule, epoch_steps=epoch_steps, input_size_px=run.model.input_size
        )
        self.epoch_steps = epoch_steps
        network = run.network.to(processes.device)
        if config.execution.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.optimizer.sync_batch_norm and processes.count > 1:
            convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
            network = convert(network)
        self.network: nn.Module = network
        self.optimizer = make_optimizer(network, config.optimizer)
        self.averaged = (
            AveragedWeights(network, config.optimizer.ema_decay)
            if config.optimizer.ema_decay
            else None
        )
        self._normalise = Normalise(network, processes.device, config.execution.channels_last)
        self._elapsed_before_s = 0.0
        self._backbone_frozen = False
        freeze_parameters(network, config.optimizer.freeze)
        if run.state is not None:
            self._restore(run.state)
        self._started = time.monotonic()
        self.elapsed_s = self._elapsed_before_s
        self._model = self._wrapped()

    @property
    def progress(self) -> float:
        """From 0 to 1, the same in all processes."""
        return self.schedule.progress(self.step, self.elapsed_s)

    @property
    def finished(self) -> bool:
        """Whether the training is over."""
        return self.progress >= 1

    @property
    def epoch(self) -> float:
        """Epochs trained."""
        return self.step / self.epoch_steps

    @property
    def validated_network(self) -> nn.Module:
        """The averaged weights, or the network itself where no average is kept."""
        return self.averaged.network if self.averaged is not None else self.network

    def steps(self) -> Iterator[None]:
        """Trains; yields after every step until the training is over."""
        for batch in self._batches():
            if self.finished:
                return
            self._train_on(batch.to(self.processes.device))
            self.step += 1
            if self.averaged is not None:
                self.averaged.update(self.step)
            yield

    def agree(self, stop: bool) -> bool:
        """Moves the clock on; whether any process was asked to stop. All processes call this after
        every step.
        """
        elapsed_s = self._elapsed_before_s + time.monotonic() - self._started
        self.elapsed_s, stop = self.processes.agree(elapsed_s, stop)
        return stop

    def state(self) -> dict[str, Any]:
        """The content of a checkpoint (see `training.checkpoints`)."""
        return {
            "model": dataclasses.asdict(self.run.model),
            "training": training_config_to_dict(self.run.config),
            "network": self.network.state_dict(),
            "ema": self.averaged.network.state_dict() if self.averaged is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
            "elapsed_s": self.elapsed_s,
            "best": self.best,
            "set_sizes": self.run.dataset.set_sizes,
            "meter": self.meter.state(),
            "rng": torch.get_rng_state(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        if self.averaged is not None:
            self.averaged.network.load_state_dict(state["ema"])
        self.step = state["step"]
        self.best = state["best"] if isinstance(state["best"], list) else None
        self._elapsed_before_s = state["elapsed_s"]
        self.meter.restore(state["meter"])
        torch.set_rng_state(state["rng"])

    def _batches(self) -> Iterator[Batch]:
        try:
            yield from self._loader()
        except DataError as error:
            # An error in a worker process arrives with that process's traceback as its text; the
            # last line is the message.
            raise DataError(
                str(error).strip().splitlines()[-1].split("DataError: ", 1)[-1]
            ) from error

    def _loader(self) -> DataLoader[Any]:
        config, workers = self.run.config, self.run.config.execution.workers
        batches = BatchStream(
            self.run.stream,
            batch_size=config.batch_size,
            # By the clock, batches that workers prepare ahead have the size of the moment at which
            # they are begun.
            size_px=lambda step: self.schedule.size_px(
                self.schedule.progress(step, self.elapsed_s)
            ),
            first_step=self.step,
            rank=self.processes.rank,
            processes=self.processes.count,
        )
        return DataLoader(
            self.run.dataset,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=self.processes.device.type == "cuda",
            worker_init_fn=_start_worker,
        )

    def _train_on(self, batch: Batch) -> None:
        config = self.run.config
        self._set_mode()
        learning_rate = self.schedule.learning_rate(self.step, self.progress)
        set_learning_rate(self.optimizer, learning_rate)
        logged = (self.step + 1) % config.execution.log_steps == 0
        outputs, losses = self._forward(batch)
        if logged and outputs[0].requires_grad:  # not where all that makes it is frozen
            outputs[0].retain_grad()
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        limit = config.optimizer.gradient_clip or float("inf")
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        if not torch.isfinite(norm):
            raise ExecutionError(
                f"the gradient of step {self.step + 1} is not finite; start from the weights "
                "before it with --initial-weights "
                "and a lower --learning-rate"
            )
        self.optimizer.step()
        self.meter.add(losses, norm, len(batch.images) * self.processes.count)
        if logged and outputs[0].grad is not None:
            gradient, joints = outputs[0].grad.float(), self.loss.joints
            self.meter.note(
                learning_rate=learning_rate,
                input_size_px=batch.images.shape[1],
                gradient_heatmaps=gradient[:, :joints].norm().item(),
                gradient_tags=gradient[:, joints:].norm().item(),
            )

    def _forward(self, batch: Batch) -> tuple[list[Tensor], Losses]:
        images = self._normalise(batch.images)
        with torch.autocast(
            images.device.type,
            torch.bfloat16,
            enabled=self.run.config.execution.precision == "bf16",
        ):
            outputs = self._model(images)
        return outputs, self.loss(outputs, batch.labels, self.progress)

    def _set_mode(self) -> None:
        """Training mode, less what is frozen; thawing the backbone changes what data parallelism
        must exchange.
        """
        config = self.run.config.optimizer
        frozen = self.step < config.freeze_backbone_steps
        self.network.train()
        if config.freeze_batch_norm or frozen:
            for module in batch_norms(self.network):
                module.eval()
        if frozen != self._backbone_frozen:
            self._backbone_frozen = frozen
            for parameter in backbone_parameters(self.network):
                parameter.requires_grad_(not frozen)
            freeze_parameters(self.network, config.freeze)
            self._model = self._wrapped()

    def _wrapped(self) -> nn.Module:
        config, network = self.run.config, self.network
        if config.execution.compile:
            network = torch.compile(network)  # type: ignore[assignment]
        if self.processes.count == 1:
            return network
        return DistributedDataParallel(network)


def _start_worker(number: int) -> None:
    import signal

    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole process group; the main process decides
    cv2.setNumThreads(0)
