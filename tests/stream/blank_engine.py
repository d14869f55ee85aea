"""An engine that sees nobody, in a time of its choice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import PoseMaps, align
from tests.stream.media import read_number


class BlankEngine:
    """An Estimator that takes `delay_s` for an image and finds nobody.

    seen: the numbers that the images showed. batches: how many images were submitted each time.
    """

    model, runtime, precision, keypoint_set = "blank", "fixture", "exact", "coco"
    input_size = 64

    def __init__(self, delay_s: float = 0.0, in_flight: int = 2, batch_size: int = 1) -> None:
        self.delay_s = delay_s
        self.in_flight = in_flight
        self.batch_size = batch_size
        self.min_person_score = 0.0
        self.seen: list[int] = []
        self.batches: list[int] = []
        alignment = align((64, 96), 64).with_map_size((16, 24))
        self._maps = PoseMaps(
            np.zeros((17, 16, 24), np.float32), np.zeros((17, 16, 24, 1), np.float32), alignment
        )

    def submit_batch(self, images_bgr: Sequence[np.ndarray]) -> list[int]:
        self.batches.append(len(images_bgr))
        return [self.submit(image) for image in images_bgr]

    def submit(self, image_bgr: np.ndarray) -> int:
        self.seen.append(read_number(image_bgr))
        return len(self.seen) - 1

    def result(self, ticket: int) -> Any:
        time.sleep(self.delay_s)
        return self._maps
