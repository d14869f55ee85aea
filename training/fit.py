"""One run from its first step, or from a checkpoint, to its end."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
import yaml
from rich.progress import Progress

from basics.progress import make_progress
from basics.signals import StopSignals
from configs import CheckpointError
from configs.training import TrainingConfig, training_config_to_dict
from training.checkpoints import save_checkpoint
from training.pictures import draw_curves, draw_samples
from training.processes import Processes, open_processes
from training.run import Run, open_run
from training.scalars import ScalarLog
from training.trainer import Trainer
from training.validation import validation_figures, validation_losses

logger = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0  # where there is no terminal


def fit(config: TrainingConfig, resume: Path | None = None) -> int | None:
    """Trains, and leaves `last.pt`, `best.pt`, scalars, curves and sample pictures in the folder of
    the run.

    Args:
        config: What to train, and how.
        resume: Checkpoint to go on from; the losses are then those of an uninterrupted run.
            (Exactly so on a CPU and by steps or epochs. On a GPU sums are rounded differently from
            run to run, and by the clock the learning rate depends on the speed.)

    Returns:
        None at the end of the training, or the number of the signal (SIGINT, SIGTERM) that ended it
        early, after a checkpoint.

    Raises:
        ConfigError: The configuration cannot be used.
        DataError: Annotations or an image cannot be used.
        CheckpointError: Weights cannot be used, or the last checkpoint cannot be written.
        ExecutionError: The loss is no number any more.
    """
    if config.execution.threads is not None:
        torch.set_num_threads(config.execution.threads)
    with open_processes(config.execution.device) as processes:
        if processes.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # crops keep their size for thousands of steps
        run = open_run(config, resume)
        if config.execution.cache_images:
            run.dataset.cache()
        return Fit(run, processes).until_over()


class Fit:
    """A trainer and all around it that is written and shown; only the main process writes."""

    def __init__(self, run: Run, processes: Processes) -> None:
        self.run = run
        self.processes = processes
        self.trainer = Trainer(run, processes)
        self._checkpoint_at = time.monotonic()
        self._validated_at = time.monotonic()
        self._validated_step = self.trainer.step

    def until_over(self, after_steps: int | None = None) -> int | None:
        """Trains to the end, until a signal, or for `after_steps` steps.

        Returns:
            The signal that ended it, or None.

        Raises:
            DataError: An image cannot be used; after a checkpoint.
            ExecutionError: The loss is no number any more; after a checkpoint.
            CheckpointError: The last checkpoint cannot be written.
        """
        folder, trainer = self.run.folder, self.trainer
        main = self.processes.is_main
        last_step = None if after_steps is None else trainer.step + after_steps
        if main:
            folder.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(training_config_to_dict(self.run.config), sort_keys=False)
            (folder / "config.yaml").write_text(text, encoding="utf-8")
        # The first signal is only noted: every process finishes the same step (`_train`).
        noted = StopSignals(on_stop=lambda: None, leave_at_once=False)
        with (
            noted as signals,
            make_progress(percent=True, enabled=main, transient=False) as bar,
            self._log() as log,
        ):
            progress = RunProgress(bar, main)
            try:
                self._train(signals, progress, log, last_step)
            finally:
                if main and trainer.step:
                    save_checkpoint(folder / "last.pt", trainer.state())
            if main:
                draw_curves(folder)
                if after_steps is None:
                    self._tell_end(stopped=signals.received is not None)
            return signals.received

    def _tell_end(self, *, stopped: bool) -> None:
        """Where the weights are, or how the training goes on."""
        last, best = self.run.folder / "last.pt", self.run.folder / "best.pt"
        if stopped and last.is_file():
            logger.info("stopped at step %d; --resume %s goes on", self.trainer.step, last)
        elif not stopped:
            logger.info("done: %s", best if best.is_file() else last)

    def _train(
        self,
        signals: StopSignals,
        progress: RunProgress,
        log: ScalarLog | None,
        last_step: int | None,
    ) -> None:
        trainer = self.trainer
        for _ in trainer.steps():
            stop = trainer.agree(signals.received is not None)
            if trainer.step % self.run.config.execution.log_steps == 0:
                self._write_row(log, progress)
            if stop or trainer.step == last_step:
                return
            if (
                log is not None
                and time.monotonic() >= self._checkpoint_at + self.run.config.execution.checkpoint_s
            ):
                self._save("last.pt")
                self._checkpoint_at = time.monotonic()
            if self._validation_due():
                self._validate(log)
        if trainer.step > self._validated_step:
            self._validate(log)

    def _log(self) -> AbstractContextManager[ScalarLog | None]:
        if not self.processes.is_main:
            return nullcontext()
        return ScalarLog(self.run.folder, resume_step=self.trainer.step)

    def _write_row(self, log: ScalarLog | None, progress: RunProgress) -> None:
        trainer = self.trainer
        names, means, notes = trainer.meter.take()
        means = self.processes.mean(means)
        if log is None:
            return
        row = {
            "step": trainer.step,
            "epoch": trainer.epoch,
            "elapsed_s": trainer.elapsed_s,
            "progress": trainer.progress,
        }
        row.update(zip(names, means.tolist(), strict=True))
        log.write("scalars", {**row, **notes})
        progress.update(
            trainer.progress,
            f"step {trainer.step}, epoch {trainer.epoch:.2f}, loss {row['total']:.5f}, "
            f"{notes['images_per_s']:.1f} images/s",
        )

    def _save(self, name: str) -> None:
        try:
            save_checkpoint(self.run.folder / name, self.trainer.state())
        except CheckpointError as error:
            # Training goes on: there may be room again by the next time. Only the last checkpoint
            # of a run must succeed.
            logger.error("%s", error)

    def _validation_due(self) -> bool:
        if self.run.validation is None or not self.processes.is_main:
            return False
        every_s = self.run.config.execution.validate_s
        if every_s is not None:
            return time.monotonic() >= self._validated_at + every_s
        return int(self.trainer.epoch) > int(self._validated_step / self.trainer.epoch_steps)

    def _validate(self, log: ScalarLog | None) -> None:
        """Writes a row of validation.csv, sample pictures and curves, and `best.pt` if there was no
        better one before.
        """
        trainer, run = self.trainer, self.run
        if log is None or run.validation is None:
            return
        figures = validation_losses(
            trainer.validated_network,
            run.validation,
            trainer.loss,
            input_size_px=run.model.input_size,
            progress=trainer.progress,
            execution=run.config.execution,
        )
        execution, validation = run.config.execution, run.config.validation
        if execution.validate_ap and validation is not None:
            network, images = trainer.validated_network, execution.validate_images
            figures.update(validation_figures(network, validation, run.model.keypoint_set, images))
        log.write(
            "validation",
            {
                "step": trainer.step,
                "epoch": trainer.epoch,
                "elapsed_s": trainer.elapsed_s,
                **figures,
            },
        )
        logger.info(
            "step %d: %s",
            trainer.step,
            ", ".join(f"{name} {value:.5f}" for name, value in figures.items()),
        )
        pictures = run.folder / "samples" / f"step_{trainer.step:07d}.jpg"
        draw_samples(pictures, trainer.validated_network, run.validation, execution.sample_images)
        score = [figures.get("ap", 0.0), -figures["total"]]
        if trainer.best is None or score > trainer.best:
            trainer.best = score
            self._save("best.pt")
        draw_curves(run.folder)
        self._validated_at, self._validated_step = time.monotonic(), trainer.step


class RunProgress:
    """Shows how far the run is: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, bar: Progress, enabled: bool) -> None:
        """`bar` shows nothing where there is no terminal; `enabled` is false in all processes but
        one.
        """
        self._bar = bar
        self._task = bar.add_task("", total=1.0)
        self._writes_lines = enabled and bar.disable
        self._line_at = 0.0

    def update(self, progress: float, text: str) -> None:
        """`progress` is 0 to 1."""
        self._bar.update(self._task, completed=progress, description=text)
        if self._writes_lines and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_EVERY_S
            logger.info("%5.1f %% %s", 100 * progress, text)
