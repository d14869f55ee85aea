"""People who walk along straight lines, as grouping would find them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grouping import People

# nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, over the height of the person
_ACROSS = (0, 0.03, -0.03, 0.05, -0.05, 0.12, -0.12, 0.15, -0.15, 0.16, -0.16)
_ACROSS += (0.08, -0.08, 0.08, -0.08, 0.08, -0.08)
_DOWN = (0, -0.02, -0.02, 0, 0, 0.15, 0.15, 0.35, 0.35, 0.52, 0.52, 0.5, 0.5, 0.75, 0.75, 1, 1)
_SWING = (0, 0, 0, 0, 0, 0, 0, 0.02, -0.02, 0.06, -0.06, 0, 0, 0.05, -0.05, 0.12, -0.12)


@dataclass(frozen=True)
class Walker:
    """Somebody at (x + speed * time, y), the nose, who takes a step per second."""

    x_px: float
    y_px: float
    speed_px_s: float = 80.0
    height_px: float = 150.0
    phase: float = 0.0

    def joints(self, time_s: float) -> NDArray[np.float32]:
        """(17, 3) x, y, score at a time."""
        swing = np.sin(2 * np.pi * (time_s + self.phase)) * np.array(_SWING)
        x = self.x_px + self.speed_px_s * time_s + self.height_px * (np.array(_ACROSS) + swing)
        y = self.y_px + self.height_px * np.array(_DOWN)
        return np.stack((x, y, np.full(17, 0.8)), axis=1).astype(np.float32)


def people_of(joints: list[NDArray[np.float32]], scores: list[float] | None = None) -> People:
    """The people with these joints, by default with score 0.8."""
    keypoints = np.stack(joints) if joints else np.zeros((0, 17, 3), np.float32)
    values = [0.8] * len(joints) if scores is None else scores
    return People(keypoints, np.array(values, np.float32), np.zeros((len(joints), 1), np.float32))


def crowd(count: int, seed: int = 0) -> list[Walker]:
    """`count` people in rows, who go both ways."""
    rng = np.random.default_rng(seed)
    return [
        Walker(
            x_px=float(rng.uniform(0, 1900)),
            y_px=40.0 + 22.0 * index,
            speed_px_s=float(rng.choice((-1, 1)) * rng.uniform(50, 110)),
            height_px=float(rng.uniform(90, 160)),
            phase=float(rng.random()),
        )
        for index in range(count)
    ]
