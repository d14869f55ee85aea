"""Means of the losses since the last row was written."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from training.losses import Losses


class Meter:
    """Adds up losses on their device, without waiting for it, and gives their means when a row is
    due.
    """

    def __init__(self) -> None:
        self._begin()

    def add(self, losses: Losses, gradient_norm: Tensor, images: int) -> None:
        """Counts one step."""
        values = {f"heatmaps_{level}": loss for level, loss in enumerate(losses.heatmaps)}
        values.update(
            push=losses.push,
            pull=losses.pull,
            position=losses.position,
            gradient_norm=gradient_norm,
        )
        values["total"] = losses.total
        for name, value in values.items():
            self._sums[name] = (
                self._sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()
            )
        self._steps += 1
        self._images += images

    def note(self, **values: float) -> None:
        """Puts numbers of the last step into the next row as they are."""
        self._notes.update(values)

    def take(self) -> tuple[list[str], Tensor, dict[str, float]]:
        """Names and (K,) means since the last call, and what was noted; begins anew."""
        names = list(self._sums)
        means = torch.stack([self._sums[name] for name in names]) / max(self._steps, 1)
        now = time.monotonic()
        notes = {**self._notes, "images_per_s": self._images / max(now - self._since, 1e-9)}
        self._begin()
        return names, means, notes

    def _begin(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._notes: dict[str, float] = {}
        self._steps = 0
        self._images = 0
        self._since = time.monotonic()

    def state(self) -> dict[str, Any]:
        """The sums so far, for a checkpoint."""
        return {
            "sums": {name: value.cpu() for name, value in self._sums.items()},
            "steps": self._steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from `state`."""
        self._sums, self._steps = dict(state["sums"]), state["steps"]
