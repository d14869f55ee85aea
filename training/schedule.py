"""How far a training is, and what follows from it: learning rate, crop side, the end."""

from __future__ import annotations

import math

from configs.training import ScheduleConfig


class Schedule:
    """Progress from 0 to 1 by the clock, by steps or by epochs, whichever the configuration sets
    first in this order.
    """

    def __init__(self, config: ScheduleConfig, *, epoch_steps: float, input_size_px: int) -> None:
        """Settles how many steps there are.

        Args:
            config: What was asked for.
            epoch_steps: Steps in an epoch, not always whole.
            input_size_px: The crop side where the configuration names none.
        """
        self.config = config
        self.steps = config.steps
        if config.steps is None and config.epochs is not None:
            self.steps = math.ceil(config.epochs * epoch_steps)
        if config.time_budget_s is not None:
            self.steps = None
        self._sizes = config.input_sizes_px or (input_size_px,)

    def progress(self, step: int, elapsed_s: float) -> float:
        """0 at the start, 1 when the training is over.

        Args:
            step: Steps that are done.
            elapsed_s: Wall-clock time of training so far, over all resumptions.
        """
        if self.steps is not None:
            return min(step / self.steps, 1.0)
        assert (
            self.config.time_budget_s is not None
        )  # ScheduleConfig refuses to have none of the three
        return min(elapsed_s / self.config.time_budget_s, 1.0)

    def learning_rate(self, step: int, progress: float) -> float:
        """Learning rate of everything but the backbone."""
        config = self.config
        warmth = min((step + 1) / config.warmup_steps, 1.0) if config.warmup_steps else 1.0
        if config.decay == "milestones":
            return (
                config.learning_rate
                * warmth
                * 0.1 ** sum(progress >= milestone for milestone in config.milestones)
            )
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return config.learning_rate * warmth * (config.floor + (1 - config.floor) * cosine)

    def size_px(self, progress: float) -> int:
        """Side of the training crop."""
        if len(self._sizes) == 1:
            return self._sizes[0]
        for side_px, until in zip(self._sizes, self.config.input_sizes_until, strict=True):
            if progress < until:
                return side_px
        return self._sizes[-1]
